import { rank } from '../allocate/verdict.js';
import { summarizePlan } from '../allocate/summary.js';
import type { Block, DemandBlocks } from '../allocate/problem.js';
import { isAnswerable, stateAfter } from '../domain/answer.js';
import { addsTo, fieldName } from '../domain/change.js';
import {
  basisOf,
  marketOf,
  PREPARE_EVERY,
  type AnswerShares,
  type ContingencySet,
  type PreparedAnswer,
  type Trigger,
  type WatchedSeries,
} from '../domain/contingency.js';
import { COMPONENTS, type Resources } from '../domain/component.js';
import type { Plan, PlannedField } from '../domain/plan.js';
import { seenValue } from '../domain/seen.js';
import { binStart, formatDuration, type EpochSeconds } from '../domain/time.js';
import { atLeast, readyIn, withCappedPools, withFixedSizes } from './surprises.js';
import type { AllocationRequest, PrepareRequest } from './port.js';

/*
 * Answers to what may surprise a plan, solved ahead by the solver that made it. docs/contingency.md.
 */

/** Something changed in the problem besides the request. */
export interface Variation {
  /** Of the last one of this name its basis is taken. */
  name: string;
  /** Seconds of the plan that are solved: an answer is for now. */
  within: number;
  demand?: (demand: DemandBlocks[], blocks: readonly Block[]) => DemandBlocks[];
}

export interface PrepareTools {
  solve(request: AllocationRequest, variation: Variation): Plan;
  /** What the forecast states at a level for blocks; nothing where there is none. */
  stated(blocks: Block[], level: number): DemandBlocks[];
}

const ABOVE = 0.99;
const FAR = 0.999;
/** An answer has to do for so long, until plans have taken over. */
const LASTING = 3600;
/** While telemetry is gone the account goes on with what was known: so far ahead its highest is covered. */
const BLIND = 4 * 3600;
/** A pool is prepared for that is to grow so soon. */
const GROWTH = 2 * 3600;
/** Where a percentile was passed, where demand ends is not known: a narrow forecast says little of what is above it. */
const BEYOND = 1.25;
const ROW = 2;
const MISSES = { misses: 3, of: 6 };
/** A market is lost where no more than this share of its nodes is left. */
const LEFT_SHARE = 0.5;
/** Markets, and pools, that are prepared for: those that carry most. */
const MOST = 4;
/** Without a forecast, the highest of the last hour may take this share of capacity: as the guard has it. */
const UTILIZATION = 0.7;

interface Candidate {
  key: string;
  trigger: Trigger;
  for: number;
  watches: string;
  assumes: string;
  /** Nodes of pools in the altered problem. */
  caps: Map<string, number>;
  /** It is solved as if there were no forecast. */
  unforeseen?: true;
  /** Single series fire it: then it is theirs alone. */
  bySeries?: true;
  /** Seconds ahead, of which `demand` looks at blocks that begin within. */
  reach?: number;
  demand?: (demand: DemandBlocks[], soon: number) => DemandBlocks[];
}

type Absent = ContingencySet['absent'][number];

