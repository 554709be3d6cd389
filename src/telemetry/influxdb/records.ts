import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { RecordKind, StoredRecord } from '../port.js';
import { milliseconds, pointLine, seriesPrefix, type FieldValue } from './lines.js';

/*
 * What the loop leaves behind, as points. Times are the record's own and tags follow from its content, so that a record
 * that is written again overwrites its points. docs/telemetry.md has the table of measurements.
 */

/** The kinds that are written, in the order in which a cycle makes them. */
export const SINK_KINDS = [
  'forecast',
  'plan',
  'contingency',
  'outcome',
  'grant',
  'fleet-plan',
] as const satisfies readonly RecordKind[];
export type SinkKind = (typeof SINK_KINDS)[number];

/** Says up to where all records of a kind of an account are here; written after their points, in a later request. */
export const MARKER = 'written';

const amounts = z.record(z.string(), z.number().nullish());

const forecastSchema = z.object({
  series: z.array(
    z.object({
      workload: z.string(),
      component: z.string(),
      resolutions: z.array(
        z.object({
          origin: z.number(),
          step: z.number(),
          levels: z.array(z.number()),
          quantiles: z.array(z.array(z.number().nullable())),
        }),
      ),
      gate: z.object({
        open: z.boolean(),
        level: z.number(),
        scored: z.number(),
        misses: z.number(),
        coverage: z.number().nullable(),
      }),
    }),
  ),
  missing: z.array(z.object({ workload: z.string(), component: z.string(), reason: z.string() })),
});

const planSchema = z.object({
  id: z.string(),
  snapshotId: z.string(),
  forecastId: z.string(),
  verdict: z.object({ kind: z.string(), reason: z.string().optional(), source: z.string().optional() }),
  fields: z.array(z.unknown()),
  blocks: z.array(
    z.object({
      from: z.number(),
      workloads: z.array(
        z.object({ workload: z.string(), replicas: z.number(), request: amounts, shortfall: amounts }),
      ),
      nodes: z.record(z.string(), z.number()),
    }),
  ),
  reasons: z.array(
    z.object({
      number: z.string(),
      from: z.number(),
      value: z.number(),
      unit: z.string(),
      interval: z
        .object({ level: z.number(), lower: z.number(), median: z.number(), upper: z.number() })
        .partial()
        .optional(),
      binding: z.object({ constraint: z.string(), pricePerHour: z.number().nullable() }),
    }),
  ),
  conflict: z.object({ gaveUp: z.string() }).nullable(),
  costPerHour: z.number(),
  currency: z.string(),
  solver: z.object({ gap: z.number() }),
});

const contingencySchema = z.object({ reverse: z.array(z.unknown()) });

const outcomeSchema = z.object({
  changeId: z.string(),
  planId: z.string(),
  result: z.string(),
  detail: z.string(),
  startedAt: z.number(),
  endedAt: z.number(),
  leadTime: z.number().nullable(),
  applied: z.number(),
  restored: z.boolean(),
  checks: z.array(
    z.object({
      workload: z.string(),
      metric: z.string(),
      value: z.number().nullable(),
      limit: z.number(),
      passed: z.boolean(),
    }),
  ),
});

const grantRecordSchema = z.object({
  planId: z.string(),
  until: z.number(),
  granted: amounts,
  asked: amounts.nullable(),
});

const fleetPlanSchema = z.object({
  id: z.string(),
  status: z.string(),
  costPerHour: z.number(),
  currency: z.string(),
  gap: z.number(),
  accounts: z.number(),
  unknown: z.number(),
  short: z.number(),
  pools: z.array(z.object({ pool: z.string(), now: z.number().nullable(), planned: z.number() })),
});

/** Nanoseconds, as the protocol writes them. */
const nanoseconds = (seconds: number): string => `${milliseconds(seconds)}000000`;

/**
 * A time of the record's own: the nanoseconds below a millisecond are a hash of its id, so that two records of one
 * moment do not overwrite each other, and one record always has the same.
 */
function ownNanoseconds(seconds: number, id: string): string {
  const hash = createHash('sha256').update(id).digest().readUInt32BE(0) % 1_000_000;
  return `${milliseconds(seconds)}${String(hash).padStart(6, '0')}`;
}

type Fields = Record<string, FieldValue | null | undefined>;
type Tags = Record<string, string>;

const prefixed = (prefix: string, amount: Readonly<Record<string, number | null | undefined>>): Fields =>
  Object.fromEntries(Object.entries(amount).map(([name, value]) => [`${prefix}_${name}`, value]));

