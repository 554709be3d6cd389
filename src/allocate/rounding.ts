import { countOn, keepCaps, mayMove, mostOn } from './caps.js';
import { consolidate } from './consolidate.js';
import { COMPONENTS } from '../domain/component.js';
import { leastAvailable } from './constraints/disruption.js';
import { grantOf } from './constraints/grant.js';
import { quotasOf, type PreparedQuota } from './constraints/quota.js';
import { changesBetween } from './constraints/step-limits.js';
import { createLoads, type Loads } from './loads.js';
import { billOf, shareOf, totalOf, unservedCost, type Numbers } from './numbers.js';
import { leftOf, nodesBill, replicaBill, type Prepared, type PreparedPool, type PreparedWorkload } from './prepare.js';

/** What the relaxation says, in fractions. */
export interface Fractions {
  option: number[];
  starts: number[];
  /** `share(workload, block, pool)`: replicas. */
  share(workload: number, block: number, pool: number): number;
}

const CLOSE = 1e-6;

/**
 * Whole numbers from fractions: up, so that the level is kept; spread over pools as the relaxation spreads them; then
 * repaired where whole nodes or whole replicas no longer fit pool, grant or budget: moved where there is room, dropped
 * where it costs least. Limits of the operator are kept block after block, so that steps hold between whole numbers.
 * Where nothing else helps, minimums give (the plan says so as a conflict).
 */
export function roundUp(prepared: Prepared, fractions: Fractions, relaxed: boolean): Numbers {
  const numbers: Numbers = {
    option: fractions.option,
    replicas: prepared.workloads.map(() => prepared.blocks.map(() => prepared.pools.map(() => 0))),
    nodes: prepared.blocks.map(() => prepared.pools.map((pool) => (pool.variable ? 0 : pool.now))),
    starts: fractions.starts,
  };
  for (const block of prepared.blocks.keys()) {
    const floors = prepared.workloads.map(() => 0);
    for (const workload of prepared.workloads) {
      if (!workload.exists) continue;
      const shares = prepared.pools.map((pool) => fractions.share(workload.index, block, pool.index));
      const whole = Math.ceil(shares.reduce((sum, share) => sum + share, 0) - CLOSE);
      const { low, high } = replicaRange(prepared, numbers, workload, block);
      // Where the limits cannot all be met, the relaxation has already said by how little the minimum gives.
      const lowest = relaxed ? Math.min(low, whole) : low;
      floors[workload.index] = lowest;
      const total = Math.min(high, Math.max(lowest, whole));
      numbers.replicas[workload.index]?.splice(
        block,
        1,
        spread(workload, fractions.option[workload.index] ?? 0, shares, total),
      );
    }
    repair(prepared, numbers, block, floors);
    consolidate(prepared, numbers, block);
  }
  return numbers;
}

/** Fewest and most replicas of a workload in a block, given the block before; the order of who gives is build.ts's. */
export function replicaRange(
  prepared: Prepared,
  numbers: Numbers,
  workload: PreparedWorkload,
  block: number,
): { low: number; high: number } {
  let low = workload.min;
  let high = workload.max;
  if (workload.missing.length > 0) low = Math.max(low, Math.min(workload.now, workload.max));
  low = Math.max(low, leastAvailable(workload)?.replicas ?? 0);
  if (workload.override !== null) low = high = Math.min(workload.override.value, workload.max);
  const before = block === 0 ? null : totalOf(numbers, workload.index, block - 1);
  const { stepUp, stepDown } = workload.policy.replicas;
  const changes = block === 0 ? 1 : changesBetween(prepared.hours[block - 1] ?? 0, prepared.input.policy.cycle);
  if (stepUp !== undefined) {
    high = Math.min(high, (before ?? workload.running) + stepUp * changes);
    low = Math.min(low, high);
  }
  if (stepDown !== undefined) {
    low = Math.min(workload.max, Math.max(low, (before ?? workload.now) - stepDown * changes));
    high = Math.max(low, high);
  }
  if ((prepared.blackout[block] ?? null) !== null) low = high = Math.min(workload.max, before ?? workload.now);
  return { low, high };
}

