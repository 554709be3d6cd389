import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PeerOptions } from './keda.js';
import { filesOf, toolPath } from './locate.js';
import { kubectlOn } from './kubectl.js';
import { applyCrds } from './peer.js';
import { answers, freePorts, startProcess, type ServerProcess } from './process.js';

/** Karpenter outside its cluster, whose cloud is kwok: the nodes that it makes are played, its decisions are its own. */
export interface Karpenter {
  controller: ServerProcess;
  stop(): Promise<void>;
}

/** A kind of machine that Karpenter may choose, as its kwok provider reads it. */
export interface InstanceType {
  name: string;
  cpu: number;
  memoryGi: number;
  pricePerHour: number;
}

export const INSTANCE_TYPES: readonly InstanceType[] = [
  { name: 'small', cpu: 4, memoryGi: 16, pricePerHour: 0.2 },
  { name: 'large', cpu: 8, memoryGi: 32, pricePerHour: 0.4 },
];

export interface KarpenterOptions extends PeerOptions {
  instanceTypes?: readonly InstanceType[];
}

/**
 * Starts it on free ports with its CRDs and one KWOKNodeClass named `default`. One Karpenter a cluster.
 * @throws Error with what it said, where it does not get ready.
 */
export async function startKarpenter(options: KarpenterOptions): Promise<Karpenter> {
  const { kubeconfig, folder, instanceTypes = INSTANCE_TYPES } = options;
  await mkdir(folder, { recursive: true });
  const types = join(folder, 'instance-types.json');
  await writeFile(types, JSON.stringify(instanceTypes.map(typeOf)));
  await applyCrds(kubeconfig, filesOf('karpenter', 'crds'));
  await applyCrds(kubeconfig, filesOf('karpenter', 'kwok-crds'));
  const nodeClass = { apiVersion: 'karpenter.kwok.sh/v1alpha1', kind: 'KWOKNodeClass', metadata: { name: 'default' } };
  await kubectlOn(kubeconfig, ['apply', '-f', '-'], JSON.stringify(nodeClass));
  const [metrics = 0, health = 0] = await freePorts(2);
  const controller = await startProcess({
    name: 'karpenter',
    command: toolPath('karpenter'),
    args: [
      ...['--metrics-port', String(metrics), '--health-probe-port', String(health), '--disable-leader-election'],
      ...['--instance-types-file-path', types],
      // As in a cluster, but sooner: how long it waits for more pods before it chooses nodes.
      ...['--batch-idle-duration', '500ms', '--batch-max-duration', '3s'],
    ],
    env: { ...process.env, KUBECONFIG: kubeconfig, SYSTEM_NAMESPACE: 'kube-system' },
    cwd: folder,
    logFile: join(folder, 'karpenter.log'),
    ready: () => answers(`http://127.0.0.1:${health}/readyz`),
  });
  return { controller, stop: controller.stop };
}

/** As the provider's own file has it: one zone, on demand and spot at half the price. */
function typeOf({ name, cpu, memoryGi, pricePerHour }: InstanceType): unknown {
  const only = (key: string, value: string) => ({ key, operator: 'In', values: [value] });
  const offering = (capacityType: string, price: number) => ({
    Price: price,
    Available: true,
    Requirements: [only('karpenter.sh/capacity-type', capacityType), only('topology.kubernetes.io/zone', 'zone-a')],
  });
  return {
    name,
    offerings: [offering('on-demand', pricePerHour), offering('spot', pricePerHour / 2)],
    architecture: 'amd64',
    operatingSystems: ['linux'],
    resources: { cpu: String(cpu), memory: `${memoryGi}Gi`, 'ephemeral-storage': '20Gi', pods: '110' },
  };
}
