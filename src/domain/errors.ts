/**
 * An error that a person can act on: which part failed, doing what, to which object, and what to do about it.
 * Its message reads `telemetry/influxdb: reading usage of acme/web: bucket "telemetry" not found; create it or …`.
 */
export class HeadroomError extends Error {
  override readonly name = 'HeadroomError';
  /** The room, and the adapter where there is one: `telemetry/influxdb`. */
  readonly component: string;
  /** What was being done, with its object: `reading usage of acme/web`. */
  readonly action: string;
  /** What the reader can do about it. */
  readonly remedy: string;
  /** A stable word for machines: how the CLI and the activities tell one failure from another. */
  readonly kind: ErrorKind;

  constructor(input: {
    kind: ErrorKind;
    component: string;
    action: string;
    problem: string;
    remedy: string;
    cause?: unknown;
  }) {
    super(`${input.component}: ${input.action}: ${input.problem}; ${input.remedy}`, { cause: input.cause });
    this.kind = input.kind;
    this.component = input.component;
    this.action = input.action;
    this.remedy = input.remedy;
  }
}

/**
 * - `invalid-input`: what the user gave is wrong; trying again cannot help.
 * - `not-found`: the named thing does not exist.
 * - `refused`: the request is understood and not allowed in this state.
 * - `unavailable`: a server, file or process is out of reach; trying again may help.
 * - `conflict`: somebody else changed the thing in between.
 * - `full`: no space left.
 */
export type ErrorKind = 'invalid-input' | 'not-found' | 'refused' | 'unavailable' | 'conflict' | 'full';

/**
 * The errors of one component, in the order in which an adapter knows their parts.
 * @param component the room, and the adapter where there is one: `telemetry/influxdb`.
 */
export const errorsOf =
  (component: string) =>
  (kind: ErrorKind, action: string, problem: string, remedy: string, cause?: unknown): HeadroomError =>
    new HeadroomError({ kind, component, action, problem, remedy, ...(cause === undefined ? {} : { cause }) });

export const isHeadroomError = (error: unknown): error is HeadroomError => error instanceof HeadroomError;

/** Makes a switch over a union complete: a new member that is not handled breaks the compile here. */
export function unreachable(value: never): never {
  throw new Error(`unhandled case: ${JSON.stringify(value)}`);
}
