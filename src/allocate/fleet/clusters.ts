import { leavesUnserved, type Answers, type Prices } from './answers.js';
import { chargeOf, SHORT_STEPS, type Fleet } from './prepare.js';

/*
 * Parts that answer prices alike are placed alike: a cluster is one column per pool in the master problem, however many
 * accounts it stands for. Its solution is always one that its members can have, so the master's value is an upper bound;
 * where members would rather be placed differently at the prices found, they are split, and the bounds meet.
 */

export interface Cluster {
  block: number;
  members: Int32Array;
  /** Sums over members: load by component, money per hour by pool, price of each step unserved. */
  load: Float64Array;
  cost: Float64Array;
  short: Float64Array;
  /** Pools that all its members may use; their smallest share on spot. */
  allowed: Uint8Array;
  spotShare: number;
  /** What a share of one on each pool takes of the tightest member's budget; null where no budget can bind. */
  budget: Float64Array | null;
  /** Shares on each pool, as last solved. */
  shares: Float64Array;
}

export function clusterOf(fleet: Fleet, block: number, members: Int32Array): Cluster {
  const { blocks, pools, parts } = fleet;
  const C = fleet.components.length;
  let allGuaranteed = true;
  for (let m = 0; m < members.length && allGuaranteed; m++) allGuaranteed = parts.guaranteed[members[m] ?? 0] === 1;
  const cluster: Cluster = {
    block,
    members,
    load: new Float64Array(C),
    cost: new Float64Array(pools),
    short: new Float64Array(allGuaranteed ? 1 : SHORT_STEPS.length),
    allowed: new Uint8Array(pools).fill(1),
    spotShare: 1,
    budget: null,
    shares: new Float64Array(pools),
  };
  const { load, cost, short, allowed } = cluster;
  for (let m = 0; m < members.length; m++) {
    const e = members[m] ?? 0;
    const index = e * blocks + block;
    for (let c = 0; c < C; c++) load[c] = (load[c] ?? 0) + (parts.load[index * C + c] ?? 0);
    for (let p = 0; p < pools; p++) {
      cost[p] = (cost[p] ?? 0) + (parts.cost[index * pools + p] ?? 0);
      if (parts.allowed[e * pools + p] === 0) allowed[p] = 0;
    }
    const price = parts.short[index] ?? 0;
    // A guaranteed part costs the same at every step.
    const flat = parts.guaranteed[e] === 1;
    for (let j = 0; j < short.length; j++) short[j] = (short[j] ?? 0) + price * (flat ? 1 : (SHORT_STEPS[j] ?? 1));
    cluster.spotShare = Math.min(cluster.spotShare, parts.spotShare[e] ?? 1);
    const budget = parts.budget[index] ?? Number.POSITIVE_INFINITY;
    if (!Number.isFinite(budget)) continue;
    cluster.budget ??= new Float64Array(pools);
    for (let p = 0; p < pools; p++) {
      const charge = chargeOf(fleet, parts, e, block, p);
      if (charge === 0) continue;
      if (budget <= 0) allowed[p] = 0;
      else cluster.budget[p] = Math.max(cluster.budget[p] ?? 0, charge / budget);
    }
  }
  return cluster;
}

/** Groups the parts of each block by a key; parts without demand in a block are in none. */
export function groupParts(fleet: Fleet, keyOf: (part: number, block: number) => number): Cluster[] {
  const { blocks, parts } = fleet;
  const clusters: Cluster[] = [];
  for (let t = 0; t < blocks; t++) {
    const groups = new Map<number, number[]>();
    for (let e = 0; e < parts.count; e++) {
      if ((parts.value[e * blocks + t] ?? 0) <= 0) continue;
      const key = keyOf(e, t);
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [e]);
      else group.push(e);
    }
    for (const members of groups.values()) clusters.push(clusterOf(fleet, t, Int32Array.from(members)));
  }
  return clusters;
}

/** Money per hour that a cluster's shares cost at the prices. */
export function pricedCost(fleet: Fleet, cluster: Cluster, prices: Prices): number {
  const { pools } = fleet;
  const C = fleet.components.length;
  let total = 0;
  let served = 0;
  for (let p = 0; p < pools; p++) {
    const share = cluster.shares[p] ?? 0;
    if (share <= 0) continue;
    served += share;
    let each = cluster.cost[p] ?? 0;
    for (let c = 0; c < C; c++) {
      each += (prices[(cluster.block * pools + p) * C + c] ?? 0) * (cluster.load[c] ?? 0);
    }
    total += share * each;
  }
  return total + shortCost(cluster, 1 - served);
}

/** Money per hour of leaving a share unserved, step by step. */
export function shortCost(cluster: Cluster, unserved: number): number {
  const width = 1 / cluster.short.length;
  let left = Math.max(0, unserved);
  let total = 0;
  for (let j = 0; j < cluster.short.length && left > 0; j++) {
    const part = j === cluster.short.length - 1 ? left : Math.min(left, width);
    total += part * (cluster.short[j] ?? 0);
    left -= part;
  }
  return total;
}

