import { z } from 'zod';
import type { WorkloadTarget } from '../../port.js';
import { sizedInPlace } from '../requests.js';
import { DEPLOYMENT, STATEFUL_SET, type LiveObject, type ObjectApi, type ObjectRef } from '../objects.js';

/* A Deployment or StatefulSet as it stands at this moment, for a write. */

const amounts = z.record(z.string(), z.union([z.string(), z.number()]).transform(String)).optional();
const containerSchema = z.looseObject({
  name: z.string(),
  resources: z.looseObject({ requests: amounts, limits: amounts }).optional(),
  resizePolicy: z.array(z.object({ resourceName: z.string(), restartPolicy: z.string() })).default([]),
});
const requirement = z.object({ key: z.string(), operator: z.string(), values: z.array(z.string()).default([]) });
const labels = z.record(z.string(), z.string());

const schema = z.object({
  spec: z.object({
    // The API defaults it to 1.
    replicas: z.number().default(1),
    selector: z.object({ matchLabels: labels.default({}), matchExpressions: z.array(requirement).default([]) }),
    template: z.object({
      metadata: z.object({ labels: labels.default({}), annotations: labels.optional() }).prefault({}),
      spec: z.object({
        containers: z.array(containerSchema),
        priorityClassName: z.string().optional(),
        activeDeadlineSeconds: z.number().optional(),
      }),
    }),
  }),
  status: z.object({ replicas: z.number().default(0) }).prefault({}),
});

export interface LiveWorkload extends z.output<typeof schema> {
  ref: ObjectRef;
  object: LiveObject;
  /** The template as its pods are meant to be: what they were given in place is laid over it. */
  sized: LiveTemplate;
}
export type LiveTemplate = z.output<typeof schema>['spec']['template'];

export const workloadRef = ({ kind, namespace, name }: WorkloadTarget): ObjectRef => ({
  ...(kind === 'Deployment' ? DEPLOYMENT : STATEFUL_SET),
  namespace,
  name,
});

/** @throws ApiRefusal `not-found`; ZodError never: the API server's own schema is stricter. */
export async function readWorkload(api: ObjectApi, at: WorkloadTarget, signal: AbortSignal): Promise<LiveWorkload> {
  const ref = workloadRef(at);
  const object = await api.read(ref, signal);
  const parsed = schema.parse(object);
  return { ref, object, ...parsed, sized: sizedInPlace(parsed.spec.template, object.metadata.annotations) };
}

/** As a query of the API: `app=web,tier in (a,b)`. */
export function selectorText({ spec }: LiveWorkload): string {
  const { matchLabels, matchExpressions } = spec.selector;
  return [
    ...Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`),
    ...matchExpressions.map(({ key, operator, values }) => {
      if (operator === 'Exists') return key;
      if (operator === 'DoesNotExist') return `!${key}`;
      return `${key} ${operator === 'In' ? 'in' : 'notin'} (${values.join(',')})`;
    }),
  ].join(',');
}
