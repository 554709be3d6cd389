import { z } from 'zod';
import { COMPONENTS } from '../../domain/component.js';
import type { HeadroomError } from '../../domain/errors.js';
import type { TimeScale } from '../../domain/time.js';
import type { MoveRequest, MoveWrite } from '../migrating.js';
import type { WorkloadTarget } from '../port.js';
import type { CapacityMutation, Restore, SimulatedTarget } from './engine.js';
import { faultSchema } from './faults.js';

/* What travels between the simulated cluster's process and its callers, and into its journal. */

const owner = z.string().nullable();
const workload = z.string();
const value = z.number();

const targetSchema = z.discriminatedUnion('field', [
  z.strictObject({ field: z.literal('replicas'), workload, value }),
  z.strictObject({ field: z.literal('floor'), workload, value }),
  z.strictObject({ field: z.literal('request'), workload, component: z.enum(COMPONENTS), value }),
  z.strictObject({ field: z.literal('nodes'), pool: z.string(), value }),
  z.strictObject({ field: z.literal('target'), workload, value }),
  z.strictObject({ field: z.literal('prepared'), workload, action: z.string(), value }),
]) satisfies z.ZodType<SimulatedTarget>;

export const mutationSchema = z.strictObject({
  key: z.string().min(1),
  account: z.string(),
  target: targetSchema,
  expect: z.strictObject({ value, owner }),
  reason: z.string(),
  planId: z.string().exactOptional(),
  /** Which of the scenario's clusters; its own where absent. */
  cluster: z.string().exactOptional(),
  dataSets: z.array(z.string()).exactOptional(),
}) satisfies z.ZodType<CapacityMutation>;

export const restoreSchema = z.strictObject({
  key: z.string().min(1),
  changeKeys: z.array(z.string()),
  account: z.string(),
  target: targetSchema,
  owner,
  reason: z.string(),
  cluster: z.string().exactOptional(),
}) satisfies z.ZodType<Restore>;

/** What a workload is to a cluster of another kind (consent, labels, actions) is nothing to this one. */
export const workloadTargetSchema = z.object({
  workload: z.string(),
  kind: z.enum(['Deployment', 'StatefulSet']),
  namespace: z.string(),
  name: z.string(),
}) satisfies z.ZodType<WorkloadTarget>;

/** What is asked besides (node selectors, provisioners, CronJobs) is nothing that a simulated cluster has. */
export const observeSchema = z.object({
  account: z.string(),
  workloads: z.array(workloadTargetSchema),
  pools: z.array(z.string()),
  cluster: z.string().exactOptional(),
});

const nullable = z.string().nullable();

export const moveRequestSchema = z.object({
  id: z.string().min(1),
  account: z.string(),
  at: workloadTargetSchema,
  copy: z.string().min(1),
  to: z.strictObject({ pool: nullable, namespace: nullable, cluster: nullable }),
  nodeSelector: z.record(z.string(), z.string()),
  tolerations: z.array(
    z.object({
      key: z.string().optional(),
      operator: z.enum(['Exists', 'Equal']).optional(),
      value: z.string().optional(),
      effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']).optional(),
    }),
  ),
  copyVolumes: z.boolean(),
  stop: z.boolean().optional(),
  noTraffic: z.boolean(),
  backend: nullable,
  steps: z.array(z.number()),
  old: z.enum(['remove', 'keep']),
  before: nullable,
  cross: z
    .object({
      ...{ side: z.enum(['source', 'target', 'traffic']), from: z.string(), to: z.string() },
      pools: z.array(z.string()),
      traffic: z.enum(['route-at-source', 'route-at-target', 'hook', 'none']),
    })
    .exactOptional(),
}) satisfies z.ZodType<MoveRequest>;

const replicas = z.int().min(0);
const percent = z.number().min(0).max(100);
export const moveWriteSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.enum(['claim', 'images', 'volumes', 'hand-over', 'retire', 'unroute', 'discard', 'release']),
  }),
  z.strictObject({ kind: z.literal('copy'), replicas }),
  z.strictObject({ kind: z.literal('lower'), replicas }),
  z.strictObject({ kind: z.literal('raise'), replicas }),
  z.strictObject({ kind: z.literal('route'), weight: percent, from: percent }),
]) satisfies z.ZodType<MoveWrite>;

export const timeScaleSchema = z.strictObject({
  wallEpochMs: z.number(),
  epoch: z.number(),
  factor: z.number().gt(0),
}) satisfies z.ZodType<TimeScale>;

/** Whatever changes the simulated cluster from outside. */
export const commandSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('apply'), mutation: mutationSchema }),
  z.strictObject({ kind: z.literal('restore'), restore: restoreSchema }),
  z.strictObject({ kind: z.literal('inject'), fault: faultSchema }),
  z.strictObject({ kind: z.literal('move'), request: moveRequestSchema, write: moveWriteSchema }),
  /** Lets time run on a scale. */
  z.strictObject({ kind: z.literal('run'), scale: timeScaleSchema }),
  /** Moves a clock that is moved by hand. */
  z.strictObject({ kind: z.literal('advance'), to: z.number() }),
]);
export type Command = z.output<typeof commandSchema>;

/** An error as JSON, and back, so that the caller of a remote cluster sees what the near one throws. */
export const errorSchema = z.object({
  kind: z.enum(['invalid-input', 'not-found', 'refused', 'unavailable', 'conflict', 'full']),
  component: z.string(),
  action: z.string(),
  problem: z.string(),
  remedy: z.string(),
});
export type WireError = z.output<typeof errorSchema>;

export function toWire(error: HeadroomError): WireError {
  const { kind, component, action, remedy, message } = error;
  const problem = message.slice(`${component}: ${action}: `.length, message.length - `; ${remedy}`.length);
  return { kind, component, action, problem, remedy };
}

export const HTTP_STATUS = {
  'invalid-input': 400,
  'not-found': 404,
  refused: 403,
  unavailable: 503,
  conflict: 409,
  full: 507,
} as const satisfies Record<HeadroomError['kind'], number>;
