import { once } from 'node:events';
import { homeFolder } from '../../temporal/home.js';
import { STORE_TOKEN } from '../find-store.js';
import { CommandFailure, EXIT, withExamples, type RegisterCommand, type Terminal } from '../command.js';
import { portOf } from '../port.js';

interface Options {
  host: string;
  port: string;
}

export const register: RegisterCommand = (program, terminal) => {
  withExamples(
    program
      .command('store')
      .description(
        'own the telemetry store and serve it to workers elsewhere, which name it by HEADROOM_STORE_URL; the token of ' +
          'all of them is HEADROOM_STORE_TOKEN; until Ctrl-C',
      )
      .option('--host <address>', 'address to listen on; plain HTTP, so within a trusted network', '127.0.0.1')
      .option('--port <n>', 'port to listen on', '7480')
      .action((options: Options) => runStore(options, terminal)),
    'store',
    'store --host 0.0.0.0 --port 7480',
  );
};

async function runStore(options: Options, terminal: Terminal): Promise<void> {
  // The database is loaded by who owns it, not by who asks for help.
  const { ownStore } = await import('../store.js');
  const token = terminal.env[STORE_TOKEN];
  if (token === undefined || token === '') {
    throw new CommandFailure(EXIT.usage, `${STORE_TOKEN} is not set: workers show it, at least 16 characters`);
  }
  // Listened for from here on: a stop in the middle of the start leaves no open file behind.
  const stopped = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  const owned = await ownStore({
    home: homeFolder(terminal.env),
    env: terminal.env,
    host: options.host,
    port: portOf(options.port, '--port'),
    now: () => Date.now() / 1000,
    say: (line) => terminal.err(line),
  });
  terminal.err(`store of ${homeFolder(terminal.env)} serves ${options.host}:${new URL(owned.url).port}`);
  await stopped;
  await owned.close();
}
