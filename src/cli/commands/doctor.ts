import { accessSync, constants, existsSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { readBuildId } from '../../temporal/bundle.js';
import { connectClient, resolveTarget } from '../../temporal/connection.js';
import { findTool, homeFolder, readLeftBehind, readRuntimeFile } from '../../temporal/home.js';
import { DEPLOYMENT_NAME, ensureSearchAttributes, makeVersionCurrent } from '../../temporal/namespace.js';
import { createStoreClient } from '../../telemetry/client.js';
import { connectSimulatedCluster } from '../../cluster/simulated/client.js';
import type { Check, Finding } from '../doctor/finding.js';
import { EXIT, printJson, withExamples, type RegisterCommand, type Terminal } from '../command.js';
import { readPolicyFile } from './start.js';

interface Options {
  fix?: boolean;
  context?: string;
  file?: string;
  json?: boolean;
}

/** Less than this and a telemetry file fills the disk before long. */
const FREE_BYTES = 512 * 2 ** 20;

export const register: RegisterCommand = (program, terminal) => {
  withExamples(
    program
      .command('doctor')
      .description(
        'check what Headroom stands on, and say what to do about it; Kubernetes, InfluxDB and Prometheus where KUBECONFIG, ' +
          'INFLUX_URL and PROMETHEUS_URL name them',
      )
      .option('--context <name>', 'kubeconfig context of the cluster to look at')
      .option('-f, --file <file>', 'an account file: is what it names in the cluster?')
      .option('--fix', 'register missing search attributes and make this build the current version')
      .option('--json', 'for machines')
      .action(async (options: Options) => {
        const findings = await examine(terminal, options);
        const ok = findings.every((finding) => finding.ok);
        if (options.json === true) printJson(terminal, { ok, findings });
        else {
          const { color } = terminal;
          for (const { check, ok: fine, detail, remedy } of findings) {
            terminal.out(`${fine ? color.green('ok  ') : color.red('bad ')} ${check}: ${detail}`);
            if (remedy !== undefined && !fine) terminal.out(`     ${remedy}`);
          }
        }
        if (!ok) process.exitCode = EXIT.failed;
      }),
    'doctor',
    'doctor --fix --json',
    'doctor -f examples/shop.yaml # with KUBECONFIG set',
  );
};

async function examine(terminal: Terminal, options: Options): Promise<Finding[]> {
  // A mistake in it is the command's own, not a finding.
  const policy = options.file === undefined ? null : await readPolicyFile(options.file);
  const findings: Finding[] = [];
  const check: Check = async (name, remedy, work) => {
    try {
      findings.push({ check: name, ok: true, detail: await work() });
      return true;
    } catch (error) {
      findings.push({ check: name, ok: false, detail: error instanceof Error ? error.message : String(error), remedy });
      return false;
    }
  };
  const { env } = terminal;
  const home = homeFolder(env);
  await check('node', 'install Node 20.3 or newer', () => process.version);
  await check('temporal binary', 'run `make setup`', async () => {
    const path = await findTool('temporal', env);
    if (path === undefined) throw new Error('none found');
    return path;
  });
  await check('workflow bundle', 'run `make setup`', async () => `build ${await readBuildId()}`);
  await check('home folder', 'set HEADROOM_HOME to a folder that can be written to', () => {
    const folder = existsSync(home) ? home : dirname(home);
    accessSync(folder, constants.W_OK);
    return home;
  });
  await check('disk', 'free some space, or set HEADROOM_HOME to another disk', () => {
    const { bavail, bsize } = statfsSync(existsSync(home) ? home : dirname(home));
    const free = bavail * bsize;
    const text = `${(free / 2 ** 30).toFixed(1)} GiB free`;
    if (free < FREE_BYTES) throw new Error(text);
    return text;
  });
  const runtime = await readRuntimeFile(home).catch(() => null);
  const left = runtime === null ? await readLeftBehind(home) : null;
  await check('running headroom', `start \`${left?.startedBy ?? 'headroom dev'}\`, or a worker`, () => {
    if (left !== null) throw new Error(`process ${left.pid} is gone without having ended`);
    if (runtime === null) throw new Error(`none in ${home}`);
    return `process ${runtime.pid}`;
  });
  if (runtime !== null) {
    await check('telemetry store', 'end the running headroom and start it again', async () => {
      const store = createStoreClient({ url: runtime.storeUrl, token: runtime.storeToken });
      await store.listRecords('account', 'doctor', { limit: 1 });
      await store.close();
      return `answers at ${runtime.storeUrl}`;
    });
    if (runtime.clusterUrl !== null && runtime.clusterToken !== null) {
      const { clusterUrl: url, clusterToken: token } = runtime;
      await check('simulated cluster', 'end the running headroom and start it again', async () => {
        const simulation = await connectSimulatedCluster({ url, token });
        await simulation.close();
        return `answers at ${url}`;
      });
    }
  }
  await checkTemporal(terminal, options.fix === true, check);
  const { context } = options;
  if (policy !== null || namesCluster(env, context)) {
    const { checkKubernetes } = await import('../doctor/kubernetes.js');
    await checkKubernetes(check, { policy, ...(context === undefined ? {} : { context }) });
  }
  const { checkTelemetry } = await import('../doctor/telemetry.js');
  await checkTelemetry(env, check);
  const { checkModels } = await import('../doctor/models.js');
  await checkModels(env, check);
  return findings;
}

/** Whether the environment, or the command line, speaks of a Kubernetes cluster at all. */
const namesCluster = (env: NodeJS.ProcessEnv, context: string | undefined): boolean =>
  context !== undefined ||
  [env['KUBECONFIG'], env['KUBERNETES_SERVICE_HOST']].some((value) => value !== undefined && value !== '');

async function checkTemporal(terminal: Terminal, fix: boolean, check: Check): Promise<void> {
  const { runtime: _runtime, ...target } = await resolveTarget(terminal.env);
  const { namespace } = target;
  await check('temporal server', 'start `headroom dev`, or set TEMPORAL_ADDRESS or TEMPORAL_PROFILE', async () => {
    const { connection } = await connectClient(target);
    await connection.close();
    return `answers at ${target.options.address}, namespace ${namespace}`;
  }).then(async (reachable) => {
    if (!reachable) return;
    const { connection } = await connectClient(target);
    try {
      await check('search attributes', 'run `headroom doctor --fix`', async () => {
        if (fix) {
          const added = await ensureSearchAttributes(connection, namespace);
          return added.length === 0 ? 'all registered' : `registered ${added.join(', ')}`;
        }
        const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
        if (customAttributes?.['HeadroomAccount'] === undefined) throw new Error('HeadroomAccount is not registered');
        return 'registered';
      });
      await check('worker version', 'start a worker of this build, then run `headroom doctor --fix`', async () => {
        const buildId = await readBuildId();
        if (fix) await makeVersionCurrent(connection, namespace, buildId);
        const described = await connection.workflowService.describeWorkerDeployment({
          namespace,
          deploymentName: DEPLOYMENT_NAME,
        });
        const current = described.workerDeploymentInfo?.routingConfig?.currentDeploymentVersion?.buildId;
        if (current !== buildId)
          throw new Error(`the current version is ${current ?? 'none'}, this build is ${buildId}`);
        return `build ${buildId} is current`;
      });
    } finally {
      await connection.close();
    }
  });
}
