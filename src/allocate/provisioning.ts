import { NO_LIMIT, type FieldOwner } from '../domain/cluster.js';
import type { PlannedField } from '../domain/plan.js';
import { poolLoad, totalOf, type Numbers } from './numbers.js';
import { leftOf, type Prepared, type PreparedPool } from './prepare.js';
import { nodeShare } from './sizes.js';

/*
 * From the nodes that a plan wants to the fields that bring them about where nodes are made by an autoscaler: warm
 * capacity ahead of demand, the bound of a provisioner, and which pool it tries first.
 */

/** May a field of a pool be written, that this owner has? */
export type Consent = (pool: PreparedPool, owner: FieldOwner, field: string) => boolean;

/** The most nodes that the plan wants until a node that is asked for now is ready. */
export function nodesWanted(prepared: Prepared, numbers: Numbers, pool: PreparedPool): number {
  let most = 0;
  for (let block = 0; block <= Math.min(pool.firstBlock, prepared.blocks.length - 1); block++) {
    most = Math.max(most, numbers.nodes[block]?.[pool.index] ?? 0);
  }
  return most;
}

/**
 * What the account's own pods take of a pool once this change is made, in nodes: as planned, and where more runs than is
 * planned (an autoscaler above its floor, a reduction that was left out) what runs.
 */
export function loadAfter(prepared: Prepared, numbers: Numbers, pool: PreparedPool, kept: ReadonlySet<string>): number {
  let load = poolLoad(prepared, numbers, 0, pool.index);
  for (const workload of prepared.workloads) {
    const planned = totalOf(numbers, workload.index, 0);
    const stays = workload.ownership === 'floor' || kept.has(workload.policy.name);
    if (!workload.exists || !stays || !workload.pools.includes(pool.index)) continue;
    const request = workload.options[numbers.option[workload.index] ?? 0]?.request ?? {};
    load += Math.max(0, workload.running - planned) * nodeShare(request, pool.policy);
  }
  return load;
}

export interface ProvisioningInput {
  prepared: Prepared;
  numbers: Numbers;
  /** Workloads whose reduction was left out. */
  kept: ReadonlySet<string>;
  /** Workloads that this change gives more. */
  raised: ReadonlySet<string>;
  words: ReadonlyMap<string, string>;
  consent: Consent;
}

/**
 * Placeholders that keep the rest of the wanted nodes: N nodes less what pods take of them, in placeholders. They are
 * lowered where pods move in, and where keeping them would cost more than hysteresis lets go.
 */
export function warmField(input: ProvisioningInput, pool: PreparedPool): PlannedField[] {
  const { prepared, numbers, kept, raised, words, consent } = input;
  const spec = pool.policy.provisioning?.placeholders;
  const warm = pool.state?.warm;
  if (spec === undefined || warm === undefined) return [];
  const nodes = nodesWanted(prepared, numbers, pool);
  const load = loadAfter(prepared, numbers, pool, kept);
  const value = Math.max(0, Math.floor((nodes - load) / spec.share + 1e-6));
  if (value === warm.replicas) return [];
  if (value < warm.replicas) {
    const cost = prepared.pools.reduce((sum, one) => sum + (one.variable ? one.now * one.policy.pricePerHour : 0), 0);
    const spare = Math.max(0, load + warm.replicas * spec.share - nodes) * pool.policy.pricePerHour;
    const movedIn = prepared.workloads.some(
      (workload) => raised.has(workload.policy.name) && workload.pools.includes(pool.index),
    );
    const owed = pool.override !== null || nodes > pool.max;
    if (!owed && !movedIn && spare <= prepared.input.policy.hysteresis * cost) return [];
  }
  if (!consent(pool, warm.owner, 'warm')) return [];
  const why = words.get(`${pool.policy.name}.nodes`) ?? '';
  const reason = `${nodes} nodes wanted, pods take ${short(load)}${why === '' ? '' : `: ${why}`}`;
  return [
    {
      target: { field: 'warm', pool: pool.policy.name, value, nodes },
      seen: { value: warm.replicas, owner: warm.owner },
      reason,
    },
  ];
}

/**
 * What the provisioner may grow a pool to: the account's maximum and what the budget leaves beside the other pools' nodes,
 * never below what the plan wants or what runs. It is a bound, not a plan: what an autoscaler asks for beyond the
 * forecast still gets its nodes.
 */
export function limitField({ prepared, numbers, consent }: ProvisioningInput, pool: PreparedPool): PlannedField[] {
  const limit = pool.state?.nodePool?.limit;
  if (limit === undefined || limit.perNode === null) return [];
  const { budget } = prepared;
  let nodes = pool.policy.max;
  if (budget !== null && pool.policy.pricePerHour > 0) {
    const others = prepared.pools
      .filter((one) => one.index !== pool.index)
      .reduce((sum, one) => {
        const planned = one.variable ? (numbers.nodes[0]?.[one.index] ?? 0) : one.now;
        return sum + Math.max(0, planned - (one.held[0] ?? 0)) * one.policy.pricePerHour;
      }, 0);
    const left = Math.max(0, leftOf(prepared, 0) - others);
    nodes = Math.min(nodes, Math.floor((pool.held[0] ?? 0) + left / pool.policy.pricePerHour + 1e-6));
  }
  const bound = Math.max(nodes, nodesWanted(prepared, numbers, pool), pool.now);
  const value = Math.ceil(bound * limit.perNode - 1e-6);
  const near = Math.abs(value - limit.value) <= 1e-6 * Math.max(value, 1);
  if (near || !consent(pool, limit.owner, `limit.${limit.resource}`)) return [];
  const was = limit.value >= NO_LIMIT ? 'unbounded' : `bounded at ${short(limit.value)}`;
  const by = budget === null ? `maximum ${pool.policy.max}` : `maximum ${pool.policy.max} and the budget`;
  return [
    {
      target: { field: 'limit', pool: pool.policy.name, resource: limit.resource, value },
      seen: { value: limit.value, owner: limit.owner },
      reason: `${bound} nodes by ${by}; ${was} before`,
    },
  ];
}

/** Highest first; so far apart that a person's own pools find a place in between. */
const FIRST_WEIGHT = 90;
const WEIGHT_STEP = 10;

/**
 * Which pool is tried first: those that the plan has nodes in, the cheapest (interruptions counted in) before the others;
 * then those that it leaves empty. Pools whose weight is not Headroom's to write take no part.
 */
export function weightFields({ prepared, numbers, consent }: ProvisioningInput): PlannedField[] {
  const own = prepared.pools.filter((pool) => pool.state?.nodePool?.weight !== undefined);
  if (own.length < 2) return [];
  const used = (pool: PreparedPool): number => (nodesWanted(prepared, numbers, pool) > 0 ? 0 : 1);
  const price = ({ policy }: PreparedPool): number => policy.pricePerHour * (1 + policy.interruptionsPerHour);
  const order = [...own].sort((a, b) => used(a) - used(b) || price(a) - price(b) || a.index - b.index);
  return order.flatMap((pool, rank) => {
    const weight = pool.state?.nodePool?.weight;
    const value = Math.max(1, FIRST_WEIGHT - rank * WEIGHT_STEP);
    if (weight === undefined || weight.value === value) return [];
    if (!consent(pool, weight.owner, 'weight')) return [];
    const reason = used(pool) === 0 ? `number ${rank + 1} of the pools that the plan uses` : 'the plan leaves it empty';
    return [{ target: { field: 'weight', pool: pool.policy.name, value }, seen: weight, reason }];
  });
}

const short = (amount: number): number => Number(amount.toPrecision(3));
