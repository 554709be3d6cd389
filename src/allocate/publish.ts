import { COMPONENTS } from '../domain/component.js';
import type { PlanBlock, PlannedWorkload } from '../domain/plan.js';
import { billOf, shortfallOf, taskLoad, totalOf, type Numbers } from './numbers.js';
import type { Prepared } from './prepare.js';

/** Workload-blocks that a stored plan holds at most (its first block is always whole). */
const MOST_ENTRIES = 80;

/** Every block of the plan as it was decided. */
export const blocksOf = (prepared: Prepared, numbers: Numbers): PlanBlock[] =>
  [...prepared.blocks.keys()].map((block) => plain(prepared, numbers, block));

/**
 * The plan's blocks as they are stored: equal neighbours joined, and beyond what is worth keeping joined further, at
 * the highest numbers and the mean cost (`merged`).
 */
export function storedBlocks(blocks: readonly PlanBlock[]): PlanBlock[] {
  const joined: (PlanBlock & { hours: number })[] = [];
  for (const block of blocks) {
    const next = { ...block, hours: (block.to - block.from) / 3600 };
    const last = joined.at(-1);
    if (last !== undefined && same(last, next)) joined.splice(-1, 1, join(last, next));
    else joined.push(next);
  }
  const most = Math.max(2, Math.floor(MOST_ENTRIES / Math.max(1, blocks[0]?.workloads.length ?? 1)));
  while (joined.length > most) {
    // The later the block, the less its detail matters: the pair with the least length for its distance is joined.
    let at = joined.length - 2;
    let least = Number.POSITIVE_INFINITY;
    const start = joined[0]?.from ?? 0;
    for (let index = 1; index < joined.length - 1; index++) {
      const pair = joined[index];
      const other = joined[index + 1];
      if (pair === undefined || other === undefined) continue;
      const weight = (pair.hours + other.hours) / (pair.from - start + 3600);
      if (weight < least) [least, at] = [weight, index];
    }
    const [left, right] = joined.slice(at, at + 2);
    if (left === undefined || right === undefined) break;
    joined.splice(at, 2, { ...join(left, right), merged: true });
  }
  return joined.map(({ hours: _, ...block }) => block);
}

const short = (amount: number): number => Number(amount.toPrecision(6));

function plain(prepared: Prepared, numbers: Numbers, block: number): PlanBlock {
  const workloads: PlannedWorkload[] = prepared.workloads
    .filter((workload) => workload.exists)
    .map((workload) => {
      const option = numbers.option[workload.index] ?? 0;
      const replicas = totalOf(numbers, workload.index, block);
      const shortfall: PlannedWorkload['shortfall'] = {};
      for (const need of workload.needs) {
        const tasks = taskLoad(prepared, numbers, workload.index, need.component, block);
        const demand = (need.series.blocks[block]?.atLevel ?? 0) + tasks;
        const left = shortfallOf(workload, need, option, replicas, demand);
        if (left > 0) shortfall[need.component] = short(left);
      }
      const pools: Record<string, number> = {};
      for (const pool of prepared.pools) {
        const count = numbers.replicas[workload.index]?.[block]?.[pool.index] ?? 0;
        if (count > 0) pools[pool.policy.name] = count;
      }
      return {
        workload: workload.policy.name,
        replicas,
        request: workload.options[option]?.request ?? {},
        pools,
        shortfall,
      };
    });
  const nodes: Record<string, number> = {};
  for (const pool of prepared.pools) nodes[pool.policy.name] = numbers.nodes[block]?.[pool.index] ?? 0;
  const span = prepared.blocks[block];
  return {
    from: span?.from ?? 0,
    to: span?.to ?? 0,
    workloads,
    nodes,
    costPerHour: short(billOf(prepared, numbers, block)),
    ...(span?.joined === undefined ? {} : { joined: span.joined }),
  };
}

/** Whether two blocks say the same of every workload and pool, which stand in the same order in both. */
const same = (a: PlanBlock, b: PlanBlock): boolean =>
  a.workloads.every((one, index) => {
    const other = b.workloads[index];
    return (
      other !== undefined &&
      one.replicas === other.replicas &&
      one.request === other.request &&
      sameNumbers(one.pools, other.pools) &&
      sameNumbers(one.shortfall, other.shortfall)
    );
  }) && sameNumbers(a.nodes, b.nodes);

function sameNumbers(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): boolean {
  let left = 0;
  for (const key in a) {
    if (a[key] !== b[key]) return false;
    left++;
  }
  for (const _ in b) left--;
  return left === 0;
}

function join(a: PlanBlock & { hours: number }, b: PlanBlock & { hours: number }): PlanBlock & { hours: number } {
  const hours = a.hours + b.hours;
  const costPerHour = short((a.costPerHour * a.hours + b.costPerHour * b.hours) / hours);
  const workloads = a.workloads.map((one, index): PlannedWorkload => {
    const other = b.workloads[index] ?? one;
    const larger = other.replicas > one.replicas ? other : one;
    const shortfall = { ...one.shortfall };
    for (const [component, left] of entries(other.shortfall)) {
      shortfall[component] = Math.max(left, shortfall[component] ?? 0);
    }
    return { ...larger, shortfall };
  });
  const nodes: Record<string, number> = {};
  for (const [pool, count] of Object.entries(a.nodes)) nodes[pool] = Math.max(count, b.nodes[pool] ?? 0);
  const joined = a.joined === undefined && b.joined === undefined ? {} : { joined: (a.joined ?? 1) + (b.joined ?? 1) };
  return { from: a.from, to: b.to, workloads, nodes, costPerHour, ...joined, hours };
}

function entries(resources: PlannedWorkload['shortfall']): [keyof typeof resources, number][] {
  const found: [keyof typeof resources, number][] = [];
  for (const component of COMPONENTS) {
    const amount = resources[component];
    if (amount !== undefined) found.push([component, amount]);
  }
  return found;
}
