import { createPrices } from '../prices/kept.js';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Client } from '@temporalio/client';
import { z } from 'zod';
import { createFleetActivities } from '../../activities/fleet/index.js';
import { createActivities } from '../../activities/index.js';
import { createCrossing } from '../../activities/crossing.js';
import { createMigration } from '../../activities/migrate.js';
import { createRetraining, type ClassifySeries } from '../../activities/retrain.js';
import type { Queues } from '../../workflows/messages.js';
import { summarizePlan } from '../allocate/index.js';
import type { Cluster } from '../cluster/port.js';
import { inCluster } from '../cluster/simulated/adapter.js';
import { connectSimulatedCluster, type RemoteSimulation } from '../cluster/simulated/client.js';
import { createScraper, type Scraper } from '../cluster/simulated/scrape.js';
import { TOKEN_VARIABLE } from '../cluster/simulated/token.js';
import { createDecisionPool } from '../decide/pool.js';
import type { Decider } from '../decide/port.js';
import { HeadroomError } from '../domain/errors.js';
import type { ModelLibrary } from '../models/library.js';
import { REAL_TIME, simulatedNow, type TimeScale } from '../domain/time.js';
import { createOwnMetrics, type MetricsOptions } from '../operate/metrics/own.js';
import { createEmbeddedStore, storeMemory, type EmbeddedStore } from '../telemetry/embedded/store.js';
import { withRecordFeed } from '../telemetry/record-feed.js';
import { createStoreService } from '../telemetry/service.js';
import { createAccounts } from './accounts.js';
import { connectClient, connectWorker, type TemporalTarget } from './connection.js';
import { createDrift } from './drift.js';
import { createProvisioners } from '../cluster/provisioners.js';
import { createFleetDecider } from '../decide/fleet.js';
import { createFence } from './fence.js';
import { createHistories } from './histories.js';
import { createLookout } from './lookout.js';
import { announceWorker, sharingWords } from './neighbours.js';
import { commandLine, newToken, readRuntimeFile, removeRuntimeFile, writeRuntimeFile } from './home.js';
import { ensureSearchAttributes, makeVersionCurrent, setRetention } from './namespace.js';
import { startDevServer } from './server.js';
import { createWorkers } from './worker.js';

/** Everything on one queue: the server can then hand an activity out with the workflow task that asked for it. */
export const EMBEDDED_QUEUES: Queues = { light: 'headroom', compute: 'headroom', cluster: 'headroom' };

/** Wall time between scrapes: at any speed of simulated time a bin is in the store soon after its end. */
const SCRAPE_EVERY_MS = 100;

/** What is past retention is dropped this often. */
const COMPACT_EVERY_MS = 3_600_000;

export interface DevOptions {
  home: string;
  env: NodeJS.ProcessEnv;
  /** A simulated cluster from this scenario file; without one, `cluster` is used. */
  scenario?: string;
  cluster?: Cluster;
  /** A simulated cluster that runs already, in a process that outlives this one. */
  simulatedAt?: { url: string; token: string };
  /** An own Temporal server instead of an embedded one. */
  temporal?: TemporalTarget;
  port?: number;
  uiPort?: number;
  decisionThreads?: number;
  /** Trained models, and where to put new ones; without it there are none. */
  models?: ModelLibrary;
  /** Tells kinds of workload, for the searches that go before training. */
  classify?: ClassifySeries;
  /** Called before the worker starts: fills the store with history. */
  prepare?: (store: EmbeddedStore) => Promise<void>;
  /** Headroom's own metrics on a port; none without. */
  metrics?: MetricsOptions & { version: string };
  say: (line: string) => void;
}

export interface Dev {
  client: Client;
  store: EmbeddedStore;
  simulation: RemoteSimulation | null;
  decider: Decider;
  scraper: Scraper | null;
  /** Of the simulated cluster's clock, once it runs; real time without one. */
  scale(): TimeScale;
  /** Lets a held simulated clock run; the scale then holds for all accounts started after it. */
  run(factor: number): Promise<TimeScale>;
  temporalUi: string | null;
  address: string;
  metricsUrl: string | null;
  pids: { server: number | null; simulator: number | null };
  /** Rejects where the worker fails. */
  finished: Promise<void>;
  close(): Promise<void>;
}

/**
 * Everything in one process, but what has to outlive it: the Temporal server on its database file and the simulated
 * cluster on its journal are processes of their own, so that killing this one proves something.
 */
