import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { parse } from 'yaml';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { connectSimulatedCluster, type RemoteSimulation } from '../../src/cluster/simulated/client.js';
import { isAlive, readRuntimeFile } from '../../src/temporal/home.js';
import {
  accountFile,
  because,
  environment,
  headroom,
  json,
  NO_SERVER,
  startHeadroomDev,
  steadyScenario,
  temporaryFolder,
  until,
  within,
  type DevProcess,
  type Folder,
} from './headroom.js';

/** Simulated seconds in a second: a cycle of five minutes takes one. What is to last while a test looks lasts for days. */
const SPEED = 300;
const ACCOUNTS = ['shop', 'pair', 'asked', 'cold', 'broke', 'ghost', 'left'];

const statusSchema = z.object({
  cycle: z.number(),
  phase: z.string(),
  revision: z.number(),
  summary: z.string(),
  verdict: z.object({ kind: z.string(), reason: z.string().optional(), detail: z.string() }).nullable(),
  pause: z.object({ author: z.string(), reason: z.string(), until: z.number() }).nullable(),
  freeze: z.object({ author: z.string() }).nullable(),
  overrides: z.array(z.object({ id: z.string(), reason: z.string(), target: z.record(z.string(), z.unknown()) })),
  events: z.array(z.object({ name: z.string(), from: z.number(), to: z.number() })),
  approval: z.object({ planId: z.string() }).nullable(),
  change: z.object({ changeId: z.string() }).nullable(),
  results: z.record(z.string(), z.number()),
  holds: z.record(z.string(), z.number()),
  log: z.array(z.object({ text: z.string() })),
});

