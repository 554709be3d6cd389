import type { ClusterState, Mutation } from '../domain/cluster.js';
import { orderChange } from '../domain/change.js';
import { seenValue } from '../domain/seen.js';
import type { Contingency, Plan } from '../domain/plan.js';
import type { EpochSeconds } from '../domain/time.js';

/** `change/acme/42` or `acme/42`: the writes' keys begin with the former. */
const bare = (changeId: string): string => changeId.replace(/^change\//, '');

/**
 * A plan's writes in their order: nodes up, sizes, replicas up, then what goes down; each fenced by what the plan saw,
 * with the key `change/<account>/<n>#<i>`.
 */
export function mutationsFor(plan: Plan, changeId: string, account: string): Mutation[] {
  return orderChange(plan, bare(changeId), account, plan.at, 0).mutations;
}

/**
 * The reverse plan, to be recorded before the first write: back to what `state` shows, the last write first. The state
 * may be fresher than the plan's own; where it no longer has a field, the plan's is kept.
 */
export function contingencyFor(plan: Plan, state: ClusterState, changeId: string, at: EpochSeconds): Contingency {
  const order = orderChange(plan, bare(changeId), plan.account, at, 0);
  return {
    ...order.contingency,
    reverse: order.contingency.reverse.map((step) => {
      const now = seenValue(state, step.target);
      return now === null ? step : { target: { ...step.target, value: now.value }, owner: now.owner };
    }),
  };
}
