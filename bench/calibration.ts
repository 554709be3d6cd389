/*
 * Calibration on real traces, bin by bin over the last 30 % of each: coverage of the stated levels, over all bins and
 * over windows of a day, and the Winkler score of central intervals beside ACI and EnbPI around the very same medians.
 * The models are fitted on the first half; the peers, too, begin to learn there and have 20 % to settle.
 *
 *   TRACES=folder (default ../shared/traces) SERIES=parts,of,ids node dist/bench/calibration.js
 */
import { join } from 'node:path';
import { binLabel, sliceSeries, type Series } from '../src/domain/series.js';
import { fitForecaster } from '../src/forecast/forecaster.js';
import { createAci, createEnbpi, type Interval, type Peer } from './calibration/peers.js';
import { count, coverage, perfectError, winkler, type Counts } from './calibration/measures.js';
import { geometricMean } from './forecast/score.js';
import { readTraces } from './forecast/traces.js';
import { checkoutRoot, percentile, writeResults, type BenchResult } from './result.js';

const LEVELS = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.8, 0.9, 0.95, 0.99];
const SCORED = [0.5, 0.8, 0.9, 0.95, 0.99];
/** Misses of the central intervals. */
const ALPHAS = [0.5, 0.2, 0.1, 0.02];
const AHEADS = [1, 3, 12];
const DAY = 86_400;
/** Of longer series the end: 18 days at five minutes. */
const MOST_BINS = 5200;
/** A window counts where so much of it is known. */
const KNOWN = 0.95;

interface Scores {
  id: string;
  /** [ahead][level]. */
  counts: Counts[][];
  /** Errors of whole windows over the error of the perfect forecaster, [ahead][level][window]. */
  windows: number[][][];
  /** Sums of Winkler's scores: [ahead][alpha] of ours and of each peer. */
  ours: Float64Array[];
  peers: Map<string, Float64Array[]>;
}

const none = (): Counts => ({ bins: 0, under: 0, at: 0 });
const central = (row: readonly number[], alpha: number): Interval => [
  row[LEVELS.indexOf(alpha / 2)] ?? Number.NaN,
  row[LEVELS.indexOf(1 - alpha / 2)] ?? Number.NaN,
];

/** A forecast and what the peers made of its median, until its bin is there. */
interface Waiting {
  row: readonly number[];
  stated: { peer: Peer; alpha: number; interval: Interval }[];
}

function roll(id: string, whole: Series): Scores {
  const series = sliceSeries(whole, whole.values.length - MOST_BINS, whole.values.length);
  const bins = series.values.length;
  const [begin, report] = [Math.floor(0.5 * bins), Math.floor(0.7 * bins)];
  const longest = Math.max(...AHEADS);
  const fitted = fitForecaster(sliceSeries(series, 0, begin), {
    timeZone: 'UTC',
    levels: LEVELS,
    level: 0.99,
    leadSteps: 3,
    horizon: longest,
  });
  const perWindow = Math.max(1, Math.round(DAY / series.step));
  const peers = AHEADS.map(() =>
    ALPHAS.flatMap((alpha) => [createAci(alpha), createEnbpi(alpha)].map((peer) => ({ peer, alpha }))),
  );
  const scores: Scores = {
    id,
    counts: AHEADS.map(() => SCORED.map(none)),
    windows: AHEADS.map(() => SCORED.map(() => [])),
    ours: AHEADS.map(() => new Float64Array(ALPHAS.length)),
    peers: new Map(['ACI', 'EnbPI'].map((name) => [name, AHEADS.map(() => new Float64Array(ALPHAS.length))])),
  };
  let window = AHEADS.map(() => SCORED.map(none));
  const waiting = AHEADS.map(() => new Map<number, Waiting>());

  const take = (index: number, value: number): void => {
    waiting.forEach((due, a) => {
      const one = due.get(index);
      due.delete(index);
      if (one === undefined || Number.isNaN(value)) return;
      if (index >= report) {
        SCORED.forEach((level, j) => {
          const quantile = one.row[LEVELS.indexOf(level)] ?? Number.NaN;
          for (const counts of [scores.counts[a]?.[j], window[a]?.[j]]) if (counts) count(counts, value, quantile);
        });
        ALPHAS.forEach((alpha, k) => {
          const sums = scores.ours[a];
          if (sums) sums[k] = (sums[k] ?? 0) + winkler(central(one.row, alpha), alpha, value);
        });
      }
      for (const { peer, alpha, interval } of one.stated) {
        const sums = scores.peers.get(peer.name)?.[a];
        const k = ALPHAS.indexOf(alpha);
        if (index >= report && sums) sums[k] = (sums[k] ?? 0) + winkler(interval, alpha, value);
        peer.learn(value, one.row[LEVELS.indexOf(0.5)] ?? 0, interval);
      }
    });
    if (index < report || (index - report + 1) % perWindow !== 0) return;
    window.forEach((counted, a) =>
      counted.forEach((counts, j) => {
        const level = SCORED[j] ?? 0.5;
        if (counts.bins < KNOWN * perWindow) return;
        const error = Math.abs(coverage(counts, level) - level);
        scores.windows[a]?.[j]?.push(error / perfectError(counts.bins, level));
      }),
    );
    window = AHEADS.map(() => SCORED.map(none));
  };

  for (let index = begin; index < bins; index++) {
    const { quantiles } = fitted.forecast(longest, LEVELS);
    AHEADS.forEach((ahead, a) => {
      const row = quantiles[ahead - 1] ?? [];
      const middle = row[LEVELS.indexOf(0.5)] ?? 0;
      const stated = (peers[a] ?? []).map(({ peer, alpha }) => ({ peer, alpha, interval: peer.interval(middle) }));
      waiting[a]?.set(index - 1 + ahead, { row, stated });
    });
    const value = series.values[index] ?? Number.NaN;
    fitted.observe(binLabel(series, index), value, false);
    take(index, value);
  }
  return scores;
}