export function prepareAnswers(request: PrepareRequest, tools: PrepareTools): ContingencySet {
  const { plan, policy, at } = request;
  const lasting = Math.max(2 * PREPARE_EVERY, 3 * policy.cycle);
  const watched = watchedSeries(request, tools, lasting);
  const absent: Absent[] = [];
  const candidates = [
    ...onDemand(watched, absent),
    ...onMarkets(request, absent),
    ...onPools(request, absent),
    ...onForecast(request, watched),
    ...onTelemetry(request),
  ];
  // What is there once the plan is carried out: an answer goes on from it.
  const planned = { ...withFixedSizes(request), state: stateAfter(request.state, plan.fields) };
  const answers = candidates.flatMap((candidate): PreparedAnswer[] => {
    const surprise = candidate.trigger.kind;
    const subject = candidate.key === surprise ? '' : `${candidate.key}: `;
    try {
      const base = candidate.unforeseen === true ? { ...planned, forecast: null } : planned;
      const { demand, reach } = candidate;
      let until: EpochSeconds | null = null;
      const varied = (all: DemandBlocks[], blocks: readonly Block[]): DemandBlocks[] => {
        const soon = reach === undefined ? [] : blocks.filter((block) => block.from < at + reach);
        until = soon.at(-1)?.to ?? null;
        return demand?.(all, soon.length) ?? all;
      };
      const solved = tools.solve(withCappedPools(base, candidate.caps), {
        name: candidate.key,
        within: LASTING,
        ...(demand === undefined ? {} : { demand: varied }),
      });
      const answer = answerOf(request, { ...candidate, ...lastingTo(until) }, solved);
      if (answer !== null) return [answer];
      absent.push({ surprise, why: `${subject}nothing more can be had, or what the plan has is enough` });
    } catch (error) {
      // One that cannot be solved leaves the others.
      absent.push({ surprise, why: `${subject}${error instanceof Error ? error.message : String(error)}` });
    }
    return [];
  });
  return {
    id: `answers-${plan.id}`,
    account: request.account,
    policyId: request.policyId,
    planId: plan.id,
    preparedAt: at,
    validUntil: at + lasting,
    costPerHour: plan.costPerHour,
    currency: plan.currency,
    watched,
    answers,
    absent,
    basis: basisOf(plan),
  };
}

const lastingTo = (until: EpochSeconds | null): { until?: EpochSeconds } => (until === null ? {} : { until });

/** What of a solved problem is an answer: the fields that it raises above the plan, and those that the plan raises itself. */
function answerOf(
  request: PrepareRequest,
  candidate: Candidate & { until?: EpochSeconds },
  solved: Plan,
): PreparedAnswer | null {
  const { plan } = request;
  const answered = ({ target }: PlannedField): boolean =>
    isAnswerable(target) && !('pool' in target && candidate.caps.has(target.pool));
  const more = solved.fields.filter((field) => answered(field) && (addsTo(field) || field.target.field === 'weight'));
  if (more.length === 0) return null;
  const fields = new Map<string, PlannedField>();
  for (const field of [...plan.fields.filter((one) => answered(one) && addsTo(one)), ...more]) {
    // As it is now, not as the plan will have left it.
    const seen = seenValue(request.state, field.target);
    if (seen !== null) fields.set(fieldName(field.target), { ...field, seen });
  }
  return {
    key: candidate.key,
    trigger: candidate.trigger,
    for: candidate.for,
    watches: candidate.watches,
    assumes: candidate.assumes,
    ...lastingTo(candidate.until ?? null),
    plan: summarizePlan({
      ...solved,
      verdict: { kind: 'act', source: 'contingency', detail: candidate.assumes },
      fields: [...fields.values()].sort((a, b) => rank(a) - rank(b)),
    }),
    block: solved.blocks[0] ?? null,
    extraPerHour: Number((solved.costPerHour - plan.costPerHour).toPrecision(9)),
    pools: [...candidate.caps.keys()],
    ...(candidate.bySeries === true ? { shares: sharesOf(request, solved, answered) } : {}),
  };
}

/** What of an answer is whose, so that one surprised workload does not raise all others. */
function sharesOf(
  { plan, policy }: PrepareRequest,
  solved: Plan,
  answered: (field: PlannedField) => boolean,
): AnswerShares {
  const planned = plan.fields.filter((field) => answered(field) && addsTo(field));
  const now = plan.blocks[0]?.workloads ?? [];
  const nodes = (solved.blocks[0]?.workloads ?? []).map(({ workload, pools, request }) => {
    const before = now.find((one) => one.workload === workload)?.pools ?? {};
    const more = Object.entries(pools).flatMap(([pool, replicas]) => {
      const added = replicas - (before[pool] ?? 0);
      const node = policy.pools.find(({ name }) => name === pool)?.node ?? {};
      return added > 1e-6 ? [[pool, Math.ceil(added / replicasOn(node, request) - 1e-6)] as const] : [];
    });
    return [workload, Object.fromEntries(more)] as const;
  });
  return {
    planned: Object.fromEntries(planned.map(({ target }) => [fieldName(target), target.value])),
    nodes: Object.fromEntries(nodes),
  };
}

