import type { V2HorizontalPodAutoscaler } from '@kubernetes/client-node';
import { COMPONENTS } from '../../domain/component.js';
import type { Scalable } from './api.js';
import { fieldOwner } from './managed-fields.js';
import { mainContainer, requestPath, requestsOf, RESOURCE_NAMES } from './requests.js';

/* What single fields of Kubernetes objects say: read the same way by who observes and by who writes. Pure. */

/** Nodes say which pool they are of by this label. */
export const POOL_LABEL = 'headroom.dev/pool';
/** The manager under which the HPA controller writes replicas. */
export const HPA_CONTROLLER = 'kube-controller-manager';

/** The API defaults both to 1. */
export const replicasOf = (object: Scalable): number => object.spec?.replicas ?? 1;
export const floorOf = (autoscaler: V2HorizontalPodAutoscaler): number => autoscaler.spec?.minReplicas ?? 1;

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
