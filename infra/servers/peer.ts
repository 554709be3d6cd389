import { execFile } from 'node:child_process';
import { request } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { toolPath } from './locate.js';

/* What is common to the peers (KEDA, Karpenter) that run beside Headroom on a cluster of the caller's. */

/** kubectl's standard output. @throws Error with what it said. */
export async function kubectlOn(kubeconfig: string, args: readonly string[], input?: string): Promise<string> {
  const running = promisify(execFile)(toolPath('kubectl'), ['--kubeconfig', kubeconfig, ...args], {
    maxBuffer: 64 << 20,
  });
  running.child.stdin?.end(input ?? '');
  return (await running).stdout;
}

/** A folder of CRDs, until all are served. Server-side: KEDA's are too large for what a client-side apply notes down. */
export async function applyCrds(kubeconfig: string, folder: string): Promise<void> {
  await kubectlOn(kubeconfig, ['apply', '--server-side', '--force-conflicts', '-f', folder]);
  const established = (): Promise<string> =>
    kubectlOn(kubeconfig, ['wait', '--for=condition=Established', '-f', folder, '--timeout=30s']);
  // One that has no status yet is an error to kubectl, not something to wait for.
  for (let tries = 0; ; tries += 1) {
    try {
      await established();
      return;
    } catch (error) {
      if (tries === 20) throw error;
      await delay(500);
    }
  }
}

/** True where a GET answers 2xx; the certificate is the server's own and not looked at. */
export const answersTls = (url: string): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const asked = request(url, { rejectUnauthorized: false, timeout: 2000 }, (response) => {
      response.resume();
      resolve(response.statusCode !== undefined && response.statusCode < 300);
    });
    asked.once('error', reject).once('timeout', () => asked.destroy(new Error('no answer within 2 s')));
    asked.end();
  });
