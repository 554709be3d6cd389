import { COMPONENTS } from '../../domain/component.js';
import type { Plan } from '../../domain/plan.js';
import type { Prepared, PreparedPool, PreparedWorkload } from '../prepare.js';
import type { AllocationInput, SolverBasis } from '../problem.js';
import { nodeShare } from '../sizes.js';
import { refusalsOf } from './refusals.js';

/* Where each workload runs, and the pools that are worth trying for it. */

export interface ProposeInput {
  input: AllocationInput;
  /** What was decided for that input, and its basis. */
  plan: Plan;
  basis?: SolverBasis;
  /** Workloads whose forecast is not acted on: nothing is weighed with it. */
  distrusted: ReadonlySet<string>;
}

/** A plan that breaks or bends its limits says nothing about what another place would be worth. */
export const isSound = ({ solver, check }: Plan): boolean => solver.status !== 'relaxed' && check?.ok !== false;

export interface Candidate {
  workload: PreparedWorkload;
  from: PreparedPool;
  to: PreparedPool;
  /** Mean replicas over the plan, and those of its first block. */
  mean: number;
  replicas: number;
  /** Money per hour for all of them by their share of nodes, interruptions, risk and data. */
  here: number;
  there: number;
  refusals: string[];
}

/** The one pool that all replicas are on: as the cluster shows them, else the only one that the file allows. */
export function runsOn(prepared: Prepared, { state, pools }: PreparedWorkload): PreparedPool | null {
  const seen = Object.entries(state?.placed ?? {}).filter(([, count]) => count > 0);
  if (seen.length > 1) return null;
  const [only] = seen;
  if (only !== undefined) return prepared.pools.find(({ policy }) => policy.name === only[0]) ?? null;
  const bound = pools.length === 1 ? pools[0] : undefined;
  return bound === undefined ? null : (prepared.pools[bound] ?? null);
}

/**
 * Places that are no dearer by the replica, and those where nodes that are paid for anyway have room for all of it; the largest
 * saving first.
 */
export function candidatesOf(prepared: Prepared, { plan, distrusted }: ProposeInput): Candidate[] {
  const found: Candidate[] = [];
  for (const workload of prepared.workloads) {
    const { policy, state } = workload;
    const from = runsOn(prepared, workload);
    if (from === null || state === null || !workload.exists) continue;
    if (workload.missing.length > 0 || distrusted.has(policy.name)) continue;
    const counts = replicasOf(plan, policy.name);
    const allowed = policy.mayMoveTo ?? policy.pools;
    for (const to of counts.first === 0 ? [] : prepared.pools) {
      if (to === from || allowed?.includes(to.policy.name) === false) continue;
      const here = unitCost(workload, from) * counts.mean;
      const there = unitCost(workload, to) * counts.mean;
      const cheaper = there < here * (1 - prepared.input.policy.hysteresis);
      if (!cheaper && !hasRoom(plan, workload, to, counts.first)) continue;
      const refusals = refusalsOf(prepared, plan, workload, to, counts.first);
      if (refusals.length > 0 && !cheaper) continue;
      found.push({ workload, from, to, mean: counts.mean, replicas: counts.first, here, there, refusals });
    }
  }
  return found.sort((a, b) => b.here - b.there - (a.here - a.there) || a.to.index - b.to.index);
}

function replicasOf({ blocks }: Plan, name: string): { first: number; mean: number } {
  let [sum, seconds] = [0, 0];
  const of = (index: number): number =>
    blocks[index]?.workloads.find(({ workload }) => workload === name)?.replicas ?? 0;
  for (const [index, { from, to }] of blocks.entries()) {
    sum += of(index) * (to - from);
    seconds += to - from;
  }
  return { first: of(0), mean: seconds === 0 ? 0 : sum / seconds };
}

/** Money per hour of one replica on a pool, as plans weigh places; infinite where it fits no node. */
export function unitCost(workload: PreparedWorkload, pool: PreparedPool): number {
  const price = workload.options[workload.reference]?.price[pool.index] ?? Number.POSITIVE_INFINITY;
  return (
    price * (1 + pool.risk) + (workload.interruptionPrice[pool.index] ?? 0) + (workload.egressPrice[pool.index] ?? 0)
  );
}

/** Whether nodes that the plan has on a pool anyway have room for so many replicas more, by each component. */
function hasRoom(plan: Plan, workload: PreparedWorkload, pool: PreparedPool, replicas: number): boolean {
  const [block] = plan.blocks;
  const nodes = block?.nodes[pool.policy.name] ?? 0;
  const request = workload.options[workload.reference]?.request ?? {};
  if (block === undefined || nodes === 0 || nodeShare(request, pool.policy) > 1) return false;
  return COMPONENTS.every((component) => {
    const offered = pool.policy.node[component];
    if (offered === undefined) return true;
    const taken = block.workloads.reduce(
      (sum, one) => sum + (one.pools[pool.policy.name] ?? 0) * (one.request[component] ?? 0),
      0,
    );
    return taken + replicas * (request[component] ?? 0) <= nodes * offered * (1 + 1e-9);
  });
}
