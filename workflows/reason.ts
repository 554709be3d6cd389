import { ActivityFailure } from '@temporalio/workflow';

/** The words of whoever failed at the far end, without the layers between. */
export function reasonOf(error: unknown): string {
  if (error instanceof ActivityFailure && error.cause !== undefined) return reasonOf(error.cause);
  return error instanceof Error ? error.message : String(error);
}
