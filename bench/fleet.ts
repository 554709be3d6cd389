import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import proto from '@temporalio/proto';
import { readAccountFile } from '../src/domain/account-file.js';
import { readFleetFile } from '../src/domain/fleet-file.js';
import type { AccountForecast } from '../src/domain/forecast.js';
import { startDev, type Dev } from '../src/temporal/dev.js';
import { installLogger } from '../src/temporal/worker.js';
import type { fleet as fleetWorkflow } from '../workflows/fleet.js';
import { fleetStatusQuery, setFleetUpdate } from '../workflows/fleet-messages.js';
import { FLEET_WORKFLOW_ID } from '../workflows/messages.js';
import { CRITICALITY_WEIGHT } from '../src/domain/policy-rules.js';
import { drawFleet } from './allocate/fleets.js';
import { writeResults } from './result.js';

/*
 * The fleet's own cycles for ten thousand accounts, as they run: the store on its file, a Temporal server, the workflow
 * `fleet/main`, its activities. Policies, forecasts and plans of the accounts are put into the store as their loops would
 * leave them. Times are those of Temporal's history; memory is that of the process that is worker and store.
 *
 *   make bench-fleet                     # ACCOUNTS=… for another number
 */

const ACCOUNTS = Number(process.env['ACCOUNTS'] ?? 10_000);
/** The first cycle, and one that starts from its prices. */
const CYCLES = 2;
const PATIENCE_MS = 500_000;
const LEVELS = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999];
const GIB = 2 ** 30;
/** Records put at once. */
const BATCH = 500;
const CRITICALITIES = ['low', 'normal', 'high', 'critical'] as const;

const start = Math.floor(Date.now() / 300_000) * 300;
const drawn = drawFleet({ accounts: ACCOUNTS, pools: 6, blocks: 24, seed: 7 });
const poolLines = drawn.pools.map((pool) => {
  const { name, capacityType, pricePerHour, node, max, interruptionsPerHour } = pool;
  return { name, capacityType, pricePerHour, node, max, interruptionsPerHour };
});

const fleet = readFleetFile(
  JSON.stringify({
    ...{ version: 'headroom/v1', fleet: 'large', mode: 'auto', cycle: '1m', step: '10m', horizon: '14h' },
    pools: poolLines.map((pool) => ({ ...pool, leadTime: '2m', provisioning: { kind: 'simulated' } })),
  }),
  'fleet.yaml',
);

const template = readAccountFile(
  JSON.stringify({
    ...{ version: 'headroom/v1', account: 'template', mode: 'auto', ownership: 'own', horizons: ['2h', '1d'] },
    workloads: [
      {
        name: 'web',
        components: { cpu: { request: 1, utilization: 1 }, memory: { request: '4Gi', utilization: 1 } },
        replicas: { min: 1, max: 100_000 },
      },
    ],
    pools: poolLines.map(({ interruptionsPerHour: _, ...pool }) => pool),
  }),
  'account.yaml',
);

