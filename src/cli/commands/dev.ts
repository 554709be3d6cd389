import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { homeFolder } from '../../temporal/home.js';
import { startDev } from '../../temporal/dev.js';
import { installLogger } from '../../temporal/worker.js';
import { CommandFailure, EXIT, withExamples, type RegisterCommand } from '../command.js';
import { clusterOfEnvironment } from '../kube.js';
import { numberOf } from '../session.js';

interface Options {
  scenario?: string;
  kubernetes?: boolean;
  context?: string;
  speed: string;
  port?: string;
  uiPort?: string;
}

export const register: RegisterCommand = (program, terminal) => {
  withExamples(
    program
      .command('dev')
      .description('everything embedded: Temporal server, telemetry store, cluster, worker; until Ctrl-C')
      .option('--scenario <file>', 'a simulated cluster from this scenario (default: examples/scenario.yaml)')
      .option('--kubernetes', 'a real cluster instead: the kubeconfig of the environment')
      .option('--context <name>', 'with --kubernetes: which of its contexts')
      .option('--speed <x>', 'simulated seconds in a second', '1')
      .option('--port <n>', 'of the Temporal server (default: a free one)')
      .option('--ui-port <n>', 'of the Temporal UI (default: a free one)')
      .action(async (options: Options) => {
        const scenario = resolve(terminal.cwd, options.scenario ?? 'examples/scenario.yaml');
        if (options.kubernetes !== true && !existsSync(scenario)) {
          throw new CommandFailure(EXIT.notFound, `${scenario} is not there; name one by --scenario`);
        }
        const speed = numberOf(options.speed, '--speed');
        if (!(speed > 0)) throw new CommandFailure(EXIT.usage, '--speed must be above 0');
        installLogger();
        const dev = await startDev({
          home: homeFolder(terminal.env),
          env: terminal.env,
          say: (line) => terminal.err(line),
          ...(options.kubernetes === true ? { cluster: clusterOfEnvironment('main', options.context) } : { scenario }),
          ...(options.port === undefined ? {} : { port: numberOf(options.port, '--port') }),
          ...(options.uiPort === undefined ? {} : { uiPort: numberOf(options.uiPort, '--ui-port') }),
        });
        if (dev.simulation !== null) await dev.run(speed);
        terminal.out(`Temporal at ${dev.address}, its UI at ${dev.temporalUi ?? 'your server’s own'}`);
        terminal.out('ready: headroom start ACCOUNT -f FILE in another terminal; Ctrl-C ends it');
        const interrupted = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
        try {
          await Promise.race([interrupted, dev.finished]);
        } finally {
          terminal.err('ending …');
          await dev.close();
        }
      }),
    'dev',
    'dev --scenario examples/scenario.yaml --speed 60',
    'dev --kubernetes --context kind-test',
  );
};
