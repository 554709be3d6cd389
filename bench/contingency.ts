import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { writeFile } from 'node:fs/promises';
import { readAccountFile } from '../src/domain/account-file.js';
import type { UsageWatch, Watch } from '../activities/lookout.js';
import { createUsageLook } from '../src/temporal/usage-look.js';
import { startDev, type Dev } from '../src/temporal/dev.js';
import { installLogger } from '../src/temporal/worker.js';
import type { account } from '../workflows/account.js';
import { accountWorkflowId, changeWorkflowId, statusQuery } from '../workflows/messages.js';
import { writeResults } from './result.js';

/*
 * How long it takes from a trigger to the first write, between two cycles: accounts on spot nodes, whose market is taken
 * back; accounts whose demand doubles; accounts whose telemetry stops. From Temporal's own histories: from the event by
 * which the account hears of it to the end of the first `apply`; and from the fault itself, which has to be seen first.
 * The clock runs as the wall's does.
 */

const ACCOUNTS = 5;
/** Of demand that doubles, and of telemetry that stops. */
const OTHERS = 3;
const DAY = 86_400;
const PATIENCE_MS = 300_000;
const LOOKS = 2000;

const numbered = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${name}-${index + 1}`);
const markets = numbered('market', ACCOUNTS);
const surges = numbered('surge', OTHERS);
const blinds = numbered('blind', OTHERS);
const names = [...markets, ...surges, ...blinds];
const median = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

const policyOf = (name: string) =>
  readAccountFile(
    `version: headroom/v1
account: ${name}
mode: auto
ownership: own
cycle: 15m
step: 1m
settle: 5s
staleAfter: 1m
history: 2d
horizons: [4h]
workloads:
  - { name: web, components: { cpu: { request: 1 } }, replicas: { min: 1, max: 60 }, leadTime: 1m }
pools:
  - { name: ${name}-spot, capacityType: spot, provider: aws, zone: ${name}, pricePerHour: 0.1, node: { cpu: 4 }, leadTime: 2m }
  - { name: ${name}-steady, pricePerHour: 0.4, node: { cpu: 4 }, leadTime: 2m }
