import type { PoolPolicy, WorkloadPolicy } from '../domain/account.js';
import type { PoolState, WorkloadState } from '../domain/cluster.js';
import type { Component, Resources } from '../domain/component.js';
import { HeadroomError } from '../domain/errors.js';
import { CRITICALITY_WEIGHT } from '../domain/policy-rules.js';
import { isoTime } from '../domain/time.js';
import { heldCost, heldThrough, statedFor } from '../domain/held.js';
import { mayHold } from '../domain/residency.js';
import { capsOf, type Cap } from './caps.js';
import { egressPrice } from './egress.js';
import { blackoutAt } from './blackout.js';
import type { AllocationInput, Block, DemandBlocks } from './problem.js';
import { reconciled } from './reconcile.js';
import { componentsOf, sizeOptions, type SizeOption } from './sizes.js';
import { taskRuns, type TaskRun } from './tasks.js';

/** What a replica's own place on a node counts for besides the node's bill: of two equal bills the smaller plan wins. */
export const OCCUPANCY = 0.001;
/** One started replica costs what it costs to run for so long: it works for others before it serves. */
const START_HOURS = 1 / 12;
/** A price for serving where the pools cost nothing, as a share of the dearest pool: shortfall is never for free. */
const NOMINAL = 0.001;
/** Demand beyond twice the maximum and so many replicas is all the same to a plan, and ruins a solver's arithmetic. */
const BEYOND = 100;
/** A missing replica is weighed like the node that it would need, or so many replicas where nodes are larger. */
const NODE_LIKE = 8;
/** Earlier in the account file is dearer by this much less: ties are broken the same way on every machine. */
const TIE = 1e-5;

export interface PreparedPool {
  index: number;
  policy: PoolPolicy;
  state: PoolState | null;
  variable: boolean;
  /** Nodes now, or where the cluster does not know the pool what the policy names. */
  now: number;
  min: number;
  max: number;
  /** The first block that a node asked for now is ready in. */
  firstBlock: number;
  override: { value: number; words: string } | null;
  /** Money per node started. */
  startPrice: number;
  /** Nodes of it that are paid in any case, by block. */
  held: number[];
  /** What its price may rise to is weighed as this share of it, in the objective alone. */
  risk: number;
}

export interface PreparedNeed {
  component: Component;
  level: number;
  utilization: number;
  series: DemandBlocks;
  /** What is asked to be covered, by block; what no allowed number of replicas could come near is cut off there. */
  target: number[];
  /** Money for a unit of demand that goes unserved for an hour. */
  shortfallPrice: number;
}

export interface PreparedWorkload {
  index: number;
  policy: WorkloadPolicy;
  state: WorkloadState | null;
  exists: boolean;
  ownership: 'floor' | 'own';
  /** The number that a write would change: replicas, or the autoscaler's floor. */
  now: number;
  /** What step limits count from when raising: more than the floor may be running. */
  running: number;
  min: number;
  max: number;
  maxWords: string;
  override: { value: number; words: string } | null;
  options: SizeOption[];
  /** At most a share of it on spot, on one market, in one zone; as asked for, or `opened`. */
  caps: Cap[];
  /** What they are where they contradict each other and keep its demand from being served; null where they do not. */
  opened: Cap[] | null;
  /** Indices of the pools that it may run on. */
  pools: number[];
  needs: PreparedNeed[];
  missing: Component[];
  /** Money per hour of a replica of the first size where it is cheapest (nominal where that is nothing). */
  replicaPrice: number;
  /** The size that demand is counted in: what runs now, or the first. */
  reference: number;
  /** Money for each replica (of that size) that is missing for an hour: what makes a bin miss its level. */
  missPrice: number;
  /**
   * Money per started replica: what the plan is charged for running it so long. On nodes that are paid for anyway that
   * is its occupancy alone; more, and replicas would be kept all night rather than started again in the morning.
   */
  startPrice: number;
  /** Money per replica that a change of size starts again, in full: the disturbance is real, whoever pays the node. */
  restartPrice: number;
  /** Money per hour, expected, for the interruptions of a replica; by pool index. */
  interruptionPrice: number[];
  /** Money per hour of one replica for the data that it moves, by pool. */
  egressPrice: number[];
}

