import { parentPort } from 'node:worker_threads';
import { createFleetSolver } from '../allocate/fleet/solver.js';
import { plainError } from '../domain/plain-error.js';
import type { FleetAnswer, FleetCall } from './fleet.js';

const port = parentPort;
if (port === null) throw new Error('decide/fleet-thread runs as a worker thread alone');

const solver = createFleetSolver();

async function answer({ id, input, options }: FleetCall): Promise<FleetAnswer> {
  try {
    return { id, ok: true, plan: (await solver).solve(input, options) };
  } catch (error) {
    return { id, ok: false, error: plainError(error) };
  }
}

port.on('message', (call: FleetCall) => {
  void answer(call).then((said) => port.postMessage(said));
});
