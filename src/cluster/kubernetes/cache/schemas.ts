import { z } from 'zod';
import { parseQuantity } from '../../../domain/component.js';
import type { CacheRecord } from './store.js';

/* What the objects of several kinds have in common, as the API writes them. A schema reads what is needed and drops the rest. */

/** `cpu`, `memory`, …, `pods` and extended resources, as Kubernetes names them; amounts in Headroom's units. */
export type Amounts = Record<string, number>;

export const labels = z.record(z.string(), z.string()).default({});
export const quantities = z.record(z.string(), z.union([z.string(), z.number()]).transform(parseQuantity)).default({});
export const metadataSchema = z.object({
  name: z.string(),
  namespace: z.string().default(''),
  uid: z.string().default(''),
  resourceVersion: z.string().default(''),
  labels,
  generation: z.number().default(0),
  deletionTimestamp: z.string().optional(),
  ownerReferences: z
    .array(z.object({ kind: z.string(), name: z.string(), controller: z.boolean().optional() }))
    .default([]),
});
export const managedFields = z
  .array(
    z.object({
      manager: z.string().optional(),
      operation: z.string().optional(),
      subresource: z.string().optional(),
      time: z
        .string()
        .transform((text) => new Date(text))
        .optional(),
      fieldsV1: z.unknown(),
    }),
  )
  .default([]);
export const owned = metadataSchema.extend({ managedFields });
export const conditions = z
  .array(
    z.object({
      type: z.string(),
      status: z.string(),
      reason: z.string().default(''),
      message: z.string().default(''),
    }),
  )
  .default([]);

export const base = ({ name, namespace, uid, resourceVersion }: z.output<typeof metadataSchema>): CacheRecord => ({
  namespace,
  name,
  uid,
  resourceVersion,
});

// — label selectors —

export const labelSelectorSchema = z.object({
  matchLabels: labels,
  matchExpressions: z
    .array(z.object({ key: z.string(), operator: z.string(), values: z.array(z.string()).default([]) }))
    .default([]),
});
/** One that is left out selects all. */
export const selectorSchema = labelSelectorSchema.prefault({});
export type Selector = z.output<typeof selectorSchema>;

/** Has an object with these labels what the selector asks for? An empty selector matches all. */
export const selects = (selector: Selector, of: Readonly<Record<string, string>>): boolean =>
  Object.entries(selector.matchLabels).every(([key, value]) => of[key] === value) &&
  selector.matchExpressions.every(({ key, operator, values }) => {
    const value = of[key];
    switch (operator) {
      case 'In':
        return value !== undefined && values.includes(value);
      case 'NotIn':
        return value === undefined || !values.includes(value);
      case 'Exists':
        return value !== undefined;
      case 'DoesNotExist':
        return value === undefined;
      default:
        return false;
    }
  });

// — pods and their templates —

const containerSchema = z.object({
  name: z.string(),
  restartPolicy: z.string().optional(),
  resources: z.object({ requests: quantities, limits: quantities }).prefault({}),
});
export const podSpecSchema = z.object({
  containers: z.array(containerSchema).default([]),
  initContainers: z.array(containerSchema).default([]),
  overhead: quantities,
  priorityClassName: z.string().default(''),
  nodeName: z.string().default(''),
  activeDeadlineSeconds: z.number().optional(),
});
export type PodSpec = z.output<typeof podSpecSchema>;

/** What one pod is charged: its containers (and sidecars) together, or its largest init container, and overhead. */
export function podAmounts(spec: PodSpec, of: 'requests' | 'limits'): Amounts {
  const total: Amounts = {};
  const add = (amounts: Amounts) => {
    for (const [name, amount] of Object.entries(amounts)) total[name] = (total[name] ?? 0) + amount;
  };
  for (const container of spec.containers) add(container.resources[of]);
  const initial: Amounts = {};
  const sidecars: Amounts = {};
  for (const { resources, restartPolicy } of spec.initContainers) {
    for (const [name, amount] of Object.entries(resources[of])) {
      // One that goes on beside the containers is there together with all that start after it.
      if (restartPolicy === 'Always') sidecars[name] = (sidecars[name] ?? 0) + amount;
      else initial[name] = Math.max(initial[name] ?? 0, amount + (sidecars[name] ?? 0));
    }
  }
  add(sidecars);
  for (const [name, amount] of Object.entries(initial)) total[name] = Math.max(total[name] ?? 0, amount);
  if (of === 'requests' || Object.keys(total).length > 0) add(spec.overhead);
  return total;
}

/** A message of the API can be long; what travels through a history is not. */
const MOST_WORDS = 200;
export const shortWords = (text: string): string => {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length <= MOST_WORDS ? line : `${line.slice(0, MOST_WORDS - 1)}…`;
};
