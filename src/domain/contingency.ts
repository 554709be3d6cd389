import type { Component } from './component.js';
import type { PlanBlock, PlanSummary } from './plan.js';
import type { EpochSeconds } from './time.js';

/*
 * Answers that are solved before they are needed: what could come, by what it is known to have come, and the fields to
 * write then. An answer only raises: what serves is taken away by plans alone, which look at what is there.
 */

export const SURPRISES = [
  'demand', // more than the forecast's 99th percentile
  'spot-market', // the spot nodes of one provider and zone are taken back
  'pool-stuck', // nodes are asked for and do not come
  'forecast', // it misses too often, or no plan can be made at all
  'telemetry', // nothing fresh is known of any series
] as const;
export type Surprise = (typeof SURPRISES)[number];

/** What the forecast stated for the bins to come, in the component's unit: `above` at 0.99, `far` at 0.999. */
export interface WatchedSeries {
  workload: string;
  component: Component;
  /** Label of the first of the bins. */
  from: EpochSeconds;
  step: number;
  above: number[];
  far: number[];
  /** Share of capacity that the account file lets demand take: the room above it is the usual one. Absent: all of it. */
  utilization?: number;
}

/** What is looked for, as data: judged by `symptomsOf` in memory, with neither a forecast nor a solver. */
export type Trigger =
  /** The newest known bin of a series is well over `far`, or so many in a row are over `above`, and over what is there. */
  | { kind: 'demand'; bins: number }
  /** Of the `of` newest known bins of a series, so many are over `above`. */
  | { kind: 'forecast'; misses: number; of: number }
  /** Of `counted` nodes that the plan counts on, no more than `ready` are ready. */
  | { kind: 'spot-market'; pools: string[]; counted: number; ready: number }
  /** More nodes are asked for than are ready, or pods fit on no node while fewer are ready than the plan counts on. */
  | { kind: 'pool-stuck'; pool: string; counted: number }
  /** The newest bin of every series is older than so many seconds, or cannot be read at all. */
  | { kind: 'telemetry'; after: number };

export interface PreparedAnswer {
  /** `demand`, `spot-market/aws/eu-west-1a`, `pool-stuck/general`: stays the same from one set to the next. */
  key: string;
  trigger: Trigger;
  /** Seconds that it has to last. */
  for: number;
  /** The trigger in words. */
  watches: string;
  /** What was changed in the problem, in words. */
  assumes: string;
  /**
   * Where demand of a time ahead is covered: to when. Blocks are taken whole, an hour each from two hours ahead on, so that this may
   * be later than the time ahead in `assumes`. Absent where it covers none, and in records of earlier releases.
   */
  until?: EpochSeconds;
  /**
   * The plan on the altered problem. Its fields are every one that plan and answer have a say in, at the value to have
   * then; what of them is written is what raises, seen at the moment of firing.
   */
  plan: PlanSummary;
  /** What to have in its first block. */
  block: PlanBlock | null;
  /** Money per hour more than the plan costs. */
  extraPerHour: number;
  /** Pools that no plan counts on to grow while it lasts. */
  pools: string[];
  /** Where it may be fired for some workloads alone: what tells their share of it. Absent in records of earlier releases. */
  shares?: AnswerShares;
}

export interface AnswerShares {
  /** By field, the value that the plan itself raises it to: done whoever is surprised. */
  planned: Record<string, number>;
  /** By workload and pool: nodes that its additional replicas take, if nobody else’s come. */
  nodes: Record<string, Record<string, number>>;
}

/** A record of the store: everything prepared for an account at one moment. */
export interface ContingencySet {
  id: string;
  account: string;
  policyId: string;
  /** The plan that stood when it was prepared. */
  planId: string;
  preparedAt: EpochSeconds;
  validUntil: EpochSeconds;
  costPerHour: number;
  currency: string;
  watched: WatchedSeries[];
  answers: PreparedAnswer[];
  /** Surprises without an answer, and why. */
  absent: { surprise: Surprise; why: string }[];
  /** By number of the plan (`web.replicas`, `general.nodes`): another set is prepared when these have moved. */
  basis: Record<string, number>;
}

