import { Worker } from 'node:worker_threads';
import type { FleetInput, FleetOptions, FleetPlan, FleetSolver } from '../allocate/fleet/problem.js';
import { HeadroomError } from '../domain/errors.js';
import { restoredError, type PlainError } from '../domain/plain-error.js';

/*
 * The fleet's solve in a thread of its own: seconds for ten thousand accounts, which the thread that speaks with Temporal
 * does not have.
 */

export interface FleetDecider {
  /** @throws HeadroomError as the solver does; `unavailable` where the thread ended. */
  solve(input: FleetInput, options?: FleetOptions): Promise<FleetPlan>;
  close(): Promise<void>;
}

export interface FleetCall {
  id: number;
  input: FleetInput;
  options: FleetOptions;
}

export type FleetAnswer = { id: number; ok: true; plan: FleetPlan } | { id: number; ok: false; error: PlainError };

/** In this very thread: for one solve by a command, and for tests. */
export const fleetDeciderHere = (solver: FleetSolver): FleetDecider => ({
  // Async, so that what is refused rejects, as it does from a thread.
  solve: async (input, options) => solver.solve(input, options),
  close: () => Promise.resolve(),
});

/** The thread begins with the first solve, and is begun anew after one that died. */
export function createFleetDecider(): FleetDecider {
  const waiting = new Map<number, { resolve: (plan: FleetPlan) => void; reject: (error: Error) => void }>();
  let next = 0;
  let worker: Worker | null = null;
  let closed = false;

  const fail = (error: Error): void => {
    for (const { reject } of waiting.values()) reject(unavailable(error));
    waiting.clear();
  };

  const started = (): Worker => {
    if (worker !== null) return worker;
    const thread = new Worker(new URL('./fleet-thread.js', import.meta.url));
    thread.on('message', (answer: FleetAnswer) => {
      const caller = waiting.get(answer.id);
      waiting.delete(answer.id);
      if (answer.ok) caller?.resolve(answer.plan);
      else caller?.reject(restoredError(answer.error));
    });
    thread.on('error', fail);
    thread.on('exit', (code) => {
      worker = null;
      fail(new Error(`the fleet’s thread ended with code ${code}`));
    });
    // Nobody waits for it: a process that has nothing else to do may end.
    thread.unref();
    worker = thread;
    return thread;
  };

  return {
    solve(input, options = {}) {
      if (closed) return Promise.reject(unavailable(new Error('it is closed')));
      const id = next++;
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        started().postMessage({ id, input, options } satisfies FleetCall);
      });
    },
    async close() {
      closed = true;
      await worker?.terminate();
    },
  };
}

const unavailable = (error: Error): HeadroomError =>
  new HeadroomError({
    kind: 'unavailable',
    component: 'decide/fleet',
    action: 'solving the fleet',
    problem: error.message,
    remedy: 'it is tried again',
    cause: error,
  });
