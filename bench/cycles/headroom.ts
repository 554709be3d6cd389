import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { heartbeat } from '@temporalio/activity';
import { z } from 'zod';
import { createActivities } from '../../activities/index.js';
import type { Activities } from '../../activities/types.js';
import { summarizePlan } from '../../src/allocate/index.js';
import { createSimulatedCluster } from '../../src/cluster/simulated/adapter.js';
import { createEngineHost } from '../../src/cluster/simulated/host.js';
import { createScraper } from '../../src/cluster/simulated/scrape.js';
import { createDecisionPool } from '../../src/decide/pool.js';
import { simulatedNow } from '../../src/domain/time.js';
import { createEmbeddedStore } from '../../src/telemetry/embedded/store.js';
import { connectClient, connectWorker } from '../../src/temporal/connection.js';
import { createFence } from '../../src/temporal/fence.js';
import { createHistories } from '../../src/temporal/histories.js';
import { makeVersionCurrent } from '../../src/temporal/namespace.js';
import { EMBEDDED_QUEUES } from '../../src/temporal/dev.js';
import { createWorkers, installLogger } from '../../src/temporal/worker.js';
import { accountWorkflowId } from '../../workflows/messages.js';
import type { account } from '../../workflows/account.js';
import { benchAccounts, benchCluster, STEP } from './accounts.js';
import { obey, type Report } from './child.js';
import { createGate, until } from './gate.js';

/*
 * Headroom as `headroom dev` runs it: real activities, DuckDB, the forecaster and the allocator in their thread, a
 * simulated cluster that is scraped. Only the gate in front of `observe` is the bench's.
 */

const { address, home, accounts, everyMs, versioning } = z
  .object({ address: z.string(), home: z.string(), accounts: z.int(), everyMs: z.number(), versioning: z.boolean() })
  .parse(JSON.parse(process.argv[2] ?? ''));

/** Accounts that fit their models at a time; a fit waits for those before it, and has a time limit. */
const STARTING_TOGETHER = 20;
const SCRAPE_EVERY_MS = 100;

const gate = createGate();

/** Heartbeats while it waits, as the activity behind it does: else the server would take this worker for dead. */
async function waitAtGate(): Promise<void> {
  if (gate.open) return;
  const beat = setInterval(() => heartbeat(), 2000);
  await gate.pass();
  clearInterval(beat);
}
const seen = new Set<string>();
let cycles = 0;
let failures = 0;
// The orders come before the worker is there.
let say: (report: Report) => void = () => undefined;

installLogger();
await promisify(execFile)(process.execPath, [
  fileURLToPath(new URL('./prepare.js', import.meta.url)),
  JSON.stringify({ home, accounts }),
]);
const store = await createEmbeddedStore({ path: join(home, 'telemetry.duckdb') });
const bench = benchAccounts(accounts);

const host = createEngineHost({ model: benchCluster(bench) });
const cluster = createSimulatedCluster(host);
const scale = await cluster.run((STEP * 1000) / everyMs);
// While the gate is closed nothing is written either: the other side has the machine to itself.
const scraper = createScraper({
  cluster: {
    name: cluster.name,
    samplesSince: (since, signal) =>
      gate.open
        ? cluster.samplesSince(since, signal)
        : Promise.resolve({ usage: [], metrics: [], cursor: since, more: false }),
  },
  everyMs: SCRAPE_EVERY_MS,
  sink: async (usage, metrics) => {
    await store.writeUsage(usage);
    await store.writeMetrics(metrics);
  },
});
const decider = createDecisionPool();
const target = { options: { address }, namespace: 'default' };
const { client, connection: clientConnection } = await connectClient(target);
const connection = await connectWorker(target);
const real = createActivities(
  {
    store,
    source: store,
    cluster: () => cluster,
    fence: createFence(client, () => simulatedNow(scale, Date.now())),
    decider,
    histories: createHistories(client),
  },
  summarizePlan,
);
const counted = async <T>(work: Promise<T>): Promise<T> => {
  try {
    return await work;
  } catch (error) {
    failures += 1;
    throw error;
  }
};
const activities: Activities = {
  ...real,
  async observe(input) {
    await waitAtGate();
    return counted(real.observe(input));
  },
  forecast: (input) => counted(real.forecast(input)),
  learn: (input) => counted(real.learn(input)),
  async optimize(input) {
    const result = await counted(real.optimize(input));
    cycles += 1;
    seen.add(input.account);
    return result;
  },
};
const worker = await createWorkers({
  connection,
  namespace: target.namespace,
  queues: EMBEDDED_QUEUES,
  serve: ['light', 'compute', 'cluster'],
  versioning,
  activities,
});
const finished = worker.run();
say = obey({
  gate: (open) => gate.set(open),
  count: () => ({ cycles, failures }),
  async end() {
    gate.set(true);
    worker.shutdown();
    await finished;
    await scraper.stop();
    await decider.close();
    await store.close();
    await connection.close();
    await clientConnection.close();
  },
});
if (versioning) await makeVersionCurrent(clientConnection, target.namespace, worker.buildId);

gate.set(true);
const begun = performance.now();
const workflowIds: string[] = [];
for (const [index, { policy }] of bench.entries()) {
  const workflowId = accountWorkflowId(policy.account);
  await client.workflow.start<typeof account>('account', {
    workflowId,
    taskQueue: EMBEDDED_QUEUES.light,
    args: [{ account: policy.account, policy, scale, queues: EMBEDDED_QUEUES }],
  });
  workflowIds.push(workflowId);
  await until('the first cycles', 120, () => index - seen.size < STARTING_TOGETHER);
}
await until('the last first cycle', 120, () => seen.size === bench.length);
const seconds = (performance.now() - begun) / 1000;
say({ kind: 'ready', workflowIds, note: `first cycles with all fits: ${seconds.toFixed(1)} s` });
await finished;
