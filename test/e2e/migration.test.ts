import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { RemoteSimulation } from '../../src/cluster/simulated/client.js';
import {
  because,
  environment,
  NO_SERVER,
  startHeadroomDev,
  temporaryFolder,
  until,
  within,
  type DevProcess,
  type Folder,
} from '../cli/headroom.js';
import { spawnSimulatedCluster } from '../unit/cluster-spawn.js';

/* A workload moves between pools of a simulated cluster under load. What a user loses where this fails: requests. */

const SIMULATOR = fileURLToPath(new URL('../../dist/src/cluster/simulated/server.js', import.meta.url));
/** Simulated seconds in a second. */
const SPEED = 300;
const HORIZON = 2_000_000_000;

const pool = (name: string, pricePerHour: number, nodes: number) => ({
  ...{ name, node: { cpu: 4, memory: '16Gi' }, pricePerHour, nodes, max: 20, provision: { median: '60s' } },
});
const SCENARIO = JSON.stringify({
  version: 'headroom-scenario/v1',
  clock: { start: '2026-06-01T00:00:00Z', mode: 'held', history: '1d' },
  pools: [pool('general', 0.2, 1), pool('spot', 0.06, 0)],
  accounts: [
    {
      name: 'shop',
      workloads: ['web', 'api'].map((name) => ({
        ...{ name, replicas: 3, podStart: { median: '30s' }, pools: ['general'] },
        components: { cpu: { request: '500m', demand: 1 } },
      })),
    },
  ],
});
const workload = (name: string) => `  - name: ${name}
    components: { cpu: { request: 500m } }
    replicas: { min: 3, max: 10 }
    verification: { for: 2m, every: 1m, checks: [{ metric: error_rate, max: 0.05 }] }
`;
const accountIn = (mode: string) => `version: headroom/v1
account: shop
mode: ${mode}
ownership: own
currency: EUR
workloads:
${workload('web')}${workload('api')}    residency: { regions: [eu] }
pools:
  - { name: general, region: eu, pricePerHour: 0.2, node: { cpu: 4, memory: 16Gi }, max: 20 }
  - { name: spot, region: eu, pricePerHour: 0.06, node: { cpu: 4, memory: 16Gi }, max: 20 }
  - { name: abroad, region: us, pricePerHour: 0.01, node: { cpu: 250m, memory: 16Gi }, max: 20 }
`;

const outcomeSchema = z.object({
  id: z.string(),
  startedAt: z.number(),
  result: z.string(),
  detail: z.string(),
  restored: z.boolean(),
  downtime: z.object({ seconds: z.number(), requests: z.object({ all: z.number(), unserved: z.number() }).nullable() }),
});

const listSchema = z.object({
  migrations: z.array(
    z.object({ id: z.string(), outcome: outcomeSchema.nullable(), state: z.object({ weight: z.number() }).nullable() }),
  ),
});

