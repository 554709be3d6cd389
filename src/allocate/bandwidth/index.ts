import type { AccountPolicy, WorkloadPolicy } from '../../domain/account.js';
import {
  GIB_PER_MIB_HOUR,
  MIB,
  type BandwidthPolicy,
  type PlannedBandwidth,
  type ReservedBlock,
} from '../../domain/bandwidth.js';
import type { SeriesForecast } from '../../domain/forecast.js';
import type { NumberReason, PlanBlock } from '../../domain/plan.js';
import { CRITICALITY_WEIGHT, levelOf } from '../../domain/policy-rules.js';
import type { EpochSeconds } from '../../domain/time.js';
import { bandwidthReason } from './reason.js';
import { costOf, excessOf, reserveFor, type Excess, type Terms } from './reserve.js';
import { trafficOf, type LinkSeries } from './traffic.js';

export interface BandwidthInput {
  policy: AccountPolicy;
  at: EpochSeconds;
  /** The forecasts of network, with announced events and tasks in them; a workload without one is absent. */
  series: readonly SeriesForecast[];
  /** Why the forecast of a workload is not acted on; null where it is. */
  distrust: (workload: string) => string | null;
  /** What the nodes cost, block by block: the budget is theirs first. */
  nodes: readonly Pick<PlanBlock, 'from' | 'to' | 'costPerHour'>[];
}

/** Blocks of one link that a plan holds, and how far ahead of the first that can still be had they reach. */
const MOST_BLOCKS = 48;
const REACH = 86_400;

/** A block as it was decided, with what its reason is made from. */
export interface DecidedBlock {
  block: ReservedBlock;
  link: BandwidthPolicy;
  excess: Excess;
  terms: Terms;
}

/**
 * How much of each link to reserve, and why. A block that can no longer be reserved in time is none of it; one that the
 * forecast does not reach is not guessed at.
 */
export function planBandwidth(input: BandwidthInput): { bandwidth: PlannedBandwidth[]; reasons: NumberReason[] } {
  const bandwidth: PlannedBandwidth[] = [];
  const reasons: NumberReason[] = [];
  /** What is spent already, by links that stand earlier in the file. */
  const spent: Pick<ReservedBlock, 'from' | 'to' | 'costPerHour'>[] = [];
  for (const link of input.policy.bandwidth ?? []) {
    const workloads = carriedBy(input.policy, link);
    const names = workloads.map(({ name }) => name);
    const undecided = whyUndecided(input, names);
    const decided = undecided === null ? decideLink(input, link, workloads, spent) : [];
    const first = decided[0];
    if (first !== undefined) reasons.push(bandwidthReason(first, input.policy.currency));
    spent.push(...decided.map(({ block }) => block));
    bandwidth.push({
      link: link.name,
      workloads: names,
      undecided: undecided ?? (first === undefined ? SHORT : null),
      blocks: decided.map(({ block }) => block),
    });
  }
  return { bandwidth, reasons };
}

const SHORT = 'the forecast does not reach the end of the first block that can still be reserved: give longer horizons';

export const carriedBy = (policy: AccountPolicy, link: BandwidthPolicy): WorkloadPolicy[] =>
  policy.workloads.filter(
    ({ name, components }) =>
      components.network !== undefined && (link.workloads === undefined || link.workloads.includes(name)),
  );

function whyUndecided({ series, distrust }: BandwidthInput, workloads: readonly string[]): string | null {
  for (const name of workloads) {
    const why = distrust(name);
    if (why !== null) return `${name}: ${why}`;
    if (!series.some(({ workload }) => workload === name)) return `${name}: there is no forecast of network`;
  }
  return null;
}

