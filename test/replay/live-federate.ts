import { ApplicationFailure } from '@temporalio/common';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { Worker, type NativeConnection } from '@temporalio/worker';
import type { FederateActivities, FederationPlan } from '../../activities/federate-types.js';
import { packUpdate, unpackUpdate } from '../../src/domain/federated.js';
import type { federate } from '../../workflows/federate.js';
import { cellQueue, federateWorkflowId } from '../../workflows/federate-messages.js';

/* A federation of three cells: one fails once and is tried again, one is served by nobody and left out of each round. */

const SERVED = ['eu', 'us'] as const;
const CELLS = [...SERVED, 'ap'];
const ROUNDS = 2;

const PLAN: FederationPlan = {
  ...{ id: 'recorded', network: 'tcn', settings: {}, levels: [0.5, 0.9], horizon: 7200, seed: 1, steps: 5 },
  ...{ clip: 3, noise: 0.0005, days: 14, cut: 1_772_409_600, mostSeries: 50 },
};

/** A cell of a few numbers, with a memory of its rounds and no series. */
function createCellFakes(bins: number, failures: string[]): FederateActivities {
  let taken = 0;
  const weights = new Float32Array(6);
  return {
    cellRound: () => Promise.resolve({ round: taken }),
    async applyPart({ round, value }) {
      if (round !== taken) return { round: taken };
      unpackUpdate([value]).forEach((one, k) => (weights[k] = (weights[k] ?? 0) + one));
      taken = round + 1;
      return { round: taken };
    },
    async cellTrain({ round }) {
      const message = failures.shift();
      if (message !== undefined) {
        const failure = ApplicationFailure.create({ type: 'unavailable', message });
        // A stack names files of this machine, and what is recorded here is committed.
        failure.stack = '';
        throw failure;
      }
      return { parts: 1, bins, loss: 0.4 - 0.1 * round, steps: [300, 3600] };
    },
    async cellPart({ round }) {
      const [part] = packUpdate(Float32Array.from({ length: 6 }, (_, k) => (bins / 1000) * (k - 2) * (round + 1)));
      if (part === undefined) throw new RangeError('an update of nothing');
      return part;
    },
    finishFederation: ({ rounds }) => Promise.resolve({ id: String(rounds).repeat(64).slice(0, 64), wql: 0.2 }),
  };
}

/** @returns the handle of the ended workflow. */
export async function liveFederate(
  client: Client,
  connection: NativeConnection,
  identity: string,
  taskQueue: string,
): Promise<WorkflowHandle<typeof federate>> {
  const workers = await Promise.all(
    SERVED.map((cell, index) =>
      Worker.create({
        ...{ connection, identity, taskQueue: cellQueue(cell), shutdownGraceTime: '1s' },
        activities: { ...createCellFakes(1000 * (index + 1), index === 1 ? ['connection refused'] : []) },
      }),
    ),
  );
  const handle = await client.workflow.start<typeof federate>('federate', {
    workflowId: federateWorkflowId(PLAN.id),
    taskQueue,
    args: [{ plan: PLAN, cells: CELLS, rounds: ROUNDS, leastCells: 2, answerWithin: 1 }],
  });
  const ended = workers.reduce<() => Promise<unknown>>(
    (inner, worker) => () => worker.runUntil(inner),
    () => handle.result(),
  );
  await ended();
  return handle;
}
