import { z } from 'zod';
import { COMPONENTS } from '../../domain/component.js';
import { amount, count, name, seconds, time } from './fields.js';

/*
 * What can go wrong, by kind. `from` and `to` are a window [from, to) of simulated time; a fault without `account` or
 * `workload` touches all of them.
 */

const window = { from: time, to: time };
const place = { account: name.optional(), workload: name.optional() };
const workload = { account: name, workload: name };

/** A write by somebody else, as `kubectl scale`. */
const foreignTarget = z.discriminatedUnion('field', [
  z.strictObject({ field: z.literal('replicas'), ...workload, value: count }),
  z.strictObject({ field: z.literal('floor'), ...workload, value: count }),
  z.strictObject({ field: z.literal('request'), ...workload, component: z.enum(COMPONENTS), value: amount }),
  z.strictObject({ field: z.literal('nodes'), pool: name, value: count }),
]);

export const faultSchema = z.discriminatedUnion('kind', [
  /** Nothing is measured: no usage, no metric. The autoscalers' own metrics go on. */
  z.strictObject({ kind: z.literal('metrics-outage'), ...window, ...place }),
  /** The cluster's API refuses connections; what runs goes on. */
  z.strictObject({ kind: z.literal('api-down'), ...window }),
  /** Every answer of the API takes `delay` longer (simulated time). */
  z.strictObject({ kind: z.literal('api-slow'), ...window, delay: seconds }),
  /** The next `count` writes in the window happen, and their answers get lost. */
  z.strictObject({ kind: z.literal('lost-answer'), ...window, count: z.int().min(1).default(1) }),
  /**
   * The first change by Headroom in the window that touches the workload (one of `fields`, where given) is a bad one,
   * until the field has its old value again. `slow`: every request costs 1/`severity` of the capacity it did;
   * `errors`: that share of requests fails; `crash`: replicas that start meanwhile never get ready.
   */
  z.strictObject({
    kind: z.literal('bad-release'),
    ...window,
    ...workload,
    effect: z.enum(['slow', 'errors', 'crash']),
    severity: z.number().gt(0).max(1).default(0.5),
    fields: z
      .array(z.enum(['replicas', 'floor', 'request']))
      .min(1)
      .optional(),
  }),
  /** The next `count` pods that start in the window are not ready before it ends. */
  z.strictObject({ kind: z.literal('pod-never-ready'), ...window, ...workload, count: z.int().min(1).default(1) }),
  /** Pods that start in the window take `factor` times as long. */
  z.strictObject({ kind: z.literal('slow-start'), ...window, ...place, factor: z.number().gt(0).max(1000) }),
  /** Demand is a multiple of what the series says. */
  z.strictObject({ kind: z.literal('surge'), ...window, ...place, factor: z.number().min(0).max(1000) }),
  /** The provider has no more nodes of this pool. */
  z.strictObject({ kind: z.literal('stock-out'), ...window, pool: name }),
  /** So many nodes of a pool are taken back at once. */
  z.strictObject({ kind: z.literal('interruption'), at: time, pool: name, count: z.int().min(1).default(1) }),
  z.strictObject({
    kind: z.literal('foreign-write'),
    at: time,
    owner: z.string().min(1).default('kubectl'),
    target: foreignTarget,
  }),
]);

export type Fault = z.output<typeof faultSchema>;
export type ForeignTarget = z.output<typeof foreignTarget>;

/** Where a fault applies: everywhere unless it names an account or a workload. */
export const touches = (fault: { account?: string; workload?: string }, account: string, workload: string): boolean =>
  (fault.account === undefined || fault.account === account) &&
  (fault.workload === undefined || fault.workload === workload);

export const within = (fault: { from: number; to: number }, at: number): boolean => at >= fault.from && at < fault.to;
