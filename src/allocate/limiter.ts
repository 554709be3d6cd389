import { COMPONENTS, COMPONENT_UNITS, type Component } from '../domain/component.js';
import type { NumberReason } from '../domain/plan.js';
import { formatDuration } from '../domain/time.js';
import { countOn, mostOn } from './caps.js';
import { budgetWords } from './constraints/budget.js';
import { grantOf, grantWords } from './constraints/grant.js';
import { fitsNoNodeWords } from './constraints/pool-fit.js';
import { quotasOf, type PreparedQuota } from './constraints/quota.js';
import { nowhereWords } from './constraints/residency.js';
import { createLoads, type Loads } from './loads.js';
import { billOf, totalOf, unservedCost, type Numbers } from './numbers.js';
import {
  leftOf,
  nodesBill,
  replicaBill,
  replicaCost,
  type Prepared,
  type PreparedPool,
  type PreparedWorkload,
} from './prepare.js';
import { nodeRange } from './rounding.js';
import type { SizeOption } from './sizes.js';

type Binding = NumberReason['binding'];

/** A limit by the group of its rows, whose dual is its price. */
interface Limit {
  group: string;
  constraint: string;
  words: string;
  unit: string;
}

const short = (amount: number): number => Number(amount.toPrecision(4));
/** Bills and amounts are sums of fractions: what overruns a limit by less than this share of it keeps it. */
const SLACK = 1e-9;

export interface Limiter {
  /**
   * What keeps a workload from one replica more in the first block, where that is no limit of its own: by the duals, where a
   * linear program had them; otherwise, and always where the limits contradict each other, by what one replica more would
   * break.
   */
  ofReplicas(workload: PreparedWorkload): Binding;
  /** Money per hour that one replica less on a pool takes off the bill: whole nodes, of which one alone is mostly none. */
  freed(workload: PreparedWorkload, pool: PreparedPool): number;
  /** What keeps a variable pool under its minimum of nodes; null where nothing is seen to. */
  ofNodes(pool: PreparedPool): Binding | null;
}

/** @param prices duals by group; empty where the limits contradict each other. */
export function createLimiter(prepared: Prepared, numbers: Numbers, prices: ReadonlyMap<string, number>): Limiter {
  let made: Trial | null = null;
  const trial = (): Trial => (made ??= trialOf(prepared, numbers));
  return {
    ofReplicas: (workload) => dearest(limitsOver(prepared, workload), prices) ?? byTrial(trial(), workload),
    freed(workload, pool) {
      const { loads } = trial();
      loads.move(workload, pool.index, -1);
      const left = loads.of(pool.index);
      loads.move(workload, pool.index, 1);
      const size = workload.options[numbers.option[workload.index] ?? 0];
      if (!pool.variable) return size === undefined ? 0 : replicaBill(size, pool);
      const has = numbers.nodes[0]?.[pool.index] ?? 0;
      const { low } = nodeRange(prepared, numbers, pool, 0);
      const fewer = Math.min(has, Math.max(low, Math.ceil(left - 1e-6)));
      return nodesBill(pool, 0, has) - nodesBill(pool, 0, fewer);
    },
    ofNodes(pool) {
      const value = numbers.nodes[0]?.[pool.index] ?? 0;
      const [first] = nodeWalls(prepared, pool, value + 1);
      const limit =
        first ??
        (overBudget(prepared, trial().bill + nodesBill(pool, 0, value + 1) - nodesBill(pool, 0, value))
          ? budgetLimit(prepared)
          : undefined);
      return limit === undefined ? null : bindingOf([limit]);
    },
  };
}

/** The first block as it is planned, summed once for all that one replica more is tried of. */
interface Trial {
  prepared: Prepared;
  numbers: Numbers;
  loads: Loads;
  /** Money per hour. */
  bill: number;
  /** Limits over the whole account: what is there, what there may be, what a replica adds. */
  shared: { limit: Limit; sum: number; most: number; count: (workload: PreparedWorkload, option: number) => number }[];
}

