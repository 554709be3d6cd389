import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ROOT } from './locate.js';
import { letGo, watchOver } from './reaper.js';

export interface WorkerProcess {
  pid: number;
  /** All that it said so far. */
  said(): string;
  /** Ends it in order. */
  stop(): Promise<void>;
  /** As the kernel does when memory is short. */
  kill(): Promise<void>;
}

/** Far more than it takes anywhere: a worker that will not serve has ended, and says why. */
const PATIENCE_MS = 300_000;

/**
 * `headroom worker`, built, as its users run it; resolves when it serves. It does not outlive a run that is killed.
 * @throws Error with what it said, where it ends before that.
 */
export async function startWorker(env: NodeJS.ProcessEnv, flags: readonly string[]): Promise<WorkerProcess> {
  const child = spawn(process.execPath, [join(ROOT, 'bin', 'headroom'), 'worker', ...flags], {
    env,
    cwd: tmpdir(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const { pid = 0 } = child;
  if (pid > 0) watchOver(pid);
  const ended = once(child, 'exit').finally(() => letGo(pid));
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await ended;
  };
  if (process.env['HEADROOM_TEST_LOUD'] !== undefined) child.stderr.pipe(process.stderr, { end: false });
  for (let waited = 0; !said.includes('worker of build'); waited += 50) {
    if (child.exitCode !== null) throw new Error(`headroom worker ended with ${child.exitCode}: ${said}`);
    if (waited > PATIENCE_MS) throw new Error(`headroom worker does not serve: ${said}`);
    await delay(50);
  }
  return { pid, said: () => said, stop: () => end('SIGTERM'), kill: () => end('SIGKILL') };
}
