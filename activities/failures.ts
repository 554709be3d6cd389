import { activityInfo, cancellationSignal } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { isHeadroomError } from '../src/domain/errors.js';

/** Kinds of failure that a repeat cannot mend; workflows/activities.ts lists them in its retry policies. */
const FINAL = new Set(['invalid-input', 'not-found', 'refused']);

/**
 * Runs an activity's work with its cancellation signal, and translates what an adapter throws, once, into a failure
 * that Temporal keeps whole: its type is the error's kind, the cause stays.
 */
export async function translated<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
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
  }
}

/** `observe, attempt 2 of account/acme`: for log lines. */
export function where(): string {
  const info = activityInfo();
  return `${info.activityType}, attempt ${info.attempt} of ${info.workflowExecution?.workflowId ?? 'no workflow'}`;
}
