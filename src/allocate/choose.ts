import { CRITICALITY_WEIGHT } from '../domain/policy-rules.js';
import { shortfallOf } from './numbers.js';
import type { SizeOption } from './sizes.js';
import { replicasFor, type Prepared, type PreparedWorkload } from './prepare.js';

/** Replica columns of one model: beyond this the time to solve is felt. */
const MOST_COLUMNS = 3000;
const MOST_SIZES = 6;

/** What a size would cost a workload over the plan, by itself: whole replicas where they are cheapest. */
export function sizeCost(prepared: Prepared, workload: PreparedWorkload, option: number, onlyBlock?: number): number {
  const size = workload.options[option];
  if (size === undefined) return Number.POSITIVE_INFINITY;
  const price = Math.min(...workload.pools.map((pool) => size.price[pool] ?? Number.POSITIVE_INFINITY));
  if (!Number.isFinite(price) || !fitsOffSpot(prepared, workload, size)) return Number.POSITIVE_INFINITY;
  let money = 0;
  for (const [block, hours] of prepared.hours.entries()) {
    if (onlyBlock !== undefined && block !== onlyBlock) continue;
    const wanted = workload.needs.reduce((most, need) => {
      const request = size.request[need.component] ?? 0;
      return Math.max(most, Math.ceil(replicasFor(need.target[block] ?? 0, request, need.utilization) - 1e-9));
    }, workload.min);
    const total = Math.min(workload.max, wanted);
    money += hours * total * price;
    for (const need of workload.needs) {
      money += hours * need.shortfallPrice * shortfallOf(workload, need, option, total, need.target[block] ?? 0);
    }
  }
  return money;
}

/** Where not everything may be on spot, a size that only spot nodes have room for cannot be had. */
const fitsOffSpot = (prepared: Prepared, workload: PreparedWorkload, size: SizeOption): boolean =>
  prepared.input.policy.spotMaxShare >= 1 ||
  workload.pools.some(
    (pool) => prepared.pools[pool]?.policy.capacityType !== 'spot' && (size.price[pool] ?? null) !== null,
  );

/** The sizes that go into the model: what runs now, and the cheapest by themselves. */
export function sizesToConsider(prepared: Prepared): number[][] {
  const columns =
    prepared.blocks.length * prepared.pools.length * prepared.workloads.filter((one) => one.exists).length;
  const most = Math.max(1, Math.min(MOST_SIZES, Math.floor(MOST_COLUMNS / Math.max(1, columns))));
  return prepared.workloads.map((workload) => {
    const order = workload.options
      .map((option, index) => ({ index, current: option.current, cost: sizeCost(prepared, workload, index) }))
      .sort((a, b) => a.cost - b.cost || a.index - b.index);
    const current = order.find((one) => one.current);
    const kept = order.slice(0, most);
    if (current !== undefined && !kept.includes(current)) kept.splice(Math.max(1, most - 1), 1, current);
    return kept.map((one) => one.index);
  });
}

/**
 * One size a workload for the whole plan. A change of size restarts every replica, so it is made only where it saves
 * more than the account's hysteresis and the restarts, or serves what the present size cannot.
 */
export function chooseSizes(prepared: Prepared, considered: readonly (readonly number[])[]): number[] {
  const { hysteresis } = prepared.input.policy;
  return prepared.workloads.map((workload) => {
    const sizes = considered[workload.index] ?? [];
    const costs = sizes.map((option) => ({ option, cost: sizeCost(prepared, workload, option) }));
    const best = costs.reduce((top, one) => (one.cost < top.cost ? one : top), costs[0] ?? { option: 0, cost: 0 });
    const current = costs.find(({ option }) => workload.options[option]?.current === true);
    if (current === undefined || current.option === best.option) return best.option;
    const restarts =
      2 * workload.running * workload.restartPrice * Math.sqrt(CRITICALITY_WEIGHT[workload.policy.criticality]);
    return best.cost + restarts < (1 - hysteresis) * current.cost ? best.option : current.option;
  });
}