/** The least and the most nodes of a pool in a block. */
export function nodeRange(
  prepared: Prepared,
  numbers: Numbers,
  pool: PreparedPool,
  block: number,
): { low: number; high: number } {
  if (!pool.variable) return { low: pool.now, high: pool.now };
  const price = pool.policy.pricePerHour;
  let high = pool.max;
  if (prepared.budget !== null && price > 0) {
    high = Math.min(high, Math.floor((pool.held[block] ?? 0) + leftOf(prepared, block) / price + 1e-9));
  }
  if (block < pool.firstBlock) high = Math.min(high, pool.now);
  let low = Math.min(pool.min, high);
  if (pool.override !== null) low = high = Math.min(high, pool.override.value);
  if ((prepared.blackout[block] ?? null) !== null) {
    low = high = Math.min(high, block === 0 ? pool.now : (numbers.nodes[block - 1]?.[pool.index] ?? 0));
  }
  return { low, high };
}

/** Largest remainders, with whole replicas kept within their shares of spot, markets and zones. */
function spread(workload: PreparedWorkload, option: number, shares: readonly number[], total: number): number[] {
  const counts = shares.map((share) => Math.floor(share + CLOSE));
  const price = workload.options[option]?.price ?? [];
  // What fits no node of a pool is never put there, whatever a minimum says: it would wait for ever.
  const fitting = workload.pools.filter((pool) => (price[pool] ?? null) !== null);
  let left = total - counts.reduce((sum, count) => sum + count, 0);
  const order = fitting.sort((a, b) => remainder(shares, b) - remainder(shares, a) || a - b);
  for (let turn = 0; left > 0 && order.length > 0; turn = (turn + 1) % order.length) {
    const pool = order[turn] ?? 0;
    counts[pool] = (counts[pool] ?? 0) + 1;
    left--;
  }
  for (const pool of [...order].reverse()) {
    const fewer = Math.min(Math.max(0, -left), counts[pool] ?? 0);
    counts[pool] = (counts[pool] ?? 0) - fewer;
    left += fewer;
  }
  keepCaps(workload.caps, counts, order);
  return counts;
}

const remainder = (shares: readonly number[], pool: number): number => {
  const share = shares[pool] ?? 0;
  return share === 0 ? -1 : share - Math.floor(share + CLOSE);
};

interface Move {
  workload: PreparedWorkload;
  from: number;
  /** Null: the replica is dropped. */
  to: number | null;
  price: number;
}

function repair(prepared: Prepared, numbers: Numbers, block: number, floors: readonly number[]): void {
  const quotas = quotasOf(prepared);
  const granted = COMPONENTS.flatMap((component) => {
    const most = grantOf(prepared, component, block);
    return most === null ? [] : [{ component, most }];
  });
  const loads = createLoads(prepared, numbers, block);
  const ranges = prepared.pools.map((pool) => nodeRange(prepared, numbers, pool, block));
  const room = (pool: number): number => (ranges[pool]?.high ?? 0) - loads.of(pool);
  // Every turn moves or drops one replica, and a moved one is never moved back: this ends.
  for (;;) {
    setNodes(prepared, numbers, block, ranges, loads);
    const crowded = prepared.pools.find((pool) => room(pool.index) < -1e-9);
    const overGrant = granted.some(
      ({ component, most }) => asked(prepared, numbers, block, component) > most * (1 + 1e-9),
    );
    const overQuota = quotas.find(
      (quota) => counted(prepared, numbers, block, quota) > quota.bound * (1 + 1e-9) + 1e-12,
    );
    const bill = prepared.budget === null ? 0 : billOf(prepared, numbers, block) - (prepared.paid[block] ?? 0);
    const overBudget = bill > leftOf(prepared, block) * (1 + 1e-9) + 1e-12;
    if (crowded === undefined && !overGrant && overQuota === undefined && !overBudget) return;
    // Where a quota alone is overrun, only what it counts can help.
    const within = crowded === undefined && !overGrant && !overBudget ? overQuota : undefined;
    let best: Move | null = null;
    for (const workload of prepared.workloads) {
      if (within !== undefined && within.count(workload, numbers.option[workload.index] ?? 0) === 0) continue;
      const place = {
        block,
        crowded: crowded?.index ?? null,
        floor: floors[workload.index] ?? 0,
        room,
        load: loads.of,
        bill,
      };
      for (const move of movesOf(prepared, numbers, workload, place)) {
        if (best === null || move.price < best.price) best = move;
      }
    }
    if (best === null) {
      // Nothing is left to drop: what remains over is the pools' own minimum.
      for (const pool of prepared.pools) {
        if (!pool.variable) continue;
        const least = Math.ceil(loads.of(pool.index) - CLOSE);
        numbers.nodes[block]?.splice(pool.index, 1, Math.min(numbers.nodes[block]?.[pool.index] ?? 0, least));
      }
      return;
    }
    const counts = numbers.replicas[best.workload.index]?.[block];
    if (counts === undefined) return;
    counts[best.from] = (counts[best.from] ?? 0) - 1;
    loads.move(best.workload, best.from, -1);
    if (best.to !== null) {
      counts[best.to] = (counts[best.to] ?? 0) + 1;
      loads.move(best.workload, best.to, 1);
    } else trimCapped(best.workload, counts, loads);
  }
}

