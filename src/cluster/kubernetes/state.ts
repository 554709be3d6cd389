import { HEADROOM } from '../fence.js';
import type { Scalable } from './api.js';
import { fieldOwner, type ManagedFields, type PathStep } from './managed-fields.js';

/* What single fields of Kubernetes objects say: read the same way by who observes and by who writes. Pure. */

/** Nodes say which pool they are of by this label. */
export const POOL_LABEL = 'headroom.dev/pool';
/** The manager under which the HPA controller writes replicas. */
export const HPA_CONTROLLER = 'kube-controller-manager';

/** The API defaults both to 1. */
export const replicasOf = (object: Scalable): number => object.spec?.replicas ?? 1;
export const floorOf = (autoscaler: { spec?: { minReplicas?: number | undefined } | undefined }): number =>
  autoscaler.spec?.minReplicas ?? 1;

/** On an autoscaler: the floor that its user set, written with the first raise above it. */
export const USER_FLOOR = 'headroom.dev/user-floor';

/**
 * The floor that the user set: where somebody else owns it by now, or nobody, it is what stands there; where Headroom
 * does, what it found when it took it. Null where that is not known.
 */
export function userFloor(
  metadata: { annotations?: Record<string, string> | undefined; managedFields?: readonly ManagedFields[] | undefined },
  floor: number,
  path: readonly PathStep[],
): number | null {
  if (fieldOwner(metadata.managedFields, path) !== HEADROOM) return floor;
  return wholeNumber(metadata.annotations?.[USER_FLOOR]);
}

/** Of an annotation: null where there is none, or somebody garbled it. */
export const wholeNumber = (noted: string | undefined): number | null =>
  noted !== undefined && /^\d+$/.test(noted) ? Number(noted) : null;
