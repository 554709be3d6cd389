import { Worker } from 'node:worker_threads';
import { errorsOf, HeadroomError } from '../../domain/errors.js';
import type { GlobalBoosterOptions } from './global-booster.js';
import type { BoosterProgress } from './train.js';
import type { TrainingSeries } from './training-rows.js';

/*
 * Training in a thread of its own: tens of seconds of one core, during which the caller's thread stays free. A training
 * that is given up is ended at once, whatever it is doing.
 */

/** What the thread is given. */
export interface TrainingJob {
  series: readonly TrainingSeries[];
  options: GlobalBoosterOptions;
}

/** What the thread says. */
export type TrainingNews =
  | { kind: 'progress'; progress: BoosterProgress }
  | { kind: 'done'; bytes: Uint8Array }
  | { kind: 'failed'; message: string; headroom: ConstructorParameters<typeof HeadroomError>[0] | null };

export interface TrainingHooks {
  /** Ends the training; the promise rejects with the signal's reason. */
  signal?: AbortSignal;
  onProgress?: (progress: BoosterProgress) => void;
}

const fail = errorsOf('forecast/booster');

/**
 * As trainGlobalBooster(), elsewhere: the same bytes for the same input. The series are copied to the thread.
 * @throws HeadroomError `invalid-input` as there; `unavailable` where the thread died (out of memory, for one); the
 *   signal's reason.
 */
export function trainGlobalBoosterInThread(job: TrainingJob, hooks: TrainingHooks = {}): Promise<Uint8Array> {
  const { signal, onProgress } = hooks;
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const worker = new Worker(new URL('./thread.js', import.meta.url), { workerData: job });
    let isOver = false;
    const finish = (settle: () => void): void => {
      if (isOver) return;
      isOver = true;
      signal?.removeEventListener('abort', abort);
      worker.terminate().then(settle, settle);
    };
    const dead = (problem: string, cause?: unknown): Error =>
      fail('unavailable', `training on ${job.series.length} series`, problem, 'try again, with fewer rows', cause);
    const abort = (): void => finish(() => reject(reasonOf(signal)));
    signal?.addEventListener('abort', abort, { once: true });
    worker.on('message', (news: TrainingNews) => {
      switch (news.kind) {
        case 'progress':
          if (!isOver) onProgress?.(news.progress);
          break;
        case 'done':
          finish(() => resolve(news.bytes));
          break;
        case 'failed': {
          const { headroom, message } = news;
          finish(() => reject(headroom === null ? dead(message) : new HeadroomError(headroom)));
          break;
        }
      }
    });
    worker.on('error', (error) => finish(() => reject(dead(`its thread died: ${error.message}`, error))));
    worker.on('exit', (code) => finish(() => reject(dead(`its thread ended with code ${code}`))));
  });
}

const reasonOf = (signal: AbortSignal | undefined): Error =>
  signal?.reason instanceof Error ? signal.reason : new Error('the training was given up');
