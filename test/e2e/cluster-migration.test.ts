import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { inCluster } from '../../src/cluster/simulated/adapter.js';
import { connectSimulatedCluster, type RemoteSimulation } from '../../src/cluster/simulated/client.js';
import { readRuntimeFile } from '../../src/temporal/home.js';
import {
  because,
  environment,
  headroom,
  NO_SERVER,
  startHeadroomDev,
  temporaryFolder,
  until,
  within,
  type DevProcess,
  type Folder,
} from '../cli/headroom.js';

/*
 * An account moves to another cluster of a simulated scenario under load, and back. What a user loses where this fails: requests,
 * or workloads in two places that nobody looks after.
 */

/** Simulated seconds in a second. */
const SPEED = 300;

const pool = (name: string, pricePerHour: number, nodes: number, more: object = {}) => ({
  ...{ name, node: { cpu: 4, memory: '16Gi' }, pricePerHour, nodes, max: 20, provision: { median: '60s' } },
  ...more,
});
const SCENARIO = JSON.stringify({
  version: 'headroom-scenario/v1',
  clock: { start: '2026-06-01T00:00:00Z', mode: 'held', history: '1d' },
  pools: [
    pool('general', 0.2, 1),
    pool('cheap', 0.06, 1, { cluster: 'west' }),
    // Whose first node comes when nobody waits any more.
    pool('slow', 0.06, 0, { cluster: 'late', provision: { median: '100h' } }),
  ],
  accounts: [
    {
      name: 'shop',
      workloads: ['web', 'api'].map((name) => ({
        ...{ name, replicas: 3, podStart: { median: '30s' } },
        components: { cpu: { request: '500m', demand: 1 } },
      })),
    },
  ],
});
const accountIn = (cluster: string, pools: string) => `version: headroom/v1
account: shop
mode: auto
ownership: own
cluster: ${cluster}
currency: EUR
migrations: never
workloads:
${['web', 'api']
  .map(
    (name) => `  - name: ${name}
    components: { cpu: { request: 500m } }
    replicas: { min: 3, max: 10 }
    migration: { gib: 10 }
`,
  )
  .join('')}pools:
  - ${pools}
egress: [{ from: aws, to: gcp, perGiB: 0.02 }]
verification: { for: 2m, every: 1m, checks: [{ metric: error_rate, max: 0.05 }] }
`;
const EAST = '{ name: general, provider: aws, region: eu, pricePerHour: 0.2, node: { cpu: 4, memory: 16Gi }, max: 20 }';
const WEST = '{ name: cheap, provider: gcp, region: eu, pricePerHour: 0.06, node: { cpu: 4, memory: 16Gi }, max: 20 }';

const outcomeSchema = z.object({
  ...{ id: z.string(), result: z.string(), detail: z.string(), restored: z.boolean() },
  downtime: z.object({ seconds: z.number(), requests: z.object({ all: z.number(), unserved: z.number() }).nullable() }),
});