export async function startDev(options: DevOptions): Promise<Dev> {
  const { home, say } = options;
  const running = await readRuntimeFile(home);
  if (running !== null) {
    throw new HeadroomError({
      kind: 'refused',
      component: 'dev',
      action: `starting in ${home}`,
      problem: `headroom runs there already (process ${running.pid})`,
      remedy: 'use it, or end it first; HEADROOM_HOME names another folder',
    });
  }
  await mkdir(home, { recursive: true });
  // Taken down in the reverse order of building up, whatever happens on the way.
  const closers: (() => Promise<void>)[] = [];
  const closeAll = async (): Promise<void> => {
    for (const close of closers.splice(0).reverse()) {
      await close().catch((error: unknown) => say(`closing: ${String(error)}`));
    }
  };
  let scale: TimeScale = REAL_TIME;
  try {
    const store = withRecordFeed(
      await createEmbeddedStore({ path: join(home, 'telemetry.duckdb'), ...storeMemory(process.env) }),
    );
    closers.push(() => store.close());
    await options.prepare?.(store);
    const compaction = setInterval(() => {
      store.compact(simulatedNow(scale, Date.now())).catch((error: unknown) => say(`compacting: ${String(error)}`));
    }, COMPACT_EVERY_MS);
    closers.push(() => Promise.resolve(clearInterval(compaction)));

    let target = options.temporal;
    let temporalUi: string | null = null;
    let serverPid: number | null = null;
    if (target === undefined) {
      say('starting the Temporal server …');
      const server = await startDevServer({
        databaseFile: join(home, 'temporal.db'),
        env: options.env,
        ...(options.port === undefined ? {} : { port: options.port }),
        ...(options.uiPort === undefined ? {} : { uiPort: options.uiPort }),
      });
      closers.push(() => server.close());
      target = { options: { address: server.address }, namespace: 'default' };
      temporalUi = server.uiUrl;
      serverPid = server.pid;
    }
    const { client, connection: clientConnection } = await connectClient(target);
    closers.push(() => clientConnection.close());
    await ensureSearchAttributes(clientConnection, target.namespace);
    if (options.temporal === undefined) await setRetention(clientConnection, target.namespace);

    const simulator = await simulatorOf(options);
    if (simulator !== null) closers.push(() => simulator.close());
    const cluster = simulator?.simulation ?? options.cluster;
    if (cluster === undefined) throw new RangeError('a scenario or a cluster is needed');
    scale = (await simulator?.simulation.scale()) ?? REAL_TIME;

    const token = newToken();
    const service = await createStoreService(store, { token });
    closers.push(() => service.close());
    const scraper =
      simulator === null
        ? null
        : createScraper({
            cluster: simulator.simulation,
            everyMs: SCRAPE_EVERY_MS,
            sink: async (usage, metrics) => {
              await store.writeUsage(usage);
              await store.writeMetrics(metrics);
            },
          });
    if (scraper !== null) closers.push(() => scraper.stop());

    const decider = createDecisionPool(options.decisionThreads ?? 1, {
      say,
      ...(options.models === undefined
        ? {}
        : { models: { folder: options.models.folder, version: options.models.code.version } }),
    });
    closers.push(() => decider.close());
    const connection = await connectWorker(target);
    closers.push(() => connection.close());
    const metrics = options.metrics === undefined ? null : createOwnMetrics(options.metrics);
    const now = (): number => simulatedNow(scale, Date.now());
    const clusterOf = (name: string): Cluster => {
      if (name === cluster.name) return cluster;
      const beside = simulator === null ? null : inCluster(simulator.simulation, name);
      if (beside !== null) return beside;
      throw new HeadroomError({
        kind: 'not-found',
        component: 'worker',
        action: `finding cluster ${name}`,
        problem: `this worker serves ${cluster.name} alone`,
        remedy: `set cluster: ${cluster.name} in the account file, or run a worker for ${name}`,
      });
    };
    const fence = createFence(client, now);
    const fleetDecider = createFleetDecider();
    closers.push(() => fleetDecider.close());
    const lookout = createLookout({ client, cluster: clusterOf, source: store, now, say });
    closers.push(() => lookout.close());
    const prices = createPrices({ env: process.env, now: () => Date.now() / 1000, speed: () => scale.factor });
    const activities = createActivities(
      {
        store,
        behavior: store,
        source: store,
        cluster: clusterOf,
        fence,
        lookout,
        decider: metrics?.decider(decider) ?? decider,
        histories: createHistories(client),
        prices,
        ...(options.models === undefined ? {} : { drift: createDrift(client, options.models) }),
      },
      summarizePlan,
    );
    const presence = await announceWorker(home, [...new Set(Object.values(EMBEDDED_QUEUES))]);
    closers.push(() => presence.leave());
    for (const other of presence.sharing) say(`warning: ${sharingWords(other, home)}`);
    const worker = await createWorkers({
      connection,
      namespace: target.namespace,
      queues: EMBEDDED_QUEUES,
      serve: ['light', 'compute', 'cluster'],
      versioning: true,
      activities: {
        ...(options.models === undefined
          ? {}
          : createRetraining({
              ...{ store, models: options.models },
              ...(options.classify === undefined ? {} : { classify: options.classify }),
            })),
        ...createFleetActivities({
          ...{ store, fence, decider: fleetDecider, prices },
          provisioners: createProvisioners(clusterOf, options.env),
        }),
        ...createMigration({
          ...{ store, behavior: store, cluster: clusterOf, fence, accounts: createAccounts(client) },
          env: options.env,
        }),
        ...createCrossing({ store, fence, accounts: createAccounts(client) }),
        ...(metrics?.activities(activities) ?? activities),
      },
    });
    const finished = worker.run();
    finished.catch((error: unknown) => say(`worker: ${String(error)}`));
    closers.push(async () => {
      worker.shutdown();
      await finished.catch(() => undefined);
    });
    await makeVersionCurrent(clientConnection, target.namespace, worker.buildId);

    const temporal = target;
    const exposed =
      (await metrics?.serve({
        build: { version: options.metrics?.version ?? '', buildId: worker.buildId },
        readiness: {
          temporal: () => clientConnection.workflowService.describeNamespace({ namespace: temporal.namespace }),
          store: () => store.listRecords('account', 'readyz', { limit: 1 }),
        },
        client,
        now,
      })) ?? null;
    if (exposed !== null) closers.push(() => exposed.close());
    const publish = () =>
      writeRuntimeFile(home, {
        pid: process.pid,
        storeUrl: service.url,
        storeToken: token,
        temporalAddress: temporal.options.address ?? '',
        namespace: temporal.namespace,
        temporalUi,
        clusterUrl: simulator?.url ?? null,
        clusterToken: simulator?.token ?? null,
        scale,
        queues: EMBEDDED_QUEUES,
        startedBy: commandLine(),
      });
    await publish();
    closers.push(() => removeRuntimeFile(home));
    return {
      client,
      store,
      simulation: simulator?.simulation ?? null,
      decider,
      scraper,
      scale: () => scale,
      async run(factor) {
        if (simulator === null) return scale;
        // After a restart its clock runs already, on the scale that the accounts know.
        const runs = await simulator.simulation.scale();
        scale = runs ?? (await simulator.simulation.run(factor));
        await publish();
        return scale;
      },
      temporalUi,
      address: temporal.options.address ?? '',
      metricsUrl: exposed?.url ?? null,
      pids: { server: serverPid, simulator: simulator?.pid ?? null },
      finished,
      close: closeAll,
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

interface Simulator {
  url: string;
  token: string;
  pid: number | null;
  simulation: RemoteSimulation;
  close(): Promise<void>;
}

async function simulatorOf({ home, scenario, simulatedAt }: DevOptions): Promise<Simulator | null> {
  if (simulatedAt !== undefined) {
    const simulation = await connectSimulatedCluster(simulatedAt);
    return { ...simulatedAt, pid: null, simulation, close: () => simulation.close() };
  }
  return scenario === undefined ? null : spawnSimulator(scenario, home);
}

const readySchema = z.object({ url: z.string() });

/** The simulated cluster as a process of its own, with its journal in the home folder. */
async function spawnSimulator(scenario: string, home: string): Promise<Simulator> {
  const token = newToken();
  const script = fileURLToPath(new URL('../cluster/simulated/server.js', import.meta.url));
  const child = spawn(
    process.execPath,
    [script, '--scenario', scenario, '--state', join(home, 'cluster.journal'), '--with-parent'],
    {
      env: { ...process.env, [TOKEN_VARIABLE]: token },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    },
  );
  const url = await firstLine(child, 'starting the simulated cluster');
  const simulation = await connectSimulatedCluster({ url: readySchema.parse(JSON.parse(url)).url, token });
  return {
    url: readySchema.parse(JSON.parse(url)).url,
    token,
    pid: child.pid ?? null,
    simulation,
    async close() {
      await simulation.close();
      if (child.exitCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    },
  };
}

async function firstLine(child: ChildProcess, action: string): Promise<string> {
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-2000);
  });
  if (child.stdout === null) throw new TypeError('the child has no standard output');
  const lines = createInterface({ input: child.stdout });
  const line = await Promise.race([
    once(lines, 'line').then(([text]) => String(text)),
    once(child, 'exit').then(() => null),
  ]);
  if (line !== null) return line;
  throw new HeadroomError({
    kind: 'unavailable',
    component: 'dev',
    action,
    problem: said.trim(),
    remedy: 'correct what it says and start again',
  });
}
