import { oneOffOf, type MigrationProposal } from '../../domain/migration-proposal.js';
import { normalCdf } from '../../domain/normal.js';
import type { Plan } from '../../domain/plan.js';
import { LOWER_LEVEL } from '../demand.js';
import { gibBetween } from '../egress.js';
import type { Prepared, PreparedPool } from '../prepare.js';
import type { AllocationInput, Allocator } from '../problem.js';
import { isSound, runsOn, unitCost, type Candidate, type ProposeInput } from './candidates.js';
import { takesFor } from './refusals.js';

/* What a place is worth: plans of the account as it runs against plans with a workload elsewhere, and what moving it costs. */

/** Beyond this gap a difference of two plans is no more than their rounding: then the smaller estimate counts. */
const EXACT = 1e-3;

/** What is paid once; `starts`: for nodes that have to be started. */
function onceFor(
  prepared: Prepared,
  candidate: Candidate,
  starts: number,
): Pick<MigrationProposal, 'oneOff' | 'takes'> {
  const { workload, from, to, replicas } = candidate;
  const { policy } = prepared.input;
  const takes = takesFor(prepared, workload, to);
  return {
    takes,
    oneOff: {
      egress: (workload.policy.migration?.gib ?? 0) * gibBetween(policy, from.policy, to.policy),
      twice: (replicas * unitCost(workload, from) * takes) / 3600,
      churn: replicas * workload.restartPrice + starts,
    },
  };
}

const hoursOf = ({ hours }: Prepared): number => hours.reduce((sum, one) => sum + one, 0);

/** Whether a saving is worth its cost: hysteresis of what the workload costs where it is, over the horizon. */
const isWorth = (prepared: Prepared, here: number, saving: number, once: number): boolean =>
  saving * hoursOf(prepared) - once > prepared.input.policy.hysteresis * here * hoursOf(prepared) && saving > 0;

/** Of a place that cannot be had: by its prices alone, so that it is named where it would matter. */
export function estimate(prepared: Prepared, candidate: Candidate): MigrationProposal | null {
  const { workload, from, to, here, there, refusals, replicas } = candidate;
  const saving = here - there;
  const once = { takes: 0, oneOff: { egress: 0, twice: 0, churn: 0 } };
  if (!Number.isFinite(saving) || !isWorth(prepared, here, saving, 0)) return null;
  return {
    ...{ workload: workload.policy.name, from: from.policy.name, to: to.policy.name, replicas },
    ...{ savingPerHour: saving, ...once, over: hoursOf(prepared) * 3600, paidBackIn: 0, confidence: 0, refusals },
  };
}

/** Plans of the account as it runs, and with some of its workloads elsewhere. */
export interface Scales {
  stay(quantile: Quantile): Plan;
  go(group: readonly Candidate[], quantile: Quantile): Plan;
}

export function createScales(allocator: Allocator, { input, plan, basis }: ProposeInput, prepared: Prepared): Scales {
  // What may run on several pools is where it is seen, until it is moved as well; one that has to be spread is left to the plan.
  const pins = new Map<string, string>();
  for (const workload of prepared.workloads) {
    const from = runsOn(prepared, workload);
    if (from === null || (workload.pools.length === 1 && workload.pools[0] === from.index)) continue;
    if (workload.caps.length === 0) pins.set(workload.policy.name, from.policy.name);
  }
  const stays = new Map<Quantile, Plan>(pins.size === 0 ? [['atLevel', plan]] : []);
  const solve = (moved: ReadonlyMap<string, string>, quantile: Quantile): Plan => {
    const altered = bound(input, pins, moved, quantile);
    return allocator.allocate(basis === undefined ? altered : { ...altered, basis }).plan;
  };
  return {
    stay(quantile) {
      const known = stays.get(quantile) ?? solve(new Map(), quantile);
      stays.set(quantile, known);
      return known;
    },
    go: (group, quantile) =>
      solve(new Map(group.map(({ workload, to }) => [workload.policy.name, to.policy.name])), quantile),
  };
}

