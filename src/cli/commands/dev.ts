import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { DevOptions } from '../../temporal/dev.js';
import { TOKEN_VARIABLE } from '../../cluster/simulated/token.js';
import { homeFolder, PACKAGE_ROOT } from '../../temporal/home.js';
import { CommandFailure, EXIT, withExamples, type RegisterCommand, type Terminal } from '../command.js';
import { portOf as metricsPortOf } from '../port.js';
import { numberOf } from '../session.js';
import { packageVersion } from '../version.js';

interface Options {
  scenario?: string;
  kubernetes?: boolean;
  context?: string;
  clusterUrl?: string;
  speed: string;
  port?: string;
  uiPort?: string;
  metricsPort?: string;
  metricsHost: string;
}

export const register: RegisterCommand = (program, terminal) => {
  withExamples(
    program
      .command('dev')
      .description(
        'everything embedded: Temporal server (yours, where TEMPORAL_ADDRESS or TEMPORAL_PROFILE names it), telemetry ' +
          'store, cluster, worker; until Ctrl-C',
      )
      .option('--scenario <file>', 'a simulated cluster from this scenario (default: examples/scenario.yaml)')
      .option('--kubernetes', 'a real cluster instead: the kubeconfig of the environment')
      .option('--context <name>', 'with --kubernetes: which of its contexts')
      .option('--cluster-url <url>', `a simulated cluster that runs already; its token in ${TOKEN_VARIABLE}`)
      .option('--speed <x>', 'simulated seconds in a second', '1')
      .option('--port <n>', 'of the Temporal server (default: a free one)')
      .option('--ui-port <n>', 'of the Temporal UI (default: a free one)')
      .option('--metrics-port <n>', 'of its own /metrics, /healthz and /readyz; 0 takes a free one (default: 9464)')
      .option('--metrics-host <host>', 'address to listen on for them', '127.0.0.1')
      .action((options: Options) => runDev(options, terminal)),
    'dev',
    'dev --scenario examples/scenario.yaml --speed 60',
    'dev --kubernetes --context kind-test',
    `dev --cluster-url http://127.0.0.1:4000 # with ${TOKEN_VARIABLE} set`,
  );
};

async function runDev(options: Options, terminal: Terminal): Promise<void> {
  // The SDK's native parts and the solver are loaded by who serves, not by who asks for help.
  const { startDev } = await import('../../temporal/dev.js');
  const { installLogger } = await import('../../temporal/worker.js');
  const { namedTarget } = await import('../../temporal/connection.js');
  const { openLibrary } = await import('../models.js');
  const { createClassifier } = await import('../classes.js');
  const speed = numberOf(options.speed, '--speed');
  if (!(speed > 0)) throw new CommandFailure(EXIT.usage, '--speed must be above 0');
  const where = await clusterOf(options, terminal);
  const temporal = namedTarget(terminal.env);
  const ports = {
    ...(options.port === undefined ? {} : { port: portOf(options.port, '--port') }),
    ...(options.uiPort === undefined ? {} : { uiPort: portOf(options.uiPort, '--ui-port') }),
  };
  installLogger();
  // Listened for from here on: a Ctrl-C in the middle of the start leaves no server behind.
  const interrupted = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  let stopped = false;
  void interrupted.then(() => (stopped = true));
  const dev = await startDev({
    home: homeFolder(terminal.env),
    env: terminal.env,
    models: openLibrary(terminal.env),
    classify: createClassifier(),
    say: (line) => terminal.err(line),
    ...where,
    ...ports,
    metrics: {
      host: options.metricsHost,
      version: packageVersion(),
      ...(options.metricsPort === undefined ? {} : { port: metricsPortOf(options.metricsPort, '--metrics-port') }),
    },
    ...(temporal === null ? {} : { temporal }),
  });
  try {
    if (stopped) return;
    if (dev.simulation !== null) {
      const { factor } = await dev.run(speed);
      if (factor !== speed)
        terminal.err(`the simulated clock runs already, at speed ${factor}; --speed changes nothing`);
    }
    terminal.out(`Temporal at ${dev.address}, its UI at ${dev.temporalUi ?? 'your server’s own'}`);
    if (dev.metricsUrl !== null) terminal.out(`metrics at ${dev.metricsUrl}/metrics`);
    terminal.out('ready: headroom start ACCOUNT -f FILE in another terminal; Ctrl-C ends it');
    await Promise.race([interrupted, dev.finished]);
  } finally {
    terminal.err('ending …');
    await dev.close();
    if (where.cluster !== undefined) await where.cluster.close();
  }
}

type Where = Pick<DevOptions, 'scenario' | 'cluster' | 'simulatedAt'>;

/** One of the three: a scenario to play, a simulated cluster elsewhere, or a real one. */
async function clusterOf(options: Options, terminal: Terminal): Promise<Where> {
  const given = [options.scenario, options.kubernetes, options.clusterUrl].filter((option) => option !== undefined);
  if (given.length > 1) throw new CommandFailure(EXIT.usage, 'give one of --scenario, --kubernetes, --cluster-url');
  if (options.kubernetes === true) {
    const { clusterOfEnvironment } = await import('../kube.js');
    return { cluster: clusterOfEnvironment('main', (line) => terminal.err(line), options.context) };
  }
  if (options.clusterUrl !== undefined) {
    const token = terminal.env[TOKEN_VARIABLE];
    if (token === undefined || token === '') {
      throw new CommandFailure(EXIT.usage, `--cluster-url needs the cluster’s token in ${TOKEN_VARIABLE}`);
    }
    return { simulatedAt: { url: options.clusterUrl, token } };
  }
  const scenario =
    options.scenario === undefined
      ? join(PACKAGE_ROOT, 'examples', 'scenario.yaml')
      : resolve(terminal.cwd, options.scenario);
  if (!existsSync(scenario)) {
    throw new CommandFailure(EXIT.notFound, `${scenario} is not there; name one by --scenario`);
  }
  return { scenario };
}

function portOf(text: string, what: string): number {
  const port = numberOf(text, what);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new CommandFailure(EXIT.usage, `${what} ${text}: a port is a whole number from 1 to 65535`);
}
