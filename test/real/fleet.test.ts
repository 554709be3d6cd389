import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { connectClient } from '../../src/temporal/connection.js';
import { FLEET_WORKFLOW_ID } from '../../workflows/messages.js';
import { within } from '../cli/headroom.js';
import { explained } from './diagnosis.js';
import { declarePools, playProviders, type Pools, type Providers } from './pool-providers.js';
import { eventually } from './real.js';
import { deployments, openWorld, type World } from './world.js';

/*
 * Two accounts share a pool of machines (Cluster API) and one of Karpenter's, on a real API server. What an operator loses
 * where this fails: pools that follow what accounts need, a freeze that holds, a fleet whose end nobody notices too late.
 */

const ACCOUNTS = ['north', 'south'];
const CPU = 4;
/** Cores that each account is guaranteed: less than its demand comes to. */
const GUARANTEED = 4;
const SHARED = { 'fleet.test/shared': 'true' };
const POOLS: Pools = {
  labels: SHARED,
  cpu: CPU,
  machines: { namespace: 'default', name: 'machines', replicas: 5 },
  nodePool: { name: 'general', limit: '400', nodes: 1 },
};
const MOST_MACHINES = 6;

const pool = (name: string, pricePerHour: number, max: number, more: object = {}) => ({
  ...{ name, pricePerHour, max, min: 0, leadTime: '2m', ...more },
  node: { cpu: CPU, memory: '16Gi' },
});

const FLEET = {
  version: 'headroom/v1',
  fleet: 'shared',
  mode: 'auto',
  cycle: '2m',
  grantsFor: '10m',
  // A slow machine falls behind, and is not silent for that.
  staleAfter: '4h',
  pools: [
    pool('machines', 0.1, MOST_MACHINES, { provisioning: { kind: 'cluster-api', namespace: 'default' } }),
    pool('general', 0.2, 20, { provisioning: { kind: 'karpenter' } }),
  ],
};

const fleetSchema = z.object({
  fleet: z.object({
    cycle: z.number(),
    problem: z.string().nullable(),
    grants: z.object({ count: z.number(), until: z.number() }).nullable(),
    plan: z.object({ accounts: z.number(), unknown: z.number() }).nullable(),
    sized: z.object({ lines: z.array(z.string()) }).nullable(),
  }),
  freeze: z.object({ author: z.string() }).nullable(),
  pools: z.array(z.object({ pool: z.string(), now: z.number().nullable(), order: z.number(), words: z.string() })),
});

const accountSchema = z.object({
  verdict: z.object({ kind: z.string(), reason: z.string().optional() }).nullable(),
  grant: z
    .object({ source: z.string(), amounts: z.object({ cpu: z.number() }), words: z.string() })
    .nullable()
    .optional(),
});

/** What both pools may have. */
const coresOf = ({ machines, limit }: Awaited<ReturnType<Providers['seen']>>): number => machines.wanted * CPU + limit;