/** What the workflow carries of a set. */
export interface ContingencyDigest {
  id: string;
  preparedAt: EpochSeconds;
  validUntil: EpochSeconds;
  armed: { key: string; for: number }[];
}

/** A trigger whose condition holds now, and what was seen. */
export interface Symptom {
  key: string;
  what: string;
  /** Whose demand it is; absent where it is everybody's matter, and in histories of earlier releases. */
  workloads?: string[];
}

/** A surprise that was answered, and lasts. */
export interface LastingSurprise {
  key: string;
  setId: string;
  what: string;
  since: EpochSeconds;
  /** Plans take back what the answer raised after this; put off while the trigger goes on. */
  until: EpochSeconds;
  /** The change that the answer became; null where none was begun. */
  changeId: string | null;
  /** It could not be begun yet: another change runs, or the account is paused. */
  waiting: boolean;
  /** Pools that plans do not count on to grow meanwhile. */
  pools: string[];
  /** Workloads that plans do not lower meanwhile. */
  workloads: string[];
  /** Whose demand it is; absent where it is everybody's matter. */
  concerns?: string[];
}

/** Why a change was begun, where a prepared answer fired it. */
export interface FiredBy {
  key: string;
  setId: string;
  what: string;
}

export const surpriseOf = (key: string): Surprise =>
  SURPRISES.find((surprise) => key === surprise || key.startsWith(`${surprise}/`)) ?? 'demand';

/** A market loses its nodes together: spot capacity of one provider and zone; a pool by itself where it names neither. */
export const marketOf = (pool: { name: string; provider?: string | undefined; zone?: string | undefined }): string =>
  pool.provider === undefined && pool.zone === undefined
    ? pool.name
    : [pool.provider, pool.zone].filter((part) => part !== undefined).join('/');

export const digestOf = (set: ContingencySet): ContingencyDigest => ({
  id: set.id,
  preparedAt: set.preparedAt,
  validUntil: set.validUntil,
  armed: set.answers.map(({ key, for: lasting }) => ({ key, for: lasting })),
});

/** Seconds after which a new set is prepared though nothing moved; what the last one says holds as long again. */
export const PREPARE_EVERY = 1800;
/** A number of the plan has moved where it differs by more than this share, and by more than one. */
const MOVED_SHARE = 0.2;

/** Whether a plan is another one than the set was prepared for. */
export function hasMoved(basis: Readonly<Record<string, number>>, now: Readonly<Record<string, number>>): boolean {
  return [...new Set([...Object.keys(basis), ...Object.keys(now)])].some((number) => {
    const [before, after] = [basis[number], now[number]];
    if (before === undefined || after === undefined) return true;
    return Math.abs(after - before) > Math.max(1, MOVED_SHARE * before);
  });
}

/** The numbers of a plan that a set stands on: what its first block has. */
export function basisOf(plan: { blocks: readonly PlanBlock[] }): Record<string, number> {
  const first = plan.blocks[0];
  if (first === undefined) return {};
  return Object.fromEntries([
    ...first.workloads.map(({ workload, replicas }) => [`${workload}.replicas`, replicas] as const),
    ...Object.entries(first.nodes).map(([pool, nodes]) => [`${pool}.nodes`, nodes] as const),
  ]);
}

/** Bins before a set whose percentiles it still holds: as many as a trigger looks back. */
const EARLIER_BINS = 6;

/**
 * What is watched from now on, with what had been stated for the bins just before: a forecast that misses time and again is
 * prepared for anew each time, and has still missed.
 */
export function withEarlier(now: readonly WatchedSeries[], before: readonly WatchedSeries[]): WatchedSeries[] {
  return now.map((series) => {
    const earlier = before.find(
      ({ workload, component, step }) =>
        workload === series.workload && component === series.component && step === series.step,
    );
    const there = earlier === undefined ? 0 : Math.round((series.from - earlier.from) / series.step);
    if (earlier === undefined || there <= 0 || there > earlier.above.length) return series;
    const first = Math.max(0, there - EARLIER_BINS);
    return {
      ...series,
      from: earlier.from + first * series.step,
      above: [...earlier.above.slice(first, there), ...series.above],
      far: [...earlier.far.slice(first, there), ...series.far],
    };
  });
}
