import type { Plan } from '../../domain/plan.js';
import { checkBandwidth } from './bandwidth.js';
import { checkDemand, checkStated } from './demand.js';
import type { Breach, Check, CheckFacts } from './facts.js';
import { report } from './facts.js';
import { checkFields } from './fields.js';
import { checkPools } from './pools.js';
import { checkNodesInBlackout, checkWorkloads } from './workloads.js';

export type { Breach, CheckFacts } from './facts.js';

export interface CheckReport {
  /** Nothing is broken, but for limits that give and that the plan names as given up. */
  ok: boolean;
  breaches: Breach[];
  /** Limits that were looked at. */
  checked: string[];
  /** Limits that were not, for want of a fact. */
  unchecked: { limit: string; lacks: string }[];
  /** Blocks looked at whole, and those that are stored together with others: of these only each workload by itself. */
  blocks: number;
  merged: number;
}

/**
 * Every limit that a plan does not keep, read from the plan's own numbers and the problem's facts. It shares no code
 * with what made the plan, and says nothing of whether there is a cheaper one: that is what the plan's gap is for.
 */
export function checkPlan(facts: CheckFacts, plan: Plan): CheckReport {
  const check = begin(facts, plan);
  plan.blocks.forEach((block, index) => {
    const before = plan.blocks[index - 1];
    if (!(block.to > block.from) || (before !== undefined && before.to !== block.from))
      report(check, 'complete', block, 'the blocks of the plan do not follow each other');
  });
  const first = facts.blocks?.[0];
  const last = facts.blocks?.at(-1);
  if (plan.blocks.length === 0) report(check, 'complete', null, 'the plan has no block');
  else if (first !== undefined && last !== undefined) {
    if (plan.blocks[0]?.from !== first.from || plan.blocks.at(-1)?.to !== last.to)
      report(check, 'complete', null, 'the plan does not reach from the first block asked for to the last');
  }
  if (!(plan.solver.gap >= 0 && plan.solver.gap <= 1)) report(check, 'gap', null, `the gap is ${plan.solver.gap}`);
  checkWorkloads(check);
  checkNodesInBlackout(check);
  checkPools(check);
  checkDemand(check);
  checkStated(check);
  checkFields(check);
  checkBandwidth(check);
  const merged = plan.blocks.filter((block) => block.merged === true).length;
  return {
    ok: check.breaches.every((breach) => breach.declared),
    breaches: check.breaches,
    checked: [...check.checked].sort(),
    unchecked: [...check.unchecked].map(([limit, lacks]) => ({ limit, lacks })),
    blocks: plan.blocks.length - merged,
    merged,
  };
}

/** What of a plan's reservations of bandwidth does not keep its limits: they are decided beside the plan. */
export function checkReservations(facts: CheckFacts, plan: Plan): Breach[] {
  const check = begin(facts, plan);
  checkBandwidth(check);
  return check.breaches;
}

const begin = (facts: CheckFacts, plan: Plan): Check => ({
  facts,
  plan,
  policies: new Map(facts.policy.workloads.map((one) => [one.name, one])),
  states: new Map(facts.state?.workloads.map((one) => [one.workload, one])),
  planned: plan.blocks.map((block) => new Map(block.workloads.map((one) => [one.workload, one]))),
  forecast: new Set(facts.demand?.map((one) => `${one.workload}/${one.component}`)),
  breaches: [],
  unchecked: new Map(),
  checked: new Set(),
});
