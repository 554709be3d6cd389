import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { HeadroomError } from '../../domain/errors.js';
import { REAL_TIME, simulatedNow, wallMilliseconds } from '../../domain/time.js';
import { homeFolder, PACKAGE_ROOT, readRuntimeFile } from '../../temporal/home.js';
import { CommandFailure, EXIT, withExamples, type RegisterCommand, type Terminal } from '../command.js';
import { portOf } from '../port.js';

interface Options {
  host: string;
  port: string;
  tlsCert?: string;
  tlsKey?: string;
  clientCa?: string;
  plain?: boolean;
}

export const register: RegisterCommand = (program, terminal) => {
  withExamples(
    program
      .command('scaler')
      .description(
        'KEDA’s external scaler: forecasts and plans as metrics over gRPC, read from the store alone; no cluster ' +
          'credentials; until Ctrl-C',
      )
      .option('--host <address>', 'address to listen on; beyond the loopback with TLS, or with --plain', '127.0.0.1')
      .option('--port <n>', 'port to listen on', '6000')
      .option('--tls-cert <file>', 'PEM certificate of the server, with its chain')
      .option('--tls-key <file>', 'PEM key of that certificate')
      .option('--client-ca <file>', 'PEM authority: clients must show a certificate that it signed (mTLS)')
      .option('--plain', 'plain text beyond the loopback, where the network is trusted')
      .action((options: Options) => runScaler(options, terminal)),
    'scaler',
    'scaler --host 0.0.0.0 --tls-cert tls.crt --tls-key tls.key --client-ca ca.crt',
  );
};

async function runScaler(options: Options, terminal: Terminal): Promise<void> {
  const { createExternalScaler } = await import('../../operate/external-scaler/server.js');
  const { findStore } = await import('../find-store.js');
  const runtime = await readRuntimeFile(homeFolder(terminal.env));
  const store = findStore(terminal.env, runtime);
  if (store === null) {
    throw new HeadroomError({
      kind: 'unavailable',
      component: 'cli',
      action: 'finding the store',
      problem: 'no headroom runs here, and HEADROOM_STORE_URL names none elsewhere',
      remedy: 'start `headroom dev`, a worker or `headroom store`, or set HEADROOM_STORE_URL and HEADROOM_STORE_TOKEN',
    });
  }
  const scale = runtime?.scale ?? REAL_TIME;
  const tls = await tlsOf(options, terminal);
  const stopped = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  const scaler = await createExternalScaler({
    store,
    protocol: join(PACKAGE_ROOT, 'src', 'operate', 'external-scaler'),
    host: options.host,
    port: portOf(options.port, '--port'),
    ...(tls === null ? {} : { tls }),
    plain: options.plain === true,
    now: () => simulatedNow(scale, Date.now()),
    wallUntil: (at) => wallMilliseconds(scale, at - simulatedNow(scale, Date.now())),
    say: (line) => terminal.err(line),
  });
  terminal.err(`external scaler serves ${scaler.address}, ${tls === null ? 'plain' : tlsWords(options)}`);
  await stopped;
  await scaler.close();
  await store.close();
}

const tlsWords = (options: Options): string =>
  options.clientCa === undefined ? 'TLS' : 'TLS with client certificates';

async function tlsOf(options: Options, terminal: Terminal) {
  const { tlsCert, tlsKey, clientCa } = options;
  if (tlsCert === undefined && tlsKey === undefined && clientCa === undefined) return null;
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new CommandFailure(EXIT.usage, '--tls-cert and --tls-key go together, and --client-ca needs both');
  }
  const file = async (path: string, option: string): Promise<Buffer> => {
    try {
      return await readFile(resolve(terminal.cwd, path));
    } catch (error) {
      throw new CommandFailure(EXIT.notFound, `${option}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  return {
    certificate: await file(tlsCert, '--tls-cert'),
    key: await file(tlsKey, '--tls-key'),
    ...(clientCa === undefined ? {} : { clientAuthority: await file(clientCa, '--client-ca') }),
  };
}