describe.skipIf(NO_SERVER !== null)(`a move to another simulated cluster${because(NO_SERVER)}`, () => {
  let folder: Folder;
  let env: NodeJS.ProcessEnv;
  let dev: DevProcess;
  let simulation: RemoteSimulation;
  let west: string;
  let late: string;
  let east: string;

  beforeAll(async () => {
    folder = await temporaryFolder();
    env = environment(join(folder.path, 'home'));
    const scenario = await folder.write('scenario.json', SCENARIO);
    dev = await startHeadroomDev(env, '--scenario', scenario, '--speed', String(SPEED));
    const runtime = await readRuntimeFile(env['HEADROOM_HOME'] ?? '');
    simulation = await connectSimulatedCluster({ url: runtime?.clusterUrl ?? '', token: runtime?.clusterToken ?? '' });
    east = await folder.write('east.yaml', accountIn('main', EAST));
    west = await folder.write('west.yaml', accountIn('west', WEST));
    late = await folder.write('late.yaml', accountIn('late', WEST.replace('cheap', 'slow')));
    expect(await headroom(env, 'start', 'shop', '-f', east)).toMatchObject({ code: 0 });
    await until('a first cycle', async () => (await within(env, 'plan', 'shop')).code === 0);
  });
  afterAll(async () => {
    process.exitCode = undefined;
    await dev?.stop();
    await folder?.remove();
  });

  /** Replicas of each workload as a cluster shows them; null where it has none. */
  const seen = async (cluster: string) => {
    const at = ['web', 'api'].map((name) => ({ workload: name, kind: 'Deployment' as const, namespace: 'shop', name }));
    const there = inCluster(simulation, cluster);
    const state = await there?.observe({ account: 'shop', workloads: at, pools: [] }, AbortSignal.timeout(60_000));
    return state?.workloads.map(({ exists, replicas }) => (exists ? replicas : null));
  };
  const migrate = (...argv: string[]) => {
    // What an earlier command of this process said is no answer to this one.
    process.exitCode = undefined;
    return within(env, 'migrate', 'shop', ...argv, '--json');
  };
  const there = (cluster: string, file: string) => ['--to-cluster', cluster, '-f', file, '--step-for', '30s'];

  it('a dry run says what would be done and what it costs, and touches nothing', async () => {
    const survey = await migrate(...there('west', west), '--dry-run');
    expect(survey).toMatchObject({ code: 0, err: '' });
    expect(JSON.parse(survey.out)).toMatchObject({
      refusals: [],
      costs: [
        expect.stringContaining('web: 10 GiB to west, 0.2 EUR of egress once'),
        expect.stringContaining('api'),
      ] as string[],
      source: { replicas: 6 },
    });
    expect(await seen('main')).toEqual([3, 3]);
    expect(await seen('west')).toEqual([null, null]);
  });

  it.each([
    ['a cluster that nobody serves', ['--to-cluster', 'north'], 4, /north/],
    ['one workload of several', ['web', '--to-cluster', 'west'], 4, /an account is in one cluster/],
    ['a pool that the cluster has not', ['--to-cluster', 'west'], 4, /cluster west has no pool "general"/],
    ['the cluster where it is', ['--to-cluster', 'main'], 4, /in cluster main already/],
  ])('%s is refused, and nothing is touched', async (_name, argv, code, words) => {
    const said = await migrate(...argv, '--no-wait');
    expect(said.err).toMatch(words);
    expect(said.code).toBe(code);
    expect(await seen('main')).toEqual([3, 3]);
  });

  it('whose copies are not ready in time is compensated to exactly what was', async () => {
    const ran = await migrate(...there('late', late), '--ready-within', '5m');
    expect(outcomeSchema.parse(JSON.parse(ran.out))).toMatchObject({ result: 'went-back', restored: true });
    expect(ran.code).toBe(1);
    expect(await seen('main')).toEqual([3, 3]);
    expect(await seen('late')).toEqual([null, null]);
  });

  it('all of its workloads move, no request is lost, and the account plans them there', async () => {
    const ran = await migrate(...there('west', west), '--ready-within', '30m');
    expect({ err: ran.err, ...outcomeSchema.parse(JSON.parse(ran.out)) }).toMatchObject({
      ...{ result: 'moved', id: 'shop/@west/1' },
      downtime: { seconds: 0, requests: { unserved: 0 } },
    });
    expect(await seen('main')).toEqual([null, null]);
    expect((await seen('west'))?.every((replicas) => (replicas ?? 0) >= 3)).toBe(true);
    const shown = async <T>(schema: z.ZodType<T>, ...argv: string[]): Promise<T> =>
      schema.parse(JSON.parse((await within(env, ...argv, '--json')).out));
    const policySchema = z.object({ policy: z.object({ cluster: z.string() }) });
    expect((await shown(policySchema, 'policy', 'show', 'shop')).policy.cluster).toBe('west');
    const cycle = async () => (await shown(z.object({ cycle: z.number() }), 'status', 'shop')).cycle;
    const before = await cycle();
    await until('a cycle there', async () => (await cycle()) > before);
    expect((await within(env, 'status', 'shop')).out).not.toMatch(/needs attention|no workload/);
  });

  it('its old file leaves it where it is, and says so', async () => {
    const kept = await within(env, 'policy', 'set', 'shop', '-f', east);
    expect(kept).toMatchObject({ code: 0 });
    expect(kept.out).toContain('shop is in cluster west since migration shop/@west/1');
    expect((await within(env, 'migrations', 'shop')).out).toContain('cluster west');
  });

  it('moves back, and its file is true again', async () => {
    const ran = await migrate(...there('main', east), '--ready-within', '30m');
    expect({ err: ran.err, ...outcomeSchema.parse(JSON.parse(ran.out)) }).toMatchObject({ result: 'moved' });
    expect(await seen('west')).toEqual([null, null]);
    expect((await seen('main'))?.every((replicas) => (replicas ?? 0) >= 3)).toBe(true);
    const kept = await within(env, 'policy', 'set', 'shop', '-f', east);
    expect(kept.out).not.toContain('kept');
  });
});