function decideLink(
  input: BandwidthInput,
  link: BandwidthPolicy,
  workloads: readonly WorkloadPolicy[],
  spent: readonly Pick<ReservedBlock, 'from' | 'to' | 'costPerHour'>[],
): DecidedBlock[] {
  const { policy, at, series } = input;
  const carried = workloads.flatMap((workload): LinkSeries[] => {
    const own = series.find((one) => one.workload === workload.name);
    return own === undefined ? [] : [{ series: own, level: levelOf(policy, workload, 'network') }];
  });
  const decided: DecidedBlock[] = [];
  const begin = Math.ceil((at + link.ahead) / link.block) * link.block;
  for (let from = begin; decided.length < MOST_BLOCKS && (from === begin || from < begin + REACH); from += link.block) {
    const to = from + link.block;
    const traffic = trafficOf(carried, from, to);
    if (traffic === null) break;
    const excess = excessOf(traffic);
    const terms = termsOf(policy, link, workloads, traffic.atLevel);
    const left = leftOver(policy, [input.nodes, spent], from, to);
    decided.push({ link, excess, terms, block: decideBlock({ link, from, to, excess, terms, left }) });
  }
  return decided;
}

/**
 * What is beyond is paid by use, or not carried at all: then its price is that of other demand that goes unserved, what
 * serving it costs times the weight of the most critical workload, and the level that the account asks for holds as well.
 */
function termsOf(
  policy: AccountPolicy,
  link: BandwidthPolicy,
  workloads: readonly WorkloadPolicy[],
  atLevel: number,
): Terms {
  const { unit } = link;
  const price = link.pricePerHour / MIB;
  const base = { unit, price, most: Math.floor(link.max / unit + 1e-9) };
  if (link.beyondPerGiB !== undefined) {
    return { ...base, beyondPrice: (link.beyondPerGiB * GIB_PER_MIB_HOUR) / MIB, least: 0 };
  }
  const weight = Math.max(...workloads.map(({ criticality }) => CRITICALITY_WEIGHT[criticality]));
  return { ...base, beyondPrice: price * weight * (policy.weights?.shortfall ?? 1), least: atLevel };
}

/** What the budget leaves in a block, money per hour; null without a budget. */
function leftOver(
  { budget }: AccountPolicy,
  bills: readonly (readonly Pick<PlanBlock, 'from' | 'to' | 'costPerHour'>[])[],
  from: EpochSeconds,
  to: EpochSeconds,
): number | null {
  if (budget === undefined) return null;
  // Several links each have their own blocks: what of one is dearest at any time of the block, each link by itself.
  const [nodes = [], links = []] = bills;
  const touching = (one: { from: EpochSeconds; to: EpochSeconds }): boolean => one.from < to && from < one.to;
  const dearest = (nodes.filter(touching).length > 0 ? nodes.filter(touching) : nodes.slice(-1)).reduce(
    (top, { costPerHour }) => Math.max(top, costPerHour),
    0,
  );
  const edges = [from, ...links.filter((one) => touching(one) && one.from > from).map((one) => one.from)];
  const others = edges.map((time) =>
    links.reduce((sum, one) => (one.from <= time && time < one.to ? sum + one.costPerHour : sum), 0),
  );
  return budget.perHour - dearest - Math.max(...others);
}

interface BlockInput {
  link: BandwidthPolicy;
  from: EpochSeconds;
  to: EpochSeconds;
  excess: Excess;
  terms: Terms;
  left: number | null;
}

function decideBlock({ link, from, to, excess, terms, left }: BlockInput): ReservedBlock {
  let { units, bound }: { units: number; bound: ReservedBlock['bound'] } = reserveFor(excess, terms);
  const metered = link.beyondPerGiB !== undefined;
  const unitPrice = terms.price * terms.unit;
  if (!metered && left !== null && unitPrice > 0) {
    const affordable = Math.max(0, Math.floor(left / unitPrice + 1e-9));
    if (affordable < units) [units, bound] = [affordable, 'budget'];
  }
  const reserve = units * terms.unit;
  const beyond = excess.beyond(reserve);
  const costPerHour = metered ? costOf(excess, terms, units) : unitPrice * units;
  // Of what is paid by use the cheapest reservation is also the one that spends least: to reserve less would only cost more.
  const over = metered && left !== null && costPerHour > left * (1 + 1e-9) + 1e-12;
  return {
    ...{ from, to, by: from - link.ahead, reserve, bound, busy: short(excess.busy(reserve)), beyond: short(beyond) },
    costPerHour: short(costPerHour),
    ...(over ? { overBudget: true as const } : {}),
  };
}

const short = (amount: number): number => Number(amount.toPrecision(9));
