import { errorsOf } from '../../domain/errors.js';

/** An error of the door. None of them ever carries what a sender wrote: it may be somebody's id. */
export const eventsError = errorsOf('telemetry/events');