function trialOf(prepared: Prepared, numbers: Numbers): Trial {
  const shared: Trial['shared'] = [];
  const add = (limit: Limit, most: number, count: (workload: PreparedWorkload, option: number) => number): void => {
    const sum = prepared.workloads.reduce(
      (all, one) => all + count(one, numbers.option[one.index] ?? 0) * totalOf(numbers, one.index, 0),
      0,
    );
    shared.push({ limit, sum, most, count });
  };
  for (const component of COMPONENTS) {
    const most = grantOf(prepared, component, 0);
    const limit = grantLimit(prepared, component);
    if (most === null || limit === null) continue;
    add(limit, most, (workload, option) => workload.options[option]?.request[component] ?? 0);
  }
  for (const quota of quotasOf(prepared)) add(quotaLimit(quota), quota.bound, quota.count);
  return { prepared, numbers, loads: createLoads(prepared, numbers, 0), bill: billOf(prepared, numbers, 0), shared };
}

const bindingOf = (limits: readonly Limit[], pricePerHour: number | null = null): Binding => ({
  constraint: limits[0]?.constraint ?? 'rounding',
  words: limits.map((one) => one.words).join('; '),
  pricePerHour,
  unit: limits[0]?.unit ?? 'replicas',
});

const budgetLimit = (prepared: Prepared): Limit => ({
  group: 'budget',
  constraint: 'budget',
  words: budgetWords(prepared.budget ?? 0, prepared.currency),
  unit: `${prepared.currency}/h`,
});

const overBudget = (prepared: Prepared, money: number): boolean =>
  money - (prepared.paid[0] ?? 0) > leftOf(prepared, 0) * (1 + SLACK) + 1e-12;

const fixedLimit = ({ policy: { name }, now }: PreparedPool): Limit => ({
  group: `fixed/${name}`,
  constraint: 'pool-fit',
  words: `pool ${name} has ${now} nodes and is fixed`,
  unit: 'nodes',
});
const maximumLimit = ({ policy: { name }, max }: PreparedPool): Limit => ({
  group: `pool-maximum/${name}`,
  constraint: 'pool-size',
  words: `maximum ${max} nodes of pool ${name}`,
  unit: 'nodes',
});
const leadLimit = ({ policy: { name, leadTime } }: PreparedPool): Limit => ({
  group: `lead-time/${name}`,
  constraint: 'lead-time',
  words: `a node of pool ${name} takes ${formatDuration(leadTime)}`,
  unit: 'nodes',
});

const grantLimit = (prepared: Prepared, component: Component): Limit | null => {
  const words = grantWords(prepared, component);
  if (words === null) return null;
  return { group: `grant/${component}`, constraint: 'grant', words, unit: COMPONENT_UNITS[component] };
};
const quotaLimit = ({ name, words, unit }: PreparedQuota): Limit => ({
  group: `quota/${name}`,
  constraint: 'quota',
  words,
  unit,
});

/** Every limit that may stand over a workload's replicas besides its own. */
function limitsOver(prepared: Prepared, workload: PreparedWorkload): Limit[] {
  const limits: Limit[] = prepared.budget === null ? [] : [budgetLimit(prepared)];
  for (const index of workload.pools) {
    const pool = prepared.pools[index];
    if (pool !== undefined) limits.push(fixedLimit(pool), maximumLimit(pool), leadLimit(pool));
  }
  for (const component of COMPONENTS) {
    const limit = grantLimit(prepared, component);
    if (limit !== null && workload.options[workload.reference]?.request[component] !== undefined) limits.push(limit);
  }
  for (const quota of quotasOf(prepared)) {
    if (quota.count(workload, workload.reference) > 0) limits.push(quotaLimit(quota));
  }
  return limits;
}

/** The one of which a unit more would save most; null where none would. */
function dearest(limits: readonly Limit[], prices: ReadonlyMap<string, number>): Binding | null {
  let best: Binding | null = null;
  for (const limit of limits) {
    const price = prices.get(limit.group);
    if (price === undefined || price >= (best?.pricePerHour ?? 0)) continue;
    best = bindingOf([limit], short(price));
  }
  return best;
}

