import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { letGo, watchOver } from './reaper.js';

/** A server that was started here. It may be stopped, killed and started again on the same ports and folder. */
export interface ServerProcess {
  readonly name: string;
  readonly pid: number | null;
  readonly logFile: string;
  start(): Promise<void>;
  /** SIGTERM, and SIGKILL where that does not end it within 10 s. */
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGSTOP and SIGCONT: it is there and does not answer. */
  freeze(): void;
  thaw(): void;
}

const PATIENCE_MS = 10_000;

export interface ProcessOptions {
  name: string;
  command: string;
  args: readonly string[];
  env?: NodeJS.ProcessEnv;
  cwd: string;
  logFile: string;
  /** Throws, or gives false, as long as the server is not ready. */
  ready(): Promise<boolean>;
  /** Seconds. */
  within?: number;
}

/** Starts a server and waits until it is ready; what it said is in the error where it does not get there. */
export async function startProcess(options: ProcessOptions): Promise<ServerProcess> {
  const { name, logFile, within = 180 } = options;
  let child: ChildProcess | null = null;
  const running = (): boolean => child !== null && child.exitCode === null && child.signalCode === null;

  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const ending = child;
    if (ending === null || !running()) return;
    const ended = once(ending, 'exit');
    ending.kill('SIGCONT');
    ending.kill(signal);
    const late = new AbortController();
    await Promise.race([ended, delay(PATIENCE_MS, undefined, { signal: late.signal }).catch(() => undefined)]);
    late.abort();
    if (running()) {
      ending.kill('SIGKILL');
      await ended;
    }
  };

  const start = async (): Promise<void> => {
    if (running()) return;
    const log = createWriteStream(logFile, { flags: 'a' });
    // Its disk may be full, on purpose: what it says is lost then, and nothing else.
    log.on('error', () => undefined);
    // A group of its own: Ctrl-C reaches this process alone, which then ends its servers in order.
    const started = spawn(options.command, [...options.args], {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    child = started;
    const { pid } = started;
    if (pid !== undefined) watchOver(pid);
    started.stdout.pipe(log, { end: false });
    started.stderr.pipe(log, { end: false });
    let failed: Error | null = null;
    started.once('error', (error) => (failed = error));
    started.once('exit', () => {
      if (pid !== undefined) letGo(pid);
      log.end();
    });
    const deadline = Date.now() + within * 1000;
    let why = 'it did not answer';
    for (;;) {
      if (failed !== null || !running()) {
        throw new Error(`${name} ended before it was ready\n${await tail(logFile)}`, { cause: failed });
      }
      try {
        if (await options.ready()) return;
      } catch (error) {
        why = error instanceof Error ? error.message : String(error);
      }
      if (Date.now() > deadline) {
        await end('SIGKILL');
        throw new Error(`${name} was not ready within ${within} s: ${why}\n${await tail(logFile)}`);
      }
      await delay(50);
    }
  };

  await start();
  return {
    name,
    logFile,
    get pid() {
      return running() ? (child?.pid ?? null) : null;
    },
    start,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
  };
}

async function tail(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.split('\n').slice(-15).join('\n');
}

/** Below those that the system gives to whoever asks for any (Linux: from 32768 on): none is taken by chance. */
const PORTS = { from: 10_000, each: 5000, slices: 4 };
let nextPort = Math.floor(Math.random() * PORTS.each);

/**
 * Ports that nobody listens on now. The servers that they are for begin to listen seconds later: nobody else may be given
 * them meanwhile, so that each worker of a test run has ports of its own, and goes through them in turn.
 */
export async function freePorts(count: number): Promise<number[]> {
  const slice = Number(process.env['VITEST_POOL_ID'] ?? 0) % PORTS.slices;
  const ports: number[] = [];
  for (let tried = 0; ports.length < count; tried++) {
    if (tried === PORTS.each) throw new Error(`no ${count} ports are free from ${PORTS.from} on`);
    nextPort = (nextPort + 1) % PORTS.each;
    const port = PORTS.from + slice * PORTS.each + nextPort;
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  } catch {
    return false;
  }
  await once(server.close(), 'close');
  return true;
}

/** True where a GET answers with 2xx. */
export async function answers(url: string, headers: Record<string, string> = {}): Promise<boolean> {
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(2000) });
  await response.arrayBuffer();
  return response.ok;
}
