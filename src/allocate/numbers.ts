import { COMPONENTS, type Component } from '../domain/component.js';
import {
  freeCost,
  nodeCost,
  nodesBill,
  replicaBill,
  replicaCost,
  type Prepared,
  type PreparedNeed,
  type PreparedWorkload,
} from './prepare.js';
import { runsWithin } from './tasks.js';

/** A plan in whole numbers. */
export interface Numbers {
  /** Chosen size, by workload: an index into its options. */
  option: number[];
  /** `replicas[workload][block][pool]`. */
  replicas: number[][][];
  /** `nodes[block][pool]`; a fixed pool has what it has. */
  nodes: number[][];
  /** Chosen start, by task run: an index into its starts. */
  starts: number[];
}

export const totalOf = (numbers: Numbers, workload: number, block: number): number =>
  (numbers.replicas[workload]?.[block] ?? []).reduce((sum, count) => sum + count, 0);

/** What the tasks of a workload ask for in a block, on top of its forecast. */
export function taskLoad(
  prepared: Prepared,
  numbers: Numbers,
  workload: number,
  component: Component,
  block: number,
): number {
  const span = prepared.blocks[block];
  if (span === undefined) return 0;
  let sum = 0;
  for (const [index, run] of prepared.tasks.entries()) {
    const extra = run.task.demand[component];
    const start = run.starts[numbers.starts[index] ?? 0];
    if (run.workload !== workload || extra === undefined || start === undefined) continue;
    if (runsWithin(run, start, span.from, span.to)) sum += extra;
  }
  return sum;
}

/** Demand that a number of replicas leaves uncovered, in the component's unit. */
export function shortfallOf(
  workload: PreparedWorkload,
  need: PreparedNeed,
  option: number,
  replicas: number,
  demand: number,
): number {
  const size = (workload.options[option]?.request[need.component] ?? 0) * need.utilization;
  const short = demand - replicas * size;
  return short > 1e-7 * Math.max(demand, size) ? short : 0;
}

/** The coefficient that whole numbers leave of `value` in a row with this bound; see constraints/whole-numbers.ts. */
export function riseOf(value: number, bound: number): number {
  const fraction = bound - Math.floor(bound + 1e-6);
  const whole = Math.floor(value + 1e-9);
  return fraction < 1e-6 ? value : whole + Math.min(1, Math.max(0, value - whole) / fraction);
}

/** Money per hour for what a number of replicas leaves unserved in a block: by the unit, and by the replica missing. */
export function unservedCost(
  prepared: Prepared,
  numbers: Numbers,
  workload: PreparedWorkload,
  block: number,
  replicas: number,
): number {
  const option = numbers.option[workload.index] ?? 0;
  let money = 0;
  for (const need of workload.needs) {
    const demand = (need.target[block] ?? 0) + taskLoad(prepared, numbers, workload.index, need.component, block);
    money += need.shortfallPrice * shortfallOf(workload, need, option, replicas, demand);
    const reference = (workload.options[workload.reference]?.request[need.component] ?? 0) * need.utilization;
    if (reference === 0) continue;
    const size = (workload.options[option]?.request[need.component] ?? 0) * need.utilization;
    const bound = demand / reference;
    const missing = Math.ceil(bound - 1e-6) - riseOf(size / reference, bound) * replicas;
    money += workload.missPrice * Math.max(0, missing);
  }
  return money;
}

/** The load of a pool, in nodes, by its most loaded component, or by replicas that want to be apart. */
export function poolLoad(prepared: Prepared, numbers: Numbers, block: number, pool: number): number {
  const node = prepared.pools[pool]?.policy.node ?? {};
  let most = 0;
  for (const component of COMPONENTS) {
    const offered = node[component];
    if (offered === undefined || offered === 0) continue;
    let load = 0;
    for (const workload of prepared.workloads) {
      const count = numbers.replicas[workload.index]?.[block]?.[pool] ?? 0;
      if (count > 0) load += count * (workload.options[numbers.option[workload.index] ?? 0]?.request[component] ?? 0);
    }
    most = Math.max(most, load / offered);
  }
  for (const { index, policy } of prepared.workloads) {
    const each = policy.antiAffinity?.perNode;
    if (each !== undefined) most = Math.max(most, (numbers.replicas[index]?.[block]?.[pool] ?? 0) / each);
  }
  return most;
}

/** Money per hour that a block bills: what is paid in any case, whole nodes of variable pools, shares of fixed ones. */
export function billOf(prepared: Prepared, numbers: Numbers, block: number): number {
  let money = prepared.paid[block] ?? 0;
  for (const pool of prepared.pools) money += nodesBill(pool, block, numbers.nodes[block]?.[pool.index] ?? 0);
  for (const workload of prepared.workloads) {
    const size = workload.options[numbers.option[workload.index] ?? 0];
    if (size === undefined) continue;
    for (const pool of prepared.pools) {
      money += (numbers.replicas[workload.index]?.[block]?.[pool.index] ?? 0) * replicaBill(size, pool);
    }
  }
  return money;
}

/** Money over the plan that is paid in any case. */
export const paidOver = ({ hours, paid }: Prepared): number =>
  hours.reduce((sum, length, block) => sum + length * (paid[block] ?? 0), 0);

/** The objective of whole numbers, in money over the plan: the same terms as the model's, without its tie-breaks. */
export function objectiveOf(prepared: Prepared, numbers: Numbers): number {
  let money = paidOver(prepared);
  for (const [block, hours] of prepared.hours.entries()) {
    for (const pool of prepared.pools) {
      const nodes = numbers.nodes[block]?.[pool.index] ?? 0;
      const before = block === 0 ? pool.now : (numbers.nodes[block - 1]?.[pool.index] ?? 0);
      money += hours * (nodeCost(pool) * nodes + freeCost(pool) * Math.min(nodes, pool.held[block] ?? 0));
      if (pool.variable) money += pool.startPrice * Math.max(0, nodes - before);
    }
    for (const workload of prepared.workloads) {
      if (!workload.exists) continue;
      const option = numbers.option[workload.index] ?? 0;
      const size = workload.options[option];
      if (size === undefined) continue;
      for (const pool of prepared.pools) {
        const count = numbers.replicas[workload.index]?.[block]?.[pool.index] ?? 0;
        if (count > 0) money += hours * count * replicaCost(workload, size, pool);
      }
      const total = totalOf(numbers, workload.index, block);
      const before = block === 0 ? workload.running : totalOf(numbers, workload.index, block - 1);
      money += workload.startPrice * Math.max(0, total - before);
      money += hours * unservedCost(prepared, numbers, workload, block, total);
    }
  }
  return money;
}

/** A replica's share of a node of a pool. */
export const shareOf = (workload: PreparedWorkload, option: number, pool: number): number =>
  workload.options[option]?.part[pool] ?? 0;