/** What as many nodes of a pool in the first block would break, but for money. */
function nodeWalls(prepared: Prepared, pool: PreparedPool, nodes: number): Limit[] {
  if (!pool.variable) return nodes > pool.now ? [fixedLimit(pool)] : [];
  const walls: Limit[] = [];
  if (nodes > pool.max) walls.push(maximumLimit(pool));
  if (pool.firstBlock > 0 && nodes > pool.now) walls.push(leadLimit(pool));
  if (pool.override !== null && nodes > pool.override.value) {
    const { words } = pool.override;
    walls.push({ group: `override/${pool.policy.name}/nodes`, constraint: 'overrides', words, unit: 'nodes' });
  }
  const blackout = prepared.blackout[0] ?? null;
  if (blackout !== null && nodes > pool.now) {
    walls.push({ group: `blackout/${blackout}`, constraint: 'blackout', words: blackout, unit: 'nodes' });
  }
  return walls;
}

/** What one replica more would break on the pool where it breaks least: of equals, on the cheapest. */
function byTrial(trial: Trial, workload: PreparedWorkload): Binding {
  const { prepared, numbers } = trial;
  const { name } = workload.policy;
  if (workload.pools.length === 0) {
    const words = nowhereWords(workload.policy);
    return bindingOf([{ group: `residency/${name}`, constraint: 'residency', words, unit: 'replicas' }]);
  }
  const option = numbers.option[workload.index] ?? 0;
  const size = workload.options[option];
  const shared = trial.shared
    .filter(({ sum, most, count }) => {
      const more = count(workload, option);
      return more > 0 && sum + more > most * (1 + SLACK) + 1e-12;
    })
    .map(({ limit }) => limit);
  const places = workload.pools.flatMap((index) => {
    const pool = prepared.pools[index];
    const price = size?.price[index] ?? null;
    if (pool === undefined || size === undefined || price === null) return [];
    return [{ pool, price, size, walls: [...poolWalls(trial, workload, size, pool), ...shared] }];
  });
  const [best] = places.sort((a, b) => a.walls.length - b.walls.length || a.price - b.price);
  if (best === undefined) {
    const words = fitsNoNodeWords(name, size?.request ?? {});
    return bindingOf([{ group: `fit/${name}`, constraint: 'pool-fit', words, unit: 'nodes' }]);
  }
  if (best.walls.length > 0) return bindingOf(best.walls);
  const total = totalOf(numbers, workload.index, 0);
  const worth =
    unservedCost(prepared, numbers, workload, 0, total) - unservedCost(prepared, numbers, workload, 0, total + 1);
  const cost = replicaCost(workload, best.size, best.pool) + (best.pool.variable ? best.price : 0);
  const words =
    worth < cost
      ? `one more replica costs more (${short(cost)} an hour) than what it would serve is worth (${short(worth)})`
      : 'whole replicas on whole nodes';
  return bindingOf([{ group: '', constraint: 'rounding', words, unit: 'replicas' }]);
}

/** What one replica more on a pool would break there, its money included. */
function poolWalls(
  { prepared, numbers, loads, bill }: Trial,
  workload: PreparedWorkload,
  size: SizeOption,
  pool: PreparedPool,
): Limit[] {
  loads.move(workload, pool.index, 1);
  const load = loads.of(pool.index);
  loads.move(workload, pool.index, -1);
  const has = numbers.nodes[0]?.[pool.index] ?? 0;
  const nodes = Math.max(has, Math.ceil(load - 1e-6));
  const walls = nodes > has ? nodeWalls(prepared, pool, nodes) : [];
  const money = (pool.variable ? nodesBill(pool, 0, nodes) - nodesBill(pool, 0, has) : 0) + replicaBill(size, pool);
  if (money > 0 && overBudget(prepared, bill + money)) walls.push(budgetLimit(prepared));
  const counts = [...(numbers.replicas[workload.index]?.[0] ?? [])];
  counts[pool.index] = (counts[pool.index] ?? 0) + 1;
  const total = totalOf(numbers, workload.index, 0) + 1;
  for (const cap of workload.caps) {
    if (!cap.pools.has(pool.index) || countOn(cap, counts) <= mostOn(cap, total)) continue;
    walls.push({ group: cap.id, constraint: cap.limit, words: cap.words, unit: 'replicas' });
  }
  return walls;
}
