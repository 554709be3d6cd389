import { once } from 'node:events';
import { createActivities } from '../../activities/index.js';
import { createFleetActivities } from '../../activities/fleet/index.js';
import { createFederation } from '../../activities/federate.js';
import { createCrossing } from '../../activities/crossing.js';
import { createMigration } from '../../activities/migrate.js';
import { createRetraining } from '../../activities/retrain.js';
import { cellQueue } from '../../workflows/federate-messages.js';
import { summarizePlan } from '../allocate/index.js';
import { createProvisioners } from '../cluster/provisioners.js';
import type { Cluster } from '../cluster/port.js';
import { createFleetDecider } from '../decide/fleet.js';
import { createDecisionPool } from '../decide/pool.js';
import { HeadroomError } from '../domain/errors.js';
import { trainLocallyInThread } from '../forecast/neural/trainer.js';
import { createOwnMetrics } from '../operate/metrics/own.js';
import { withInfluxSink } from '../telemetry/influxdb/sink.js';
import { createInfluxTelemetry } from '../telemetry/influxdb/source.js';
import type { Store, UsageSource } from '../telemetry/port.js';
import { locateByPolicy } from '../telemetry/prometheus/locate.js';
import { prometheusOptions } from '../telemetry/prometheus/options.js';
import { createPrometheusUsage } from '../telemetry/prometheus/usage.js';
import { connectClient, connectWorker, resolveTarget } from '../temporal/connection.js';
import { createAccounts } from '../temporal/accounts.js';
import { createDrift } from '../temporal/drift.js';
import { createFence } from '../temporal/fence.js';
import { createHistories } from '../temporal/histories.js';
import { createLookout } from '../temporal/lookout.js';
import { commandLine, homeFolder, removeRuntimeFile, writeRuntimeFile } from '../temporal/home.js';
import { announceWorker, sharingWords } from '../temporal/neighbours.js';
import { ensureSearchAttributes, makeVersionCurrent } from '../temporal/namespace.js';
import { clockOf } from '../temporal/rehearsal.js';
import { createWorkers, installLogger } from '../temporal/worker.js';
import { parseTime, simulatedNow } from '../domain/time.js';
import { createClassifier } from './classes.js';
import { CommandFailure, EXIT, type Terminal } from './command.js';
import { endSink, influxOfEnvironment, sinkOfEnvironment } from './influxdb.js';
import { clusterOfEnvironment } from './kube.js';
import { openLibrary } from './models.js';
import { portOf } from './port.js';
import { numberOf } from './session.js';
import { openStore } from './store.js';
import { createPrices } from '../prices/kept.js';
import { packageVersion } from './version.js';

export interface ServeOptions {
  roles: string;
  cluster: string;
  context?: string;
  threads: string;
  /** Its name in federations: what it trains for them never leaves it but as a noised update. */
  cell?: string;
  source: string;
  sink: string;
  current: boolean;
  /** A rehearsal: time runs so many times as fast, from `clock` on. */
  speed?: string;
  clock?: string;
  metricsPort?: string;
  metricsHost: string;
}

export const ROLES = ['light', 'compute', 'cluster'] as const;

