import type { ClusterState } from './cluster.js';
import { amountText, type Component } from './component.js';
import type { ContingencySet, PreparedAnswer, Symptom, WatchedSeries } from './contingency.js';
import { lastKnownIndex, binLabel, type Series } from './series.js';
import type { EpochSeconds } from './time.js';

/*
 * Is it so now? Judged from what a cycle has read anyway: no forecast, no solver, microseconds.
 *
 * Demand is a surprise where it is beyond what was stated by a share that matters, and where the capacity that is there does
 * not cover it with its usual room: that it is a hair above a percentile is a matter for the next plan.
 */

/** What there is to look at; what is absent says nothing. */
export interface Look {
  state?: ClusterState;
  recent?: readonly { workload: string; component: Component; series: Series }[];
  freshness?: readonly { workload: string; component: Component; kind: 'fresh' | 'stale' | 'missing' }[];
  /** Bins that are not over yet: what their mean comes to at the least, whatever the rest of them brings. */
  running?: readonly { workload: string; component: Component; from: EpochSeconds; least: number }[];
}

/** What of a set is looked for. */
export interface Triggers extends Pick<ContingencySet, 'watched'> {
  answers: readonly Pick<PreparedAnswer, 'key' | 'trigger' | 'for'>[];
}

/** The triggers of a set whose condition holds, each with what was seen. */
export function symptomsOf(set: Triggers, look: Look): Symptom[] {
  return set.answers.flatMap((answer) => {
    const seen = seenBy(answer, set.watched, look);
    if (seen === null) return [];
    return [{ key: answer.key, ...(typeof seen === 'string' ? { what: seen } : seen) }];
  });
}

/** Triggers that the cluster alone can tell: they can be looked for between the bins of telemetry. */
export const isOfCluster = ({ trigger }: Pick<PreparedAnswer, 'trigger'>): boolean =>
  trigger.kind === 'spot-market' || trigger.kind === 'pool-stuck';

/**
 * What the mean of a bin comes to at the least, of which a part is known: demand is never negative, and of what is missing
 * nothing is counted. So a bin that is not over is never judged otherwise than it will be.
 * @param part finer bins of it, from its beginning on.
 */
export function leastMean(part: Series, step: number): number {
  let sum = 0;
  for (const value of part.values) if (value > 0) sum += value * part.step;
  return sum / step;
}

function seenBy(
  { trigger }: Pick<PreparedAnswer, 'trigger'>,
  watched: readonly WatchedSeries[],
  look: Look,
): string | Concerned | null {
  switch (trigger.kind) {
    case 'demand': {
      const sure = sureOf(watched, look);
      return together(
        sure.length > 0
          ? sure
          : each(watched, look, (series, bins, asMuch) => {
              const newest = bins.at(-1);
              if (newest === undefined) return null;
              const { value, far, above } = newest;
              const amount = (size: number): string => amountText(series.component, size);
              const stands = `${series.workload}/${series.component} is ${amount(value)}`;
              if (asMuch(value, far)) return `${stands}, above ${amount(far)}, the 99.9th percentile`;
              if (newest.hidden)
                return `${stands} and throttled there, close to the 99th percentile (${amount(above)})`;
              const row = bins.slice(-trigger.bins);
              return row.length === trigger.bins && row.every((bin) => asMuch(bin.value, bin.above))
                ? `${stands}, the ${ordinal(trigger.bins)} bin in a row above the 99th percentile (${amount(above)})`
                : null;
            }),
      );
    }
    case 'forecast':
      return together(
        each(watched, look, (series, bins, asMuch) => {
          const missed = bins.slice(-trigger.of).filter((bin) => asMuch(bin.value, bin.above)).length;
          return missed >= trigger.misses
            ? `${missed} of the last ${Math.min(trigger.of, bins.length)} bins of ${series.workload}/${series.component} are above the 99th percentile`
            : null;
        }),
      );
    case 'spot-market': {
      const pools = look.state?.pools.filter(({ pool }) => trigger.pools.includes(pool)) ?? [];
      // A pool that is not shown is not seen: that is no node lost.
      if (pools.length < trigger.pools.length) return null;
      const ready = pools.reduce((sum, pool) => sum + pool.readyNodes, 0);
      return ready <= trigger.ready
        ? `${ready} of ${trigger.counted} nodes are left in ${trigger.pools.join(', ')}`
        : null;
    }
    case 'pool-stuck': {
      const pool = look.state?.pools.find((one) => one.pool === trigger.pool);
      if (pool === undefined) return null;
      if (pool.nodes > pool.readyNodes) return `pool ${pool.pool} has ${pool.readyNodes} of ${pool.nodes} nodes ready`;
      if (pool.readyNodes >= trigger.counted) return null;
      const waiting = look.state?.workloads.reduce(
        (sum, { troubles = [] }) =>
          sum + troubles.reduce((pods, one) => (one.reason === 'unschedulable' ? pods + one.pods : pods), 0),
        0,
      );
      return waiting === undefined || waiting === 0
        ? null
        : `${waiting} pods fit on no node, and pool ${pool.pool} has ${pool.readyNodes} of ${trigger.counted} nodes`;
    }
    case 'telemetry': {
      const { freshness = [] } = look;
      return freshness.length > 0 && freshness.every(({ kind }) => kind !== 'fresh')
        ? 'no series has fresh data'
        : null;
    }
  }
}