/** Replicas that fit on an empty node, one at least: a plan puts none where none fits. */
function replicasOn(node: Resources, request: Resources): number {
  const fits = COMPONENTS.flatMap((component) => {
    const [offered, asked = 0] = [node[component], request[component]];
    return offered === undefined || asked === 0 ? [] : [Math.floor(offered / asked + 1e-9)];
  });
  return Math.max(1, Math.min(Number.MAX_SAFE_INTEGER, ...fits));
}

function watchedSeries(request: PrepareRequest, tools: PrepareTools, lasting: number): WatchedSeries[] {
  const { step } = request.policy;
  const from = binStart(request.at, step);
  const blocks = Array.from({ length: Math.ceil(lasting / step) + 1 }, (_, index) => ({
    from: from + index * step,
    to: from + (index + 1) * step,
  }));
  const far = tools.stated(blocks, FAR);
  const cold = new Set(
    request.forecast?.series.flatMap((one) => (one.data === 'cold' ? [`${one.workload}/${one.component}`] : [])),
  );
  return tools.stated(blocks, ABOVE).flatMap((series, index) =>
    cold.has(`${series.workload}/${series.component}`)
      ? []
      : [
          {
            workload: series.workload,
            component: series.component,
            from,
            step,
            above: series.blocks.map((block) => compact(block.atLevel)),
            far: (far[index]?.blocks ?? []).map((block) => compact(block.atLevel)),
            ...utilizationOf(request, series),
          },
        ],
  );
}

function utilizationOf({ policy }: PrepareRequest, { workload, component }: DemandBlocks): { utilization?: number } {
  const settings = policy.workloads.find(({ name }) => name === workload)?.components[component];
  return settings?.utilization === undefined ? {} : { utilization: settings.utilization };
}

const compact = (amount: number): number => Number(amount.toPrecision(6));

function onDemand(watched: readonly WatchedSeries[], absent: Absent[]): Candidate[] {
  if (watched.length === 0) {
    absent.push({ surprise: 'demand', why: 'there is no forecast yet whose percentiles could be exceeded' });
    return [];
  }
  return [
    {
      key: 'demand',
      trigger: { kind: 'demand', bins: ROW },
      for: 0,
      bySeries: true,
      watches: `a bin well above the forecast’s 99.9th percentile, or ${ROW} in a row above the 99th, beyond what is there`,
      assumes: 'demand at the 99.9th percentile of the next hour, and a quarter above what the plan covers',
      caps: new Map(),
      demand: (demand) =>
        demand.map((series) => ({
          ...series,
          blocks: series.blocks.map((block) => ({ ...block, atLevel: Math.max(block.far, block.atLevel * BEYOND) })),
        })),
    },
  ];
}

/** Nodes of a pool that the plan counts on now. */
function countedIn({ plan, state }: PrepareRequest, pool: string): number {
  const ready = state.pools.find((one) => one.pool === pool)?.readyNodes ?? 0;
  return Math.min(ready, Math.ceil((plan.blocks[0]?.nodes[pool] ?? 0) - 1e-6));
}

function onMarkets(request: PrepareRequest, absent: Absent[]): Candidate[] {
  const markets = new Map<string, string[]>();
  for (const pool of request.policy.pools) {
    if (pool.capacityType !== 'spot') continue;
    const market = marketOf(pool);
    markets.set(market, [...(markets.get(market) ?? []), pool.name]);
  }
  const counted = [...markets]
    .map(([market, pools]) => ({
      market,
      pools,
      nodes: pools.reduce((sum, pool) => sum + countedIn(request, pool), 0),
    }))
    .filter(({ nodes }) => nodes > 0)
    .sort((a, b) => b.nodes - a.nodes);
  if (counted.length === 0) absent.push({ surprise: 'spot-market', why: 'the plan counts on no spot nodes' });
  return counted.slice(0, MOST).map(({ market, pools, nodes }) => {
    const ready = Math.floor(nodes * LEFT_SHARE);
    return {
      key: `spot-market/${market}`,
      trigger: { kind: 'spot-market', pools, counted: nodes, ready },
      for: 0,
      watches: `at most ${ready} of ${nodes} nodes ready in ${pools.join(', ')}`,
      assumes: `no nodes in ${pools.join(', ')}`,
      caps: new Map(pools.map((pool) => [pool, 0])),
    };
  });
}

