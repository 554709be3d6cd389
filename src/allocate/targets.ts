import { COMPONENTS } from '../domain/component.js';
import type { NumberReason, PlannedField } from '../domain/plan.js';
import { shortfallOf, taskLoad, totalOf, type Numbers } from './numbers.js';
import type { Prepared, PreparedWorkload } from './prepare.js';

/*
 * The CPU target of an HPA beneath a plan. While the plan covers what a trusted forecast asks for, an HPA that aims as low as
 * its user wants only scales above what is covered already: its target is raised as far as the account file agrees to,
 * and it stays the net beyond the plan. In every other case it is what its user set, so that reacting has its full
 * strength where the plan may be wrong.
 */

export interface AutoscalerTargets {
  fields: PlannedField[];
  /** Consent that nothing can be done with, in words. */
  notes: string[];
  reasons: NumberReason[];
}

/** @param kept the writes of floors and sizes that go ahead: a target counts on the floor that will stand. */
export function autoscalerTargets(
  prepared: Prepared,
  numbers: Numbers,
  kept: readonly PlannedField[],
): AutoscalerTargets {
  const result: AutoscalerTargets = { fields: [], notes: [], reasons: [] };
  const span = prepared.blocks[0];
  for (const workload of prepared.workloads) {
    const { name } = workload.policy;
    const max = workload.policy.autoscaler?.target?.max ?? null;
    const autoscaler = workload.state?.autoscaler ?? null;
    const seen = autoscaler?.target;
    if (!workload.exists) continue;
    if (seen === undefined) {
      if (max !== null) result.notes.push(`${name} has no HPA with a CPU utilization target of its own to raise`);
      continue;
    }
    const owner = workload.state?.owners.target ?? null;
    const user = autoscaler?.userTarget;
    // Nobody agreed to anything, and nothing is to be given back.
    if (max === null && owner !== 'headroom') continue;
    if (user === undefined) {
      result.notes.push(`what the user of ${name} set its HPA's target to is not known any more: it is left as it is`);
      continue;
    }
    const why = objection(prepared, numbers, workload, kept);
    const value = why === null && max !== null ? Math.max(user, max) : user;
    const words =
      why ??
      `the plan covers what the forecast asks for: ${name}'s HPA need not scale above it before ${percent(value)} of the request is used`;
    if (span !== undefined && max !== null) {
      result.reasons.push({
        number: `${name}.target`,
        from: span.from,
        to: span.to,
        value,
        unit: 'of the request',
        binding: { constraint: 'autoscaler-target', words, pricePerHour: null, unit: 'of the request' },
        rejected: rejectedFor(value, user, max, why),
      });
    }
    if (value === seen) continue;
    result.fields.push({
      target: { field: 'target', workload: name, value },
      seen: { value: seen, owner },
      reason: words,
    });
  }
  return result;
}

/** Why an HPA keeps its user's target; null where the plan stands in for it. */
function objection(
  prepared: Prepared,
  numbers: Numbers,
  workload: PreparedWorkload,
  kept: readonly PlannedField[],
): string | null {
  const { name, autoscaler } = workload.policy;
  if (autoscaler?.target === undefined) return 'the account file does not agree to another target (any more)';
  if (workload.ownership !== 'floor') return 'the replicas are Headroom’s own, not the autoscaler’s';
  const trust = prepared.input.trust?.find((one) => one.workload === name);
  const distrust = trust === undefined ? 'there is no forecast' : trust.distrust;
  if (distrust !== null) return `the forecast is not acted on, so the HPA reacts as its user set it: ${distrust}`;
  const planned = totalOf(numbers, workload.index, 0);
  const raised = kept.find(({ target }) => target.field === 'floor' && target.workload === name)?.target.value;
  const floor = raised ?? workload.state?.autoscaler?.floor ?? 0;
  if (floor < planned) return `its floor stays at ${floor}, and the plan wants ${planned}`;
  const option = numbers.option[workload.index] ?? 0;
  for (const component of COMPONENTS) {
    const need = workload.needs.find((one) => one.component === component);
    if (need === undefined) continue;
    const demand = (need.series.blocks[0]?.atLevel ?? 0) + taskLoad(prepared, numbers, workload.index, component, 0);
    if (shortfallOf(workload, need, option, planned, demand) > 0) return `the plan leaves ${component} short`;
  }
  return null;
}

function rejectedFor(value: number, user: number, max: number, why: string | null): NumberReason['rejected'] {
  if (value > user) {
    const without = 'it would scale above what the plan covers already';
    return [{ alternative: `${percent(user)}, as its user set it`, why: without, costPerHour: null }];
  }
  return max > user && why !== null ? [{ alternative: `${percent(max)}, as agreed to`, why, costPerHour: null }] : [];
}

const percent = (share: number): string => `${Math.round(share * 100)} %`;
