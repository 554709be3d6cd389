import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { toolPath } from './locate.js';

/** kubectl's standard output. @throws Error with what it said. */
export async function kubectlOn(kubeconfig: string, args: readonly string[], input?: string): Promise<string> {
  const running = promisify(execFile)(toolPath('kubectl'), ['--kubeconfig', kubeconfig, ...args], {
    maxBuffer: 64 << 20,
  });
  // One that has ended before it was told anything (EPIPE) says why by its exit code.
  running.child.stdin?.on('error', () => undefined).end(input ?? '');
  return (await running).stdout;
}