function onPools(request: PrepareRequest, absent: Absent[]): Candidate[] {
  const { plan, policy, state, at } = request;
  const growing = policy.pools.flatMap((pool) => {
    const now = state.pools.find((one) => one.pool === pool.name);
    if (pool.size !== 'variable' || now === undefined) return [];
    const asked = plan.fields.find(({ target }) => target.field === 'nodes' && target.pool === pool.name)?.target.value;
    const soon = plan.blocks.filter((block) => block.from < at + GROWTH).map((block) => block.nodes[pool.name] ?? 0);
    const most = Math.ceil(Math.max(asked ?? now.nodes, ...soon) - 1e-6);
    return most > now.readyNodes ? [{ pool, ready: now.readyNodes, most }] : [];
  });
  if (growing.length === 0) {
    absent.push({ surprise: 'pool-stuck', why: `no pool is to grow in the next ${formatDuration(GROWTH)}` });
  }
  return growing
    .sort((a, b) => b.most - b.ready - (a.most - a.ready))
    .slice(0, MOST)
    .map(({ pool, ready, most }) => ({
      key: `pool-stuck/${pool.name}`,
      trigger: { kind: 'pool-stuck', pool: pool.name, counted: most },
      for: 2 * pool.leadTime,
      watches: `pool ${pool.name} is asked for more than the ${ready} nodes that it has, and they do not come for ${formatDuration(2 * pool.leadTime)}`,
      assumes: `pool ${pool.name} stays at ${ready} nodes; the most of the next ${formatDuration(GROWTH)} is had elsewhere`,
      caps: readyIn(state, [pool.name]),
      reach: GROWTH,
      demand: (demand, soon) =>
        atLeast(demand, ({ blocks }) => Math.max(0, ...blocks.slice(0, soon).map((block) => block.atLevel))),
    }));
}

/** The highest known of the last hour; 0 where nothing is known: then it asks for nothing. */
function recentPeak({ recent }: AllocationRequest, { workload, component }: DemandBlocks): number {
  const series = recent.find((one) => one.workload === workload && one.component === component)?.series;
  let peak = 0;
  for (const value of series?.values ?? []) if (value > peak) peak = value;
  return peak;
}

function onForecast(request: PrepareRequest, watched: readonly WatchedSeries[]): Candidate[] {
  return [
    {
      key: 'forecast',
      trigger: { kind: 'forecast', ...MISSES },
      for: 0,
      bySeries: true,
      watches:
        (watched.length === 0
          ? ''
          : `${MISSES.misses} of the last ${MISSES.of} bins of a series well above the 99th percentile and beyond what is there, or `) +
        'no plan can be made',
      assumes: 'no forecast: the guard, and the peak of the last hour at 70 % of capacity',
      caps: new Map(),
      unforeseen: true,
      demand: (demand) => atLeast(demand, (series) => recentPeak(request, series) / UTILIZATION),
    },
  ];
}

function onTelemetry(request: PrepareRequest): Candidate[] {
  const { policy } = request;
  return [
    {
      key: 'telemetry',
      trigger: { kind: 'telemetry', after: policy.staleAfter },
      for: 0,
      watches: `the newest bin of every series is older than ${formatDuration(policy.staleAfter)}, or cannot be read`,
      assumes: `demand at the highest of the last hour, and of what the forecast states for the next ${formatDuration(BLIND)}`,
      caps: new Map(),
      reach: BLIND,
      demand: (demand, soon) =>
        atLeast(demand, (series) =>
          Math.max(recentPeak(request, series), ...series.blocks.slice(0, soon).map((block) => block.atLevel)),
        ),
    },
  ];
}
