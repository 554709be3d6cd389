import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { HeadroomError } from '../domain/errors.js';
import { findTool } from './home.js';
import { claimDatabase, recordServer, releaseDatabase } from './orphan.js';
import { SEARCH_ATTRIBUTE_TYPES } from './namespace.js';

export interface DevServer {
  address: string;
  uiUrl: string;
  pid: number | null;
  /** Ends the server that was started here, and only that. */
  close(): Promise<void>;
}

/** A port that nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** A port that was free a moment ago may be taken by now, where the caller did not ask for a certain one. */
const ATTEMPTS = 3;

/**
 * Starts Temporal's dev server on a database file, on loopback and free ports: what ended stays in the file and is
 * there again at the next start.
 * @throws HeadroomError `unavailable` with what the server said, where it does not come up within two minutes.
 */
export async function startDevServer(options: {
  databaseFile: string;
  env: NodeJS.ProcessEnv;
  port?: number;
  uiPort?: number;
  /** Temporal's dynamic configuration, for tests that need other limits than the server's own. */
  dynamicConfig?: Readonly<Record<string, string | number>>;
}): Promise<DevServer> {
  await claimDatabase(options.databaseFile);
  const executable = await findTool('temporal', options.env);
  for (let attempt = 1; ; attempt++) {
    const ports = { port: options.port ?? (await freePort()), uiPort: options.uiPort ?? (await freePort()) };
    if (executable === undefined) return startBySdk(options.databaseFile, ports.port, ports.uiPort);
    try {
      return await spawnServer(executable, options.databaseFile, ports, options.dynamicConfig ?? {});
    } catch (error) {
      const given = options.port !== undefined && options.uiPort !== undefined;
      if (given || attempt === ATTEMPTS) throw error;
    }
  }
}

/**
 * A workflow task that was with a worker when it was killed, three times and more, is waited for up to ten minutes by the
 * server's own settings before it is given to another: an account whose worker is restarted often would stand still.
 */
const SOON_AGAIN = { 'history.workflowTaskRetryMaxInterval': '5s' };

async function spawnServer(
  executable: string,
  databaseFile: string,
  { port, uiPort }: { port: number; uiPort: number },
  dynamicConfig: Readonly<Record<string, string | number>>,
): Promise<DevServer> {
  const child = spawn(
    executable,
    [
      ...['server', 'start-dev', '--ip', '127.0.0.1', '--log-level', 'error'],
      ...['--port', String(port), '--ui-port', String(uiPort), '--db-filename', databaseFile],
      // Write-ahead logging: readers do not wait for writers, and a commit is one append.
      ...['--sqlite-pragma', 'journal_mode=wal', '--sqlite-pragma', 'synchronous=normal'],
      ...Object.entries(SEARCH_ATTRIBUTE_TYPES).flatMap(([name, type]) => ['--search-attribute', `${name}=${type}`]),
      ...Object.entries({ ...SOON_AGAIN, ...dynamicConfig }).flatMap(([key, value]) => [
        '--dynamic-config-value',
        `${key}=${JSON.stringify(value)}`,
      ]),
    ],
    // A group of its own: Ctrl-C reaches this process alone, which then ends the server in order.
    { stdio: ['ignore', 'ignore', 'pipe'], detached: true },
  );
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-2000);
  });
  const address = `127.0.0.1:${port}`;
  const server: DevServer = {
    address,
    uiUrl: `http://127.0.0.1:${uiPort}`,
    pid: child.pid ?? null,
    async close() {
      await endProcess(child);
      await releaseDatabase(databaseFile);
    },
  };
  try {
    // Before it serves: were this process killed now, the next start would find the server that it leaves behind.
    if (child.pid !== undefined) await recordServer(databaseFile, { pid: child.pid, address });
    await waitUntilServing(address, child);
  } catch (error) {
    await server.close();
    throw new HeadroomError({
      kind: 'unavailable',
      component: 'temporal/server',
      action: `starting ${executable} on ports ${port} and ${uiPort}`,
      problem: said.trim() === '' ? String(error) : said.trim(),
      remedy: 'see that the ports are free; run `make setup`, or set HEADROOM_TEMPORAL to a working temporal binary',
      cause: error,
    });
  }
  return server;
}

async function waitUntilServing(address: string, child: ChildProcess): Promise<void> {
  // One that cannot come up ends, which is noticed at once: only a busy machine needs that long.
  const deadline = Date.now() + 120_000;
  for (let attempt = 1; ; attempt++) {
    if (child.exitCode !== null) throw new Error(`the server ended with code ${child.exitCode}`);
    try {
      const connection = await Connection.connect({ address, connectTimeout: Math.min(10_000, 1000 * attempt) });
      await connection.workflowService.describeNamespace({ namespace: 'default' });
      await connection.close();
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await delay(100);
    }
  }
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await Promise.race([ended, delay(10_000, undefined, { ref: false })]);
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
}

/** Without a binary of ours: the SDK tries its own download. */
async function startBySdk(databaseFile: string, port: number, uiPort: number): Promise<DevServer> {
  const { TestWorkflowEnvironment } = await import('@temporalio/testing');
  try {
    const environment = await TestWorkflowEnvironment.createLocal({
      server: {
        ip: '127.0.0.1',
        port,
        ui: true,
        dbFilename: databaseFile,
        extraArgs: [
          ...['--ui-port', String(uiPort)],
          ...Object.entries(SEARCH_ATTRIBUTE_TYPES).flatMap(([name, type]) => [
            '--search-attribute',
            `${name}=${type}`,
          ]),
        ],
      },
    });
    return {
      address: environment.address,
      uiUrl: `http://127.0.0.1:${uiPort}`,
      pid: null,
      close: () => environment.teardown(),
    };
  } catch (error) {
    throw new HeadroomError({
      kind: 'unavailable',
      component: 'temporal/server',
      action: 'starting a Temporal dev server',
      problem: `no temporal binary is there, and the SDK could not download one (${String(error)})`,
      remedy: 'run `make setup` with PyPI in reach, or install temporal and set HEADROOM_TEMPORAL to its path',
      cause: error,
    });
  }
}
