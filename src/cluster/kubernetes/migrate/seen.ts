import { z } from 'zod';
import type { WorkloadTarget } from '../../port.js';
import type { MoveRequest } from '../../migrating.js';
import { HPA, SCALED_OBJECT, type LiveObject, type ObjectRef } from '../objects.js';
import { workloadRef } from '../actuators/live-workload.js';
import { sizedInPlace } from '../requests.js';
import { HTTP_ROUTE, SERVICE } from './kinds.js';
import { selectedBy } from './labels.js';
import type { RestObjects } from './rest.js';

/* What stands around a workload: the Services that select it, the routes that lead to those, autoscalers. */

export type Labels = Record<string, string>;
const labels = z.record(z.string(), z.string());
const selector = z.looseObject({ matchLabels: labels.default({}), matchExpressions: z.array(z.unknown()).default([]) });

const containerSchema = z.looseObject({ name: z.string(), image: z.string().optional() });
const workloadSchema = z.object({
  spec: z.looseObject({
    replicas: z.number().default(1),
    selector,
    template: z.looseObject({
      metadata: z.looseObject({ labels: labels.default({}), annotations: labels.optional() }).prefault({}),
      spec: z.looseObject({
        containers: z.array(containerSchema),
        initContainers: z.array(containerSchema).optional(),
        nodeSelector: labels.optional(),
        tolerations: z.array(z.looseObject({})).optional(),
        volumes: z.array(z.looseObject({ name: z.string() })).optional(),
      }),
    }),
    volumeClaimTemplates: z.array(z.looseObject({ metadata: z.looseObject({ name: z.string() }) })).optional(),
  }),
  status: z.object({ readyReplicas: z.number().default(0), replicas: z.number().default(0) }).prefault({}),
});

export type SeenWorkload = z.output<typeof workloadSchema> & { ref: ObjectRef; object: LiveObject };

export function seenWorkload(ref: ObjectRef, object: LiveObject): SeenWorkload {
  const parsed = workloadSchema.parse(object);
  // What its pods were given in place is what the copy's pods get.
  const template = sizedInPlace(parsed.spec.template, object.metadata.annotations);
  return { ...parsed, spec: { ...parsed.spec, template }, ref, object };
}

export const copyRef = ({ at, copy }: MoveRequest): ObjectRef => ({ ...workloadRef(at), name: copy });

export async function findWorkload(
  api: RestObjects,
  ref: ObjectRef,
  signal: AbortSignal,
): Promise<SeenWorkload | null> {
  const object = await api.find(ref, signal);
  return object === null ? null : seenWorkload(ref, object);
}

export const refOf = (
  kind: Omit<ObjectRef, 'namespace' | 'name'>,
  namespace: string | null,
  name: string,
): ObjectRef => ({
  ...{ group: kind.group, version: kind.version, plural: kind.plural, kind: kind.kind },
  ...{ namespace, name },
});

const serviceSchema = z.object({ spec: z.looseObject({ selector: labels.optional(), type: z.string().optional() }) });
export const selectorOf = (service: LiveObject): Labels => serviceSchema.safeParse(service).data?.spec.selector ?? {};

const routeSchema = z.object({ spec: z.looseObject({ rules: z.array(z.unknown()).default([]) }) });
export const rulesOf = (route: LiveObject): unknown[] => routeSchema.safeParse(route).data?.spec.rules ?? [];

/** Services of its namespace that find its pods. */
export async function servicesOf(api: RestObjects, namespace: string, pods: Labels, signal: AbortSignal) {
  const all = await api.list(SERVICE, namespace, signal);
  return all.filter((service) => selectedBy(selectorOf(service), pods));
}

export const routesIn = (api: RestObjects, namespace: string, signal: AbortSignal): Promise<LiveObject[]> =>
  api.select(HTTP_ROUTE, namespace, '', signal);

const scalerSchema = z.object({
  spec: z.looseObject({ scaleTargetRef: z.looseObject({ kind: z.string().optional(), name: z.string() }) }),
});

/** HPAs and ScaledObjects that scale it; an HPA that KEDA made follows its ScaledObject, and is left to it. */
export async function scalersOf(api: RestObjects, { kind, namespace, name }: WorkloadTarget, signal: AbortSignal) {
  const [hpas, scaled] = await Promise.all([
    api.select(HPA, namespace, '', signal),
    api.select(SCALED_OBJECT, namespace, '', signal),
  ]);
  return [
    ...scaled.map((object) => ({ of: SCALED_OBJECT, object })),
    ...hpas.map((object) => ({ of: HPA, object })),
  ].filter(({ object }) => {
    const target = scalerSchema.safeParse(object).data?.spec.scaleTargetRef;
    const byKeda = object.metadata.labels?.['app.kubernetes.io/managed-by'] === 'keda-operator';
    return !byKeda && target?.name === name && (target.kind ?? 'Deployment') === kind;
  });
}