/** A surprise of demand: what was seen, and whose it is. */
type Concerned = Pick<Symptom, 'what'> & { workloads: string[] };

/** Of one series. */
interface Sight {
  workload: string;
  what: string;
}

/** Series that are named; of the others it is said how many there are. */
const NAMED = 3;

function together(sights: readonly Sight[]): Concerned | null {
  if (sights.length === 0) return null;
  const more = sights.length - NAMED;
  const words = sights.slice(0, NAMED).map(({ what }) => what);
  return {
    what: [...words, ...(more > 0 ? [`and ${more} more series`] : [])].join('; '),
    workloads: [...new Set(sights.map(({ workload }) => workload))],
  };
}

/** Bins that run, and pass the 99.9th percentile whatever is still to come of them. */
function sureOf(watched: readonly WatchedSeries[], look: Look): Sight[] {
  return (look.running ?? []).flatMap(({ workload, component, from, least }) => {
    const series = watched.find((one) => one.workload === workload && one.component === component);
    const far = series?.far[Math.round((from - series.from) / series.step)];
    if (series === undefined || far === undefined || !beyond(series, look)(least, far)) return [];
    const amount = (size: number): string => amountText(component, size);
    return [
      {
        workload,
        what: `${workload}/${component} is at least ${amount(least)} in the bin that runs, above ${amount(far)}, the 99.9th percentile`,
      },
    ];
  });
}

interface Bin {
  value: number;
  above: number;
  far: number;
  /** Cut off at a limit close to `above`: demand is larger than what was seen. */
  hidden: boolean;
}

/** Throttled at this share of the 99th percentile, demand may well be beyond it. */
const CLOSE = 0.95;
/** What is above a percentile by a smaller share of it is no surprise: that the forecast was narrow, not that it was wrong. */
const MARGIN = 0.05;
/** Of the room that the account file leaves above its utilization, this share may be taken before it is a surprise. */
const OF_ROOM = 0.25;
/** Where it leaves none, or hardly any: so close to all that is there. */
const FULL = 0.95;

/** Whether an amount is so far beyond a percentile, and beyond what is there, that it matters. */
function beyond(series: WatchedSeries, { state }: Look): (value: number, percentile: number) => boolean {
  const there = state?.workloads.find(({ workload }) => workload === series.workload);
  const request = there?.request[series.component];
  const { utilization = 1 } = series;
  // Replicas that were asked for and do not come are other triggers' to see, and other answers' to help.
  const covered =
    there === undefined || !there.exists || request === undefined
      ? 0
      : there.replicas * request * Math.min(FULL, utilization + OF_ROOM * (1 - utilization));
  return (value, percentile) => value > percentile * (1 + MARGIN) && value > covered;
}

function each(
  watched: readonly WatchedSeries[],
  look: Look,
  judge: (series: WatchedSeries, bins: Bin[], asMuch: (value: number, percentile: number) => boolean) => string | null,
): Sight[] {
  return watched.flatMap((series) => {
    const found = look.recent?.find(
      ({ workload, component }) => workload === series.workload && component === series.component,
    );
    if (found === undefined) return [];
    const what = judge(series, binsOf(series, found.series), beyond(series, look));
    return what === null ? [] : [{ workload: series.workload, what }];
  });
}

/** The known bins that the forecast had stated something for, oldest first; a missing one is left out, never zero. */
function binsOf(watched: WatchedSeries, series: Series): Bin[] {
  const bins: Bin[] = [];
  const last = lastKnownIndex(series);
  for (let index = 0; index <= last; index++) {
    const value = series.values[index] ?? Number.NaN;
    const place = Math.round((binLabel(series, index) - watched.from) / watched.step);
    const above = watched.above[place];
    const far = watched.far[place];
    if (Number.isNaN(value) || above === undefined || far === undefined) continue;
    bins.push({ value, above, far, hidden: series.censored[index] === 1 && value >= CLOSE * above });
  }
  return bins;
}

const ordinal = (count: number): string => (count === 2 ? 'second' : count === 3 ? 'third' : `${count}th`);
