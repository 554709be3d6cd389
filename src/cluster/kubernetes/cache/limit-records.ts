import { z } from 'zod';
import { base, metadataSchema, quantities, labelSelectorSchema, type Amounts, type Selector } from './schemas.js';
import type { CacheRecord } from './store.js';

/* What a namespace limits: PodDisruptionBudgets, ResourceQuotas, LimitRanges. */

const intOrText = z.union([z.number(), z.string()]);

export interface DisruptionRecord extends CacheRecord {
  selector: Selector | null;
  minAvailable: number | string | null;
  maxUnavailable: number | string | null;
}

const disruptionSchema = z.object({
  metadata: metadataSchema,
  spec: z
    .object({
      selector: labelSelectorSchema.optional(),
      minAvailable: intOrText.optional(),
      maxUnavailable: intOrText.optional(),
    })
    .prefault({}),
});

export function disruptionRecord(object: unknown): DisruptionRecord {
  const { metadata, spec } = disruptionSchema.parse(object);
  return {
    ...base(metadata),
    // Without a selector it is for no pod, unlike one that is empty.
    selector: spec.selector ?? null,
    minAvailable: spec.minAvailable ?? null,
    maxUnavailable: spec.maxUnavailable ?? null,
  };
}

export interface QuotaRecord extends CacheRecord {
  hard: Amounts;
  used: Amounts;
  /** Which pods count: scopes and scope selectors, all of which have to hold. */
  scopes: { scope: string; operator: string; values: string[] }[];
}

const quotaSchema = z.object({
  metadata: metadataSchema,
  spec: z
    .object({
      scopes: z.array(z.string()).default([]),
      scopeSelector: z
        .object({
          matchExpressions: z
            .array(z.object({ scopeName: z.string(), operator: z.string(), values: z.array(z.string()).default([]) }))
            .default([]),
        })
        .prefault({}),
    })
    .prefault({}),
  status: z.object({ hard: quantities, used: quantities }).prefault({}),
});

export function quotaRecord(object: unknown): QuotaRecord {
  const { metadata, spec, status } = quotaSchema.parse(object);
  return {
    ...base(metadata),
    hard: status.hard,
    used: status.used,
    scopes: [
      ...spec.scopes.map((scope) => ({ scope, operator: 'Exists', values: [] })),
      ...spec.scopeSelector.matchExpressions.map(({ scopeName, operator, values }) => ({
        scope: scopeName,
        operator,
        values,
      })),
    ],
  };
}

export interface LimitRangeRecord extends CacheRecord {
  limits: { type: string; min: Amounts; max: Amounts; ratio: Amounts }[];
}

const limitRangeSchema = z.object({
  metadata: metadataSchema,
  spec: z
    .object({
      limits: z
        .array(z.object({ type: z.string(), min: quantities, max: quantities, maxLimitRequestRatio: quantities }))
        .default([]),
    })
    .prefault({}),
});

export function limitRangeRecord(object: unknown): LimitRangeRecord {
  const { metadata, spec } = limitRangeSchema.parse(object);
  return {
    ...base(metadata),
    limits: spec.limits.map(({ type, min, max, maxLimitRequestRatio }) => ({
      type,
      min,
      max,
      ratio: maxLimitRequestRatio,
    })),
  };
}
