import type { FieldTarget, Mutation } from './cluster.js';
import type { ChangeOrder, PlannedField, PlanSummary } from './plan.js';
import type { EpochSeconds } from './time.js';

/*
 * From a plan's fields to a change: pure and small, since the account workflow runs it and replay versions it.
 */

/** Key of a field, as `web.replicas`: two writes to one field have the same. */
export function fieldName(target: FieldTarget): string {
  switch (target.field) {
    case 'replicas':
    case 'floor':
    case 'target':
      return `${target.workload}.${target.field}`;
    case 'request':
      return `${target.workload}.request.${target.component}`;
    case 'nodes':
    case 'warm':
    case 'weight':
      return `${target.pool}.${target.field}`;
    case 'limit':
      return `${target.pool}.limit.${target.resource}`;
    case 'start':
      return `${target.task}.start.${target.scheduled}`;
    case 'prepared':
      return `${target.workload}.prepared.${target.action}`;
  }
}

/**
 * What goes before capacity and is no capacity itself. Where the cluster will not have one of these, the rest of a change
 * goes on without it: a cache that stays cold, or a node that comes later, is no reason to leave demand unserved. (A
 * task's time is none of them: the plan counts on where the task runs.)
 */
export const isDispensable = ({ field }: FieldTarget): boolean =>
  field === 'warm' || field === 'limit' || field === 'weight' || field === 'prepared';

/** An order among pools, or a task's time, has no less and more: nothing that serves is taken away by it. */
const lowersNothing = (target: FieldTarget): boolean => target.field === 'weight' || target.field === 'start';

/** An autoscaler that aims at less utilization scales up sooner: its target is raised capacity the other way round. */
const turned = (target: FieldTarget): boolean => target.field === 'target';

/** Takes away nothing that serves, nor what would serve if demand came. */
export const raises = ({ target, seen }: PlannedField): boolean =>
  lowersNothing(target) || (turned(target) ? target.value <= seen.value : target.value >= seen.value);

/** Asks for more than is there; a demand that cannot wait. */
export const addsTo = ({ target, seen }: PlannedField): boolean =>
  turned(target) ? target.value < seen.value : target.value > seen.value;

/**
 * Writes a change out: its mutations in the plan's order, each fenced by what the plan saw, and the reverse plan that is
 * recorded before the first of them.
 */
export function orderChange(
  plan: PlanSummary,
  changeId: string,
  account: string,
  now: EpochSeconds,
  leadTimeLimit: number,
): ChangeOrder {
  const mutations: Mutation[] = plan.fields.map((field, index) => ({
    key: `change/${changeId}#${index}`,
    account,
    target: field.target,
    expect: field.seen,
    reason: field.reason,
    ...(field.target.field === 'prepared' ? { planId: plan.id } : {}),
  }));
  return {
    changeId,
    account,
    planId: plan.id,
    mutations,
    leadTimeLimit,
    ...(plan.firedBy === undefined ? {} : { firedBy: plan.firedBy }),
    contingency: {
      changeId,
      recordedAt: now,
      ...(plan.firedBy === undefined ? {} : { firedBy: plan.firedBy }),
      // The last write is the first to be taken back, so that at every moment a prefix of the plan stands.
      reverse: plan.fields
        .map((field) => ({ target: { ...field.target, value: field.seen.value }, owner: field.seen.owner }))
        .reverse(),
      writes: plan.fields.map(({ target }) => ({ field: fieldName(target), to: target.value })),
      fallbacks: [
        { trigger: 'the cluster does not answer', answer: 'keep trying to restore; the account says needs-attention' },
        {
          trigger: 'a field was changed by someone else meanwhile',
          answer: 'leave that field as they set it and say so',
        },
        {
          trigger: 'telemetry is missing during verification',
          answer: plan.fields.every(raises)
            ? 'keep the change: it only raises capacity'
            : 'roll back: what it lowered is put back',
        },
      ],
    },
  };
}
