import type { NumberReason, TaskPlacement } from '../domain/plan.js';
import { COMPONENT_UNITS, REQUESTABLE, type Component } from '../domain/component.js';
import { formatDuration, isoTime } from '../domain/time.js';
import { sizeCost } from './choose.js';
import { disruptionWords, leastAvailable } from './constraints/disruption.js';
import { amountWords } from './constraints/demand.js';
import { firstShortfall } from './conflict.js';
import { createLimiter, type Limiter } from './limiter.js';
import { poolLoad, shortfallOf, taskLoad, totalOf, unservedCost, type Numbers } from './numbers.js';
import { heldWords, statedFor } from '../domain/held.js';
import { replicasFor, type Prepared, type PreparedNeed, type PreparedPool, type PreparedWorkload } from './prepare.js';
import { replicaRange } from './rounding.js';

type Binding = NumberReason['binding'];
type Rejected = NumberReason['rejected'][number];

const short = (amount: number): number => Number(amount.toPrecision(4));
const priceOf = (prices: ReadonlyMap<string, number>, group: string): number | null => {
  const price = prices.get(group);
  return price === undefined ? null : short(price);
};

/** Why each number of the first block that can still be decided is what it is. */
export function reasonsOf(prepared: Prepared, numbers: Numbers, prices: ReadonlyMap<string, number>): NumberReason[] {
  const span = prepared.blocks[0];
  if (span === undefined) return [];
  const block = { from: span.from, to: span.to };
  const reasons: NumberReason[] = [];
  const limiter = createLimiter(prepared, numbers, prices);
  for (const workload of prepared.workloads) {
    if (!workload.exists) continue;
    reasons.push({ ...block, ...replicasReason(prepared, numbers, workload, { prices, limiter }) });
    reasons.push(...requestReasons(prepared, numbers, workload).map((reason) => ({ ...block, ...reason })));
  }
  for (const pool of prepared.pools)
    reasons.push({ ...block, ...nodesReason(prepared, numbers, pool, { prices, limiter }) });
  return reasons;
}

/** What the limits are worth, by group, and which of them keeps a number from being more. */
interface Bounds {
  prices: ReadonlyMap<string, number>;
  limiter: Limiter;
}

type Undated = Omit<NumberReason, 'from' | 'to'>;

/** Replicas that a workload's demand takes in a block, and the component that takes most. */
export function wanted(
  prepared: Prepared,
  numbers: Numbers,
  workload: PreparedWorkload,
  block: number,
): { replicas: number; need: PreparedNeed | null; demand: number } {
  const request = workload.options[numbers.option[workload.index] ?? 0]?.request ?? {};
  let top: { replicas: number; need: PreparedNeed | null; demand: number } = { replicas: 0, need: null, demand: 0 };
  for (const need of workload.needs) {
    const demand = (need.target[block] ?? 0) + taskLoad(prepared, numbers, workload.index, need.component, block);
    const replicas = replicasFor(demand, request[need.component] ?? 0, need.utilization);
    if (top.need === null || replicas > top.replicas) top = { replicas, need, demand };
  }
  return top;
}

function replicasReason(prepared: Prepared, numbers: Numbers, workload: PreparedWorkload, bounds: Bounds): Undated {
  const value = totalOf(numbers, workload.index, 0);
  const top = wanted(prepared, numbers, workload, 0);
  const forecast = top.need?.series.blocks[0];
  const binding = replicasBinding(prepared, numbers, workload, value, bounds);
  return {
    number: `${workload.policy.name}.replicas`,
    value,
    unit: 'replicas',
    ...(top.need === null || forecast === undefined
      ? {}
      : {
          interval: {
            component: top.need.component,
            level: top.need.level,
            lower: short(forecast.lower),
            median: short(forecast.median),
            upper: short(forecast.atLevel),
          },
        }),
    binding,
    rejected: replicasRejected(prepared, numbers, workload, { value, binding }, bounds),
  };
}

