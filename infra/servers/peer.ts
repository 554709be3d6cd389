import { setTimeout as delay } from 'node:timers/promises';
import { kubectlOn } from './kubectl.js';

/* What is common to the peers (KEDA, Karpenter) that run beside Headroom on a cluster of the caller's. */

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