export interface Prepared {
  input: AllocationInput;
  blocks: Block[];
  /** Length of each block in hours. */
  hours: number[];
  /** The blackout in which a block's decision would fall, in words; null where it is free. */
  blackout: (string | null)[];
  workloads: PreparedWorkload[];
  pools: PreparedPool[];
  tasks: TaskRun[];
  budget: number | null;
  /** Money per hour that is paid in any case, by block: a part of the bill that no plan changes. */
  paid: number[];
  currency: string;
}

/** Reads the input once into the numbers that model, rounding and reasons share. */
export function prepare(input: AllocationInput): Prepared {
  const { policy, blocks } = input;
  check(input);
  const start = blocks[0]?.from ?? input.at;
  const pools = policy.pools.map((pool, index) => preparePool(input, pool, index));
  const ceiling = Math.max(...policy.pools.map((pool) => pool.pricePerHour));
  const nominal = (ceiling === 0 ? 1 : ceiling) * NOMINAL;
  const demand = new Map(input.demand.map((one) => [`${one.workload}/${one.component}`, one]));
  const states = new Map(input.state.workloads.map((one) => [one.workload, one]));
  const workloads = policy.workloads.map((workload, index) =>
    prepareWorkload(input, workload, index, states.get(workload.name) ?? null, pools, demand, nominal),
  );
  return {
    input,
    blocks,
    hours: blocks.map((block) => (block.to - block.from) / 3600),
    blackout: blocks.map((block) => {
      // A block's values are written when it has become the first that can be reached.
      const decided = input.at + (block.from - start);
      const blackout = policy.blackouts.length === 0 ? null : blackoutAt(policy, decided);
      return blackout === null ? null : `blackout ${blackout.name} at ${isoTime(decided)} (${blackout.reason})`;
    }),
    workloads,
    pools,
    tasks: taskRuns(input),
    budget: policy.budget?.perHour ?? null,
    paid: blocks.map((block) =>
      pools.reduce(
        (sum, { policy: { name }, variable }) =>
          sum + (variable ? heldCost(statedFor(policy.reservations, name), block) : 0),
        0,
      ),
    ),
    currency: policy.currency,
  };
}

function check(input: AllocationInput): void {
  const refuse = (problem: string, remedy: string): never => {
    throw new HeadroomError({
      kind: 'invalid-input',
      component: 'allocate',
      action: `planning ${input.account}`,
      problem,
      remedy,
    });
  };
  if (input.blocks.length === 0) refuse('there is no block to plan', 'give at least one horizon');
  for (const one of input.demand) {
    if (one.blocks.length !== input.blocks.length) {
      refuse(
        `demand of ${one.workload}/${one.component} has ${one.blocks.length} blocks, the plan ${input.blocks.length}`,
        'make the demand from the same blocks',
      );
    }
    const bad = one.blocks.find((block) => !Number.isFinite(block.atLevel) || block.atLevel < 0);
    if (bad !== undefined) {
      refuse(
        `demand of ${one.workload}/${one.component} is ${bad.atLevel}`,
        'leave a series without a forecast out; a demand is a finite amount, 0 or more',
      );
    }
  }
}

