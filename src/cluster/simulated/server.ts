import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { serve, type ServerType } from '@hono/node-server';
import { HeadroomError, isHeadroomError } from '../../domain/errors.js';
import { createSimulatedCluster, type Simulation } from './adapter.js';
import { createEngineHost } from './host.js';
import { createSimulationHttp } from './http.js';
import { openJournal } from './journal.js';
import { loadScenario, type Scenario } from './scenario.js';
import { TOKEN_VARIABLE } from './token.js';

/** Wall time between looks at the clock, so that no call has much to catch up. */
const KEEP_UP_MS = 500;

export interface SimulationServer {
  url: string;
  token: string;
  simulation: Simulation;
  close(): Promise<void>;
}

/**
 * Serves a simulated cluster on the loopback interface. Its state is the journal `state`; without one it is gone with
 * the process.
 */
export async function serveSimulation(options: {
  scenario: Scenario;
  state?: string;
  port?: number;
  token?: string;
  onShutdown?: () => void;
}): Promise<SimulationServer> {
  const { scenario, state, port = 0, token = randomBytes(24).toString('base64url') } = options;
  const journal = state === undefined ? undefined : openJournal(state, scenario.fingerprint);
  const host = createEngineHost({
    model: scenario.model,
    begin: scenario.clock.start,
    ...(journal === undefined ? {} : { journal }),
  });
  const simulation = createSimulatedCluster(host);
  if (scenario.clock.mode === 'run' && host.scale() === null) await simulation.run(scenario.clock.factor);
  const keepUp = setInterval(() => host.engine(), KEEP_UP_MS);
  let server: ServerType | null = null;
  const end = async () => {
    clearInterval(keepUp);
    await new Promise<void>((resolve) => {
      if (server === null) return resolve();
      server.close(() => resolve());
      // Callers that keep their connection, or wait for a slow answer, do not hold the process up.
      setTimeout(() => closeConnections(server), 100);
    });
    await simulation.close();
  };
  let ending: Promise<void> | null = null;
  const close = () => (ending ??= end());
  const shutdown = () => void close().then(options.onShutdown);
  const { fetch } = createSimulationHttp({ simulation, token, shutdown });
  const address = await new Promise<AddressInfo>((resolve, reject) => {
    server = serve({ fetch, port, hostname: '127.0.0.1' }, resolve);
    server.once('error', (cause) =>
      reject(
        new HeadroomError({
          kind: 'unavailable',
          component: 'cluster/simulated',
          action: `listening on 127.0.0.1:${port}`,
          problem: cause.message,
          remedy: 'name another port, or 0 for a free one',
          cause,
        }),
      ),
    );
  }).catch(async (error: unknown) => {
    server = null;
    await close();
    throw error;
  });
  return { url: `http://127.0.0.1:${address.port}`, token, simulation, close };
}

function closeConnections(server: ServerType | null): void {
  if (server !== null && 'closeAllConnections' in server) server.closeAllConnections();
}

const USAGE = 'server.js --scenario FILE [--state FILE] [--port 0] [--with-parent]';

/** The process: prints one JSON line `{ url, port, token, pid }` when it serves (the token only where it made it). */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      scenario: { type: 'string' },
      state: { type: 'string' },
      port: { type: 'string', default: '0' },
      'with-parent': { type: 'boolean', default: false },
    },
  });
  if (values.scenario === undefined) {
    throw new HeadroomError({
      kind: 'invalid-input',
      component: 'cluster/simulated',
      action: 'starting',
      problem: 'no scenario is named',
      remedy: USAGE,
    });
  }
  const given = process.env[TOKEN_VARIABLE];
  const server = await serveSimulation({
    scenario: loadScenario(values.scenario),
    port: Number(values.port),
    onShutdown: () => process.exit(0),
    ...(values.state === undefined ? {} : { state: values.state }),
    ...(given === undefined ? {} : { token: given }),
  });
  const stop = () => void server.close().finally(() => process.exit(0));
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  if (values['with-parent']) {
    // The parent holds the other end of standard input: when it dies, however, this end closes.
    process.stdin.resume();
    process.stdin.once('end', stop);
    process.stdin.once('close', stop);
  }
  const { url, token } = server;
  const line = { url, port: Number(new URL(url).port), pid: process.pid, ...(given === undefined ? { token } : {}) };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  main().catch((error: unknown) => {
    process.stderr.write(`${isHeadroomError(error) ? error.message : String(error)}\n`);
    process.exitCode = isHeadroomError(error) && error.kind === 'invalid-input' ? 2 : 1;
    process.exit();
  });
}