/** The limit that made the number, by what the number is; its price is the limit's dual. */
function replicasBinding(
  prepared: Prepared,
  numbers: Numbers,
  workload: PreparedWorkload,
  value: number,
  { prices, limiter }: Bounds,
): Binding {
  const { name } = workload.policy;
  const is = (constraint: string, group: string, words: string, unit = 'replicas'): Binding => ({
    constraint,
    words,
    pricePerHour: priceOf(prices, group),
    unit,
  });
  const top = wanted(prepared, numbers, workload, 0);
  const whole = Math.ceil(top.replicas - 1e-6);
  if (workload.override !== null && value === workload.override.value) {
    return is('overrides', `override/${name}/replicas`, workload.override.words);
  }
  const blackout = prepared.blackout[0] ?? null;
  if (blackout !== null) return is('blackout', `blackout/${blackout}`, blackout);
  const asked = Math.max(whole, replicaRange(prepared, numbers, workload, 0).low, workload.override?.value ?? 0);
  if (value < asked) {
    if (value >= workload.max) return is('replica-limits', `maximum/${name}`, workload.maxWords);
    const { stepUp } = workload.policy.replicas;
    if (stepUp !== undefined && value >= workload.running + stepUp) {
      return is(
        'step-limits',
        `step/${name}/up`,
        `at most ${stepUp} more replicas of ${name} at once, from ${workload.running}`,
      );
    }
    return limiter.ofReplicas(workload);
  }
  if (workload.missing.length > 0 && value === Math.min(workload.now, workload.max) && value > workload.min) {
    const words = `no forecast of ${workload.missing.join(', ')}: its ${value} replicas stay`;
    return is('missing-data', `missing-data/${name}`, words);
  }
  if (value <= workload.min && whole <= workload.min) {
    return is('replica-limits', `minimum/${name}`, `minimum ${workload.min} replicas`);
  }
  if (value === whole && top.need !== null) {
    const words = `demand of ${amountWords(top.need.component, top.demand)} at level ${top.need.level}`;
    return is('demand', `demand/${name}/${top.need.component}/0`, words, COMPONENT_UNITS[top.need.component]);
  }
  const promised = leastAvailable(workload);
  if (promised !== null && value === promised.replicas) {
    return is('disruption', `disruption/${name}`, disruptionWords(workload, promised));
  }
  const { stepDown } = workload.policy.replicas;
  if (stepDown !== undefined && value === workload.now - stepDown) {
    return is(
      'step-limits',
      `step/${name}/down`,
      `at most ${stepDown} fewer replicas of ${name} at once, from ${workload.now}`,
    );
  }
  for (const [block, span] of prepared.blocks.entries()) {
    const later = wanted(prepared, numbers, workload, block);
    if (block === 0 || later.need === null || Math.ceil(later.replicas - 1e-6) < value) continue;
    const demand = amountWords(later.need.component, later.demand);
    return is(
      'churn',
      '',
      `demand of ${demand} at ${isoTime(span.from)}: ending replicas to start them again costs more`,
    );
  }
  return is('rounding', '', 'whole replicas on whole nodes');
}

/** Money per hour of one replica where most of the workload's are. */
function replicaMoney(numbers: Numbers, workload: PreparedWorkload): { price: number; pool: number } {
  const counts = numbers.replicas[workload.index]?.[0] ?? [];
  const pool = workload.pools.reduce(
    (top, one) => ((counts[one] ?? 0) > (counts[top] ?? 0) ? one : top),
    workload.pools[0] ?? 0,
  );
  const price = workload.options[numbers.option[workload.index] ?? 0]?.price[pool] ?? 0;
  return { price, pool };
}

function replicasRejected(
  prepared: Prepared,
  numbers: Numbers,
  workload: PreparedWorkload,
  { value, binding }: { value: number; binding: Binding },
  { limiter }: Bounds,
): Rejected[] {
  const rejected: Rejected[] = [];
  const option = numbers.option[workload.index] ?? 0;
  const { price, pool } = replicaMoney(numbers, workload);
  const { low } = replicaRange(prepared, numbers, workload, 0);
  if (value > 0) {
    const lost =
      unservedCost(prepared, numbers, workload, 0, value - 1) - unservedCost(prepared, numbers, workload, 0, value);
    const unserved: string[] = [];
    for (const need of workload.needs) {
      const demand = (need.target[0] ?? 0) + taskLoad(prepared, numbers, workload.index, need.component, 0);
      const more =
        shortfallOf(workload, need, option, value - 1, demand) - shortfallOf(workload, need, option, value, demand);
      if (more <= 0) continue;
      unserved.push(amountWords(need.component, more));
    }
    const on = prepared.pools[pool];
    const saved = on === undefined ? price : limiter.freed(workload, on);
    const why =
      unserved.length > 0
        ? `${unserved.join(', ')} unserved at the level, weighed like ${short(lost)} ${prepared.currency}/h`
        : value - 1 < low
          ? `under the ${low} that its limits ask for`
          : 'needed in a later block';
    rejected.push({ alternative: `${value - 1} replicas`, why, costPerHour: short(lost - saved) });
  }
  rejected.push(...otherPlaces(prepared, workload, { option, value, pool }));
  const { need: top, replicas } = wanted(prepared, numbers, workload, 0);
  const asked = Math.ceil(replicas - 1e-6);
  const far = top?.series.blocks[0]?.far;
  if (top !== null && value < asked && Number.isFinite(asked)) {
    // What the level itself takes is not there: the next level's number would say that it was.
    rejected.push({
      alternative: `${asked} replicas for level ${top.level}`,
      why: binding.words,
      costPerHour: short((asked - value) * price),
    });
  } else if (top !== null && far !== undefined && rejected.length < 5) {
    const request = workload.options[option]?.request[top.component] ?? 0;
    const more = Math.ceil(replicasFor(Math.min(far, (top.target[0] ?? 0) + far), request, top.utilization) - 1e-6);
    if (more > value && more <= workload.max) {
      const why = `level ${top.level} was asked for`;
      rejected.push({
        alternative: `${more} replicas for level ${top.series.farLevel}`,
        why,
        costPerHour: short((more - value) * price),
      });
    }
  }
  return rejected;
}

