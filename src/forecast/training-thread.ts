import { Worker, type WorkerOptions } from 'node:worker_threads';

/*
 * Training in a thread of its own: seconds to minutes of one core, during which the caller's thread stays free. A training
 * that is given up is ended at once, whatever it is doing.
 */

/** How a training ended: its answer, or why there is none. */
export type Ending<Answer> = { answer: Answer } | { error: Error };

export interface TrainingThread<Report, Answer> {
  /** The compiled script; it reports by `parentPort`. */
  script: URL;
  /** Its `workerData` is copied to the thread. */
  options: WorkerOptions;
  /** Ends the thread; the promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Takes a report: null while the training goes on. */
  hear(report: Report): Ending<Answer> | null;
  /** What a thread that died without a last word is told as. */
  died(problem: string, cause?: unknown): Error;
}

/** Starts the thread and ends it with its last report, its death or the signal. @throws as `hear` and `died` say. */
export function runTraining<Report, Answer>(thread: TrainingThread<Report, Answer>): Promise<Answer> {
  const { signal } = thread;
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const worker = new Worker(thread.script, thread.options);
    let isOver = false;
    const finish = (ending: Ending<Answer>): void => {
      // To end a thread is an exit, too.
      if (isOver) return;
      isOver = true;
      signal?.removeEventListener('abort', abort);
      const settle = (): void => ('error' in ending ? reject(ending.error) : resolve(ending.answer));
      worker.terminate().then(settle, settle);
    };
    const abort = (): void => finish({ error: reasonOf(signal) });
    signal?.addEventListener('abort', abort, { once: true });
    worker.on('message', (report: Report) => {
      if (isOver) return;
      const ending = thread.hear(report);
      if (ending !== null) finish(ending);
    });
    worker.on('error', (error) => finish({ error: thread.died(`its thread died: ${error.message}`, error) }));
    worker.on('exit', (code) => finish({ error: thread.died(`its thread ended with code ${code}`) }));
  });
}

const reasonOf = (signal: AbortSignal | undefined): Error =>
  signal?.reason instanceof Error ? signal.reason : new Error('the training was given up');
