import { HeadroomError, isHeadroomError } from './errors.js';

/** An error as plain data, as it crosses from a worker thread to its caller. */
export interface PlainError {
  message: string;
  headroom: ConstructorParameters<typeof HeadroomError>[0] | null;
}

export function plainError(error: unknown): PlainError {
  if (isHeadroomError(error)) {
    const { kind, component, action, remedy, message } = error;
    const problem = message.slice(`${component}: ${action}: `.length, -`; ${remedy}`.length);
    return { message, headroom: { kind, component, action, problem, remedy } };
  }
  return { message: error instanceof Error ? (error.stack ?? error.message) : String(error), headroom: null };
}

export const restoredError = (error: PlainError): Error =>
  error.headroom === null ? new Error(error.message) : new HeadroomError(error.headroom);
