import { knownOf, type UsageWatch, type Watch } from '../../activities/lookout.js';
import type { ClusterState } from '../domain/cluster.js';
import type { Symptom } from '../domain/contingency.js';
import { isHeadroomError } from '../domain/errors.js';
import { isOfCluster, leastMean, symptomsOf, type Look } from '../domain/symptoms.js';
import { binStart, type EpochSeconds } from '../domain/time.js';
import { freshnessOf } from '../telemetry/freshness.js';
import type { UsageSource } from '../telemetry/port.js';

/*
 * One account's telemetry between two cycles: one read of a small window. Of bins that are over and were not judged yet
 * (the cycle is longer than the step, or they came late) all triggers are judged as a cycle would; of the bin that runs,
 * whether it is sure already to pass the 99.9th percentile.
 */

/** Bins that a trigger looks back. */
const BACK = 6;
/** Parts of a running bin, the finest first; of fewer seconds than this no part is asked for. */
const PARTS = [20, 10, 5, 4, 2];
const FINEST = 15;
/** A cycle that is due looks for itself; one that is this late does not. */
const GRACE = 30;

export interface UsageLook {
  /** @throws where the source cannot be read, unless that is what a trigger waits for. */
  look(watch: Watch, usage: UsageWatch, at: EpochSeconds, signal: AbortSignal): Promise<Symptom[]>;
  forget(account: string): void;
}

/** @param present the cluster as it is: asked only where a percentile was passed, whether what is there covers it anyway. */
export function createUsageLook(
  source: Pick<UsageSource, 'readUsage'>,
  present?: (watch: Watch, signal: AbortSignal) => Promise<ClusterState>,
): UsageLook {
  /** By account: how fine its source tells a running bin, as an index of PARTS. */
  const fineness = new Map<string, number>();

  async function bins(watch: Watch, usage: UsageWatch, at: EpochSeconds, signal: AbortSignal): Promise<Look> {
    const { step, staleAfter, settle } = usage;
    const to = binStart(at - settle, step);
    const from = to - step * Math.max(BACK, Math.ceil(staleAfter / step) + 1);
    const { series } = await source.readUsage({ account: watch.account, series: usage.series, from, to, step }, signal);
    const { knownTo, newest } = knownOf(series, usage.watched);
    usage.knownTo = Math.max(usage.knownTo, knownTo);
    usage.newest = Math.max(usage.newest, newest);
    return {
      recent: series,
      freshness: series.map((one) => ({
        workload: one.workload,
        component: one.component,
        kind: freshnessOf(one.series, staleAfter, at).kind,
      })),
    };
  }

  /** Nothing where no source tells it any finer than by whole bins. */
  async function part(watch: Watch, usage: UsageWatch, at: EpochSeconds, signal: AbortSignal): Promise<Look> {
    const { account } = watch;
    const from = binStart(at, usage.step);
    for (let index = fineness.get(account) ?? 0; index < PARTS.length; index++) {
      fineness.set(account, index);
      const step = usage.step / (PARTS[index] ?? 1);
      const to = binStart(at, step);
      if (step < FINEST || !Number.isInteger(step)) continue;
      if (to <= from) return {};
      try {
        const read = await source.readUsage({ account, series: usage.series, from, to, step }, signal);
        return {
          running: read.series.map(({ workload, component, series }) => ({
            ...{ workload, component, from },
            least: leastMean(series, usage.step),
          })),
        };
      } catch (error) {
        // Its samples are further apart.
        if (!isHeadroomError(error) || error.kind !== 'invalid-input') throw error;
      }
    }
    fineness.set(account, PARTS.length);
    return {};
  }

  return {
    async look(watch, usage, at, signal) {
      const answers = watch.answers.filter((answer) => !isOfCluster(answer) && !watch.told.has(answer.key));
      if (answers.length === 0 || (at >= usage.cycleAt && at < usage.cycleAt + GRACE)) return [];
      const over = binStart(at - usage.settle, usage.step) > usage.knownTo;
      try {
        const look = over ? await bins(watch, usage, at, signal) : await part(watch, usage, at, signal);
        const triggers = { answers, watched: usage.watched };
        const symptoms = symptomsOf(triggers, look);
        if (present === undefined || !symptoms.some(({ workloads }) => workloads !== undefined)) return symptoms;
        return symptomsOf(triggers, { ...look, state: await present(watch, signal) });
      } catch (error) {
        const gone = answers.find(({ trigger }) => trigger.kind === 'telemetry');
        const unreadable = isHeadroomError(error) && error.kind === 'unavailable';
        if (gone === undefined || !unreadable || at - usage.newest <= usage.staleAfter) throw error;
        return [{ key: gone.key, what: 'telemetry cannot be read' }];
      }
    },
    forget: (account) => void fineness.delete(account),
  };
}