describe.skipIf(NO_SERVER !== null)(`a migration in a simulated cluster${because(NO_SERVER)}`, () => {
  let folder: Folder;
  let env: NodeJS.ProcessEnv;
  let dev: DevProcess;
  let url: string;
  let cluster: RemoteSimulation;

  const ran = (...argv: string[]) => {
    // What an earlier command of this process said is no answer to this one.
    process.exitCode = undefined;
    return within(env, ...argv);
  };

  beforeAll(async () => {
    folder = await temporaryFolder();
    // A process of its own: it serves on while no worker runs.
    const spawned = await spawnSimulatedCluster({
      scenario: await folder.write('scenario.json', SCENARIO),
      server: SIMULATOR,
    });
    cluster = spawned.simulation;
    await cluster.run(SPEED);
    url = spawned.url;
    env = environment(join(folder.path, 'home'), { HEADROOM_SIMULATOR_TOKEN: spawned.token });
    dev = await startHeadroomDev(env, '--cluster-url', url);
    expect(await ran('start', 'shop', '-f', await folder.write('shop.yaml', accountIn('recommend')))).toMatchObject({
      code: 0,
    });
    await until('the account answers', async () => (await ran('policy', 'show', 'shop')).code === 0);
  });
  afterAll(async () => {
    process.exitCode = undefined;
    await dev?.stop();
    await cluster?.shutdown();
    await folder?.remove();
  });

  const seen = async () => {
    const at = (name: string) => ({ workload: name, kind: 'Deployment' as const, namespace: 'shop', name });
    const signal = AbortSignal.timeout(60_000);
    return (await cluster.observe({ account: 'shop', workloads: ['web', 'api'].map(at), pools: [] }, signal)).workloads;
  };
  const migrate = (...argv: string[]) => ran('migrate', ...argv, '--json');
  const json = async <T>(schema: z.ZodType<T>, ...argv: string[]): Promise<T> => {
    const { code, out, err } = await ran(...argv, '--json');
    expect({ argv, code, err: code === 0 ? '' : err }).toEqual({ argv, code: 0, err: '' });
    return schema.parse(JSON.parse(out));
  };
  const SOON = ['--step-for', '30s', '--ready-within', '20m'];

  it('of an account that touches nothing is refused, and a dry run says so; under approve the order is the approval', async () => {
    const before = await seen();
    const touches = expect.stringContaining('mode recommend, which touches nothing') as string;
    const refused = await migrate('shop', 'web', '--to', 'spot');
    expect(refused).toMatchObject({ code: 4, err: touches });
    const survey = await migrate('shop', 'web', '--to', 'spot', '--dry-run');
    expect(survey.code).toBe(4);
    expect(JSON.parse(survey.out)).toMatchObject({ refusals: [touches] });
    expect(await ran('prefetch', 'shop')).toMatchObject({ code: 4, err: touches });
    expect(await ran('prefetch', 'shop', '--dry-run')).toMatchObject({ code: 4, out: touches });
    process.exitCode = undefined;
    expect((await ran('migrations', 'shop')).err).toContain('has begun no migration yet');
    expect(await seen()).toEqual(before);
    const file = await folder.write('approve.yaml', accountIn('approve'));
    expect(await ran('policy', 'set', 'shop', '-f', file)).toMatchObject({ code: 0 });
    await until('the policy is in the store', async () => (await migrate('shop', 'web', '--dry-run')).code === 0);
  });

  it('a dry run says what would be done, and touches nothing', async () => {
    const before = await seen();
    const survey = await json(
      z.object({ chosen: z.string(), refusals: z.array(z.string()), reverse: z.array(z.string()) }),
      ...['migrate', 'shop', 'web', '--dry-run'],
    );
    expect(survey).toMatchObject({
      chosen: expect.stringContaining('pool spot, the cheapest') as string,
      refusals: [],
    });
    expect(await seen()).toEqual(before);
  });

  it('whose target fails its probes is compensated to exactly what was', async () => {
    const before = await seen();
    const now = await cluster.now();
    await cluster.inject({
      ...{ kind: 'pod-never-ready', from: now, to: HORIZON, account: 'shop', workload: 'api', count: 100 },
    });
    const moved = await migrate('shop', 'api', '--to', 'spot', '--ready-within', '5m');
    expect(moved.code).toBe(1);
    const outcome = outcomeSchema.parse(JSON.parse(moved.out));
    expect(outcome).toMatchObject({ result: 'went-back', restored: true, downtime: { seconds: 0 } });
    expect(outcome.detail).toContain('0 of 3 replicas of api-1 ready');
    expect(await seen()).toEqual(before);
    const { policy } = await json(z.object({ policy: z.unknown() }), 'policy', 'show', 'shop');
    expect(JSON.stringify(policy)).not.toContain('api-1');
  });

  it('that is cancelled midway goes back, and loses no request', async () => {
    const before = await seen();
    expect(await migrate('shop', 'web', '--to', 'spot', '--step-for', '1h', '--no-wait')).toMatchObject({ code: 0 });
    await until('traffic is led over', async () => (await ran('migrations', 'shop')).out.includes('10% of'));
    expect(await ran('stop', 'shop')).toMatchObject({
      code: 4,
      err: expect.stringContaining('migrate cancel shop web') as string,
    });
    expect(await ran('status', 'shop')).toMatchObject({ code: 0 });
    const moved = await migrate('cancel', 'shop', 'web', '--reason', 'not now');
    expect(moved.code).toBe(0);
    expect(outcomeSchema.parse(JSON.parse(moved.out))).toMatchObject({
      ...{ result: 'went-back', detail: 'cancelled by ada: not now', restored: true },
      downtime: { requests: { unserved: 0 } },
    });
    expect(await seen()).toEqual(before);
    const again = await ran('migrate', 'cancel', 'shop', 'web');
    expect(again).toMatchObject({ code: 3, err: expect.stringContaining('none runs') as string });
  });

  it('under a freeze, nothing is touched', async () => {
    expect(await ran('freeze', '--for', '1d', '--reason', 'incident')).toMatchObject({ code: 0 });
    const moved = await migrate('shop', 'web', '--to', 'spot');
    expect(moved.code).toBe(1);
    expect(outcomeSchema.parse(JSON.parse(moved.out))).toMatchObject({
      ...{ result: 'stopped', detail: expect.stringContaining('incident') as string },
    });
    expect(await ran('unfreeze')).toMatchObject({ code: 0 });
  });

  it('under load loses no request; the account looks after the copy from then on', async () => {
    const moved = await migrate('shop', 'web', '--to', 'spot', '--steps', '10,50', ...SOON);
    expect({ code: moved.code, err: moved.code === 0 ? '' : moved.err + moved.out }).toEqual({ code: 0, err: '' });
    const outcome = outcomeSchema.parse(JSON.parse(moved.out));
    expect(outcome).toMatchObject({ result: 'moved', downtime: { seconds: 0, requests: { unserved: 0 } } });
    const log = await cluster.requestLog(outcome.id);
    expect([...new Set(log.map(({ weight }) => weight))]).toEqual([0, 10, 50, 100]);
    expect(log.reduce((sum, { unserved }) => sum + unserved, 0)).toBe(0);
    expect((await seen())[0]).toMatchObject({ workload: 'web', exists: true, replicas: 3, readyReplicas: 3 });
    const { policy } = await json(
      z.object({
        policy: z.object({
          workloads: z.array(
            z.object({
              target: z.object({ name: z.string().optional() }),
              pools: z.array(z.string()).optional(),
              mayMoveTo: z.array(z.string()).optional(),
            }),
          ),
        }),
      }),
      ...['policy', 'show', 'shop'],
    );
    expect(policy.workloads[0]).toEqual({
      target: { name: outcome.id.replace('shop/web/', 'web-') },
      pools: ['spot'],
      // The way back stays open.
      mayMoveTo: ['general', 'spot', 'abroad'],
    });
    expect((await ran('migrations', 'shop')).out).toContain('moved');
  });

  it('whose worker is killed goes on with the next: one moves, one goes back, and no request is lost', async () => {
    const [, api] = await seen();
    const weights = (log: readonly { weight: number }[]) => [...new Set(log.map(({ weight }) => weight))];
    // Pods of api are never ready: its copy waits when the worker dies, and goes back with the next.
    expect(await migrate('shop', 'api', '--to', 'spot', '--ready-within', '25m', '--no-wait')).toMatchObject({
      code: 0,
    });
    const begun = await migrate('shop', 'web', '--to', 'general', '--steps', '50', '--step-for', '20m', '--no-wait');
    expect(begun.code).toBe(0);
    await until('half of the traffic is led over', async () => {
      const { migrations } = await json(listSchema, 'migrations', 'shop');
      const now = migrations.find(({ id }) => begun.out.includes(id));
      // Where it has ended already, its outcome says what went wrong.
      expect(now?.outcome ?? null).toBeNull();
      return (now?.state?.weight ?? 0) > 0;
    });
    await dev.kill();
    const alone = await cluster.now();
    const again = await until('the cluster serves alone', async () => {
      const now = await cluster.now();
      return now > alone + SPEED && now;
    });
    dev = await startHeadroomDev(env, '--cluster-url', url);
    const ended = await until('both end', async () => {
      const { out, code } = await ran('migrations', 'shop', '--json');
      if (code !== 0) return false;
      const { migrations } = listSchema.parse(JSON.parse(out));
      const outcomes = migrations.flatMap(({ outcome }) => (outcome === null ? [] : [outcome]));
      return outcomes.length === migrations.length && outcomes;
    });
    const last = (name: string) =>
      ended.filter(({ id }) => id.startsWith(`shop/${name}/`)).sort((a, b) => b.startedAt - a.startedAt)[0];
    const [web, back] = [last('web'), last('api')];
    expect(web).toMatchObject({ result: 'moved', downtime: { seconds: 0, requests: { unserved: 0 } } });
    const log = await cluster.requestLog(web?.id ?? '');
    expect(weights(log)).toEqual([0, 50, 100]);
    expect(log.reduce((sum, { unserved }) => sum + unserved, 0)).toBe(0);
    // Nobody looked after it, and its requests were led and served as before.
    const orphaned = weights(log.filter(({ at }) => at > alone && at < again));
    expect(orphaned).toHaveLength(1);
    expect(orphaned[0]).toBeGreaterThan(0);
    expect(back).toMatchObject({ result: 'went-back', restored: true, downtime: { seconds: 0 } });
    expect((await seen())[1]).toEqual(api);
  });

  it('what cannot be is refused, each with its exit code', async () => {
    for (const [code, says, ...argv] of [
      [3, 'it has web, api', 'shop', 'db', '--to', 'spot'],
      [3, 'is not running', 'nobody', 'web'],
      [3, 'did you mean "spot"', 'shop', 'web', '--to', 'sopt'],
      [3, 'it has general, spot, abroad', 'shop', 'web', '--to', 'mars'],
      [2, 'rising whole percentages', 'shop', 'web', '--steps', '50,10'],
    ] as const) {
      const moved = await ran('migrate', ...argv);
      expect({ argv, code: moved.code, says: moved.err.includes(says) }).toEqual({ argv, code, says: true });
    }
    for (const [says, ...argv] of [
      ['there is no account nosuch', 'migrations', 'nosuch'],
      ['did you mean "web"?', 'prefetch', 'shop', '--workload', 'wbe'],
      ['is not running', 'prefetch', 'nosuch'],
      ['none runs', 'migrate', 'cancel', 'shop', 'nosuch'],
    ] as const) {
      const said = await ran(...argv);
      expect({ argv, code: said.code, says: said.err.includes(says) }).toEqual({ argv, code: 3, says: true });
    }
    const away = await migrate('shop', 'api', '--to', 'abroad');
    expect(away).toMatchObject({ code: 4, out: expect.stringContaining('may be in eu alone') as string });
    expect(await migrate('shop', 'web', '--to', 'abroad')).toMatchObject({
      code: 4,
      out: expect.stringContaining('offers 250m') as string,
    });
    process.exitCode = undefined;
    const fetched = await ran('prefetch', 'shop');
    expect(fetched).toMatchObject({ code: 0, err: expect.stringContaining('asks for data sets') as string });
  });
});
