import { CELL_NAME } from '../cell.js';
import { argument, withExamples, type RegisterCommand } from '../command.js';
import type { ServeOptions } from '../serve.js';

const cellOf = argument((text: string): string => {
  if (CELL_NAME.test(text)) return text;
  throw new RangeError(`"${text}" is no name of a cell: lower-case letters, digits and "-", at most 63`);
});

export const register: RegisterCommand = (program, terminal) => {
  withExamples(
    program
      .command('worker')
      .description('serve accounts on your own Temporal server and Kubernetes cluster; until Ctrl-C')
      .option('--roles <list>', 'queues to serve: light (workflows), compute, cluster', 'light,compute,cluster')
      .option('--cluster <name>', 'name of the cluster whose queue it serves', 'main')
      .option('--context <name>', 'kubeconfig context of that cluster')
      .option('--cell <name>', 'take part in federations under this name: data stay here, noised updates leave', cellOf)
      .option('--threads <n>', 'threads for forecasts and plans', '1')
      .option(
        '--source <kind>',
        'where usage is read: store, influxdb (INFLUX_URL, INFLUX_TOKEN, INFLUX_ORG, INFLUX_BUCKET), or prometheus ' +
          '(PROMETHEUS_URL, and what docs/telemetry.md names)',
        'store',
      )
      .option(
        '--sink <kind>',
        'where forecasts, plans and outcomes are copied from the store as they are made: none, or influxdb',
        'none',
      )
      .option('--speed <n>', 'rehearsal: time runs n times as fast (for trying it on a test cluster)')
      .option('--clock <time>', 'rehearsal: the time at which it begins; default now')
      .option('--metrics-port <n>', 'of its own /metrics, /healthz and /readyz; 0 takes a free one (default: 9464)')
      .option('--metrics-host <host>', 'address to listen on for them', '127.0.0.1')
      .option('--no-current', 'do not make this build the current version')
      .action(async (options: ServeOptions) => {
        // The SDK's native parts and the solver are loaded by who serves, not by who asks for help.
        const { serve } = await import('../serve.js');
        await serve(options, terminal);
      }),
    'worker',
    'worker --roles cluster --cluster eu-1 --context eu-1',
    'worker --source prometheus --metrics-host 0.0.0.0 # with PROMETHEUS_URL set',
  );
};
