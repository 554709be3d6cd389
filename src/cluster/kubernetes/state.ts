import type { V1Node, V2HorizontalPodAutoscaler } from '@kubernetes/client-node';
import type { FieldOwner, PoolState, WorkloadState } from '../../domain/cluster.js';
import { COMPONENTS } from '../../domain/component.js';
import { reportedOwner } from '../fence.js';
import type { WorkloadTarget } from '../port.js';
import type { Scalable } from './api.js';
import { fieldOwner } from './managed-fields.js';
import { mainContainer, requestPath, requestsOf, RESOURCE_NAMES } from './requests.js';

/* What Kubernetes objects say, in the domain's words. Pure. */

/** Nodes say which pool they are of by this label. */
export const POOL_LABEL = 'headroom.dev/pool';
/** The manager under which the HPA controller writes replicas. */
export const HPA_CONTROLLER = 'kube-controller-manager';

export function workloadState(
  target: WorkloadTarget,
  object: Scalable | null,
  autoscaler: V2HorizontalPodAutoscaler | null,
): WorkloadState {
  const { workload } = target;
  if (object === null) {
    const owners = { replicas: null, request: null, floor: null };
    return { workload, exists: false, replicas: 0, readyReplicas: 0, request: {}, autoscaler: null, owners };
  }
  return {
    workload,
    exists: true,
    replicas: replicasOf(object),
    // The API leaves it out where it is 0.
    readyReplicas: object.status?.readyReplicas ?? 0,
    request: requestsOf(object.spec?.template),
    autoscaler:
      autoscaler === null
        ? null
        : {
            kind: 'hpa',
            name: nameOf(autoscaler),
            floor: floorOf(autoscaler),
            ceiling: autoscaler.spec?.maxReplicas ?? 0,
          },
    owners: {
      replicas: replicasOwner(object, autoscaler),
      request: reportedOwner(requestOwners(object).map(({ owner }) => owner)),
      floor: autoscaler === null ? null : floorOwner(autoscaler),
    },
  };
}

export const autoscalerOf = (
  all: readonly V2HorizontalPodAutoscaler[],
  target: WorkloadTarget,
): V2HorizontalPodAutoscaler | null =>
  all.find(({ spec }) => spec?.scaleTargetRef.kind === target.kind && spec.scaleTargetRef.name === target.name) ?? null;

export const nameOf = (object: { metadata?: { name?: string } }): string => object.metadata?.name ?? '';

/** The API defaults both to 1. */
export const replicasOf = (object: Scalable): number => object.spec?.replicas ?? 1;
export const floorOf = (autoscaler: V2HorizontalPodAutoscaler): number => autoscaler.spec?.minReplicas ?? 1;

export const floorOwner = (autoscaler: V2HorizontalPodAutoscaler): FieldOwner =>
  fieldOwner(autoscaler.metadata?.managedFields, ['spec', 'minReplicas']);

export function replicasOwner(object: Scalable, autoscaler: V2HorizontalPodAutoscaler | null): FieldOwner {
  const owner = fieldOwner(object.metadata?.managedFields, ['spec', 'replicas']);
  return owner === HPA_CONTROLLER && autoscaler !== null ? `hpa/${nameOf(autoscaler)}` : owner;
}

/** Of the container that is sized, for each component that it asks for. */
export function requestOwners(object: Scalable) {
  const container = mainContainer(object.spec?.template);
  const requested = requestsOf(object.spec?.template);
  return COMPONENTS.flatMap((component) => {
    const resource = RESOURCE_NAMES[component];
    if (container === undefined || resource === undefined || requested[component] === undefined) return [];
    const path = requestPath(container.name, resource);
    return [{ component, owner: fieldOwner(object.metadata?.managedFields, path) }];
  });
}

export function poolState(pool: string, nodes: readonly V1Node[]): PoolState {
  const own = nodes.filter((node) => node.metadata?.labels?.[POOL_LABEL] === pool);
  return { pool, nodes: own.length, readyNodes: own.filter(isReady).length, owner: null };
}

const isReady = (node: V1Node): boolean =>
  node.spec?.unschedulable !== true &&
  (node.status?.conditions ?? []).some(({ type, status }) => type === 'Ready' && status === 'True');
