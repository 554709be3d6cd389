import { errorsOf, HeadroomError } from '../../domain/errors.js';
import type { PlainError } from '../../domain/plain-error.js';
import { runTraining } from '../training-thread.js';
import type { GlobalBoosterOptions } from './global-booster.js';
import type { BoosterProgress } from './train.js';
import type { TrainingSeries } from './training-rows.js';

/** What the thread is given. */
export interface TrainingJob {
  series: readonly TrainingSeries[];
  options: GlobalBoosterOptions;
}

/** What the thread says. */
export type TrainingNews =
  | { kind: 'progress'; progress: BoosterProgress }
  | { kind: 'done'; bytes: Uint8Array }
  | { kind: 'failed'; error: PlainError };

export interface TrainingHooks {
  /** Ends the training; the promise rejects with the signal's reason. */
  signal?: AbortSignal;
  onProgress?: (progress: BoosterProgress) => void;
}

const fail = errorsOf('forecast/booster');

/**
 * As trainGlobalBooster(), in a thread of its own: the same bytes for the same input. The series are copied to the thread.
 * @throws HeadroomError `invalid-input` as there; `unavailable` where the thread died (out of memory, for one); the
 *   signal's reason.
 */
export function trainGlobalBoosterInThread(job: TrainingJob, hooks: TrainingHooks = {}): Promise<Uint8Array> {
  const died = (problem: string, cause?: unknown): Error =>
    fail('unavailable', `training on ${job.series.length} series`, problem, 'try again, with fewer rows', cause);
  return runTraining<TrainingNews, Uint8Array>({
    script: new URL('./thread.js', import.meta.url),
    options: { workerData: job },
    signal: hooks.signal,
    died,
    hear(news) {
      switch (news.kind) {
        case 'progress':
          hooks.onProgress?.(news.progress);
          return null;
        case 'done':
          return { answer: news.bytes };
        case 'failed': {
          const { headroom, message } = news.error;
          // Of an error that nobody foresaw, its words without the stack.
          const words = message.split('\n    at ', 1)[0] ?? message;
          return { error: headroom === null ? died(words) : new HeadroomError(headroom) };
        }
      }
    },
  });
}