/** A replica that was dropped elsewhere may leave too much on spot: what is too much there goes with it. */
function trimCapped(workload: PreparedWorkload, counts: number[], loads: Loads): void {
  for (const cap of workload.caps) {
    for (const pool of cap.pools) {
      while ((counts[pool] ?? 0) > 0) {
        const total = counts.reduce((sum, count) => sum + count, 0);
        if (countOn(cap, counts) <= mostOn(cap, total)) break;
        counts[pool] = (counts[pool] ?? 0) - 1;
        loads.move(workload, pool, -1);
      }
    }
  }
}

function setNodes(
  prepared: Prepared,
  numbers: Numbers,
  block: number,
  ranges: readonly { low: number; high: number }[],
  loads: Loads,
): void {
  for (const pool of prepared.pools) {
    const range = ranges[pool.index];
    if (!pool.variable || range === undefined) continue;
    const least = Math.ceil(loads.of(pool.index) - CLOSE);
    numbers.nodes[block]?.splice(pool.index, 1, Math.min(range.high, Math.max(range.low, least)));
  }
}

function asked(prepared: Prepared, numbers: Numbers, block: number, component: (typeof COMPONENTS)[number]): number {
  return prepared.workloads.reduce((sum, workload) => {
    const request = workload.options[numbers.option[workload.index] ?? 0]?.request[component] ?? 0;
    return sum + request * totalOf(numbers, workload.index, block);
  }, 0);
}

const counted = (prepared: Prepared, numbers: Numbers, block: number, quota: PreparedQuota): number =>
  prepared.workloads.reduce(
    (sum, workload) =>
      sum + quota.count(workload, numbers.option[workload.index] ?? 0) * totalOf(numbers, workload.index, block),
    0,
  );

/** Where a replica is taken from, and what is there. */
interface Place {
  block: number;
  /** The pool that has too much on it; null where something else is too much. */
  crowded: number | null;
  /** Replicas below which the workload gives only when no other can. */
  floor: number;
  /** Nodes' worth that a pool still takes. */
  room: (pool: number) => number;
  /** Nodes' worth that is on a pool. */
  load: (pool: number) => number;
  /** Money per hour of the block beyond what is paid in any case, where there is a budget. */
  bill: number;
}

/** What may be done with one replica of a workload, with what it costs by the share of a node that it frees. */
function movesOf(prepared: Prepared, numbers: Numbers, workload: PreparedWorkload, place: Place): Move[] {
  const { block, crowded, floor } = place;
  const counts = numbers.replicas[workload.index]?.[block] ?? [];
  const option = numbers.option[workload.index] ?? 0;
  const size = workload.options[option];
  if (size === undefined || (crowded !== null && (counts[crowded] ?? 0) === 0)) return [];
  const total = totalOf(numbers, workload.index, block);
  if (total === 0) return [];
  const lost =
    unservedCost(prepared, numbers, workload, block, total - 1) -
    unservedCost(prepared, numbers, workload, block, total);
  const moves: Move[] = [];
  for (const from of workload.pools) {
    if ((counts[from] ?? 0) === 0 || (crowded !== null && from !== crowded)) continue;
    const freed = Math.max(1e-6, shareOf(workload, option, from));
    // Below its floor a workload gives only when no other has anything above its own.
    const last = total - 1 < floor ? LAST_RESORT * (1 + lost) : lost;
    moves.push({ workload, from, to: null, price: last / freed });
    if (crowded === null) continue;
    for (const to of workload.pools) {
      const pool = prepared.pools[to];
      if (to === from || pool === undefined || (size.price[to] ?? null) === null) continue;
      if (!mayMove(workload.caps, counts, from, to)) continue;
      const share = shareOf(workload, option, to);
      if (place.room(to) < share - 1e-9) continue;
      const load = place.load(to);
      const bill = pool.variable
        ? nodesBill(pool, block, load + share) - nodesBill(pool, block, load)
        : replicaBill(size, pool);
      if (place.bill + bill > leftOf(prepared, block)) continue;
      moves.push({ workload, from, to, price: bill / freed });
    }
  }
  return moves;
}

const LAST_RESORT = 1e9;
