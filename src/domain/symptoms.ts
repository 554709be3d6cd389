import type { ClusterState } from './cluster.js';
import type { Component } from './component.js';
import type { ContingencySet, PreparedAnswer, Symptom, WatchedSeries } from './contingency.js';
import { lastKnownIndex, binLabel, type Series } from './series.js';
import type { EpochSeconds } from './time.js';

/*
 * Is it so now? Judged from what a cycle has read anyway: no forecast, no solver, microseconds.
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
    const what = seenBy(answer, set.watched, look);
    return what === null ? [] : [{ key: answer.key, what }];
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
): string | null {
  switch (trigger.kind) {
    case 'demand':
      return (
        sureOf(watched, look) ??
        first(watched, look, (series, bins) => {
          const newest = bins.at(-1);
          if (newest === undefined) return null;
          const { value, far, above } = newest;
          const stands = `${series.workload}/${series.component} is ${short(value)}`;
          if (value > far) return `${stands}, above ${short(far)}, the 99.9th percentile`;
          if (newest.hidden) return `${stands} and throttled there, close to the 99th percentile (${short(above)})`;
          const row = bins.slice(-trigger.bins);
          return row.length === trigger.bins && row.every((bin) => bin.value > bin.above)
            ? `${stands}, the ${ordinal(trigger.bins)} bin in a row above the 99th percentile (${short(above)})`
            : null;
        })
      );
    case 'forecast':
      return first(watched, look, (series, bins) => {
        const missed = bins.slice(-trigger.of).filter((bin) => bin.value > bin.above).length;
        return missed >= trigger.misses
          ? `${missed} of the last ${Math.min(trigger.of, bins.length)} bins of ${series.workload}/${series.component} are above the 99th percentile`
          : null;
      });
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

/** A bin that runs, and passes the 99.9th percentile whatever is still to come of it. */
function sureOf(watched: readonly WatchedSeries[], { running = [] }: Look): string | null {
  for (const { workload, component, from, least } of running) {
    const series = watched.find((one) => one.workload === workload && one.component === component);
    const far = series?.far[Math.round((from - series.from) / series.step)];
    if (far === undefined || !(least > far)) continue;
    return `${workload}/${component} is at least ${short(least)} in the bin that runs, above ${short(far)}, the 99.9th percentile`;
  }
  return null;
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

function first(
  watched: readonly WatchedSeries[],
  look: Look,
  judge: (series: WatchedSeries, bins: Bin[]) => string | null,
): string | null {
  for (const series of watched) {
    const found = look.recent?.find(
      ({ workload, component }) => workload === series.workload && component === series.component,
    );
    if (found === undefined) continue;
    const what = judge(series, binsOf(series, found.series));
    if (what !== null) return what;
  }
  return null;
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

const short = (amount: number): string => String(Number(amount.toPrecision(3)));
const ordinal = (count: number): string => (count === 2 ? 'second' : count === 3 ? 'third' : `${count}th`);
