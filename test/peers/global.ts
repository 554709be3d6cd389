import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startKarpenter } from '../../infra/servers/karpenter.js';
import { startKeda } from '../../infra/servers/keda.js';
import startServers from '../real/global.js';

/** The servers of `make test-real`, and beside them on the same control plane: KEDA, and Karpenter with kwok's nodes. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  // Their CRDs, and an APIService that points at this machine, are nothing to leave in a cluster of somebody's own.
  if (process.env['HEADROOM_REAL_KUBECONFIG'] !== undefined) {
    throw new Error('make test-peers starts a control plane of its own: unset HEADROOM_REAL_KUBECONFIG');
  }
  const stopServers = await startServers(project);
  const folder = await mkdtemp(join(tmpdir(), 'headroom-peers-'));
  const { kubeconfig } = project.getProvidedContext().real.cluster;
  const started = await Promise.allSettled([
    startKeda({ kubeconfig, folder: join(folder, 'keda') }),
    startKarpenter({ kubeconfig, folder: join(folder, 'karpenter') }),
  ]);
  const teardown = async (): Promise<void> => {
    for (const one of started) if (one.status === 'fulfilled') await one.value.stop();
    await stopServers();
    if (process.env['HEADROOM_TEST_KEEP'] === undefined) await rm(folder, { recursive: true, force: true });
  };
  const failed = started.find((one) => one.status === 'rejected');
  if (failed !== undefined) {
    await teardown();
    throw failed.reason;
  }
  return teardown;
}
