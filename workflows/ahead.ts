import type { WorkflowInterceptors } from '@temporalio/workflow';

/** What a query is answered that came before its time; whoever asks asks again. */
export const AHEAD = 'asked between two workflow tasks of a run that this worker does not have yet; ask again';

type Activation = Parameters<
  NonNullable<NonNullable<WorkflowInterceptors['internals']>[number]['activate']>
>[0]['activation'];

/**
 * A query can reach a worker that does not have its run (the worker that had it was killed), with events that wait for
 * their workflow task. The SDK runs these events at once, to answer by what is newest, and keeps the run. More events may
 * come before that task starts: this run has then handled the two lots one after the other, and every later replay handles
 * them together. Where their order matters, the history cannot be replayed any more, and the account stands still.
 * Therefore such events are refused: the query fails, the run is dropped, and is built anew from its history when the task
 * comes. It shows by the time, which is that of the last task that started, while the history has grown. Histories that
 * were recorded are never refused.
 *
 * Seen with @temporalio/worker 1.24.0 and server 1.31; test/e2e/query-after-kill.test.ts brings it about.
 */
export function createAheadGuard(): (activation: Activation) => void {
  let last: { started: string; length: number } | null = null;
  return ({ timestamp, historyLength, isReplaying, jobs }) => {
    const started = `${String(timestamp?.seconds)}.${String(timestamp?.nanos)}`;
    const length = historyLength ?? 0;
    const events = (jobs ?? []).some((job) => job.queryWorkflow === null || job.queryWorkflow === undefined);
    if (isReplaying !== true && events && last?.started === started && length > last.length) throw new Error(AHEAD);
    last = { started, length };
  };
}

/** Of every workflow: the bundle is made with this module. */
export const interceptors = (): WorkflowInterceptors => {
  const guard = createAheadGuard();
  return {
    internals: [
      {
        activate(input, next) {
          guard(input.activation);
          next(input);
        },
      },
    ],
  };
};
