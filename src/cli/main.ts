import { Command, CommanderError } from 'commander';
import { isHeadroomError } from '../domain/errors.js';
import { createTerminal, EXIT, exitCodeOf, type RegisterCommand, type Terminal } from './command.js';

/** In the order in which `headroom --help` shows them; loaded lazily by name so that a command starts fast. */
const COMMANDS: Record<string, () => Promise<{ register: RegisterCommand }>> = {
  // headroom's commands are registered here, one line each
  backtest: () => import('./commands/backtest.js'),
};

export async function main(argv: readonly string[], terminal: Terminal = createTerminal()): Promise<number> {
  const program = new Command('headroom')
    .description('Predictive capacity for multi-tenant platforms, one durable Temporal workflow per account')
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
  const only = wanted === undefined ? undefined : COMMANDS[wanted];
  for (const load of only === undefined ? Object.values(COMMANDS) : [only]) {
    (await load()).register(program, terminal);
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
