import { poolProblems } from '../domain/choose-pool.js';
import { COMPONENTS } from '../domain/component.js';
import { MIGRATION_DEFAULTS } from '../domain/migration.js';
import { oneOffOf, type MigrationProposal } from '../domain/migration-proposal.js';
import { normalCdf } from '../domain/normal.js';
import type { Plan } from '../domain/plan.js';
import { formatDuration } from '../domain/time.js';
import { blackoutAt } from './blackout.js';
import { budgetWords } from './constraints/budget.js';
import { grantOf, grantWords } from './constraints/grant.js';
import { quotasOf } from './constraints/quota.js';
import { LOWER_LEVEL } from './demand.js';
import { gibBetween } from './egress.js';
import { prepare, type Prepared, type PreparedPool, type PreparedWorkload } from './prepare.js';
import type { AllocationInput, Allocator, SolverBasis } from './problem.js';
import { nodeShare } from './sizes.js';

/*
 * Which workloads would be cheaper on another pool than on the one that they run on. A pool is tried by solving the account's
 * plan with the workload bound to it, so that whole nodes, room that is paid for anyway, interruptions, data and every limit
 * count as they do in a plan.
 */

export interface ProposeInput {
  input: AllocationInput;
  /** What was decided for that input, and its basis. */
  plan: Plan;
  basis?: SolverBasis;
  /** Workloads whose forecast is not acted on: nothing is weighed with it. */
  distrusted: ReadonlySet<string>;
}

/** Pools that are tried in one cycle: each is a solve. */
const MOST_TRIED = 4;
/** Of those proposed, and of those refused, that a plan names. */
const MOST_NAMED = 3;
/** Beyond this gap a difference of two plans is no more than their rounding: then the smaller estimate counts. */
const EXACT = 1e-3;
const BLACKOUT_LOOK = 300;

