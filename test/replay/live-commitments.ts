import { setTimeout as delay } from 'node:timers/promises';
import type { Client, WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
import type { FleetPolicy } from '../../src/domain/fleet.js';
import type { TimeScale } from '../../src/domain/time.js';
import type { fleet } from '../../workflows/fleet.js';
import { fleetStatusQuery, setFleetUpdate, stopFleetUpdate, type FleetStatus } from '../../workflows/fleet-messages.js';
import { FLEET_WORKFLOW_ID } from '../../workflows/messages.js';
import { fleetPolicyOf, type FleetFakes } from '../workflow/fleet-fakes.js';

const DEADLINE_MS = 30_000;
const HOUR = 3600;

const termsOf = (pricePerHour: number): FleetPolicy => ({
  ...fleetPolicyOf('mode: grant'),
  ...{ cycle: HOUR, grantsFor: 2 * HOUR },
  commitments: {
    every: 3 * HOUR,
    terms: [{ name: 'season', pool: 'general', length: 90 * 24 * HOUR, pricePerHour, most: 9 }],
  },
});

/** A fleet that recommends commitments: one that fails, one in its place, the next when it is due, one for other terms, a stop. */
export async function liveCommitments(
  client: Client,
  fakes: FleetFakes,
  scale: TimeScale,
  queue: string,
): Promise<WorkflowHandleWithFirstExecutionRunId<typeof fleet>> {
  const handle = await client.workflow.start<typeof fleet>('fleet', {
    workflowId: FLEET_WORKFLOW_ID,
    taskQueue: queue,
    args: [{ freeze: null, scale, recommends: true }],
  });
  const asked = (): number => fakes.calls.filter(({ name }) => name === 'recommendCommitments').length;
  const until = async (
    what: string,
    reached: (status: NonNullable<FleetStatus['fleet']>) => boolean,
  ): Promise<void> => {
    process.stderr.write(`recording: the fleet until ${what}\n`);
    const deadline = Date.now() + DEADLINE_MS;
    for (;;) {
      const status = await handle.query(fleetStatusQuery);
      if (status.fleet !== null && reached(status.fleet)) return;
      if (Date.now() > deadline) throw new Error(`recording: ${what} did not come: ${JSON.stringify(status)}`);
      await delay(50);
    }
  };
  const set = (policy: FleetPolicy): Promise<unknown> =>
    handle.executeUpdate(setFleetUpdate, {
      args: [{ policy, author: 'ann', queues: { light: queue, compute: queue, cluster: queue } }],
    });
  fakes.failNext.recommendCommitments = ['final: the store is away'];
  await set(termsOf(0.6));
  await until('a recommendation that failed', ({ commitments }) => commitments?.open === 0);
  await until('one in its place', ({ commitments }) => commitments?.open === 1);
  await until('the next that is due', () => asked() >= 3);
  await set(termsOf(0.5));
  await until('one for other terms', ({ commitments }) => asked() >= 4 && commitments !== undefined);
  await handle.executeUpdate(stopFleetUpdate, { args: [{ author: 'ann' }] });
  await delay(300);
  return handle;
}