describe('a fleet on a real API server', () => {
  let world: World;
  let providers: Providers;
  /** Cores that each workload uses. */
  let load = 0.5;

  beforeAll(async () => {
    world = await openWorld({
      accounts: ACCOUNTS,
      demand: (at) => load + 0.02 * Math.sin(at / 700),
      objects: (account) => deployments(account, { nodeSelector: SHARED }),
      prepare: async (plane) => {
        await declarePools(plane, POOLS);
        providers = playProviders(plane, POOLS);
      },
      account: { guaranteedShare: { cpu: GUARANTEED }, pools: [pool('machines', 0.1, 6), pool('general', 0.2, 20)] },
    });
  });
  afterAll(async () => {
    await providers?.close();
    await world?.close();
  });

  const start = async (): Promise<void> => {
    const file = join(world.stand.folder, 'fleet.yaml');
    await writeFile(file, JSON.stringify(FLEET));
    await world.stand.done('fleet', 'start', '-f', file);
  };
  /** A command without its process: what is looked at again and again. */
  const look = async (...argv: string[]): Promise<unknown> => {
    const { code, out, err } = await within(world.stand.env, ...argv, '--json');
    if (code !== 0) throw new Error(`headroom ${argv.join(' ')} ended with ${code}: ${err}${out}`);
    return JSON.parse(out);
  };
  const fleet = async () => fleetSchema.parse(await look('fleet', 'status'));
  const account = async (name: string) => accountSchema.parse(await look('status', name));
  const requested = async (name: string): Promise<number> =>
    (await world.replicas(name)).reduce((sum, replicas) => sum + replicas * 0.5, 0);
  const until = <T>(look: () => Promise<T | null | undefined | false>): Promise<T> =>
    explained(world, 'north', eventually(look));
  const all = async (holds: (name: string) => Promise<boolean>): Promise<boolean> =>
    (await Promise.all(ACCOUNTS.map(holds))).every(Boolean);
  /** Writes that the API server took, pools included. */
  const taken = async () => (await world.writes()).filter(({ code }) => code < 300);

  it('sizes both pools by what the accounts need, in its own name, and grants each its share', async () => {
    await start();
    const seen = await until(async () => {
      const now = await providers.seen();
      return now.machines.wanted < 5 && now.machines.ready === now.machines.wanted && now.limit < 400 ? now : null;
    });
    // Twelve replicas of half a core, on whichever of the two pools.
    expect(coresOf(seen)).toBeGreaterThanOrEqual(6);
    expect(seen.marks).toContain('change/fleet_main/');
    // Of some cycle: on a slow machine one may find an account, or its cluster, busy.
    await until(async () => {
      const { fleet: state } = await fleet();
      expect(state).toMatchObject({ problem: null, plan: { accounts: 2, unknown: 0 }, grants: { count: 2 } });
      return true;
    });
    await until(() => all(async (name) => (await account(name)).grant?.source === 'fleet'));
    const grants = await world.stand.done('fleet', 'grants');
    for (const name of ACCOUNTS) expect(grants).toContain(name);
    // Neither account has written a pool.
    const pools = (await taken()).filter(({ resource }) => resource !== 'deployments');
    expect(pools.map(({ resource }) => resource)).toEqual(expect.arrayContaining(['machinedeployments', 'nodepools']));
    expect(pools.filter(({ keys }) => !keys.every((key) => key.startsWith('change/fleet_main/')))).toEqual([]);
  });

  it('frozen, nothing at all is written while demand rises, and both loops say so', async () => {
    await world.stand.done('freeze', '--reason', 'a test');
    const frozenWords = async (): Promise<boolean> => {
      const { freeze, fleet: state } = await fleet();
      return freeze !== null && (state.sized?.lines[0] ?? '').startsWith('frozen by ada');
    };
    load = 3;
    // The fleet wants more machines than there are, and the accounts' plans more replicas.
    await until(async () => {
      const wants = (await fleet()).pools.some(({ now, order }) => now !== null && order > now);
      return (
        wants &&
        (await frozenWords()) &&
        (await all(async (name) => (await account(name)).verdict?.reason === 'frozen'))
      );
    });
    const before = await taken();
    const { cycle } = (await fleet()).fleet;
    await until(async () => (await fleet()).fleet.cycle > cycle + 2);
    expect(await taken()).toEqual(before);
    expect(await all(async (name) => (await world.replicas(name)).join() === '3,3')).toBe(true);
  });

  it('thawed, the pools go up to what the new demand needs, and its replicas run on them', async () => {
    const low = await providers.seen();
    await world.stand.done('unfreeze', '--reason', 'over');
    await until(async () => {
      const now = await providers.seen();
      const up = coresOf(now) > coresOf(low) && coresOf(now) >= 12;
      return up && now.machines.ready === now.machines.wanted;
    });
    // 3 cores of each workload need six replicas at the least.
    await until(() => all(async (name) => (await world.replicas(name)).every((replicas) => replicas >= 6)));
    await until(async () => {
      const running = await world.plane.kubectl([
        ...['get', 'pods', '-A', '--field-selector=status.phase=Running', '-o', 'name'],
      ]);
      return running.trim().split('\n').length >= 24;
    });
  });

  it('silent, its grants run out: each account is held to what it is guaranteed, until the fleet is back', async () => {
    const { address } = world.stand.temporal;
    const { client, connection } = await connectClient({ options: { address }, namespace: 'default' });
    await client.workflow.getHandle(FLEET_WORKFLOW_ID).terminate('a test');
    await connection.close();
    await until(() =>
      all(async (name) => {
        const { grant } = await account(name);
        return grant?.source === 'guaranteed' && grant.amounts.cpu === GUARANTEED;
      }),
    );
    expect((await account('north')).grant?.words).toContain('the fleet is silent');
    await until(() => all(async (name) => (await requested(name)) <= GUARANTEED));
    await start();
    await until(() => all(async (name) => (await requested(name)) > GUARANTEED));
    await world.stand.done('fleet', 'stop');
    await until(() => all(async (name) => (await account(name)).grant === null));
  });
});