describe.skipIf(NO_SERVER !== null)(`an operator’s day${because(NO_SERVER)}`, () => {
  let folder: Folder;
  let env: NodeJS.ProcessEnv;
  let dev: DevProcess;
  let cluster: RemoteSimulation;
  const files: Record<string, string> = {};

  beforeAll(async () => {
    folder = await temporaryFolder();
    env = environment(join(folder.path, 'home'));
    const scenario = await folder.write('scenario.json', steadyScenario(ACCOUNTS, { mode: 'held' }));
    for (const [name, text] of Object.entries({
      shop: accountFile('shop', { mode: 'auto', raised: true }),
      other: accountFile('shop', { mode: 'auto', raised: true, max: 12 }),
      crossed: accountFile('shop', { mode: 'auto', raised: true, max: 3 }),
      pair: accountFile('pair', { mode: 'recommend', raised: false }),
      // What was rejected is not asked for again while the test looks: ten minutes are two seconds here.
      asked: accountFile('asked', { mode: 'approve', raised: true, coolDown: '7d' }),
      cold: accountFile('cold', { mode: 'auto', raised: true }),
      broke: accountFile('broke', { mode: 'auto', raised: true, budget: 0 }),
      left: accountFile('left', { mode: 'auto', raised: true }),
      ghost: accountFile('ghost', { mode: 'auto', raised: false, absent: true }),
    })) {
      files[name] = await folder.write(`${name}.yaml`, text);
    }
    dev = await startHeadroomDev(env, '--scenario', scenario, '--speed', String(SPEED));
    const runtime = await readRuntimeFile(env['HEADROOM_HOME'] ?? '');
    cluster = await connectSimulatedCluster({ url: runtime?.clusterUrl ?? '', token: runtime?.clusterToken ?? '' });
  });
  afterAll(async () => {
    await dev?.stop();
    await folder?.remove();
  });

  const file = (name: string): string => files[name] ?? '';
  const status = async (account: string) => {
    const ran = await within(env, 'status', account, '--json');
    if (ran.code !== 0) throw new Error(ran.err);
    return statusSchema.parse(JSON.parse(ran.out));
  };
  const replicasOf = async (account: string): Promise<number> => {
    const seen = await cluster.observe(
      { account, workloads: [{ workload: 'web', kind: 'Deployment', namespace: account, name: 'web' }], pools: [] },
      AbortSignal.timeout(60_000),
    );
    return seen.workloads[0]?.replicas ?? Number.NaN;
  };
  const refused = async (code: number, says: string[], ...argv: string[]): Promise<void> => {
    const ran = await within(env, ...argv);
    expect({ argv, code: ran.code, out: ran.out, missing: says.filter((words) => !ran.err.includes(words)) }).toEqual({
      argv,
      code,
      out: '',
      missing: [],
    });
    expect(ran.err).not.toMatch(/^\s+at .*\.js:\d+/m);
  };

  it('start: once; the same again is nothing; another file is refused with what differs and what to do', async () => {
    const begun = z.object({ account: z.string(), started: z.boolean() });
    expect(await json(env, begun, 'start', 'shop', '-f', file('shop'))).toEqual({ account: 'shop', started: true });
    expect(await json(env, begun, 'start', 'shop', '-f', file('shop'))).toEqual({ account: 'shop', started: false });
    await refused(
      4,
      ['workloads[web].replicas.max: 10 → 12', 'headroom policy set shop'],
      ...['start', 'shop', '-f', file('other')],
    );
    await refused(2, ['is for account "shop"'], 'start', 'pair', '-f', file('shop'));
  });

  it('two starts of one account at once: exactly one begins it, neither fails', async () => {
    const begun = z.object({ started: z.boolean() });
    const both = await Promise.all([1, 2].map(() => json(env, begun, 'start', 'pair', '-f', file('pair'))));
    expect(both.map(({ started }) => started).sort()).toEqual([false, true]);
  });

  it('approve and reject with nothing pending are refused; a pending plan is asked for by name', async () => {
    await refused(4, ['no plan pending'], 'approve', 'pair');
    await refused(4, ['no plan pending'], 'reject', 'pair', '--reason', 'no');
    await refused(3, ['account nobody is not running', 'headroom list'], 'approve', 'nobody');
    expect(await headroom(env, 'start', 'asked', '-f', file('asked'))).toMatchObject({ code: 0 });
    await until('a plan of asked waits', async () => (await status('asked')).approval);
    await refused(4, ['is not the pending one'], 'approve', 'asked', '--plan', '0123456789abcdef');
    expect(await within(env, 'reject', 'asked', '--reason', 'not today')).toMatchObject({ code: 0 });
    await refused(4, ['no plan pending'], 'approve', 'asked');
    expect(await replicasOf('asked')).toBe(2);
    expect((await status('asked')).log.map(({ text }) => text).join('\n')).toContain('rejected by ada: not today');
  });

  it('a change goes through; list, status, plan, why and history tell of it, in words and as JSON', async () => {
    await until('shop keeps a change', async () => ((await status('shop')).results['kept'] ?? 0) > 0);
    expect(await replicasOf('shop')).toBeGreaterThanOrEqual(4);
    const { accounts } = await json(
      env,
      z.object({ accounts: z.array(z.object({ account: z.string(), mode: z.string().nullable() })) }),
      'list',
    );
    expect(accounts).toEqual(expect.arrayContaining([expect.objectContaining({ account: 'shop', mode: 'auto' })]));
    for (const [command, ...says] of [
      ['list', 'shop', 'auto'],
      ['status', 'shop', 'policy revision 1', 'web/cpu', 'kept 1'],
      ['plan', 'plan ', 'EUR/h', 'web', 'shop-pool'],
      ['history', 'shop/1', 'kept', 'web.replicas 2 → '],
    ] as const) {
      const ran = await headroom(env, command, ...(command === 'list' ? [] : ['shop']));
      expect({ command, code: ran.code, missing: says.filter((words) => !ran.out.includes(words)) }).toEqual({
        command,
        code: 0,
        missing: [],
      });
      expect(ran.out).not.toContain('\u001b');
    }
  });

  it('why names the interval, what bound the number and its price, and what was rejected', async () => {
    const { reasons } = await json(
      env,
      z.object({
        planId: z.string(),
        reasons: z.array(
          z.object({
            number: z.string(),
            interval: z
              .object({ level: z.number(), lower: z.number(), median: z.number(), upper: z.number() })
              .optional(),
            binding: z.object({ words: z.string(), pricePerHour: z.number().nullable() }),
            rejected: z.array(z.object({ alternative: z.string(), why: z.string() })),
          }),
        ),
      }),
      ...['why', 'shop'],
    );
    const replicas = reasons.find(({ number }) => number === 'web.replicas');
    expect(replicas?.interval?.level).toBe(0.99);
    expect(replicas?.interval?.upper).toBeGreaterThanOrEqual(replicas?.interval?.median ?? Infinity);
    expect(replicas?.binding.words).toContain('minimum 4');
    expect(reasons.some(({ binding }) => (binding.pricePerHour ?? 0) > 0)).toBe(true);
    expect(replicas?.rejected[0]?.why).not.toBe('');
    const { out } = await headroom(env, 'why', 'shop', 'web.replicas');
    for (const words of ['forecast  cpu:', 'bound by  minimum 4', 'rejected']) expect(out).toContain(words);
    expect(out).not.toContain('shop-pool.nodes');
    await refused(3, ['no number "db.replicas"', 'web.replicas'], 'why', 'shop', 'db.replicas');
  });

  it('policy: effective with defaults, shown, set; a minimum above its maximum is refused at its place', async () => {
    const effective = parse((await within(env, 'plan', '--effective', '-f', file('shop'))).out) as unknown;
    const shown = await json(env, z.object({ revision: z.number(), policy: z.unknown() }), 'policy', 'show', 'shop');
    // What a strategy would preset stands in the effective one alone.
    expect(effective).toMatchObject(shown.policy as object);
    expect(effective).toMatchObject({ spotMarketMaxShare: 1, surviveZone: 0, migrations: 'propose' });
    expect(shown.revision).toBe(1);
    expect(effective).toMatchObject({ level: 0.99, ownership: expect.any(String) as string, whenPaused: 'finish' });
    await refused(
      2,
      ['crossed.yaml:', 'minimum 4 is above maximum 3'],
      ...['policy', 'set', 'shop', '-f', file('crossed')],
    );
    await refused(4, ['is for account "pair"'], 'policy', 'set', 'shop', '-f', file('pair'));
    expect(await within(env, 'policy', 'set', 'shop', '-f', file('other'))).toMatchObject({
      code: 0,
      out: expect.stringContaining('workloads[web].replicas.max: 10 → 12') as string,
    });
    expect(await status('shop')).toMatchObject({ revision: 2 });
  });

  it('pause: with its reason and end; resume ends it; what is wrong is refused', async () => {
    await refused(2, ['"never" is not a duration'], 'pause', 'shop', '--for', 'never');
    await refused(2, ['not both'], 'pause', 'shop', '--for', '1h', '--until', '2026-06-02T00:00:00Z');
    await refused(2, ['has passed'], 'pause', 'shop', '--until', '2026-05-01T00:00:00Z');
    await refused(2, ['above 0'], 'pause', 'shop', '--for', '0s');
    expect(await headroom(env, 'pause', 'shop', '--for', '10d', '--reason', 'migration')).toMatchObject({ code: 0 });
    expect((await status('shop')).pause).toMatchObject({ author: 'ada', reason: 'migration' });
    expect((await headroom(env, 'status', 'shop')).out).toContain('paused by ada until ');
    expect(await within(env, 'resume', 'shop', '--reason', 'done')).toMatchObject({ code: 0 });
    expect((await status('shop')).pause).toBeNull();
  });

  it('override: what is wrong is refused; two at once both hold; the plan obeys; cleared by its id', async () => {
    const why = ['--reason', 'press day'];
    await refused(2, ['needs a --reason'], 'override', 'shop', '--replicas', 'web=6');
    await refused(2, ['has passed'], 'override', 'shop', '--replicas', 'web=6', '--until', '1780000000', ...why);
    await refused(3, ['no workload "db"; it has web'], 'override', 'shop', '--replicas', 'db=6', ...why);
    await refused(2, ['is no count'], 'override', 'shop', '--replicas', 'web=-1', ...why);
    await refused(2, ['is no count'], 'override', 'shop', '--replicas', 'web=2.5', ...why);
    await refused(2, ['give one of'], 'override', 'shop', ...why);
    await refused(2, ['between 0.5 and 0.9999'], 'override', 'shop', '--level', '99', ...why);
    await refused(3, ['no override o-nothing'], 'override', 'shop', '--clear', 'o-nothing');
    const both = await Promise.all([
      headroom(env, 'override', 'shop', '--replicas', 'web=6', '--for', '10d', ...why),
      headroom(env, 'override', 'shop', '--level', '0.95', '--for', '10d', ...why),
    ]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    const { overrides } = await status('shop');
    expect(overrides.map(({ target }) => target['field']).sort()).toEqual(['level', 'replicas']);
    await until('six replicas run', async () => (await replicasOf('shop')) === 6);
    for (const { id } of overrides) {
      expect(await within(env, 'override', 'shop', '--clear', id)).toMatchObject({ code: 0 });
    }
    expect((await status('shop')).overrides).toEqual([]);
  });

  it('announce: what is wrong is refused; the event is known', async () => {
    const event = ['announce', 'pair', '--name', 'sale'];
    await refused(2, ['over already'], ...event, '--from', '1780000000', '--for', '1h', '--multiplier', '2');
    await refused(2, ['ends before'], ...event, '--from', '+7d', '--to', '1780000000', '--multiplier', '2');
    await refused(2, ['either --multiplier or --demand'], ...event, '--from', '+7d', '--for', '1h');
    await refused(
      2,
      ['either --multiplier or --demand'],
      ...[...event, '--from', '+7d', '--for', '1h', '--multiplier', '2', '--demand', 'cpu=4'],
    );
    await refused(2, ['"often" is not a duration'], ...event, '--from', '+7d', '--for', 'often', '--multiplier', '2');
    await refused(
      3,
      ['no workload "db"'],
      ...[...event, '--from', '+7d', '--for', '1h', '--multiplier', '2', '--workload', 'db'],
    );
    await refused(2, ['"watts" is no component'], ...event, '--from', '+7d', '--for', '1h', '--demand', 'watts=4');
    const known = await json(
      env,
      z.object({ event: z.object({ from: z.number(), to: z.number() }) }),
      ...[...event, '--from', '+7d', '--for', '1h', '--multiplier', '2', '--uncertainty', '0.3'],
    );
    expect(known.event.to - known.event.from).toBe(3600);
    expect((await headroom(env, 'status', 'pair')).out).toContain('2 × the forecast ± 30 %');
    expect((await status('pair')).events).toMatchObject([{ name: 'sale', ...known.event }]);
  });

  it('freeze: nothing is written while it holds; unfreeze lets it go on', async () => {
    expect(await headroom(env, 'freeze', '--for', '30d', '--reason', 'incident')).toMatchObject({ code: 0 });
    expect(await headroom(env, 'start', 'cold', '-f', file('cold'))).toMatchObject({ code: 0 });
    const held = await until('cold is held', async () => {
      const seen = await status('cold');
      return (seen.holds['frozen'] ?? 0) >= 2 && seen;
    });
    expect(held.summary).toContain('frozen');
    expect(await replicasOf('cold')).toBe(2);
    expect(held.results).toMatchObject({ kept: 0 });
    expect(await within(env, 'unfreeze', '--reason', 'over')).toMatchObject({ code: 0, out: 'unfrozen\n' });
    expect(await within(env, 'unfreeze')).toMatchObject({ code: 0, out: 'nothing was frozen\n' });
    const forEver = await within(env, 'freeze', '--for', '100000d');
    expect(forEver).toMatchObject({ code: 2 });
    expect(forEver.err).toContain('holds 90d at most');
    await until('cold is changed', async () => (await replicasOf('cold')) === 4);
  });

  it('budget 0: the plan names the conflict in words, nothing crashes, the account goes on', async () => {
    expect(await headroom(env, 'start', 'broke', '-f', file('broke'))).toMatchObject({ code: 0 });
    const plan = await until('broke has a plan', async () => {
      const ran = await within(env, 'plan', 'broke');
      return ran.code === 0 && ran.out;
    });
    expect(plan).toContain('these cannot all be met');
    expect(plan).toMatch(/budget/);
    expect(plan).toContain('given up:');
    expect((await within(env, 'why', 'broke')).out).toContain('cannot all be met');
    const before = (await status('broke')).cycle;
    await until('broke goes on', async () => (await status('broke')).cycle > before);
  });

  it('a workload that is not in the cluster is a hold that says so', async () => {
    expect(await headroom(env, 'start', 'ghost', '-f', file('ghost'))).toMatchObject({ code: 0 });
    const held = await until('ghost holds', async () => {
      const seen = await status('ghost');
      return seen.verdict?.reason === 'workload-missing' && seen;
    });
    expect(held.verdict?.detail).toContain('absent');
    expect(held.results).toMatchObject({ kept: 0, failed: 0 });
  });

  it('import csv goes through the process that owns the store; a repeat writes nothing', async () => {
    const rows = Array.from({ length: 10 }, (_, row) => `${1_780_000_000 + 300 * row},${row}`);
    const csv = await folder.write('load.csv', `timestamp,cores\n${rows.join('\n')}\n`);
    const schema = z.object({ through: z.string(), components: z.array(z.object({ written: z.number() })) });
    const load = ['import', 'csv', csv, '--account', 'pair', '--workload', 'old', '--column', 'cpu=cores'];
    expect(await json(env, schema, ...load)).toEqual({
      through: `process ${dev.child.pid}`,
      components: [expect.objectContaining({ written: 10 })],
    });
    expect(await json(env, schema, ...load)).toMatchObject({ components: [{ written: 0 }] });
  });

  it('erase is refused while the account runs; of an account that never ran it goes through the owner of the store', async () => {
    await headroom(env, 'start', 'shop', '-f', files['shop'] ?? '');
    const refused = await headroom(env, 'erase', 'shop');
    expect(refused.code, refused.err).toBe(4);
    expect(refused.err).toContain('headroom stop shop');
    const schema = z.object({ store: z.object({ series: z.array(z.object({ workload: z.string() })) }) });
    const rows = Array.from({ length: 10 }, (_, row) => `${1_780_000_000 + 300 * row},${row}`);
    const csv = await folder.write('gone.csv', `timestamp,cpu\n${rows.join('\n')}\n`);
    await headroom(env, ...['import', 'csv', csv, '--account', 'gone', '--workload', 'old', '--column', 'cpu=cpu']);
    expect(await json(env, schema, 'erase', 'gone')).toMatchObject({ store: { series: [{ workload: 'old' }] } });
    const status = z.object({
      classes: z.array(z.looseObject({ class: z.string(), probability: z.number() })).nullable(),
    });
    // A day of held history: enough to tell a kind.
    expect((await json(env, status, 'status', 'shop')).classes).toEqual([
      expect.objectContaining({ workload: 'web', component: 'cpu' }),
    ]);
  });

  it('an account that has ended is erased with its histories on the server', async () => {
    await headroom(env, 'start', 'left', '-f', file('left'));
    const status = z.object({ cycle: z.number() });
    await until('it has gone through a cycle', async () => (await json(env, status, 'status', 'left')).cycle > 0);
    await headroom(env, 'stop', 'left');
    const schema = z.object({
      store: z.object({ records: z.record(z.string(), z.number()) }),
      histories: z.object({ removed: z.number(), pending: z.number(), running: z.array(z.string()) }),
    });
    // A change of it may still be on its way; it is refused until that has ended.
    const ran = await until('its changes have ended', async () => {
      const tried = await headroom(env, 'erase', 'left', '--json');
      return tried.code === 4 ? null : tried;
    });
    expect(ran.code, ran.err).toBe(0);
    const { histories, store } = schema.parse(JSON.parse(ran.out));
    expect(histories.running).toEqual([]);
    expect(histories.removed).toBeGreaterThan(0);
    expect(store.records['plan']).toBeGreaterThan(0);
    expect((await headroom(env, 'status', 'left')).code).toBe(3);
  });

  it('doctor finds all in order', async () => {
    const schema = z.object({ ok: z.boolean(), findings: z.array(z.object({ check: z.string(), ok: z.boolean() })) });
    const { findings } = await json(env, schema, 'doctor');
    expect(findings.map(({ check }) => check)).toEqual(
      expect.arrayContaining(['temporal server', 'telemetry store', 'simulated cluster', 'worker version']),
    );
  });

  it.each(['bash', 'zsh', 'fish'])('completion %s: its shell takes it', async (shell) => {
    const { code, out } = await headroom(env, 'completion', shell);
    expect(code).toBe(0);
    for (const words of ['override', 'backtest', 'policy']) expect(out).toContain(words);
    const checked = spawnSync(shell, ['-n'], { input: out, encoding: 'utf8' });
    // A shell that is not installed cannot be asked.
    if (checked.error === undefined)
      expect({ shell, status: checked.status, said: checked.stderr }).toMatchObject({ status: 0 });
  });

  it('history --export writes what the shipped workflow code replays', async () => {
    const out = join(folder.path, 'histories');
    const { files: written } = await json(
      env,
      z.object({ files: z.array(z.string()) }),
      ...['history', 'shop', '--export', out],
    );
    expect(written).toContain(join(out, 'change-shop-1.json'));
    Runtime.install({ logger: new DefaultLogger('ERROR') });
    const codePath = new URL('../../dist/workflow-bundle.js', import.meta.url).pathname;
    for (const path of written) {
      const history: unknown = JSON.parse(await readFile(path, 'utf8'));
      await Worker.runReplayHistory({ workflowBundle: { codePath } }, history);
    }
  });

  it('history --operators says who told the account what, freezes and what a policy changed among it', async () => {
    const told = z.object({
      whole: z.boolean(),
      operators: z.array(z.object({ author: z.string().nullable(), what: z.string(), reason: z.string() })),
    });
    const { operators, whole } = await json(env, told, 'history', 'shop', '--operators', '--limit', '100');
    expect(whole).toBe(true);
    expect(operators.at(-1)).toMatchObject({ what: 'started' });
    for (const expected of [
      { author: 'ada', what: /^pause until 20/, reason: 'migration' },
      { author: 'ada', what: /^override web\.replicas = 6 until 20/, reason: /./ },
      { author: 'ada', what: /^policy set: .*workloads\[web\]\.replicas\.max: 10 → 12/, reason: '' },
      { author: 'ada', what: /^all accounts frozen until 20/, reason: 'incident' },
    ]) {
      expect(operators).toContainEqual({
        author: expected.author,
        what: expect.stringMatching(expected.what) as string,
        reason: expect.stringMatching(expected.reason) as string,
      });
    }
    const newest = await json(env, told, 'history', 'shop', '--operators', '--limit', '1');
    expect(newest).toEqual({ whole: false, operators: operators.slice(0, 1) });
    expect((await headroom(env, 'history', 'asked', '--operators')).out).toMatch(/rejected the plan.*not today/);
    await refused(3, ['knows no account nobody'], 'history', 'nobody', '--operators');
  });

  it('stop takes several accounts: all are told before the first is waited for', async () => {
    const stopped = z.object({ accounts: z.array(z.object({ account: z.string() })) });
    const { accounts } = await json(env, stopped, 'stop', 'ghost', 'broke');
    expect(accounts.map(({ account }) => account)).toEqual(['ghost', 'broke']);
    await refused(3, ['account nobody is not running', 'ghost is not running'], 'stop', 'ghost', 'nobody');
  });

  it('stop leaves what runs; with --restore it puts back what was there before', async () => {
    const before = await replicasOf('cold');
    expect(before).toBe(4);
    expect(await headroom(env, 'stop', 'cold')).toMatchObject({ code: 0 });
    expect(await replicasOf('cold')).toBe(before);
    const { restored } = await json(
      env,
      z.object({ restored: z.array(z.object({ field: z.string(), result: z.string() })) }),
      ...['stop', 'shop', '--restore'],
    );
    expect(restored).toEqual(
      expect.arrayContaining([{ field: 'web.replicas', result: expect.stringMatching(/^back to \d+$/) }]),
    );
    expect(await replicasOf('shop')).toBe(2);
    for (const command of ['stop', 'pause', 'resume', 'approve', 'status', 'plan']) {
      await refused(3, ['shop is not running'], command, 'shop');
    }
  });

  it('a second dev in the same home is refused; the first ends in order and leaves no process', async () => {
    await refused(4, ['headroom runs there already', 'HEADROOM_HOME'], 'dev');
    const home = env['HEADROOM_HOME'] ?? '';
    const server = z
      .object({ pid: z.number() })
      .parse(JSON.parse(await readFile(join(home, 'temporal.db.server.json'), 'utf8')));
    expect(await dev.stop()).toBe(0);
    expect(isAlive(server.pid)).toBe(false);
    expect(existsSync(join(home, 'run.json'))).toBe(false);
    expect(existsSync(join(home, 'temporal.db.server.json'))).toBe(false);
  });
});