function preparePool(input: AllocationInput, pool: PoolPolicy, index: number): PreparedPool {
  const state = input.state.pools.find((one) => one.pool === pool.name) ?? null;
  const variable = pool.size === 'variable';
  const now = state?.nodes ?? (variable ? pool.min : pool.max);
  const override = input.overrides.findLast(({ target }) => target.field === 'pool' && target.pool === pool.name);
  const reached = input.blocks.findIndex((block) => block.from >= input.at + pool.leadTime);
  return {
    index,
    policy: pool,
    state,
    variable,
    now,
    min: variable ? pool.min : now,
    max: variable ? pool.max : now,
    firstBlock: reached === -1 ? input.blocks.length : reached,
    override:
      override?.target.field === 'pool'
        ? {
            value: override.target.value,
            words: `override ${override.target.value} nodes of pool ${pool.name} by ${override.author}`,
          }
        : null,
    held: input.blocks.map((block) =>
      variable ? heldThrough(statedFor(input.policy.reservations, pool.name), block) : 0,
    ),
    startPrice: (input.policy.weights?.churn ?? 1) * pool.pricePerHour * (pool.leadTime / 3600),
    risk: (input.policy.weights?.priceRisk ?? 0) * (pool.priceVolatility ?? 0),
  };
}

function prepareWorkload(
  input: AllocationInput,
  workload: WorkloadPolicy,
  index: number,
  state: WorkloadState | null,
  pools: readonly PreparedPool[],
  demand: ReadonlyMap<string, DemandBlocks>,
  nominal: number,
): PreparedWorkload {
  const { policy } = input;
  const ownership = workload.ownership ?? policy.ownership;
  const autoscaler = state?.autoscaler ?? null;
  const floored = ownership === 'floor' && autoscaler !== null;
  const capped = floored && autoscaler.ceiling < workload.replicas.max;
  const max = capped ? autoscaler.ceiling : workload.replicas.max;
  const overrides = input.overrides.map(({ target, author }) => ({ target, author }));
  const pinned: Resources = {};
  let override: PreparedWorkload['override'] = null;
  for (const { target, author } of overrides) {
    if (target.field === 'request' && target.workload === workload.name) pinned[target.component] = target.value;
    if (target.field === 'replicas' && target.workload === workload.name) {
      override = { value: target.value, words: `override ${target.value} replicas of ${workload.name} by ${author}` };
    }
  }
  const allowed = pools.filter(
    (pool) => (workload.pools?.includes(pool.policy.name) ?? true) && mayHold(workload, pool.policy),
  );
  const weights = { shortfall: 1, churn: 1, priceRisk: 0, ...policy.weights };
  const options = sizeOptions(workload, state, policy.pools, pinned);
  const cheapest = (option: SizeOption): number =>
    Math.max(nominal, Math.min(...allowed.map((pool) => option.price[pool.index] ?? Number.POSITIVE_INFINITY)));
  const needs: PreparedNeed[] = [];
  const missing: Component[] = [];
  for (const component of componentsOf(workload)) {
    const series = demand.get(`${workload.name}/${component}`);
    const utilization = workload.components[component]?.utilization ?? 1;
    if (series === undefined) {
      missing.push(component);
      continue;
    }
    const perUnit = Math.min(
      ...options.map((option) => {
        const price = cheapest(option);
        return (Number.isFinite(price) ? price : nominal) / ((option.request[component] ?? 0) * utilization);
      }),
    );
    const weight = CRITICALITY_WEIGHT[workload.criticality] * weights.shortfall;
    const largest = Math.max(...options.map((option) => option.request[component] ?? 0));
    const most = largest * utilization * (2 * max + BEYOND);
    const target = series.blocks.map((block) => Math.min(block.atLevel, most));
    needs.push({ component, level: series.level, utilization, series, target, shortfallPrice: weight * perUnit });
  }
  const reference = Math.max(
    0,
    options.findIndex((option) => option.current),
  );
  const first = options[reference];
  const price = first === undefined ? nominal : cheapest(first);
  const replicaPrice = Number.isFinite(price) ? price : nominal;
  const caps = capsOf(policy, workload, allowed);
  const node = Math.max(replicaPrice, ...allowed.map((pool) => pool.policy.pricePerHour));
  const now = floored ? autoscaler.floor : (state?.replicas ?? 0);
  return {
    index,
    policy: workload,
    state,
    exists: state?.exists ?? false,
    ownership,
    now,
    running: Math.max(now, state?.replicas ?? 0),
    min: workload.replicas.min,
    max,
    maxWords: capped
      ? `ceiling ${max} of ${autoscaler.kind} ${autoscaler.name} over ${workload.name}`
      : `maximum ${max} replicas of ${workload.name}`,
    override,
    options,
    caps,
    opened: reconciled(
      caps,
      allowed.flatMap(({ index: pool, policy: { capacityType, max: most } }) => {
        const fits = most > 0 && options.some((option) => (option.price[pool] ?? null) !== null);
        return fits ? [{ index: pool, spot: capacityType === 'spot' }] : [];
      }),
    ),
    pools: allowed.map((pool) => pool.index),
    needs,
    missing,
    replicaPrice,
    reference,
    missPrice: weights.shortfall * CRITICALITY_WEIGHT[workload.criticality] * Math.min(node, NODE_LIKE * replicaPrice),
    startPrice: weights.churn * (allowed.some((pool) => pool.variable) ? OCCUPANCY : 1) * replicaPrice * START_HOURS,
    restartPrice: weights.churn * replicaPrice * START_HOURS,
    interruptionPrice: pools.map(
      ({ policy: pool }) =>
        pool.interruptionsPerHour *
        CRITICALITY_WEIGHT[workload.criticality] *
        replicaPrice *
        (workload.leadTime / 3600),
    ),
    egressPrice: pools.map((pool) => egressPrice(policy, workload, pool.policy)),
  };
}

