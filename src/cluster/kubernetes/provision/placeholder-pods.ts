import type { V1Deployment, V1PriorityClass } from '@kubernetes/client-node';
import { COMPONENTS, type Resources } from '../../../domain/component.js';
import type { PoolTarget } from '../../port.js';
import { RESOURCE_NAMES } from '../requests.js';
import { madeFor, WARM_POOL } from './labels.js';

/*
 * Warm capacity is a Deployment of pods that do nothing, of a priority below what serves. Pending ones make a node
 * autoscaler add nodes, running ones keep it from taking nodes away, and a pod that serves takes their place at once, by
 * preemption: there is nobody in between who would have to notice.
 */

export type Placeholders = NonNullable<PoolTarget['placeholders']>;

export const placeholdersName = (pool: string): string => `headroom-warm-${pool}`;

/** What one placeholder requests: its share of what a node offers, whole devices only. */
export function placeholderRequests({ node, share }: Pick<Placeholders, 'node' | 'share'>): Record<string, string> {
  const requests: Record<string, string> = {};
  for (const component of COMPONENTS) {
    const name = RESOURCE_NAMES[component];
    const offered = node[component];
    if (name === undefined || offered === undefined) continue;
    const amount = offered * share;
    if (component === 'cpu') requests[name] = `${Math.floor(amount * 1000 + 1e-6)}m`;
    else if (component === 'gpu') {
      if (amount >= 1) requests[name] = String(Math.floor(amount));
    } else requests[name] = String(Math.floor(amount));
  }
  return requests;
}

export function placeholderDeployment(
  account: string,
  place: PoolTarget & { placeholders: Placeholders },
  replicas: number,
  metadata: { resourceVersion?: string; annotations: Record<string, string> },
): V1Deployment {
  const { placeholders: spec, pool } = place;
  const name = placeholdersName(pool);
  const labels = { ...madeFor(account), [WARM_POOL]: pool };
  const requests = placeholderRequests(spec);
  const devices = Object.fromEntries(Object.entries(requests).filter(([resource]) => resource.includes('/')));
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: spec.namespace, labels, ...metadata },
    spec: {
      replicas,
      selector: { matchLabels: { [WARM_POOL]: pool } },
      revisionHistoryLimit: 0,
      // Of another size: the old ones go first, or the pool would have to grow for the change.
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: '100%' } },
      template: {
        metadata: { labels, annotations: { 'cluster-autoscaler.kubernetes.io/safe-to-evict': 'true' } },
        spec: {
          priorityClassName: spec.priorityClass,
          terminationGracePeriodSeconds: 0,
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          affinity: {
            nodeAffinity: {
              requiredDuringSchedulingIgnoredDuringExecution: {
                nodeSelectorTerms: [
                  {
                    matchExpressions: Object.entries(place.nodeSelector ?? {}).map(([key, value]) => ({
                      key,
                      operator: 'In',
                      values: [value],
                    })),
                  },
                ],
              },
            },
          },
          tolerations: spec.tolerations,
          securityContext: { runAsNonRoot: true, runAsUser: 65535, seccompProfile: { type: 'RuntimeDefault' } },
          containers: [
            {
              name: 'placeholder',
              image: spec.image,
              resources: { requests, ...(Object.keys(devices).length === 0 ? {} : { limits: devices }) },
              securityContext: {
                allowPrivilegeEscalation: false,
                readOnlyRootFilesystem: true,
                capabilities: { drop: ['ALL'] },
              },
            },
          ],
        },
      },
    },
  };
}

export const placeholderPriority = ({ priorityClass, priority }: Placeholders): V1PriorityClass => ({
  apiVersion: 'scheduling.k8s.io/v1',
  kind: 'PriorityClass',
  metadata: { name: priorityClass, labels: { 'app.kubernetes.io/managed-by': 'headroom' } },
  value: priority,
  preemptionPolicy: 'Never',
  globalDefault: false,
  description: 'Placeholder pods that keep nodes warm and give way to every pod that serves.',
});

/** What a node of the account file offers, as requests name it; for words. */
export const offers = (node: Resources): boolean => (node.cpu ?? 0) > 0 || (node.memory ?? 0) > 0;