/** The measurement, tags, fields and time of each point of a record. */
function* pointsOf(record: StoredRecord & { kind: SinkKind }): Generator<[string, Tags, Fields, string]> {
  const { account, at, id } = record;
  const now = nanoseconds(at);
  switch (record.kind) {
    case 'forecast': {
      const { series, missing } = forecastSchema.parse(record.body);
      for (const { workload, component, resolutions, gate } of series) {
        const tags = { account, workload, component };
        const fine = resolutions[0];
        for (const [index, row] of (fine?.quantiles ?? []).entries()) {
          if (fine === undefined) break;
          const quantiles = Object.fromEntries(fine.levels.map((level, place) => [`q${level}`, row[place]]));
          // Of several forecasts of one bin the last one stands: what was known when it came.
          yield ['forecast', tags, { ...quantiles, made_at: at }, nanoseconds(fine.origin + (index + 1) * fine.step)];
        }
        const { open, level, coverage, scored, misses } = gate;
        yield ['coverage', tags, { open, level, coverage, scored, misses }, now];
      }
      for (const { workload, component, reason } of missing) {
        yield ['missing', { account, workload, component }, { reason }, now];
      }
      return;
    }
    case 'plan': {
      const plan = planSchema.parse(record.body);
      const { verdict, costPerHour, currency, solver, conflict, reasons, blocks, fields } = plan;
      yield [
        'plan',
        { account },
        {
          id: plan.id,
          forecast: plan.forecastId,
          snapshot: plan.snapshotId,
          verdict: verdict.kind,
          reason: verdict.reason,
          source: verdict.source,
          changes: fields.length,
          cost_per_hour: costPerHour,
          currency,
          gap: solver.gap,
          gave_up: conflict?.gaveUp,
        },
        now,
      ];
      // The first block is what is decided; the others are decided anew by every plan.
      const first = blocks[0];
      for (const { workload, replicas, request, shortfall } of first?.workloads ?? []) {
        const fieldsOf = { replicas, ...prefixed('request', request), ...prefixed('shortfall', shortfall) };
        yield ['plan_workload', { account, workload }, fieldsOf, now];
      }
      for (const [pool, nodes] of Object.entries(first?.nodes ?? {})) {
        yield ['plan_pool', { account, pool }, { nodes }, now];
      }
      for (const { number, from, value, unit, interval, binding } of reasons) {
        if (from !== first?.from) continue;
        yield [
          'plan_number',
          { account, number },
          { value, unit, ...interval, binding: binding.constraint, price_per_hour: binding.pricePerHour },
          now,
        ];
      }
      return;
    }
    case 'contingency': {
      const { reverse } = contingencySchema.parse(record.body);
      yield ['contingency', { account }, { change: id, steps: reverse.length }, ownNanoseconds(at, id)];
      return;
    }
    case 'grant': {
      const { planId, until, granted, asked } = grantRecordSchema.parse(record.body);
      const asking = asked === null ? {} : prefixed('asked', asked);
      yield ['grant', { account }, { plan: planId, until, ...prefixed('granted', granted), ...asking }, now];
      return;
    }
    case 'fleet-plan': {
      const { pools, status, costPerHour, currency, gap, accounts, unknown, short } = fleetPlanSchema.parse(
        record.body,
      );
      const whole = { id, status, cost_per_hour: costPerHour, currency, gap, accounts, unknown, short };
      yield ['fleet', {}, whole, now];
      for (const { pool, now: nodes, planned } of pools) yield ['fleet_pool', { pool }, { nodes, planned }, now];
      return;
    }
    case 'outcome': {
      const outcome = outcomeSchema.parse(record.body);
      const { checks, startedAt, endedAt, leadTime, planId, changeId, ...rest } = outcome;
      const time = ownNanoseconds(at, id);
      const own = { change: changeId, plan: planId, lead_time: leadTime, seconds: endedAt - startedAt };
      yield ['outcome', { account }, { ...rest, ...own }, time];
      for (const { workload, metric, value, limit, passed } of checks) {
        yield ['check', { account, workload, metric }, { value, limit, passed, change: changeId }, time];
      }
      return;
    }
  }
}

const isSinkKind = (kind: RecordKind): kind is SinkKind => SINK_KINDS.some((one) => one === kind);
export const isSinkRecord = (record: StoredRecord): record is StoredRecord & { kind: SinkKind } =>
  isSinkKind(record.kind);

/**
 * Lines of a record, with times in nanoseconds.
 * @throws ZodError where its body is not what this version writes; HeadroomError where a name cannot be kept.
 */
export function recordLines(record: StoredRecord & { kind: SinkKind }): string[] {
  const lines: string[] = [];
  for (const [measurement, tags, fields, time] of pointsOf(record)) {
    const line = pointLine(seriesPrefix(measurement, tags), fields, time);
    if (line !== null) lines.push(line);
  }
  return lines;
}

/** The line that says: everything up to this record is here. */
export const markerLine = ({ kind, account, at, id }: Pick<StoredRecord, 'kind' | 'account' | 'at' | 'id'>): string =>
  `${seriesPrefix(MARKER, { account, kind })} id="${id.replace(/["\\]/g, '\\$&')}" ${nanoseconds(at)}`;