interface Candidate {
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

/** @returns those that save by more than the hysteresis, the best first, then those that would but cannot be begun. */
export function proposeMigrations(allocator: Allocator, given: ProposeInput): MigrationProposal[] {
  const { input, plan } = given;
  const { policy } = input;
  // A plan that breaks or bends its limits says nothing about what another place would be worth.
  const sound = plan.solver.status !== 'relaxed' && plan.check?.ok !== false;
  if (policy.migrations === 'never' || policy.pools.length < 2 || !sound) return [];
  const prepared = prepare(input);
  const candidates = candidatesOf(prepared, given);
  const able = candidates.filter(({ refusals }) => refusals.length === 0).slice(0, MOST_TRIED);
  const unable = candidates.filter(({ refusals }) => refusals.length > 0);
  const stays = new Map<string, Plan>();
  const weighed = [
    ...able.flatMap((candidate) => weigh(allocator, given, prepared, candidate, stays) ?? []),
    ...unable.flatMap((candidate) => estimate(prepared, candidate) ?? []),
  ];
  const net = (one: MigrationProposal): number => (one.savingPerHour * one.over) / 3600 - oneOffOf(one);
  weighed.sort((a, b) => net(b) - net(a) || (a.workload + a.to < b.workload + b.to ? -1 : 1));
  const best = weighed.filter(
    (one, index) => one.refusals.length > 0 || index === weighed.findIndex((other) => sameMove(one, other)),
  );
  return [
    ...best.filter(({ refusals }) => refusals.length === 0).slice(0, MOST_NAMED),
    ...best.filter(({ refusals }) => refusals.length > 0).slice(0, MOST_NAMED),
  ];
}

/** Of one workload the best pool alone is proposed. */
const sameMove = (one: MigrationProposal, other: MigrationProposal): boolean =>
  other.refusals.length === 0 && other.workload === one.workload;

/** The one pool that all replicas are on: as the cluster shows them, else the only one that the file allows. */
function runsOn(prepared: Prepared, { state, pools }: PreparedWorkload): PreparedPool | null {
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
function candidatesOf(prepared: Prepared, { plan, distrusted }: ProposeInput): Candidate[] {
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
function unitCost(workload: PreparedWorkload, pool: PreparedPool): number {
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

/** Why it cannot be begun now, each with what to do about it. */
function refusalsOf(
  prepared: Prepared,
  plan: Plan,
  workload: PreparedWorkload,
  to: PreparedPool,
  replicas: number,
): string[] {
  const { input } = prepared;
  const { policy } = input;
  const { name } = workload.policy;
  const refusals = poolProblems(policy, workload.policy, to.policy.name);
  const shared: [share: number, words: string][] =
    to.policy.capacityType === 'spot'
      ? [
          [policy.spotMaxShare, 'spotMaxShare'],
          [policy.spotMarketMaxShare ?? 1, 'spotMarketMaxShare'],
        ]
      : [];
  for (const [share, field] of shared) {
    if (share >= 1) continue;
    refusals.push(
      `at most ${Math.round(share * 100)} % of ${name} may be there (${field}), and a migration moves all of it; give it both pools in the account file instead`,
    );
  }
  const survive = workload.policy.surviveZone ?? policy.surviveZone ?? 0;
  if (survive > 0 && workload.pools.length > 1) {
    refusals.push(
      `${Math.round(survive * 100)} % of ${name} have to survive the loss of a zone, and a migration puts all of it on one pool; leave it where it is, or set its surviveZone: 0`,
    );
  }
  const takes = takesFor(prepared, workload, to);
  for (let at = input.at; at <= input.at + takes; at += BLACKOUT_LOOK) {
    const blackout = blackoutAt(policy, at);
    if (blackout === null) continue;
    const words = `blackout ${blackout.name} falls into the ${formatDuration(takes)} that it takes (${blackout.reason})`;
    refusals.push(`${words}; it is weighed again after that`);
    break;
  }
  return [...refusals, ...noRoomForBoth(prepared, plan, workload, to, replicas)];
}

/** Limits that do not bear the workload twice for the time that both serve. */
function noRoomForBoth(
  prepared: Prepared,
  plan: Plan,
  workload: PreparedWorkload,
  to: PreparedPool,
  replicas: number,
): string[] {
  const refusals: string[] = [];
  const { name } = workload.policy;
  const option = workload.options[workload.reference];
  const both = 'while both serve';
  const bill = plan.costPerHour + replicas * (option?.price[to.index] ?? 0);
  if (prepared.budget !== null && bill > prepared.budget * (1 + 1e-9)) {
    refusals.push(
      `${both} it would cost ${Number(bill.toPrecision(4))} an hour, over the ${budgetWords(prepared.budget, prepared.currency)}; raise the budget for that time`,
    );
  }
  const planned = new Map(plan.blocks[0]?.workloads.map((one) => [one.workload, one]));
  for (const component of COMPONENTS) {
    const most = grantOf(prepared, component, 0);
    if (most === null) continue;
    let asked = replicas * (option?.request[component] ?? 0);
    for (const one of planned.values()) asked += one.replicas * (one.request[component] ?? 0);
    if (asked <= most * (1 + 1e-9)) continue;
    refusals.push(`${both} it asks for more than ${grantWords(prepared, component) ?? ''}; raise its guaranteedShare`);
  }
  for (const quota of quotasOf(prepared)) {
    let used = replicas * quota.count(workload, workload.reference);
    for (const other of prepared.workloads) {
      used += (planned.get(other.policy.name)?.replicas ?? 0) * quota.count(other, other.reference);
    }
    if (used > quota.bound * (1 + 1e-9))
      refusals.push(`${both} ${name} is counted twice, and ${quota.words}; raise the quota for that time`);
  }
  return refusals;
}

/** Seconds: the copy gets ready, traffic is led over in steps, what it does is verified. */
function takesFor(prepared: Prepared, workload: PreparedWorkload, to: PreparedPool): number {
  const { steps, stepFor } = MIGRATION_DEFAULTS;
  const verification = workload.policy.verification ?? prepared.input.policy.verification;
  const ready = Math.max(workload.policy.leadTime, to.variable ? to.policy.leadTime + workload.policy.leadTime : 0);
  return ready + steps.length * stepFor + verification.for;
}

/** What is paid once, but for nodes that have to be started. */
function onceFor(prepared: Prepared, candidate: Candidate): Pick<MigrationProposal, 'oneOff' | 'takes'> {
  const { workload, from, to, replicas } = candidate;
  const { policy } = prepared.input;
  const takes = takesFor(prepared, workload, to);
  return {
    takes,
    oneOff: {
      egress: (workload.policy.migration?.gib ?? 0) * gibBetween(policy, from.policy, to.policy),
      twice: (replicas * unitCost(workload, from) * takes) / 3600,
      churn: replicas * workload.restartPrice,
    },
  };
}

const hoursOf = ({ hours }: Prepared): number => hours.reduce((sum, one) => sum + one, 0);

/** Whether a saving is worth its cost: hysteresis of what the workload costs where it is, over the horizon. */
const isWorth = (prepared: Prepared, here: number, saving: number, once: number): boolean =>
  saving * hoursOf(prepared) - once > prepared.input.policy.hysteresis * here * hoursOf(prepared) && saving > 0;

/** Of a place that cannot be had: by its prices alone, so that it is named where it would matter. */
function estimate(prepared: Prepared, candidate: Candidate): MigrationProposal | null {
  const { workload, from, to, here, there, refusals, replicas } = candidate;
  const saving = here - there;
  const once = { takes: 0, oneOff: { egress: 0, twice: 0, churn: 0 } };
  if (!Number.isFinite(saving) || !isWorth(prepared, here, saving, 0)) return null;
  return {
    ...{ workload: workload.policy.name, from: from.policy.name, to: to.policy.name, replicas },
    ...{ savingPerHour: saving, ...once, over: hoursOf(prepared) * 3600, paidBackIn: 0, confidence: 0, refusals },
  };
}

/** @returns null where it is not worth it. */
function weigh(
  allocator: Allocator,
  { input, plan, basis }: ProposeInput,
  prepared: Prepared,
  candidate: Candidate,
  stays: Map<string, Plan>,
): MigrationProposal | null {
  const { workload, from, to, mean, here, there, replicas } = candidate;
  const { name } = workload.policy;
  const hours = hoursOf(prepared);

  /** The plan with the workload on one pool. */
  const solve = (pool: PreparedPool, quantile: Quantile): Plan => {
    const altered = bound(input, name, pool.policy.name, pool === to, quantile);
    return allocator.allocate(basis === undefined ? altered : { ...altered, basis }).plan;
  };
  const isBound = workload.pools.length === 1 && workload.pools[0] === from.index;
  const stay = (quantile: Quantile): Plan => {
    if (isBound && quantile === 'atLevel') return plan;
    const key = isBound ? quantile : `${name}/${quantile}`;
    const known = stays.get(key) ?? solve(from, quantile);
    stays.set(key, known);
    return known;
  };

  const go = solve(to, 'atLevel');
  if (go.conflict !== null || go.solver.status === 'relaxed' || go.check?.ok === false) {
    const limits = go.conflict?.set.filter(({ constraint }) => constraint !== 'demand') ?? [];
    const words = limits.map((one) => one.words).join(' and ') || 'the plan would break a limit';
    return estimate(prepared, { ...candidate, refusals: [`not all of it can be served there: ${words}; raise that`] });
  }
  const { takes, oneOff } = onceFor(prepared, candidate);
  const started = Math.max(0, (go.blocks[0]?.nodes[to.policy.name] ?? 0) - to.now);
  oneOff.churn += to.variable ? started * to.startPrice : 0;
  const once = oneOffOf({ oneOff });
  const savingOf = (before: Plan, after: Plan): number => {
    const exact = (before.solver.objective - after.solver.objective) / hours;
    const proven = Math.max(before.solver.gap, after.solver.gap) <= EXACT;
    return proven ? exact : Math.min(exact, here - there);
  };
  const saving = savingOf(stay('atLevel'), go);
  if (!isWorth(prepared, here, saving, once)) return null;
  const median = savingOf(stay('median'), solve(to, 'median'));
  if (median * hours <= once) return null;
  const low = savingOf(stay('lower'), solve(to, 'lower'));
  const byDemand = low * hours > once ? 1 - LOWER_LEVEL : 0.5;
  const moves = (pool: PreparedPool): number =>
    mean * (workload.options[workload.reference]?.price[pool.index] ?? 0) * (pool.policy.priceVolatility ?? 0);
  const spread = Math.hypot(moves(from), moves(to)) * hours;
  const byPrice = spread === 0 ? 1 : normalCdf((median * hours - once) / spread);
  return {
    ...{ workload: name, from: from.policy.name, to: to.policy.name, replicas, savingPerHour: saving, oneOff, takes },
    ...{ over: hours * 3600, paidBackIn: (once / saving) * 3600, confidence: byDemand * byPrice, refusals: [] },
  };
}

type Quantile = 'atLevel' | 'median' | 'lower';

/** The input with a workload on one pool, and demand as a quantile states it. */
function bound(
  input: AllocationInput,
  name: string,
  pool: string,
  moved: boolean,
  quantile: Quantile,
): AllocationInput {
  const { policy } = input;
  return {
    ...input,
    policy: {
      ...policy,
      workloads: policy.workloads.map((one) => (one.name === name ? { ...one, pools: [pool] } : one)),
      // The old one serves until nodes are there: that they take time costs, and leaves nothing unserved.
      pools: moved ? policy.pools.map((one) => (one.name === pool ? { ...one, leadTime: 0 } : one)) : policy.pools,
    },
    demand:
      quantile === 'atLevel'
        ? input.demand
        : input.demand.map((series) => ({
            ...series,
            blocks: series.blocks.map((block) => ({ ...block, atLevel: block[quantile] })),
          })),
  };
}