/** Objective of a node for an hour, without its bill's tie-break. */
export const nodeCost = (pool: PreparedPool): number => (pool.variable ? pool.policy.pricePerHour : 0);

/** Objective of a node for an hour that is paid in any case, less than of another: idle ones are still let go. */
export const freeCost = (pool: PreparedPool): number => -(1 - OCCUPANCY) * nodeCost(pool);

/** Money per hour of so many nodes in a block, besides what is paid in any case. */
export const nodesBill = (pool: PreparedPool, block: number, nodes: number): number =>
  nodeCost(pool) * Math.max(0, nodes - (pool.held[block] ?? 0));

/** Money per hour that a budget leaves for more than what is paid in any case. */
export const leftOf = (prepared: Prepared, block: number): number =>
  prepared.budget === null ? Number.POSITIVE_INFINITY : Math.max(0, prepared.budget - (prepared.paid[block] ?? 0));

/** Objective of a replica for an hour on a pool: its share of a fixed pool's price, occupancy, interruptions. */
export function replicaCost(workload: PreparedWorkload, option: SizeOption, pool: PreparedPool): number {
  const price = option.price[pool.index] ?? 0;
  return (
    (pool.variable ? 0 : price) +
    OCCUPANCY * Math.max(price, workload.replicaPrice * OCCUPANCY) +
    price * pool.risk +
    (workload.egressPrice[pool.index] ?? 0) +
    (workload.interruptionPrice[pool.index] ?? 0)
  );
}

/** Money per hour that is billed for a replica on a fixed pool: the share of it that it takes. */
export const replicaBill = (option: SizeOption, pool: PreparedPool): number =>
  pool.variable ? 0 : (option.price[pool.index] ?? 0);

/** Breaks ties between pools and sizes by their order in the account file. */
export const tieBreak = (order: number): number => 1 + TIE * order;

/** Replicas of a size that cover a demand. */
export const replicasFor = (demand: number, request: number, utilization: number): number =>
  demand === 0 ? 0 : request === 0 ? Number.POSITIVE_INFINITY : demand / (request * utilization);

/** `web on pool general at 0.50`: what a limit's words need to be understood alone. */
export function poolWords(prepared: Prepared, workload: PreparedWorkload): string {
  const named = workload.pools.slice(0, 2).map((index) => {
    const pool = prepared.pools[index]?.policy;
    return pool === undefined ? '' : `${pool.name} at ${pool.pricePerHour.toFixed(2)}`;
  });
  const more = workload.pools.length - named.length;
  return `on pool ${named.join(' or ')}${more > 0 ? ` or ${more} more` : ''}`;
}