function resultsOf(all: readonly Scores[]): BenchResult[] {
  const results: BenchResult[] = [];
  AHEADS.forEach((ahead, a) => {
    SCORED.forEach((level, j) => {
      const pooled = all.map(({ counts }) => counts[a]?.[j] ?? none());
      const total = pooled.reduce((sum, { bins }) => sum + bins, 0);
      const plain = pooled.reduce((sum, { under, at }) => sum + under + at, 0) / total;
      const needed = pooled.reduce((sum, counts) => sum + coverage(counts, level) * counts.bins, 0) / total;
      results.push({
        metric: `coverage error at ${100 * level} %, ${ahead} steps ahead, all bins`,
        value: Number((100 * Math.abs(needed - level)).toFixed(2)),
        unit: 'percentage points',
        goal: 0.5,
        better: 'lower',
        note: `coverage ${(100 * needed).toFixed(2)} % of ${total} bins, values at the quantile counted as far as the level needs them; all of them counted: ${(100 * plain).toFixed(2)} %`,
      });
    });
    SCORED.forEach((level, j) => {
      const errors = all.flatMap(({ windows }) => windows[a]?.[j] ?? []);
      results.push({
        metric: `95th percentile of a day's coverage error at ${100 * level} %, ${ahead} steps ahead, over the perfect forecaster's`,
        value: errors.length === 0 ? null : percentile(errors, 0.95),
        unit: 'ratio',
        goal: 1.3,
        better: 'lower',
        note: `${errors.length} windows`,
      });
    });
    for (const peer of ['ACI', 'EnbPI']) {
      const ratios = all.flatMap(({ ours, peers }) =>
        ALPHAS.flatMap((_, k) => {
          const [mine, theirs] = [ours[a]?.[k] ?? 0, peers.get(peer)?.[a]?.[k] ?? 0];
          return mine > 0 && theirs > 0 ? [mine / theirs] : [];
        }),
      );
      const mean = geometricMean(ratios);
      results.push({
        metric: `Winkler score over ${peer}'s, ${ahead} steps ahead`,
        value: mean === null ? null : Number(mean.toFixed(3)),
        unit: 'ratio',
        goal: 0.9,
        better: 'lower',
        note: `geometric mean over series and intervals of ${ALPHAS.map((alpha) => `${100 - 100 * alpha} %`).join(', ')}; above 1.05 in ${ratios.filter((ratio) => ratio > 1.05).length} of ${ratios.length}`,
      });
    }
  });
  return results;
}

const folder = process.env['TRACES'] ?? join(checkoutRoot(), '..', 'shared', 'traces');
const only = process.env['SERIES']?.split(',');
const { traces: found, skipped } = await readTraces(folder);
const traces = found.filter(({ id }) => only?.some((part) => id.includes(part)) ?? true);
for (const { id, reason } of skipped) console.log(`left out: ${id}: ${reason}`);
const all = traces.map(({ id, series }) => roll(id, series));
const results = resultsOf(all);
if (only === undefined) writeResults('calibration', results);
else for (const { metric, value, goal, note } of results) console.log(`${metric}: ${value} (goal ${goal}); ${note}`);
