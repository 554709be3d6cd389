import { z } from 'zod';
import { kubectl } from '../real/real.js';
import { get } from '../real/kubernetes-pools-world.js';

/* NodePools and Deployments for the tests beside Karpenter. */

export interface NodePoolOptions {
  name: string;
  /** Of all its nodes. */
  limits?: Record<string, string>;
  /** A label of all its nodes, which pools that may stand in for one another share. */
  group?: string;
  instanceTypes?: readonly string[];
  /** Nodes that are empty or not full go after so long. */
  consolidateAfter?: string;
}

export const GROUP = 'test.headroom.dev/group';

/** Of nodes with a taint of the pool's own, so that nothing else lands on them. Written as a GitOps tool would. */
export async function applyNodePool(options: NodePoolOptions): Promise<void> {
  const { name, limits, group = name, instanceTypes = ['small'], consolidateAfter = '1s' } = options;
  const only = (key: string, values: readonly string[]) => ({ key, operator: 'In', values });
  await kubectl(['apply', '--server-side', '--field-manager=argocd', '-f', '-'], {
    input: JSON.stringify({
      apiVersion: 'karpenter.sh/v1',
      kind: 'NodePool',
      metadata: { name },
      spec: {
        ...(limits === undefined ? {} : { limits }),
        disruption: { consolidationPolicy: 'WhenEmptyOrUnderutilized', consolidateAfter, budgets: [{ nodes: '100%' }] },
        template: {
          metadata: { labels: { [GROUP]: group } },
          spec: {
            nodeClassRef: { group: 'karpenter.kwok.sh', kind: 'KWOKNodeClass', name: 'default' },
            expireAfter: 'Never',
            taints: [{ key: 'peers', value: 'karpenter', effect: 'NoSchedule' }],
            requirements: [
              only('karpenter.sh/capacity-type', ['on-demand']),
              only('node.kubernetes.io/instance-type', instanceTypes),
            ],
          },
        },
      },
    }),
  });
  await kubectl(['wait', '--for=condition=Ready', `nodepool/${name}`, '--timeout=300s']);
}

export const TOLERATION = {
  key: 'peers',
  operator: 'Equal' as const,
  value: 'karpenter',
  effect: 'NoSchedule' as const,
};

/** Replicas that run on the nodes with these labels alone. */
export const deploymentOn = (
  namespace: string,
  name: string,
  nodeSelector: Record<string, string>,
  options: { replicas?: number; cpu?: string } = {},
) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name, namespace },
  spec: {
    ...(options.replicas === undefined ? {} : { replicas: options.replicas }),
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: {
        nodeSelector,
        tolerations: [TOLERATION],
        containers: [
          { name: 'main', image: 'app:1', resources: { requests: { cpu: options.cpu ?? '1500m', memory: '1Gi' } } },
        ],
      },
    },
  },
});

const claimsSchema = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string(), deletionTimestamp: z.string().optional() }),
      status: z.object({ nodeName: z.string().optional() }).default({}),
    }),
  ),
});

/** Names of the NodeClaims that Karpenter has for a NodePool, without those that are going. */
export async function claims(pool: string): Promise<string[]> {
  const { items } = claimsSchema.parse(await get('nodeclaims', '-l', `karpenter.sh/nodepool=${pool}`));
  return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined).map(({ metadata }) => metadata.name);
}

/** Where metrics-server finds the usage that kwok plays: a node's own name is in the path. */
export async function measureNodes(pool: string): Promise<void> {
  const nodes = (await kubectl(['get', 'nodes', '-l', `karpenter.sh/nodepool=${pool}`, '-o', 'name'])).trim();
  for (const node of nodes.split('\n')) {
    const path = `/metrics/nodes/${node.replace('node/', '')}/metrics/resource`;
    await kubectl(['annotate', '--overwrite', node, `metrics.k8s.io/resource-metrics-path=${path}`]);
  }
}

/** Everything of a pool goes, and Karpenter takes its nodes away. */
export async function removeNodePool(name: string): Promise<void> {
  await kubectl(['delete', 'nodepool', name, '--ignore-not-found', '--wait=false']);
}