/** What moving all of a group saves, each by its share of what they cost; nothing where that is not worth it. */
export function weigh(prepared: Prepared, scales: Scales, group: readonly Candidate[]): MigrationProposal[] {
  const [first] = group;
  if (first === undefined) return [];
  const { to, from } = first;
  const hours = hoursOf(prepared);
  const sum = (of: (candidate: Candidate) => number): number => group.reduce((all, one) => all + of(one), 0);
  const here = sum((one) => one.here);
  const savingAt = (quantile: Quantile, after: Plan): number => {
    const before = scales.stay(quantile);
    const exact = (before.solver.objective - after.solver.objective) / hours;
    const proven = Math.max(before.solver.gap, after.solver.gap) <= EXACT;
    return proven ? exact : Math.min(exact, here - sum((one) => one.there));
  };

  const go = scales.go(group, 'atLevel');
  if (scales.stay('atLevel').solver.status === 'relaxed') return [];
  if (go.conflict !== null || !isSound(go)) {
    const limits = go.conflict?.set.filter(({ constraint }) => constraint !== 'demand') ?? [];
    const words = limits.map((one) => one.words).join(' and ') || 'the plan would break a limit';
    const refusals = [`not all of it can be served there: ${words}; raise that`];
    const named = group.length > 1 ? null : estimate(prepared, { ...first, refusals });
    return named === null ? [] : [named];
  }
  const started = to.variable ? Math.max(0, (go.blocks[0]?.nodes[to.policy.name] ?? 0) - to.now) : 0;
  const onces = group.map((one) => onceFor(prepared, one, (started * to.startPrice) / group.length));
  const once = onces.reduce((all, one) => all + oneOffOf(one), 0);
  const saving = savingAt('atLevel', go);
  if (!isWorth(prepared, here, saving, once)) return [];
  const median = savingAt('median', scales.go(group, 'median'));
  if (median * hours <= once) return [];
  const low = savingAt('lower', scales.go(group, 'lower'));
  const byDemand = low * hours > once ? 1 - LOWER_LEVEL : 0.5;
  const moves = (pool: PreparedPool): number =>
    (pool.policy.priceVolatility ?? 0) *
    sum(({ workload, mean }) => mean * (workload.options[workload.reference]?.price[pool.index] ?? 0));
  const spread = Math.hypot(moves(from), moves(to)) * hours;
  const byPrice = spread === 0 ? 1 : normalCdf((median * hours - once) / spread);
  return group.flatMap((one, index) => {
    const own = onces[index];
    if (own === undefined) return [];
    const savingPerHour = here === 0 ? saving / group.length : (saving * one.here) / here;
    const others = group.flatMap(({ workload }) => (workload === one.workload ? [] : [workload.policy.name]));
    return {
      ...{ workload: one.workload.policy.name, from: from.policy.name, to: to.policy.name, replicas: one.replicas },
      ...{ savingPerHour, ...own, over: hours * 3600, paidBackIn: (oneOffOf(own) / savingPerHour) * 3600 },
      ...{ confidence: byDemand * byPrice, refusals: [], ...(others.length === 0 ? {} : { together: others }) },
    };
  });
}

type Quantile = 'atLevel' | 'median' | 'lower';

/** The input with each workload on the pool that it is on or goes to, and demand as a quantile states it. */
function bound(
  input: AllocationInput,
  pins: ReadonlyMap<string, string>,
  moved: ReadonlyMap<string, string>,
  quantile: Quantile,
): AllocationInput {
  const { policy } = input;
  const targets = new Set(moved.values());
  return {
    ...input,
    policy: {
      ...policy,
      workloads: policy.workloads.map((one) => {
        const pool = moved.get(one.name) ?? pins.get(one.name);
        return pool === undefined ? one : { ...one, pools: [pool] };
      }),
      // The old one serves until nodes are there: that they take time costs, and leaves nothing unserved.
      pools: policy.pools.map((one) => (targets.has(one.name) ? { ...one, leadTime: 0 } : one)),
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
