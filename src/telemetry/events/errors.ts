import { HeadroomError, type ErrorKind } from '../../domain/errors.js';

/** An error of the door. None of them ever carries what a sender wrote: it may be somebody's id. */
export const eventsError = (
  kind: ErrorKind,
  action: string,
  problem: string,
  remedy: string,
  cause?: unknown,
): HeadroomError =>
  new HeadroomError({
    kind,
    component: 'telemetry/events',
    action,
    problem,
    remedy,
    ...(cause === undefined ? {} : { cause }),
  });
