import { z } from 'zod';
import type { WorkloadTarget } from '../../port.js';
import { ApiRefusal } from '../calls.js';
import { HPA, SCALED_OBJECT, type LiveObject, type ObjectApi, type ObjectRef } from '../objects.js';

/* What scales a workload at this moment: KEDA's ScaledObject, or an HPA of somebody's own. */

const reference = z.object({ kind: z.string().default('Deployment'), name: z.string() });

const hpaSchema = z.object({
  metadata: z.object({ ownerReferences: z.array(z.object({ kind: z.string(), name: z.string() })).default([]) }),
  spec: z.object({
    scaleTargetRef: reference,
    // The API's default.
    minReplicas: z.number().default(1),
    maxReplicas: z.number(),
    metrics: z.array(z.unknown()).default([]),
  }),
});

/** Without these KEDA takes 0 and 100. https://keda.sh/docs/latest/reference/scaledobject-spec/ */
const scaledObjectSchema = z.object({
  metadata: z.object({ annotations: z.record(z.string(), z.string()).default({}) }),
  spec: z.object({
    scaleTargetRef: reference,
    minReplicaCount: z.number().default(0),
    maxReplicaCount: z.number().default(100),
    idleReplicaCount: z.number().optional(),
  }),
});

interface Live {
  ref: ObjectRef;
  object: LiveObject;
  name: string;
  floor: number;
  ceiling: number;
}
export interface LiveHpa extends Live {
  /** Its metrics as they are written, whole: the API has the list as one field. */
  metrics: readonly unknown[];
  /** The ScaledObject that made it: what is written to the HPA would not last. */
  madeBy: string | null;
}
export interface LiveScaledObject extends Live {
  /** By KEDA's annotation: the floor counts for nothing meanwhile. */
  paused: boolean;
  idle: number | null;
}

const targets = ({ kind, name }: { kind: string; name: string }, at: WorkloadTarget): boolean =>
  kind === at.kind && name === at.name;

export async function hpaOf(api: ObjectApi, at: WorkloadTarget, signal: AbortSignal): Promise<LiveHpa | null> {
  for (const object of await api.list(HPA, at.namespace, signal)) {
    const { metadata, spec } = hpaSchema.parse(object);
    if (!targets(spec.scaleTargetRef, at)) continue;
    const { name } = object.metadata;
    return {
      ref: { ...HPA, namespace: at.namespace, name },
      object,
      name,
      floor: spec.minReplicas,
      ceiling: spec.maxReplicas,
      metrics: spec.metrics,
      madeBy: metadata.ownerReferences.find(({ kind }) => kind === SCALED_OBJECT.kind)?.name ?? null,
    };
  }
  return null;
}

/** Null where the cluster has no KEDA, too. A KEDA that may not be read is told by the HPA that it makes. */
export async function scaledObjectOf(
  api: ObjectApi,
  at: WorkloadTarget,
  signal: AbortSignal,
): Promise<LiveScaledObject | null> {
  const all = await api.list(SCALED_OBJECT, at.namespace, signal).catch((error: unknown) => {
    if (error instanceof ApiRefusal && (error.kind === 'not-found' || error.kind === 'forbidden')) return [];
    throw error;
  });
  for (const object of all) {
    const parsed = scaledObjectSchema.safeParse(object);
    // KEDA's webhook may be off: an object that it would not take scales nothing.
    if (!parsed.success || !targets(parsed.data.spec.scaleTargetRef, at)) continue;
    const { metadata, spec } = parsed.data;
    const { name } = object.metadata;
    return {
      ref: { ...SCALED_OBJECT, namespace: at.namespace, name },
      object,
      name,
      floor: spec.minReplicaCount,
      ceiling: spec.maxReplicaCount,
      idle: spec.idleReplicaCount ?? null,
      paused: Object.entries(metadata.annotations).some(
        ([key, value]) =>
          key === 'autoscaling.keda.sh/paused-replicas' || (key === 'autoscaling.keda.sh/paused' && value !== 'false'),
      ),
    };
  }
  return null;
}