/** What each account's loop leaves in the store: its policy, a forecast a day ahead, the plan that it has now. */
function recordsOf(account: (typeof drawn.accounts)[number]) {
  const { name, guaranteed, demand, pools, weight, spotMaxShare } = account;
  const criticality = CRITICALITIES.find((one) => CRITICALITY_WEIGHT[one] >= weight) ?? 'critical';
  const policy = {
    ...{ ...template, account: name, guaranteedShare: guaranteed, spotMaxShare },
    workloads: template.workloads.map((workload) => ({ ...workload, criticality })),
    pools: template.pools.filter((pool) => pools === null || pools.includes(pool.name)),
  };
  const at = start + 30;
  /** Of a bin that begins so many seconds from now. */
  const wanted = (component: 'cpu' | 'memory', ahead: number): number => {
    const block = drawn.blocks.findLastIndex(({ from }) => from - (drawn.blocks[0]?.from ?? 0) <= ahead);
    return Math.max(0, demand[component]?.[block] ?? 0);
  };
  const rows = (component: 'cpu' | 'memory', step: number, count: number): number[][] =>
    Array.from({ length: count }, (_, row) =>
      LEVELS.map((level) => Number((wanted(component, row * step) * (0.6 + 0.4 * level)).toPrecision(6))),
    );
  const forecast: AccountForecast = {
    ...{ id: `${name}@${at}`, account: name, snapshotId: 's', at, missing: [], policyId: `${name}@1` },
    series: (['cpu', 'memory'] as const).map((component) => ({
      ...{ workload: 'web', component, data: 'fresh' as const },
      gate: { open: true, level: 0.99, scored: 288, misses: 1, coverage: 0.997 },
      resolutions: [
        { step: 300, count: 24 },
        { step: 3600, count: 24 },
      ].map(({ step, count }) => ({
        ...{ origin: start - step, step, levels: LEVELS, quantiles: rows(component, step, count) },
        weights: { 'seasonal-naive-day': 0.5, persistence: 0.5 },
      })),
    })),
  };
  const replicas = Math.max(1, Math.ceil(Math.max(wanted('cpu', 0), wanted('memory', 0) / (4 * GIB))));
  const home = account.running[0]?.pool ?? '';
  const plan = {
    ...{ id: `plan-${name}`, account: name, at, snapshotId: 's', forecastId: forecast.id, placements: [], reasons: [] },
    ...{ fields: [], conflict: null, costPerHour: 1, currency: 'USD' },
    verdict: { kind: 'hold', reason: 'steady', detail: '' },
    solver: { iterations: 0, objective: 0, gap: 0, warm: true, status: 'optimal' },
    blocks: Array.from({ length: 24 }, (_, block) => ({
      ...{ from: start + 300 * block, to: start + 300 * (block + 1), nodes: {}, costPerHour: 1 },
      workloads: [
        {
          ...{ workload: 'web', replicas, request: { cpu: 1, memory: 4 * GIB }, shortfall: {} },
          pools: { [home]: replicas },
        },
      ],
    })),
  };
  return { name, at, policy, forecast, plan };
}

async function fill(store: Dev['store']): Promise<void> {
  for (let first = 0; first < ACCOUNTS; first += BATCH) {
    const some = drawn.accounts.slice(first, first + BATCH).map(recordsOf);
    const put = (
      kind: 'account' | 'forecast' | 'plan',
      of: (one: (typeof some)[number]) => { id: string; body: unknown },
    ) =>
      store.putRecords(
        kind,
        some.map((one) => ({ account: one.name, at: one.at, ...of(one) })),
      );
    await put('account', ({ name, policy }) => ({ id: `${name}@1`, body: policy }));
    await put('forecast', ({ forecast }) => ({ id: forecast.id, body: forecast }));
    await put('plan', ({ plan }) => ({ id: plan.id, body: plan }));
  }
}