/** Places that a reason names besides the chosen one. */
const MOST_PLACES = 3;

/**
 * The same replicas on each other pool, the cheapest first: by price, with what interruptions, the risk of the price and data
 * that have to be moved add to it. That is what "cheapest and reliable enough" was chosen by.
 */
function otherPlaces(
  prepared: Prepared,
  workload: PreparedWorkload,
  { option, value, pool: chosen }: { option: number; value: number; pool: number },
): Rejected[] {
  const size = workload.options[option];
  if (size === undefined || value === 0) return [];
  const costOn = (index: number): { price: number; extras: [string, number][] } | null => {
    const price = size.price[index] ?? null;
    const pool = prepared.pools[index];
    if (price === null || pool === undefined) return null;
    const extras: [string, number][] = [
      ['interruptions', (workload.interruptionPrice[index] ?? 0) * value],
      ['risk of its price', price * pool.risk * value],
      ['data moved', (workload.egressPrice[index] ?? 0) * value],
    ];
    return { price: price * value, extras: extras.filter(([, money]) => money > 0) };
  };
  const sumOf = ({ price, extras }: { price: number; extras: [string, number][] }): number =>
    extras.reduce((sum, [, money]) => sum + money, price);
  const here = costOn(chosen);
  if (here === null) return [];
  return workload.pools
    .flatMap((index) => {
      const there = index === chosen ? null : costOn(index);
      const pool = prepared.pools[index];
      return there === null || pool === undefined ? [] : [{ pool, there, more: sumOf(there) - sumOf(here) }];
    })
    .sort((a, b) => a.more - b.more || a.pool.index - b.pool.index)
    .slice(0, MOST_PLACES)
    .map(({ pool, there, more }) => {
      const { name, provider, capacityType } = pool.policy;
      const parts = there.extras.map(([what, money]) => `${what} ${short(money)}`);
      const cap = workload.caps.find((one) => one.pools.has(pool.index));
      const why =
        more >= 0
          ? 'costs more'
          : cap !== undefined
            ? cap.words
            : 'has no room on nodes that are there or may be started';
      const money = [`${short(there.price)} for nodes`, ...parts].join(', ');
      const where = provider === undefined ? capacityType : `${capacityType}, ${provider}`;
      return { alternative: `on pool ${name} (${where})`, why: `${why}: ${money}`, costPerHour: short(more) };
    });
}

/** Requests are explained where there was a choice, and where the pods make none: then the number is a guess of the file's. */
function requestReasons(prepared: Prepared, numbers: Numbers, workload: PreparedWorkload): Undated[] {
  const chosen = numbers.option[workload.index] ?? 0;
  const request = workload.options[chosen]?.request ?? {};
  const cost = sizeCost(prepared, workload, chosen, 0) / (prepared.hours[0] ?? 1);
  const reasons: Undated[] = [];
  const components: Component[] = workload.needs.map((need) => need.component);
  for (const component of components) {
    const value = request[component];
    if (value === undefined) continue;
    const unasked = REQUESTABLE.includes(component) && workload.state?.request[component] === undefined;
    if (workload.options.length < 2 && !unasked) continue;
    const smaller = workload.options
      .map((option, index) => ({ index, request: option.request }))
      .filter(
        (one) =>
          (one.request[component] ?? 0) < value &&
          components.every((c) => c === component || one.request[c] === request[c]),
      )
      .sort((a, b) => (b.request[component] ?? 0) - (a.request[component] ?? 0))[0];
    const rejected: Rejected[] = [];
    if (smaller !== undefined) {
      const difference = sizeCost(prepared, workload, smaller.index, 0) / (prepared.hours[0] ?? 1) - cost;
      const why = difference > 0 ? 'takes more replicas' : 'restarting every replica is not worth what it saves';
      const costPerHour = Number.isFinite(difference) ? short(difference) : null;
      rejected.push({
        alternative: `request ${amountWords(component, smaller.request[component] ?? 0)}`,
        why,
        costPerHour,
      });
    }
    const words = unasked
      ? `the pods of ${workload.policy.name} request no ${component}: what the account file says is reckoned with, and not written`
      : workload.options[chosen]?.current === true
        ? 'the size that runs now'
        : 'cheapest size of the grid over the plan';
    reasons.push({
      number: `${workload.policy.name}.request.${component}`,
      value,
      unit: COMPONENT_UNITS[component],
      binding: { constraint: 'grid', words, pricePerHour: null, unit: COMPONENT_UNITS[component] },
      rejected,
    });
  }
  return reasons;
}

