import { HeadroomError } from '../domain/errors.js';
import { SECRET_PREFIX, type SharedPool } from '../domain/fleet.js';
import { FLEET_ACCOUNT } from '../domain/fleet-names.js';
import type { Cluster, PoolTarget } from './port.js';
import { createClusterProvisioner, type Provisioner } from './provision.js';
import { createWebhookProvisioner } from './webhook/provisioner.js';

/** The provisioner of a pool, by what the fleet file says of it. */
export type PoolProvisioners = (pool: SharedPool) => Provisioner;

/**
 * @param cluster a cluster that this worker serves; @throws HeadroomError `not-found` for another one.
 * @param env where the secrets of webhooks are.
 */
export function createProvisioners(cluster: (name: string) => Cluster, env: NodeJS.ProcessEnv): PoolProvisioners {
  return (pool) => {
    const { provisioning } = pool;
    if (provisioning.kind !== 'webhook') return createClusterProvisioner(cluster(pool.cluster));
    const { url, secretFrom, timeout } = provisioning;
    if (!secretFrom.startsWith(SECRET_PREFIX)) {
      throw new HeadroomError({
        kind: 'invalid-input',
        component: 'cluster/webhook',
        action: `sizing pool ${pool.name}`,
        problem: `secretFrom names ${secretFrom}, which does not begin with ${SECRET_PREFIX}`,
        remedy: 'no other variable of the worker is read for it',
      });
    }
    return createWebhookProvisioner({ url, secretFrom, timeout, secret: () => env[secretFrom] });
  };
}

/** Where the fields of a shared pool stand. */
export function poolPlace({ name, nodeSelector, node, provisioning }: SharedPool): PoolTarget {
  const base: PoolTarget = { kind: 'Pool', pool: name };
  const selected = nodeSelector === undefined ? {} : { nodeSelector };
  switch (provisioning.kind) {
    case 'none':
    case 'simulated':
    case 'webhook':
      return { ...base, ...selected };
    case 'cluster-api':
      return {
        ...base,
        ...selected,
        clusterApi: { namespace: provisioning.namespace, name: provisioning.machineDeployment ?? name },
      };
    case 'karpenter': {
      const nodePool = provisioning.nodePool ?? name;
      const { placeholders, limit } = provisioning;
      return {
        ...base,
        nodeSelector: nodeSelector ?? { 'karpenter.sh/nodepool': nodePool },
        karpenter: { nodePool, limit, weight: false },
        ...(placeholders === undefined
          ? {}
          : {
              placeholders: {
                ...placeholders,
                namespace: placeholders.namespace ?? FLEET_NAMESPACE,
                node,
              },
            }),
      };
    }
  }
}

/** Of placeholder pods, where the file names none: a name of Kubernetes has no underscore. */
const FLEET_NAMESPACE = FLEET_ACCOUNT.replace('_', '-');