/**
 * Numbers of what sets parts apart besides their answers, two a part: the largest share on spot alone, and with weight and
 * guarantee for where demand goes unserved.
 */
export function kindsOf(fleet: Fleet): Int32Array {
  const { parts } = fleet;
  const numbers = new Map<string, number>();
  const numberOf = (text: string): number => {
    const known = numbers.get(text);
    if (known !== undefined) return known;
    numbers.set(text, numbers.size % 4096);
    return (numbers.size - 1) % 4096;
  };
  const kinds = new Int32Array(parts.count * 2);
  for (let e = 0; e < parts.count; e++) {
    const weight = fleet.input.accounts[parts.account[e] ?? 0]?.weight ?? 0;
    kinds[e * 2] = numberOf(`${parts.spotShare[e]}`);
    kinds[e * 2 + 1] = numberOf(`${parts.spotShare[e]}/${parts.guaranteed[e]}/${weight}`);
  }
  return kinds;
}

/** How tight a part's budget is on its cheapest pool, in steps of so much relative: parts alike in it can be alike. */
export function tightness(fleet: Fleet, part: number, block: number, step: number): number {
  const budget = fleet.parts.budget[part * fleet.blocks + block] ?? Number.POSITIVE_INFINITY;
  if (!Number.isFinite(budget)) return 0;
  let least = Number.POSITIVE_INFINITY;
  for (let p = 0; p < fleet.pools; p++) {
    if (fleet.parts.allowed[part * fleet.pools + p] === 0) continue;
    least = Math.min(least, chargeOf(fleet, fleet.parts, part, block, p));
  }
  return (
    1 + Math.max(0, Math.min(200, Math.round(Math.log(Math.max(1e-6, least / Math.max(budget, 1e-12))) / step) + 100))
  );
}

/**
 * Splits the clusters whose members disagree most, by the way that each would choose, until those left account for
 * a tenth of the disagreement, or for at most `rest`. Where demand goes unserved, also by weight and guarantee: the least critical gives.
 * @param rest money over the horizon.
 * @returns the clusters, and whether any was split.
 */
export function refine(
  fleet: Fleet,
  clusters: readonly Cluster[],
  prices: Prices,
  answers: Answers,
  rest: number,
): { clusters: Cluster[]; split: boolean } {
  const { blocks, hours, parts } = fleet;
  const disagreement = clusters.map((cluster) => {
    if (cluster.members.length < 2) return 0;
    let best = 0;
    for (const e of cluster.members) best += answers.value[e * blocks + cluster.block] ?? 0;
    return (hours[cluster.block] ?? 0) * Math.max(0, pricedCost(fleet, cluster, prices) - best);
  });
  const order = clusters
    .map((_, index) => index)
    .sort((a, b) => (disagreement[b] ?? 0) - (disagreement[a] ?? 0) || a - b);
  let left = disagreement.reduce((sum, one) => sum + one, 0);
  const enough = Math.max(left * 0.1, rest);
  const chosen = new Set<number>();
  for (const index of order) {
    if (left <= enough || (disagreement[index] ?? 0) <= 0) break;
    chosen.add(index);
    left -= disagreement[index] ?? 0;
  }
  const kinds = kindsOf(fleet);
  const result: Cluster[] = [];
  let split = false;
  clusters.forEach((cluster, index) => {
    if (!chosen.has(index)) {
      result.push(cluster);
      return;
    }
    let served = 0;
    for (const share of cluster.shares) served += share;
    const scarce = served < 1 - 1e-9;
    const groups = new Map<number, number[]>();
    for (const e of cluster.members) {
      const at = e * blocks + cluster.block;
      const way = answers.way[at] ?? 0;
      const tight = parts.budgeted[e] === 1 ? tightness(fleet, e, cluster.block, 0.05) : 0;
      const apart = scarce || leavesUnserved(way, fleet.pools) ? 2 : way > fleet.pools ? 1 : 0;
      const key = (way * 256 + tight) * 4097 + (apart === 0 ? 0 : 1 + (kinds[e * 2 + apart - 1] ?? 0));
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [e]);
      else group.push(e);
    }
    if (groups.size === 1) {
      const members = [...cluster.members].sort(
        (a, b) =>
          (answers.margin[a * blocks + cluster.block] ?? 0) - (answers.margin[b * blocks + cluster.block] ?? 0) ||
          a - b,
      );
      const middle = members.length >> 1;
      groups.clear();
      groups.set(0, members.slice(0, middle));
      groups.set(1, members.slice(middle));
    }
    split = true;
    for (const members of groups.values()) {
      const child = clusterOf(fleet, cluster.block, Int32Array.from(members).sort());
      child.shares.set(cluster.shares);
      result.push(child);
    }
  });
  return { clusters: result, split };
}
