import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { writeFile } from 'node:fs/promises';
import { readAccountFile } from '../src/domain/account-file.js';
import { startDev, type Dev } from '../src/temporal/dev.js';
import { installLogger } from '../src/temporal/worker.js';
import type { account } from '../workflows/account.js';
import { accountWorkflowId, changeWorkflowId, statusQuery } from '../workflows/messages.js';
import { writeResults } from './result.js';

/*
 * How long it takes from a trigger to the first write: accounts on spot nodes, whose market is taken back between two
 * cycles. From Temporal's own histories: from the event by which the account hears of it to the end of the first `apply`;
 * and from the fault itself, which has to be seen first. The clock runs as the wall's does.
 */

const ACCOUNTS = 5;
const DAY = 86_400;
const PATIENCE_MS = 120_000;

const names = Array.from({ length: ACCOUNTS }, (_, index) => `acme-${index + 1}`);
const median = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

const policyOf = (name: string) =>
  readAccountFile(
    `version: headroom/v1
account: ${name}
mode: auto
ownership: own
history: 4d
horizons: [2h]
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
const start = Math.floor(Date.now() / 300_000) * 300;
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
          components: { cpu: { request: 1, demand: 8 } },
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
    const samples = Array.from({ length: (4 * DAY) / 300 }, (_, index) => ({
      at: start - 4 * DAY + index * 300,
      value: 8 + 0.1 * Math.sin(index),
    }));
    await store.writeUsage(
      names.map((name) => ({ key: { account: name, workload: 'web', component: 'cpu' as const }, samples })),
    );
  },
});
try {
  const scale = await dev.run(1);
  const heard: number[] = [];
  const whole: number[] = [];
  const queues = { light: 'headroom', compute: 'headroom', cluster: 'headroom' };
  for (const name of names) {
    await dev.client.workflow.start<typeof account>('account', {
      workflowId: accountWorkflowId(name),
      taskQueue: queues.light,
      args: [{ account: name, policy: policyOf(name), scale, queues }],
    });
  }
  for (const name of names) {
    const handle = dev.client.workflow.getHandle<typeof account>(accountWorkflowId(name));
    // What is looked for between cycles is said by a cycle: a nudge is one.
    await until(`answers of ${name}`, async () => ((await handle.query(statusQuery)).contingencies ?? null) !== null);
    await until(`${name} at rest`, async () => (await handle.query(statusQuery)).change === null);
    const { cycle } = await handle.query(statusQuery);
    await handle.signal('nudge', { reason: 'bench' });
    await until(`another cycle of ${name}`, async () => {
      const status = await handle.query(statusQuery);
      return status.cycle > cycle && status.phase === 'sleeping';
    });
    const now = (await dev.simulation?.now()) ?? 0;
    await dev.simulation?.inject({ kind: 'stock-out', from: now - 60, to: now + 3600, pool: `${name}-spot` });
    const struck = Date.now();
    await dev.simulation?.inject({ kind: 'interruption', at: now, pool: `${name}-spot`, count: 30 });
    let changeId: string | null = null;
    await until(`an answer of ${name}`, async () => {
      changeId = (await handle.query(statusQuery)).surprises?.[0]?.changeId ?? null;
      return changeId !== null;
    });
    const changed = dev.client.workflow.getHandle(changeWorkflowId(changeId ?? ''));
    const milliseconds = (time: { seconds?: unknown; nanos?: number | null } | null | undefined): number =>
      Number(time?.seconds ?? 0) * 1000 + Number(time?.nanos ?? 0) / 1e6;
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
    heard.push(written - milliseconds(signalled?.eventTime));
    whole.push(written - struck);
    console.log(`${name}: ${Math.round(heard.at(-1) ?? 0)} ms, from the fault ${Math.round(whole.at(-1) ?? 0)} ms`);
  }
  const note = `${ACCOUNTS} accounts, a spot market each, taken back between two cycles`;
  writeResults('contingency', [
    {
      ...{ metric: 'trigger heard to first write, longest', value: Math.round(Math.max(...heard)), unit: 'ms' },
      ...{ goal: 2000, better: 'lower' as const, note },
    },
    {
      ...{ metric: 'trigger heard to first write, median', value: Math.round(median(heard)), unit: 'ms' },
      ...{ goal: null, better: 'lower' as const, note },
    },
    {
      ...{ metric: 'nodes gone to first write, longest', value: Math.round(Math.max(...whole)), unit: 'ms' },
      ...{ goal: null, better: 'lower' as const, note: `${note}; seen by the next tick of 15 s and the next look` },
    },
  ]);
} finally {
  await dev.close();
  await rm(home, { recursive: true, force: true });
}