/** Serves the queues of the given roles until it is told to end. */
export async function serve(options: ServeOptions, terminal: Terminal): Promise<void> {
  const roles = ROLES.filter((role) => options.roles.split(',').includes(role));
  const unknown = options.roles.split(',').filter((role) => !ROLES.some((known) => known === role));
  if (unknown.length > 0 || roles.length === 0) {
    throw new CommandFailure(EXIT.usage, `--roles ${options.roles}: known are ${ROLES.join(', ')}`);
  }
  // Read before anything is opened, so that a mistake in it leaves nothing to close.
  const sourceOver = sourceOf(options.source, terminal.env);
  installLogger();
  const home = homeFolder(terminal.env);
  const scale = await clockOf(
    home,
    options.speed === undefined
      ? null
      : {
          speed: numberOf(options.speed, '--speed'),
          from: options.clock === undefined ? null : parseTime(options.clock),
        },
  );
  const now = (): number => simulatedNow(scale, Date.now());
  const { runtime, ...target } = await resolveTarget(terminal.env);
  const { client, connection: clientConnection } = await connectClient(target);
  const {
    store,
    owned,
    close: closeStore,
  } = await openStore(runtime, {
    home,
    env: terminal.env,
    now,
    say: (line) => terminal.err(line),
  });
  const queues = { light: 'headroom', compute: 'headroom-compute', cluster: `headroom-cluster-${options.cluster}` };
  const presence = await announceWorker(
    home,
    roles.map((role) => queues[role]),
  );
  for (const other of presence.sharing) terminal.err(`warning: ${sharingWords(other, home)}`);
  const metrics = createOwnMetrics({
    host: options.metricsHost,
    ...(options.metricsPort === undefined ? {} : { port: portOf(options.metricsPort, '--metrics-port') }),
  });
  const models = openLibrary(terminal.env);
  const decider = createDecisionPool(Math.max(1, Math.round(numberOf(options.threads, '--threads'))), {
    models: { folder: models.folder, version: models.code.version },
    say: (line) => terminal.err(line),
  });
  const cluster = roles.includes('cluster')
    ? clusterOfEnvironment(options.cluster, (line) => terminal.err(line), options.context)
    : null;
  await ensureSearchAttributes(clientConnection, target.namespace);
  const connection = await connectWorker(target);
  const clusterOf = (name: string): Cluster => {
    if (cluster !== null && name === options.cluster) return cluster;
    throw new HeadroomError({
      kind: 'not-found',
      component: 'worker',
      action: `finding cluster ${name}`,
      problem: `this worker serves ${cluster === null ? 'no cluster' : options.cluster}`,
      remedy: `run a worker with --roles cluster --cluster ${name}`,
    });
  };
  const fence = createFence(client, now);
  const sink = sinkOfEnvironment(options.sink, store, terminal.env, (line) => terminal.err(line));
  const recording = sink === null ? store : withInfluxSink(store, sink);
  const source = sourceOver(recording);
  const lookout =
    cluster === null
      ? null
      : createLookout({ client, cluster: clusterOf, source, now, say: (line) => terminal.err(line) });
  const fleetDecider = createFleetDecider();
  const prices = createPrices({ env: terminal.env, now: () => Date.now() / 1000 });
  const worker = await createWorkers({
    connection,
    namespace: target.namespace,
    queues,
    serve: roles,
    versioning: true,
    ...(options.cell === undefined ? {} : { others: [cellQueue(options.cell)] }),
    activities: {
      ...createRetraining({ store: recording, models, classify: createClassifier() }),
      ...createFederation({ store: recording, models, trainLocally: trainLocallyInThread }),
      ...createMigration({
        ...{ store: recording, behavior: store, cluster: clusterOf, fence, accounts: createAccounts(client) },
        env: terminal.env,
      }),
      ...createCrossing({ store: recording, fence, accounts: createAccounts(client) }),
      ...createFleetActivities({
        ...{ store: recording, fence, decider: fleetDecider, prices },
        provisioners: createProvisioners(clusterOf, terminal.env),
      }),
      ...metrics.activities(
        createActivities(
          {
            store: recording,
            behavior: store,
            source,
            cluster: clusterOf,
            fence,
            ...(lookout === null ? {} : { lookout }),
            decider: metrics.decider(decider),
            histories: createHistories(client),
            drift: createDrift(client, models),
            prices,
          },
          summarizePlan,
        ),
      ),
    },
  });
  const finished = worker.run();
  const exposed = await metrics.serve({
    build: { version: packageVersion(), buildId: worker.buildId },
    readiness: {
      temporal: () => clientConnection.workflowService.describeNamespace({ namespace: target.namespace }),
      store: () => store.listRecords('account', 'readyz', { limit: 1 }),
    },
    client: roles.includes('light') ? client : null,
    now,
  });
  if (options.current) await makeVersionCurrent(clientConnection, target.namespace, worker.buildId);
  if (owned !== null) {
    await writeRuntimeFile(home, {
      pid: process.pid,
      storeUrl: owned.url,
      storeToken: owned.token,
      temporalAddress: target.options.address ?? '',
      namespace: target.namespace,
      temporalUi: null,
      clusterUrl: null,
      clusterToken: null,
      scale,
      queues,
      startedBy: commandLine(),
    });
  }
  terminal.err(`worker of build ${worker.buildId} serves ${roles.map((role) => queues[role]).join(', ')}`);
  terminal.err(`metrics at ${exposed.url}/metrics`);
  try {
    await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM'), finished]);
  } finally {
    worker.shutdown();
    await finished.catch((error: unknown) => terminal.err(String(error)));
    await exposed.close();
    if (owned !== null) await removeRuntimeFile(home);
    await presence.leave();
    await lookout?.close();
    await cluster?.close();
    await decider.close();
    await fleetDecider.close();
    await endSink(sink);
    await closeStore();
    await connection.close();
    await clientConnection.close();
  }
}

/** What the environment says of the source; the source itself stands on the store. */
function sourceOf(kind: string, env: NodeJS.ProcessEnv): (store: Store) => UsageSource {
  switch (kind) {
    case 'store':
      return (store) => store;
    case 'prometheus': {
      const options = prometheusOptions(env);
      // Templates are read when a source is made; this one is never asked.
      void createPrometheusUsage(options).close();
      return (store) => createPrometheusUsage({ ...options, locate: locateByPolicy(store) });
    }
    case 'influxdb': {
      const { url, token, org, names } = influxOfEnvironment(env, '--source influxdb');
      const { bucket, hourlyBucket } = names;
      return () => createInfluxTelemetry({ url, token, org, bucket, hourlyBucket });
    }
    default:
      throw new CommandFailure(EXIT.usage, `--source ${kind}: known are store, influxdb, prometheus`);
  }
}