verification: { for: 1m, every: 1m }
`,
    name,
  );

async function until(what: string, reached: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await reached())) {
    if (Date.now() > deadline) throw new Error(`in vain: ${what}`);
    await delay(100);
  }
}

const home = await mkdtemp(join(tmpdir(), 'headroom-contingency-'));
/** A cycle is a quarter of an hour away: what is heard before that nobody but the lookout has seen. */
const CYCLE = 900;
const start = Math.floor(Date.now() / 1000 / CYCLE) * CYCLE;
/** At its lowest now, so that the hours ahead need more: an answer to telemetry that stops has something to raise. */
const demandAt = (at: number): number =>
  11 - 3 * Math.cos((2 * Math.PI * (at - start)) / DAY) + 0.1 * Math.sin(0.0113 * (at - start));
const pool = { node: { cpu: 4 }, max: 30, provision: { median: '60s' }, grows: 'asked' };
const scenario = join(home, 'scenario.json');
await writeFile(
  scenario,
  JSON.stringify({
    version: 'headroom-scenario/v1',
    clock: { start, mode: 'held' },
    pools: names.flatMap((name) => [
      { name: `${name}-spot`, pricePerHour: 0.1, nodes: 3, ...pool },
      { name: `${name}-steady`, pricePerHour: 0.4, ...pool },
    ]),
    accounts: names.map((name) => ({
      name,
      workloads: [
        {
          name: 'web',
          replicas: 10,
          components: {
            cpu: {
              request: 1,
              demand: {
                start,
                step: '1m',
                values: Array.from({ length: 120 }, (_, index) => demandAt(start + 60 * index)),
              },
            },
          },
          podStart: { median: '20s' },
          pools: [`${name}-spot`, `${name}-steady`],
        },
      ],
    })),
  }),
);
installLogger();
const dev: Dev = await startDev({
  home,
  env: process.env,
  scenario,
  say: (line) => console.log(line),
  prepare: async (store) => {
    const samples = Array.from({ length: (2 * DAY) / 60 }, (_, index) => {
      const at = start - 2 * DAY + index * 60;
      return { at, value: demandAt(at) };
    });
    await store.writeUsage(
      names.map((name) => ({ key: { account: name, workload: 'web', component: 'cpu' as const }, samples })),
    );
  },
});
try {
  const scale = await dev.run(1);
  const queues = { light: 'headroom', compute: 'headroom', cluster: 'headroom' };
  for (const name of names) {
    await dev.client.workflow.start<typeof account>('account', {
      workflowId: accountWorkflowId(name),
      taskQueue: queues.light,
      args: [{ account: name, policy: policyOf(name), scale, queues }],
    });
  }
  const milliseconds = (time: { seconds?: unknown; nanos?: number | null } | null | undefined): number =>
    Number(time?.seconds ?? 0) * 1000 + Number(time?.nanos ?? 0) / 1e6;
  const handleOf = (name: string) => dev.client.workflow.getHandle<typeof account>(accountWorkflowId(name));

  /** At rest, with answers prepared, and looked after until the next cycle: a nudge is one that says what to look for. */
  async function armed(name: string): Promise<void> {
    const handle = handleOf(name);
    await until(`answers of ${name}`, async () => ((await handle.query(statusQuery)).contingencies ?? null) !== null);
    await until(`${name} at rest`, async () => (await handle.query(statusQuery)).change === null);
    const { cycle } = await handle.query(statusQuery);
    await handle.signal('nudge', { reason: 'bench' });
    await until(`another cycle of ${name}`, async () => {
      const status = await handle.query(statusQuery);
      return status.cycle > cycle && status.phase === 'sleeping' && status.change === null;
    });
  }

  /** Of the answer to a surprise: milliseconds from hearing of it, and from `struck`, to its first write. */
  async function answered(name: string, key: string, struck: number): Promise<{ heard: number; whole: number }> {
    const handle = handleOf(name);
    let changeId: string | null = null;
    await until(`an answer of ${name}`, async () => {
      const { surprises = [] } = await handle.query(statusQuery);
      changeId = surprises.find((one) => one.key.startsWith(key))?.changeId ?? null;
      return changeId !== null;
    });
    const changed = dev.client.workflow.getHandle(changeWorkflowId(changeId ?? ''));
    let written = Number.NaN;
    await until(`the first write for ${name}`, async () => {
      const { events } = await changed.fetchHistory();
      const apply = events?.find(
        ({ activityTaskScheduledEventAttributes: task }) => task?.activityType?.name === 'apply',
      );
      const done = events?.find(
        ({ activityTaskCompletedEventAttributes: task }) =>
          apply !== undefined && String(task?.scheduledEventId) === String(apply.eventId),
      );
      written = milliseconds(done?.eventTime);
      return done !== undefined;
    });
    const { events } = await handle.fetchHistory();
    const signalled = events?.find(
      ({ workflowExecutionSignaledEventAttributes: signal }) => signal?.signalName === 'contingency',
    );
    if (signalled === undefined) throw new Error(`${name} heard of ${key} by a cycle: none was to come`);
    const took = { heard: written - milliseconds(signalled.eventTime), whole: written - struck };
    console.log(`${name}: ${Math.round(took.heard)} ms, from the fault ${Math.round(took.whole)} ms`);
    return took;
  }

  /** Milliseconds of one look at one account, as the lookout makes them. */
  async function lookCost(): Promise<number> {
    const at = await present();
    const usage: UsageWatch = {
      series: [{ workload: 'web', component: 'cpu' }],
      ...{ step: 60, staleAfter: 60, settle: 5, watched: [], knownTo: at, newest: at, cycleAt: at + CYCLE },
    };
    const answers = [{ key: 'demand', trigger: { kind: 'demand' as const, bins: 2 }, for: 0 }];
    const look = createUsageLook(dev.store);
    const began = performance.now();
    for (let index = 0; index < LOOKS; index++) {
      const name = names[index % names.length] ?? '';
      const request = { account: name, workloads: [], pools: [] };
      const watch: Watch = { account: name, cluster: 'main', request, answers, told: new Set(), until: at + CYCLE };
      // By turns of the bin that runs and of those that are over.
      const knownTo = index % 2 === 0 ? at : 0;
      await look.look(watch, { ...usage, knownTo }, at, AbortSignal.timeout(10_000));
    }
    return Number(((performance.now() - began) / LOOKS).toPrecision(3));
  }

  const present = async (): Promise<number> => (await dev.simulation?.now()) ?? 0;
  for (const name of names) await armed(name);
  const market: { heard: number; whole: number }[] = [];
  for (const name of markets) {
    const now = await present();
    await dev.simulation?.inject({ kind: 'stock-out', from: now - 60, to: now + 3600, pool: `${name}-spot` });
    const struck = Date.now();
    await dev.simulation?.inject({ kind: 'interruption', at: now, pool: `${name}-spot`, count: 30 });
    market.push(await answered(name, 'spot-market', struck));
  }
  // Both at once: each of them takes minutes to show.
  const now = await present();
  const struck = Date.now();
  for (const name of surges)
    await dev.simulation?.inject({ kind: 'surge', from: now, to: now + 3600, account: name, factor: 2 });
  for (const name of blinds)
    await dev.simulation?.inject({ kind: 'metrics-outage', from: now, to: now + 3600, account: name });
  const [surge, blind] = await Promise.all([
    Promise.all(surges.map((name) => answered(name, 'demand', struck))),
    Promise.all(blinds.map((name) => answered(name, 'telemetry', struck))),
  ]);
  const lookMs = await lookCost();
  const figures = (what: string, took: readonly { heard: number; whole: number }[], note: string, seen: string) => [
    {
      ...{ metric: `${what}: trigger heard to first write, longest`, unit: 'ms', goal: 2000, better: 'lower' as const },
      ...{ value: Math.round(Math.max(...took.map(({ heard }) => heard))), note },
    },
    {
      ...{ metric: `${what}: trigger heard to first write, median`, unit: 'ms', goal: null, better: 'lower' as const },
      ...{ value: Math.round(median(took.map(({ heard }) => heard))), note },
    },
    {
      ...{
        metric: `${what}: from the fault to first write, longest`,
        unit: 'ms',
        goal: null,
        better: 'lower' as const,
      },
      ...{ value: Math.round(Math.max(...took.map(({ whole }) => whole))), note: `${note}; ${seen}` },
    },
  ];
  writeResults('contingency', [
    {
      ...{ metric: 'one look at an account’s telemetry', value: lookMs, unit: 'ms', goal: null },
      ...{
        better: 'lower' as const,
        note: `mean of ${LOOKS} on the embedded store, one series; every 15 s an account`,
      },
    },
    ...figures(
      'spot market lost',
      market,
      `${ACCOUNTS} accounts, a spot market each, taken back between two cycles`,
      'seen by the next tick of 15 s and the next look',
    ),
    ...figures(
      'demand doubles',
      surge,
      `${OTHERS} accounts, bins of 1 min, cycles of 15 min`,
      'a bin has to be sure, or over, and the next look at telemetry comes within 17 s',
    ),
    ...figures(
      'telemetry gone',
      blind,
      `${OTHERS} accounts, cycles of 15 min`,
      'of which staleAfter is 60 s, and the bin before it 60 s more',
    ),
  ]);
} finally {
  await dev.close();
  await rm(home, { recursive: true, force: true });
}
