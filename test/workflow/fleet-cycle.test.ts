import type { WorkflowHandle } from '@temporalio/client';
import { WorkflowUpdateFailedError } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { describe, expect, it } from 'vitest';
import { FREEZE_MEMO } from '../../src/domain/control.js';
import type { FleetPolicy } from '../../src/domain/fleet.js';
import { REAL_TIME } from '../../src/domain/time.js';
import type { fleet } from '../../workflows/fleet.js';
import { fleetStatusQuery, setFleetUpdate, stopFleetUpdate, type FleetStatus } from '../../workflows/fleet-messages.js';
import { FLEET_WORKFLOW_ID, freezeSignal } from '../../workflows/messages.js';
import { withWorker } from './environment.js';
import { callsOf, createFleetFakes, fleetPolicyOf, type FleetFakes } from './fleet-fakes.js';

const MINUTE = 60;
const HOUR = 3600;

interface World {
  fakes: FleetFakes;
  handle: WorkflowHandle<typeof fleet>;
  environment: TestWorkflowEnvironment;
  pass(seconds: number): Promise<void>;
  set(policy: FleetPolicy): Promise<{ revision: number }>;
  status(): Promise<NonNullable<FleetStatus['fleet']>>;
  freeze(hours: number): Promise<void>;
  now(): Promise<number>;
}

async function live(work: (world: World) => Promise<void>): Promise<void> {
  const fakes = createFleetFakes();
  await withWorker(fakes, async (environment, taskQueue) => {
    const handle = await environment.client.workflow.start<typeof fleet>('fleet', {
      workflowId: FLEET_WORKFLOW_ID,
      taskQueue,
      args: [{ freeze: null, scale: REAL_TIME, recommends: true }],
    });
    const queues = { light: taskQueue, compute: taskQueue, cluster: taskQueue };
    const now = async (): Promise<number> => (await environment.currentTimeMs()) / 1000;
    await work({
      ...{ fakes, handle, environment, now },
      pass: (seconds) => environment.sleep(seconds * 1000),
      set: (policy) => handle.executeUpdate(setFleetUpdate, { args: [{ policy, author: 'ann', queues }] }),
      status: async () => {
        const { fleet: found } = await handle.query(fleetStatusQuery);
        if (found === null) throw new Error('no fleet is running');
        return found;
      },
      freeze: async (hours) => {
        const since = await now();
        const until = since + hours * 3600;
        await handle.signal(freezeSignal, { kind: 'freeze', author: 'ops', reason: 'incident', since, until });
      },
    });
    await handle.terminate('end of test');
  });
}

