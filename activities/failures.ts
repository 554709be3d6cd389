import { cancellationSignal, heartbeat } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { isHeadroomError } from '../src/domain/errors.js';

/** Kinds of failure that a repeat cannot mend; workflows/activities.ts lists them in its retry policies. */
const FINAL = new Set(['invalid-input', 'not-found', 'refused']);

/** Well under the heartbeat time-outs of workflows/activities.ts: a worker that dies is noticed soon, a slow one is left. */
const HEARTBEAT_EVERY_MS = 3000;

/**
 * Runs an activity's work with its cancellation signal, and translates what an adapter throws, once, into a failure
 * that Temporal keeps whole: its type is the error's kind, the cause stays.
 * @param progress what a heartbeat says: the Temporal UI shows it while the work goes on.
 */
export async function translated<T>(
  work: (signal: AbortSignal) => Promise<T>,
  progress: () => unknown = () => undefined,
): Promise<T> {
  const beat = setInterval(() => heartbeat(progress()), HEARTBEAT_EVERY_MS);
  try {
    return await work(cancellationSignal());
  } catch (error) {
    if (isHeadroomError(error)) {
      throw ApplicationFailure.create({
        type: error.kind,
        message: error.message,
        nonRetryable: FINAL.has(error.kind),
        cause: error,
      });
    }
    throw error;
  } finally {
    clearInterval(beat);
  }
}