const home = await mkdtemp(join(tmpdir(), 'headroom-fleet-'));
const scenario = join(home, 'scenario.json');
await writeFile(
  scenario,
  JSON.stringify({
    version: 'headroom-scenario/v1',
    clock: { start, mode: 'held' },
    pools: drawn.pools.map(({ name, node, pricePerHour, now, max }) => ({
      ...{ name, node, pricePerHour, max, nodes: Math.min(now, max) },
      ...{ provision: { median: '60s' }, grows: 'asked' },
    })),
    accounts: [
      {
        name: 'nobody',
        workloads: [
          { name: 'web', replicas: 1, components: { cpu: { request: 1, demand: 1 } }, pools: [drawn.pools[0]?.name] },
        ],
      },
    ],
  }),
);
installLogger();
const MIB = 2 ** 20;
let peak = 0;
let watching: NodeJS.Timeout | null = null;
const dev: Dev = await startDev({
  ...{ home, env: process.env, scenario },
  say: (line) => console.log(line),
  prepare: async (store) => {
    const began = performance.now();
    await fill(store);
    console.log(`${ACCOUNTS} accounts in the store after ${((performance.now() - began) / 1000).toFixed(1)} s`);
  },
});
try {
  const scale = await dev.run(1);
  const before = process.memoryUsage().rss;
  watching = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 50);
  const queues = { light: 'headroom', compute: 'headroom', cluster: 'headroom' };
  const handle = await dev.client.workflow.start<typeof fleetWorkflow>('fleet', {
    ...{ workflowId: FLEET_WORKFLOW_ID, taskQueue: queues.light },
    args: [{ freeze: null, scale, recommends: true }],
  });
  await handle.executeUpdate(setFleetUpdate, { args: [{ policy: fleet, author: 'bench', queues }] });
  const deadline = Date.now() + PATIENCE_MS;
  for (let said = 0; ;) {
    const { fleet: state } = await handle.query(fleetStatusQuery);
    if (state === null) throw new Error('the fleet is gone');
    if (state.problem !== null) throw new Error(`cycle ${state.cycle} failed: ${state.problem}`);
    const granted = Number(/^fleet\/(\d+)-/.exec(state.grants?.planId ?? '')?.[1] ?? 0);
    const done = state.phase === 'sleeping' ? granted : granted - 1;
    if (done > said) console.log(`cycle ${done}: ${JSON.stringify(state.plan).slice(0, 300)}`);
    said = Math.max(said, done);
    if (said >= CYCLES) break;
    if (Date.now() > deadline)
      throw new Error(`in vain: cycle ${CYCLES}; it is ${state.phase} in cycle ${state.cycle}`);
    await delay(200);
  }
  const { fleet: state } = await handle.query(fleetStatusQuery);
  const grants = state?.grants?.count ?? 0;
  if (grants !== ACCOUNTS) throw new Error(`${grants} grants for ${ACCOUNTS} accounts`);

  const { events } = await handle.fetchHistory();
  const milliseconds = (time: { seconds?: unknown; nanos?: number | null } | null | undefined): number =>
    Number(time?.seconds ?? 0) * 1000 + Number(time?.nanos ?? 0) / 1e6;
  const seconds = (value: number): number => Number(value.toFixed(2));
  const took = (activity: string): number[] =>
    (events ?? []).flatMap((event) => {
      if (event.activityTaskScheduledEventAttributes?.activityType?.name !== activity) return [];
      const id = String(event.eventId);
      const began = events?.find(
        ({ activityTaskStartedEventAttributes: task }) => String(task?.scheduledEventId) === id,
      );
      const ended = events?.find(
        ({ activityTaskCompletedEventAttributes: task }) => String(task?.scheduledEventId) === id,
      );
      return ended === undefined
        ? []
        : [seconds((milliseconds(ended.eventTime) - milliseconds(began?.eventTime)) / 1000)];
    });
  const largest = Math.max(
    ...(events ?? []).map((event) => proto.temporal.api.history.v1.HistoryEvent.encode(event).finish().length),
  );
  const note = `${ACCOUNTS} accounts × ${fleet.pools.length} pools, forecasts of two components a day ahead`;
  const figure = (metric: string, value: number | undefined, unit: string, goal: number | null, more = '') => ({
    ...{ metric, value: value ?? null, unit, goal, better: 'lower' as const, note: `${note}${more}` },
  });
  const gathered = took('gatherFleet');
  const solved = took('solveFleet');
  const granted = took('publishGrants');
  const sum = (index: number): number =>
    [gathered, solved, granted].reduce((total, all) => total + (all[index] ?? Number.NaN), 0);
  writeResults('fleet', [
    ...['first', 'second'].flatMap((which, index) => [
      figure(`${which} cycle: read`, gathered[index], 's', null, '; policies, forecasts and plans out of the store'),
      figure(`${which} cycle: solve`, solved[index], 's', null, '; its record, plan and grants read and written'),
      figure(`${which} cycle: publish`, granted[index], 's', null, '; one grant an account'),
      figure(`${which} cycle: in all`, seconds(sum(index)), 's', null),
    ]),
    figure('memory, most', Math.round(peak / MIB), 'MiB', 1536, `; ${Math.round(before / MIB)} MiB before`),
    figure('largest event of the history', largest, 'bytes', 2 * MIB, '; what Temporal takes at most'),
  ]);
} finally {
  if (watching !== null) clearInterval(watching);
  await dev.close();
  await rm(home, { recursive: true, force: true });
}
