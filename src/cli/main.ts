import { Command, CommanderError } from 'commander';
import { isHeadroomError } from '../domain/errors.js';
import { createTerminal, EXIT, exitCodeOf, type RegisterCommand, type Terminal } from './command.js';
import { packageVersion } from './version.js';

/** In the order in which `headroom --help` shows them; loaded lazily by name so that a command starts fast. */
const COMMANDS: Record<string, () => Promise<{ register: RegisterCommand }>> = {
  dev: () => import('./commands/dev.js'),
  worker: () => import('./commands/worker.js'),
  store: () => import('./commands/store.js'),
  scaler: () => import('./commands/scaler.js'),
  start: () => import('./commands/start.js'),
  stop: () => import('./commands/stop.js'),
  list: () => import('./commands/list.js'),
  status: () => import('./commands/status.js'),
  plan: () => import('./commands/plan.js'),
  prices: () => import('./commands/prices.js'),
  why: () => import('./commands/why.js'),
  history: () => import('./commands/history.js'),
  pause: () => import('./commands/pause.js'),
  resume: () => import('./commands/resume.js'),
  nudge: () => import('./commands/nudge.js'),
  freeze: () => import('./commands/freeze.js'),
  unfreeze: () => import('./commands/freeze.js'),
  fleet: () => import('./commands/fleet.js'),
  override: () => import('./commands/override.js'),
  migrate: () => import('./commands/migrate.js'),
  migrations: () => import('./commands/migrations.js'),
  prefetch: () => import('./commands/prefetch.js'),
  approve: () => import('./commands/approve.js'),
  reject: () => import('./commands/reject.js'),
  announce: () => import('./commands/announce.js'),
  policy: () => import('./commands/policy.js'),
  erase: () => import('./commands/erase.js'),
  import: () => import('./commands/import.js'),
  telemetry: () => import('./commands/telemetry.js'),
  events: () => import('./commands/events.js'),
  behavior: () => import('./commands/behavior.js'),
  forecast: () => import('./commands/forecast.js'),
  backtest: () => import('./commands/backtest.js'),
  models: () => import('./commands/models.js'),
  retrain: () => import('./commands/retrain.js'),
  federate: () => import('./commands/federate.js'),
  doctor: () => import('./commands/doctor.js'),
  completion: () => import('./commands/completion.js'),
};

export async function main(argv: readonly string[], terminal: Terminal = createTerminal()): Promise<number> {
  const program = new Command('headroom')
    .description('Predictive capacity for multi-tenant platforms, one durable Temporal workflow per account')
    .version(packageVersion(), '-V, --version')
    .showSuggestionAfterError()
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ writeOut: (text) => terminal.out(text), writeErr: (text) => terminal.err(text) })
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 ran and the answer is no, 2 bad usage or input, 3 not found, 4 refused in this state,\n' +
        '5 something is out of reach. Colour only on a terminal; NO_COLOR turns it off.',
    );
  const wanted = argv[0];
  const only = wanted !== undefined && Object.hasOwn(COMMANDS, wanted) ? COMMANDS[wanted] : undefined;
  // A file is loaded for each command when all are shown or completed, else for the one that is asked for.
  const files = only === undefined || wanted === 'completion' ? Object.values(COMMANDS) : [only];
  const registered = new Set<RegisterCommand>();
  for (const load of files) {
    const { register } = await load();
    if (registered.has(register)) continue;
    registered.add(register);
    register(program, terminal);
  }
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return typeof process.exitCode === 'number' ? process.exitCode : EXIT.ok;
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    }
    const message = error instanceof Error ? error.message : String(error);
    terminal.err(`${terminal.color.red('headroom:')} ${message}`);
    if (!isHeadroomError(error) && terminal.env['HEADROOM_DEBUG'] !== undefined && error instanceof Error) {
      terminal.err(error.stack ?? '');
    }
    return exitCodeOf(error);
  }
}
