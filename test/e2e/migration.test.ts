import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { connectSimulatedCluster, type RemoteSimulation } from '../../src/cluster/simulated/client.js';
import { readRuntimeFile } from '../../src/temporal/home.js';
import {
  because,
  environment,
  headroom,
  json,
  NO_SERVER,
  startHeadroomDev,
  temporaryFolder,
  until,
  within,
  type DevProcess,
  type Folder,
} from '../cli/headroom.js';

/* A workload moves between pools of a simulated cluster under load. What a user loses where this fails: requests. */

/** Simulated seconds in a second. */
const SPEED = 300;
const HORIZON = 2_000_000_000;

const pool = (name: string, pricePerHour: number, nodes: number) => ({
  ...{ name, node: { cpu: 4, memory: '16Gi' }, pricePerHour, nodes, max: 20, provision: { median: '60s' } },
});
const SCENARIO = JSON.stringify({
  version: 'headroom-scenario/v1',
  clock: { start: '2026-06-01T00:00:00Z', mode: 'held', history: '1d' },
  pools: [pool('general', 0.2, 1), pool('spot', 0.06, 0), pool('solid', 0.3, 1)],
  accounts: [
    {
      name: 'shop',
      workloads: ['web', 'api', 'jobs'].map((name) => ({
        ...{ name, replicas: 3, podStart: { median: '30s' }, pools: [name === 'jobs' ? 'solid' : 'general'] },
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
${workload('jobs')}    pools: [solid]
    mayMoveTo: [solid, spot]
pools:
  - { name: general, region: eu, pricePerHour: 0.2, node: { cpu: 4, memory: 16Gi }, max: 20 }
  - { name: spot, region: eu, pricePerHour: 0.06, node: { cpu: 4, memory: 16Gi }, max: 20 }
  - { name: abroad, region: us, pricePerHour: 0.01, node: { cpu: 250m, memory: 16Gi }, max: 20 }
  - { name: solid, region: eu, pricePerHour: 0.3, node: { cpu: 4, memory: 16Gi }, max: 20 }
`;

const outcomeSchema = z.object({
  id: z.string(),
  result: z.string(),
  detail: z.string(),
  restored: z.boolean(),
  downtime: z.object({ seconds: z.number(), requests: z.object({ all: z.number(), unserved: z.number() }).nullable() }),
});

describe.skipIf(NO_SERVER !== null)(`a migration in a simulated cluster${because(NO_SERVER)}`, () => {
  let folder: Folder;
  let env: NodeJS.ProcessEnv;
  let dev: DevProcess;
  let cluster: RemoteSimulation;

  beforeAll(async () => {
    folder = await temporaryFolder();
    env = environment(join(folder.path, 'home'));
    const scenario = await folder.write('scenario.json', SCENARIO);
    dev = await startHeadroomDev(env, '--scenario', scenario, '--speed', String(SPEED));
    const runtime = await readRuntimeFile(env['HEADROOM_HOME'] ?? '');
    cluster = await connectSimulatedCluster({ url: runtime?.clusterUrl ?? '', token: runtime?.clusterToken ?? '' });
    const started = await headroom(
      env,
      'start',
      'shop',
      '-f',
      await folder.write('shop.yaml', `${accountIn('recommend')}migrations: never\n`),
    );
    expect(started).toMatchObject({ code: 0 });
    await until('a first cycle', async () => (await within(env, 'plan', 'shop')).code === 0);
  });
  afterAll(async () => {
    process.exitCode = undefined;
    await dev?.stop();
    await folder?.remove();
  });

  const seen = async () => {
    const at = (name: string) => ({ workload: name, kind: 'Deployment' as const, namespace: 'shop', name });
    const signal = AbortSignal.timeout(60_000);
    return (await cluster.observe({ account: 'shop', workloads: ['web', 'api'].map(at), pools: [] }, signal)).workloads;
  };
  const migrate = (...argv: string[]) => {
    // What an earlier command of this process said is no answer to this one.
    process.exitCode = undefined;
    return within(env, 'migrate', ...argv, '--json');
  };
  const SOON = ['--step-for', '30s', '--ready-within', '7d'];

  it('of an account that touches nothing is refused, and a dry run says so; under approve the order is the approval', async () => {
    const before = await seen();
    const touches = expect.stringContaining('mode recommend, which touches nothing') as string;
    expect(await within(env, 'why', 'shop', 'web.pool')).toMatchObject({
      ...{ code: 0, out: expect.stringMatching(/no migration of web is proposed: .*migrations: never/) as string },
    });
    const refused = await migrate('shop', 'web', '--to', 'spot');
    expect(refused).toMatchObject({ code: 4, err: touches });
    const survey = await migrate('shop', 'web', '--to', 'spot', '--dry-run');
    expect(survey.code).toBe(4);
    expect(JSON.parse(survey.out)).toMatchObject({ refusals: [touches] });
    expect(await within(env, 'prefetch', 'shop')).toMatchObject({ code: 4, err: touches });
    expect(await within(env, 'prefetch', 'shop', '--dry-run')).toMatchObject({ code: 4, out: touches });
    process.exitCode = undefined;
    expect((await within(env, 'migrations', 'shop')).err).toContain('has begun no migration yet');
    expect(await seen()).toEqual(before);
    const file = await folder.write('approve.yaml', accountIn('approve'));
    expect(await headroom(env, 'policy', 'set', 'shop', '-f', file)).toMatchObject({ code: 0 });
    // At once: no cycle has to have sent the policy to the store before.
    expect(await migrate('shop', 'web', '--dry-run')).toMatchObject({ code: 0 });
  });

  it('a dry run says what would be done, and touches nothing', async () => {
    const before = await seen();
    const survey = await json(
      env,
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
      ...{ kind: 'pod-never-ready', from: now, to: HORIZON, account: 'shop', workload: 'api', count: 3 },
    });
    const ran = await migrate('shop', 'api', '--to', 'spot', '--ready-within', '5m');
    expect(ran.code).toBe(1);
    const outcome = outcomeSchema.parse(JSON.parse(ran.out));
    expect(outcome).toMatchObject({ result: 'went-back', restored: true, downtime: { seconds: 0 } });
    expect(outcome.detail).toContain('0 of 3 replicas of api-1 ready');
    expect(await seen()).toEqual(before);
    const { policy } = await json(env, z.object({ policy: z.unknown() }), 'policy', 'show', 'shop');
    expect(JSON.stringify(policy)).not.toContain('api-1');
  });

  it('that is cancelled midway goes back, and loses no request', async () => {
    const before = await seen();
    expect(await migrate('shop', 'web', '--to', 'spot', '--step-for', '7d', '--no-wait')).toMatchObject({ code: 0 });
    await until('traffic is led over', async () => (await within(env, 'migrations', 'shop')).out.includes('10% of'));
    // Whoever does not wait is told at once, and no second one begins.
    expect(await migrate('shop', 'web', '--to', 'spot', '--no-wait')).toMatchObject({
      ...{ code: 4, err: expect.stringMatching(/migration shop\/web\/\d+ moves web now; wait/) as string },
    });
    expect(new Set((await within(env, 'migrations', 'shop', '--json')).out.match(/shop\/web\/\d+/g)).size).toBe(1);
    process.exitCode = undefined;
    const stop = await within(env, 'stop', 'shop');
    expect(stop).toMatchObject({ code: 4, err: expect.stringContaining('migrate cancel shop web') as string });
    process.exitCode = undefined;
    expect(await within(env, 'status', 'shop')).toMatchObject({ code: 0 });
    const ran = await migrate('cancel', 'shop', 'web', '--reason', 'not now');
    expect(ran.code).toBe(0);
    expect(outcomeSchema.parse(JSON.parse(ran.out))).toMatchObject({
      ...{ result: 'went-back', detail: 'cancelled by ada: not now', restored: true },
      downtime: { requests: { unserved: 0 } },
    });
    expect(await seen()).toEqual(before);
    const again = await within(env, 'migrate', 'cancel', 'shop', 'web');
    expect(again).toMatchObject({ code: 3, err: expect.stringContaining('none runs') as string });
  });

  it('under a freeze, nothing is touched', async () => {
    expect(await headroom(env, 'freeze', '--for', '30d', '--reason', 'incident')).toMatchObject({ code: 0 });
    const ran = await migrate('shop', 'web', '--to', 'spot');
    expect(ran.code).toBe(1);
    expect(outcomeSchema.parse(JSON.parse(ran.out))).toMatchObject({
      ...{ result: 'stopped', detail: expect.stringContaining('incident') as string },
    });
    expect(await migrate('shop', 'web', '--to', 'spot', '--no-wait')).toMatchObject({
      ...{ code: 4, err: expect.stringContaining('incident') as string },
    });
    expect(await headroom(env, 'unfreeze')).toMatchObject({ code: 0 });
  });

  it('under load loses no request; the account looks after the copy from then on', async () => {
    const ran = await migrate('shop', 'web', '--to', 'spot', '--steps', '10,50', ...SOON);
    expect({ code: ran.code, err: ran.code === 0 ? '' : ran.err + ran.out }).toEqual({ code: 0, err: '' });
    const outcome = outcomeSchema.parse(JSON.parse(ran.out));
    expect(outcome).toMatchObject({ result: 'moved', downtime: { seconds: 0, requests: { unserved: 0 } } });
    const log = await cluster.requestLog(outcome.id);
    expect([...new Set(log.map(({ weight }) => weight))]).toEqual([0, 10, 50, 100]);
    expect(log.reduce((sum, { unserved }) => sum + unserved, 0)).toBe(0);
    expect((await seen())[0]).toMatchObject({ workload: 'web', exists: true, replicas: 3, readyReplicas: 3 });
    const { policy } = await json(
      env,
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
      mayMoveTo: ['general', 'spot', 'abroad', 'solid'],
    });
    expect((await within(env, 'migrations', 'shop')).out).toContain('moved');
  });

  it('is not undone by the file of before: set and started again, until somebody says so', async () => {
    process.exitCode = undefined;
    const named = z.object({ policy: z.object({ workloads: z.array(z.object({ target: z.looseObject({}) })) }) });
    const web = async () => (await json(env, named, 'policy', 'show', 'shop')).policy.workloads[0]?.target['name'];
    const copy = await web();
    expect(copy).toMatch(/^web-\d+$/);
    const moved = await json(env, z.object({ policy: z.unknown() }), 'policy', 'show', 'shop');
    const file = await folder.write('before.yaml', accountIn('approve'));
    const says = expect.stringMatching(
      /web runs as web-\d+ on pool spot since migration shop\/web\/\d+ \(.*: kept/,
    ) as string;
    expect(await within(env, 'policy', 'set', 'shop', '-f', file)).toMatchObject({ code: 0, out: says });
    expect(await web()).toBe(copy);
    expect(await within(env, 'stop', 'shop')).toMatchObject({ code: 0 });
    await until('it has stopped', async () =>
      (await within(env, 'start', 'shop', '-f', file)).out.includes('shop started'),
    );
    process.exitCode = undefined;
    expect(await within(env, 'start', 'shop', '-f', file)).toMatchObject({ code: 0, out: says });
    expect(await web()).toBe(copy);
    const back = await within(env, 'policy', 'set', 'shop', '-f', file, '--back-to-file');
    expect(back).toMatchObject({ code: 0, out: expect.stringContaining(`target.name: "${String(copy)}"`) as string });
    expect(await within(env, 'policy', 'set', 'shop', '-f', file)).toMatchObject({ code: 0 });
    expect(await web()).toBeUndefined();
    const again = await folder.write('moved.yaml', JSON.stringify(moved.policy));
    expect(await within(env, 'policy', 'set', 'shop', '-f', again)).toMatchObject({ code: 0 });
    expect(await web()).toBe(copy);
  });

  it('a plan proposes what is cheaper elsewhere, and an account whose file says so begins it by itself', async () => {
    process.exitCode = undefined;
    const plans = z.object({
      migrations: z
        .array(z.object({ workload: z.string(), from: z.string(), to: z.string(), refusals: z.array(z.string()) }))
        .default([]),
    });
    // The node of solid is for jobs alone, and spot has room for it.
    const jobs = { workload: 'jobs', from: 'solid', to: 'spot', refusals: [] };
    await until('it is proposed', async () => {
      const { migrations } = plans.parse(JSON.parse((await within(env, 'plan', 'shop', '--json')).out));
      return JSON.stringify(migrations[0]) === JSON.stringify(jobs);
    });
    const says = expect.stringContaining('migration jobs: pool solid → spot') as string;
    expect(await within(env, 'plan', 'shop')).toMatchObject({ code: 0, out: says });
    expect(await within(env, 'why', 'shop', 'jobs.pool')).toMatchObject({ code: 0, out: says });
    const survey = await migrate('shop', '--proposed', '--dry-run');
    expect(survey).toMatchObject({ code: 0, out: expect.stringContaining('shop/jobs') as string });
    expect(JSON.parse(survey.out)).toMatchObject({
      proposal: expect.stringMatching(/saves .* EUR\/h over .*, costs .* once.*, paid back in /) as string,
    });
    const told = await within(env, 'migrate', 'shop', '--proposed', '--dry-run');
    expect(told.out).toMatch(/^proposed {4}jobs to pool spot: saves .*\ntarget {6}/);
    expect(await migrate('shop', 'job', '--proposed')).toMatchObject({
      ...{ code: 3, err: expect.stringContaining('did you mean "jobs"') as string },
    });
    const { policy } = await json(env, z.object({ policy: z.looseObject({}) }), 'policy', 'show', 'shop');
    const auto = JSON.stringify({ ...policy, mode: 'auto', migrations: 'auto' });
    expect(await headroom(env, 'policy', 'set', 'shop', '-f', await folder.write('auto.yaml', auto))).toMatchObject({
      code: 0,
    });
    const moved = z.object({
      migrations: z.array(z.object({ id: z.string(), outcome: outcomeSchema.nullable() })),
    });
    await until('it has moved', async () => {
      const { migrations } = moved.parse(JSON.parse((await within(env, 'migrations', 'shop', '--json')).out));
      const [newest] = migrations;
      return newest?.id.startsWith('shop/jobs/') === true && newest.outcome?.result === 'moved';
    });
    const [newest] = moved.parse(JSON.parse((await within(env, 'migrations', 'shop', '--json')).out)).migrations;
    expect(newest?.outcome).toMatchObject({ downtime: { seconds: 0, requests: { unserved: 0 } } });
    await until('it says so', async () => (await within(env, 'status', 'shop')).out.includes(`${newest?.id} moved`));
  });

  it('what cannot be is refused, each with its exit code', async () => {
    for (const [code, says, ...argv] of [
      [3, 'it has web, api', 'shop', 'db', '--to', 'spot'],
      [3, 'is not running', 'nobody', 'web'],
      [3, 'did you mean "spot"', 'shop', 'web', '--to', 'sopt'],
      [3, 'it has general, spot, abroad', 'shop', 'web', '--to', 'mars'],
      [2, 'rising whole percentages', 'shop', 'web', '--steps', '50,10'],
    ] as const) {
      const ran = await within(env, 'migrate', ...argv);
      expect({ argv, code: ran.code, says: ran.err.includes(says) }).toEqual({ argv, code, says: true });
    }
    for (const [says, ...argv] of [
      ['there is no account nosuch', 'migrations', 'nosuch'],
      ['did you mean "web"?', 'prefetch', 'shop', '--workload', 'wbe'],
      ['is not running', 'prefetch', 'nosuch'],
      ['none runs', 'migrate', 'cancel', 'shop', 'nosuch'],
    ] as const) {
      const ran = await within(env, ...argv);
      expect({ argv, code: ran.code, says: ran.err.includes(says) }).toEqual({ argv, code: 3, says: true });
    }
    expect(await migrate('shop', 'web', '--to', 'spot', '--no-wait')).toMatchObject({
      ...{ code: 4, err: expect.stringContaining('runs on pool spot alone already') as string },
    });
    process.exitCode = undefined;
    const away = await migrate('shop', 'api', '--to', 'abroad');
    expect(away).toMatchObject({ code: 4, out: expect.stringContaining('may be in eu alone') as string });
    expect(await migrate('shop', 'web', '--to', 'abroad')).toMatchObject({
      code: 4,
      out: expect.stringContaining('offers 250m') as string,
    });
    process.exitCode = undefined;
    const fetched = await within(env, 'prefetch', 'shop');
    expect(fetched).toMatchObject({ code: 0, err: expect.stringContaining('asks for data sets') as string });
  });
});
