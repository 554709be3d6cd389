import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { TimeScale } from '../../src/domain/time.js';
import type { fleet } from '../../workflows/fleet.js';
import { fleetStatusQuery, setFleetUpdate, stopFleetUpdate, type FleetStatus } from '../../workflows/fleet-messages.js';
import { FLEET_WORKFLOW_ID, freezeSignal, unfreezeSignal } from '../../workflows/messages.js';
import { fleetPolicyOf, type FleetFakes } from '../workflow/fleet-fakes.js';

const DEADLINE_MS = 30_000;
const HOUR = 3600;

/**
 * A fleet's life: a file, pools sized, a solve that fails once and one that is given up, a cluster out of reach, a freeze,
 * a size that somebody else came before, another file, a stop.
 * @returns the ids of its runs, in order.
 */
export async function liveFleetCycles(
  client: Client,
  fakes: FleetFakes,
  scale: TimeScale,
  queue: string,
): Promise<string[]> {
  const handle = await client.workflow.start<typeof fleet>('fleet', {
    workflowId: FLEET_WORKFLOW_ID,
    taskQueue: queue,
    args: [{ freeze: null, scale }],
  });
  const until = async (
    what: string,
    reached: (status: NonNullable<FleetStatus['fleet']>) => boolean,
  ): Promise<void> => {
    process.stderr.write(`recording: the fleet until ${what}\n`);
    const deadline = Date.now() + DEADLINE_MS;
    for (;;) {
      const status = await client.workflow.getHandle(FLEET_WORKFLOW_ID).query(fleetStatusQuery);
      if (status.fleet !== null && reached(status.fleet)) return;
      if (Date.now() > deadline) throw new Error(`recording: ${what} did not come: ${JSON.stringify(status)}`);
      await delay(50);
    }
  };
  const now = (): number => Math.round(scale.epoch + ((Date.now() - scale.wallEpochMs) / 1000) * scale.factor);
  const set = (lines: string): Promise<unknown> =>
    client.workflow.getHandle<typeof fleet>(FLEET_WORKFLOW_ID).executeUpdate(setFleetUpdate, {
      args: [{ policy: fleetPolicyOf(lines), author: 'ann', queues: { light: queue, compute: queue, cluster: queue } }],
    });

  fakes.wanted.set('general', 5);
  await set('mode: auto');
  await until('a pool sized', ({ sized }) => sized !== null);
  fakes.failNext.solveFleet = ['busy'];
  await until('two cycles', ({ cycle }) => cycle >= 2);
  fakes.failNext.gatherFleet = ['final: the store is away'];
  await until('a cycle that failed', ({ problem }) => problem !== null);
  fakes.down.add('edge');
  await until('a cycle without a cluster', ({ problem }) => problem === null);
  fakes.down.clear();
  const since = now();
  const until6 = since + 6 * HOUR;
  await handle.signal(freezeSignal, { kind: 'freeze', author: 'ben', reason: 'incident', since, until: until6 });
  fakes.wanted.set('general', 3).set('edge', 4);
  await until('a hold by the freeze', ({ sized }) => sized?.lines[0]?.startsWith('frozen') === true);
  fakes.beforeSizing = () => {
    fakes.nodes.set('general', { nodes: 8, owner: 'kubectl' });
    fakes.wanted.set('general', 8);
    return Promise.resolve();
  };
  await handle.signal(unfreezeSignal, { author: 'ben', reason: 'over' });
  await until('a pool that moved', ({ sized }) => sized?.lines.some((line) => line.includes('kubectl')) === true);
  fakes.beforeSizing = () => Promise.resolve();
  await set('mode: observe');
  const { fleet: before } = await client.workflow.getHandle(FLEET_WORKFLOW_ID).query(fleetStatusQuery);
  await until('cycles of another file', ({ cycle }) => cycle >= (before?.cycle ?? 0) + 2);
  await client.workflow
    .getHandle<typeof fleet>(FLEET_WORKFLOW_ID)
    .executeUpdate(stopFleetUpdate, { args: [{ author: 'ann' }] });
  await delay(300);

  const runs: string[] = [];
  for (let run: string | undefined = handle.firstExecutionRunId; run !== undefined;) {
    runs.push(run);
    const { events } = await client.workflow.getHandle(FLEET_WORKFLOW_ID, run).fetchHistory();
    run = events?.at(-1)?.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId ?? undefined;
  }
  return runs;
}