/** Which price was reckoned with, and who said so. */
const priceWords = (prepared: Prepared, { policy }: PreparedPool): string =>
  prepared.input.prices?.find((one) => one.pool === policy.name)?.words ??
  `${short(policy.pricePerHour)} ${prepared.currency}/h of the account file`;

function nodesReason(prepared: Prepared, numbers: Numbers, pool: PreparedPool, { prices, limiter }: Bounds): Undated {
  const { name } = pool.policy;
  const value = numbers.nodes[0]?.[pool.index] ?? 0;
  const load = poolLoad(prepared, numbers, 0, pool.index);
  const binding = (constraint: string, group: string, words: string): Binding => ({
    constraint,
    words,
    pricePerHour: priceOf(prices, group),
    unit: 'nodes',
  });
  const paid = pool.held[0] ?? 0;
  const cost = value > 0 && value <= paid ? 0 : pool.policy.pricePerHour;
  const base = { number: `${name}.nodes`, value, unit: 'nodes' };
  if (!pool.variable) {
    return {
      ...base,
      binding: binding('pool-fit', `fixed/${name}`, `${value} nodes, fixed; ${short(load)} in use`),
      rejected: [],
    };
  }
  const fewer: Rejected[] =
    value === 0
      ? []
      : [
          {
            alternative: `${value - 1} nodes`,
            why: load > value - 1 ? `${short(load)} nodes' worth of requests` : 'under its limits',
            costPerHour: short(-cost),
          },
        ];
  if (pool.override !== null && value === pool.override.value) {
    return { ...base, binding: binding('overrides', `override/${name}/nodes`, pool.override.words), rejected: fewer };
  }
  const limit = value < pool.min ? limiter.ofNodes(pool) : null;
  if (limit !== null) return { ...base, binding: limit, rejected: fewer };
  if (value <= pool.min && load <= pool.min) {
    return {
      ...base,
      binding: binding('pool-size', `pool-minimum/${name}`, `minimum ${pool.min} nodes`),
      rejected: fewer,
    };
  }
  const short0 = firstShortfall(prepared, numbers)?.block === 0;
  if (value >= pool.max && short0) {
    return {
      ...base,
      binding: binding('pool-size', `pool-maximum/${name}`, `maximum ${pool.max} nodes`),
      rejected: fewer,
    };
  }
  const named = heldWords(statedFor(prepared.input.policy.reservations, name), prepared.blocks[0]?.from ?? 0);
  const free = paid === 0 ? '' : `; ${short(Math.min(value, paid))} of them are paid in any case: ${named}`;
  const words = `requests of ${short(load)} nodes, each ${priceWords(prepared, pool)}${free}`;
  return {
    ...base,
    binding: { constraint: 'pool-fit', words, pricePerHour: short(cost), unit: 'nodes' },
    rejected: fewer,
  };
}

export function placementsOf(prepared: Prepared, numbers: Numbers): TaskPlacement[] {
  return prepared.tasks.map((run, index) => {
    const start = run.starts[numbers.starts[index] ?? 0] ?? run.scheduled;
    const moved = start - run.scheduled;
    const reason = run.settled
      ? 'under way, or about to begin'
      : run.beyond === true
        ? 'it ends after what is planned: a later plan may move it'
        : moved === 0
          ? 'as scheduled: no other start within its window is cheaper'
          : `${formatDuration(Math.abs(moved))} ${moved > 0 ? 'later' : 'earlier'}: room that is there then need not be bought`;
    return { task: run.task.name, scheduled: run.scheduled, start, reason };
  });
}