describe('fleet cycle', () => {
  it('goes through its cycle at its time: pools, demand, plan, grants, sizes', async () => {
    await live(async ({ fakes, set, pass, status }) => {
      fakes.wanted.set('general', 5);
      await set(fleetPolicyOf());
      await pass(25 * MINUTE);
      expect(fakes.calls.slice(0, 8).map(({ name }) => name)).toEqual([
        ...['recordFleet', 'observePools', 'observePools', 'gatherFleet', 'solveFleet', 'publishGrants'],
        ...['recordContingency', 'sizePools'],
      ]);
      expect(fakes.nodes.get('general')).toEqual({ nodes: 5, owner: 'headroom' });
      const { cycle, grants } = await status();
      // One at once, then on the tens of minutes.
      expect(cycle).toBeGreaterThanOrEqual(3);
      expect(new Set(fakes.grants.map(({ planId }) => planId)).size).toBe(fakes.grants.length);
      expect(grants?.until).toBe(fakes.grants.at(-1)?.until);
      expect(callsOf(fakes, 'recordFleet'), 'the file is sent once').toHaveLength(1);
    });
  });

  it('the reverse is on record before a pool is touched, and what came of it after', async () => {
    await live(async ({ fakes, set, pass }) => {
      fakes.wanted.set('general', 5).set('edge', 3);
      let known = -1;
      fakes.beforeSizing = () => {
        if (known < 0) known = fakes.contingencies.length;
        return Promise.resolve();
      };
      await set(fleetPolicyOf());
      await pass(5 * MINUTE);
      expect(known).toBe(1);
      expect(fakes.contingencies[0]?.reverse.map(({ target }) => target)).toEqual([
        { field: 'nodes', pool: 'edge', value: 1 },
        { field: 'nodes', pool: 'general', value: 2 },
      ]);
      expect(fakes.outcomes).toMatchObject([{ changeId: fakes.contingencies[0]?.changeId, applied: 2 }]);
      const keys = callsOf(fakes, 'sizePools').map(({ input }) => input);
      expect(keys).toMatchObject([
        { mutations: [{ key: `change/${fakes.contingencies[0]?.changeId}#general.nodes` }] },
        { mutations: [{ key: `change/${fakes.contingencies[0]?.changeId}#edge.nodes` }] },
      ]);
    });
  });

  it.each([
    { mode: 'observe', grants: 0, sized: 0 },
    { mode: 'grant', grants: 1, sized: 0 },
    { mode: 'auto', grants: 1, sized: 1 },
  ])('mode $mode: $grants grants, $sized pools sized', async ({ mode, grants, sized }) => {
    await live(async ({ fakes, set, pass, status }) => {
      fakes.wanted.set('general', 5);
      await set(fleetPolicyOf(`mode: ${mode}`));
      await pass(MINUTE);
      expect(fakes.grants).toHaveLength(grants);
      expect(callsOf(fakes, 'sizePools')).toHaveLength(sized);
      expect((await status()).plan?.fields, 'the plan is shown in any mode').toHaveLength(1);
    });
  });

  it('a file of another fleet takes nothing over: it is refused, and the running one goes on', async () => {
    await live(async ({ set, pass, status }) => {
      const policy = fleetPolicyOf();
      await set(policy);
      const refused = await set({ ...policy, fleet: 'second' }).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(WorkflowUpdateFailedError);
      const { cause } = refused as WorkflowUpdateFailedError;
      expect(cause?.message).toMatch(
        new RegExp(`fleet ${policy.fleet} is running, and this file is of fleet second.*headroom fleet stop`),
      );
      await pass(MINUTE);
      expect(await status()).toMatchObject({ revision: 1, policy: { fleet: policy.fleet } });
    });
  });

  it('frozen, it plans and grants and sizes nothing; afterwards it does', async () => {
    await live(async ({ fakes, set, pass, freeze, status }) => {
      fakes.wanted.set('general', 5);
      await freeze(1);
      await set(fleetPolicyOf());
      await pass(45 * MINUTE);
      expect(callsOf(fakes, 'sizePools')).toHaveLength(0);
      expect(fakes.grants.length).toBeGreaterThan(2);
      expect((await status()).sized?.lines[0]).toMatch(/frozen by ops/);
      await pass(40 * MINUTE);
      expect(fakes.nodes.get('general')?.nodes).toBe(5);
    });
  });

  it('a freeze that comes while one cluster is written to takes effect at once, before the next cluster', async () => {
    await live(async ({ fakes, set, pass, freeze, handle }) => {
      fakes.wanted.set('general', 5).set('edge', 3);
      let memo: unknown;
      fakes.beforeSizing = async () => {
        await freeze(1);
        // Seen by everybody's fence while the cycle is still under way.
        for (let look = 0; look < 200 && memo === undefined; look++) {
          memo = (await handle.describe()).memo?.[FREEZE_MEMO] ?? undefined;
          if (memo === undefined) await new Promise((resolve) => setTimeout(resolve, 20));
        }
      };
      await set(fleetPolicyOf());
      await pass(5 * MINUTE);
      expect(memo).toMatchObject({ author: 'ops' });
      expect(callsOf(fakes, 'sizePools')).toHaveLength(1);
      expect(fakes.nodes.get('edge')).toEqual({ nodes: 1, owner: null });
    });
  });

  it('silent: what fails leaves the grants of before, which end by themselves, and says so', async () => {
    await live(async ({ fakes, set, pass, now, status }) => {
      await set(fleetPolicyOf());
      await pass(MINUTE);
      expect(fakes.grants).toHaveLength(1);
      fakes.failing.add('solveFleet');
      await pass(60 * MINUTE);
      const { problem, grants, cycle } = await status();
      expect(problem).toMatch(/out of reach/);
      expect(cycle).toBeGreaterThan(5);
      expect(fakes.grants).toHaveLength(1);
      expect(grants?.until).toBeLessThan(await now());
      fakes.failing.clear();
      await pass(15 * MINUTE);
      expect((await status()).problem).toBeNull();
      expect((await status()).grants?.until).toBeGreaterThan(await now());
    });
  });

  it('a cluster out of reach holds up none of the others', async () => {
    await live(async ({ fakes, set, pass }) => {
      fakes.wanted.set('general', 5);
      fakes.down.add('edge');
      await set(fleetPolicyOf());
      await pass(5 * MINUTE);
      const [gathered] = callsOf(fakes, 'gatherFleet');
      expect(gathered?.input).toMatchObject({
        pools: [
          { pool: 'general', problem: null },
          { pool: 'edge', state: null, problem: expect.stringContaining('no route') },
        ],
      });
      expect(fakes.nodes.get('general')?.nodes).toBe(5);
    });
  });

  it('what somebody else set meanwhile stays, and is told', async () => {
    await live(async ({ fakes, set, pass, status }) => {
      fakes.wanted.set('general', 5);
      fakes.beforeSizing = () => {
        fakes.nodes.set('general', { nodes: 9, owner: 'kubectl' });
        fakes.wanted.set('general', 9);
        return Promise.resolve();
      };
      await set(fleetPolicyOf());
      await pass(MINUTE);
      expect(fakes.nodes.get('general')).toEqual({ nodes: 9, owner: 'kubectl' });
      expect((await status()).sized?.lines[0]).toMatch(/left at 9, set by kubectl since/);
      expect(fakes.outcomes).toMatchObject([{ applied: 0, result: 'failed' }]);
    });
  });

  it('recommends commitments at once and then weekly; one that fails is asked for again before', async () => {
    await live(async ({ fakes, set, pass, status }) => {
      const asked = () => callsOf(fakes, 'recommendCommitments').length;
      fakes.failNext.recommendCommitments = ['final: the store is away'];
      const terms = (price: number): FleetPolicy => ({
        ...fleetPolicyOf('mode: observe'),
        // Of six hours, the next cycle after an hour's wait is more than six away where a test begins right before one.
        ...{ cycle: 3 * HOUR, grantsFor: 12 * HOUR },
        commitments: {
          every: 7 * 24 * HOUR,
          terms: [{ name: 'season', pool: 'general', length: 90 * 24 * HOUR, pricePerHour: price, most: 9 }],
        },
      });
      await set(terms(0.6));
      await pass(10 * MINUTE);
      expect(asked()).toBe(1);
      expect((await status()).commitments).toMatchObject({
        open: 0,
        lines: [expect.stringContaining('store is away')],
      });
      expect((await status()).problem, 'plans and grants go on').toBeNull();
      await pass(6 * HOUR);
      expect(asked()).toBe(2);
      expect((await status()).commitments).toMatchObject({ open: 1, lines: [expect.stringContaining('reserve 3')] });
      await pass(6 * 24 * HOUR);
      expect(asked(), 'within the week').toBe(2);
      await pass(30 * HOUR);
      expect(asked()).toBe(3);
      const ids = callsOf(fakes, 'recommendCommitments').map(({ input }) => input);
      expect(new Set(ids.map((input) => JSON.stringify(input))).size).toBe(3);
      await set(terms(0.5));
      await pass(MINUTE);
      expect(asked(), 'other terms: nobody waits a week for them').toBe(4);
    });
  });

  it('a fleet without terms recommends nothing', async () => {
    await live(async ({ fakes, set, pass, status }) => {
      await set(fleetPolicyOf());
      await pass(30 * MINUTE);
      expect(callsOf(fakes, 'recommendCommitments')).toHaveLength(0);
      expect((await status()).commitments).toBeUndefined();
    });
  });

  it('the same file again is nothing; another one goes on with the next cycle', async () => {
    await live(async ({ fakes, set, pass, status }) => {
      expect(await set(fleetPolicyOf())).toEqual({ revision: 1 });
      expect(await set(fleetPolicyOf())).toEqual({ revision: 1 });
      await pass(MINUTE);
      expect(await set(fleetPolicyOf('mode: observe'))).toEqual({ revision: 2 });
      await pass(11 * MINUTE);
      expect(callsOf(fakes, 'recordFleet')).toHaveLength(2);
      expect((await status()).policy.mode).toBe('observe');
      expect(fakes.grants).toHaveLength(1);
    });
  });

  it('a file that contradicts itself is refused, and the one before goes on', async () => {
    await live(async ({ set, status }) => {
      await set(fleetPolicyOf());
      await expect(set({ ...fleetPolicyOf(), grantsFor: 1 })).rejects.toThrow(WorkflowUpdateFailedError);
      expect((await status()).revision).toBe(1);
    });
  });

  it('stopped: it says so in the store, no cycle comes, and the freeze still holds', async () => {
    await live(async ({ fakes, set, pass, handle, freeze }) => {
      await set(fleetPolicyOf());
      await pass(MINUTE);
      expect(await handle.executeUpdate(stopFleetUpdate, { args: [{ author: 'ann' }] })).toEqual({ stopped: true });
      const before = callsOf(fakes, 'solveFleet').length;
      await pass(60 * MINUTE);
      expect(callsOf(fakes, 'solveFleet')).toHaveLength(before);
      expect(callsOf(fakes, 'recordFleet').at(-1)?.input).toMatchObject({ ended: true });
      expect(await handle.executeUpdate(stopFleetUpdate, { args: [{ author: 'ann' }] })).toEqual({ stopped: false });
      await freeze(1);
      await pass(MINUTE);
      expect((await handle.describe()).memo?.[FREEZE_MEMO]).toMatchObject({ author: 'ops' });
    });
  });
});
