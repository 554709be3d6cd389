import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { QuantileForecast } from '../src/domain/forecast.js';
import { probit } from '../src/domain/normal.js';
import { binLabel, sliceSeries, type Series } from '../src/domain/series.js';
import { fitForecaster } from '../src/forecast/forecaster.js';
import type { FittedForecaster } from '../src/forecast/port.js';
import type { Dependence } from '../src/forecast/scenarios/dependence.js';
import { shuffled, unitDraw } from '../src/forecast/scenarios/draws.js';
import { pathTotals, quantilesOf } from '../src/forecast/scenarios/joint.js';
import { jointLevel } from '../src/forecast/scenarios/joint-level.js';
import { samplePaths, type Scenarios } from '../src/forecast/scenarios/paths.js';
import { atLevel } from '../src/allocate/quantile.js';
import { readCsvSeries } from '../src/telemetry/csv.js';
import { checkoutRoot, percentile, writeResults, type BenchResult } from './result.js';

/*
 * Sample paths: what they cost, whether the sums that they give hold on real series, and what a window costs with them.
 * Fitted on the first 70 % of each series, reported on the last 30 %, nothing tuned in between.
 */

const STEP = 300;
const STEPS = 24;
const LEVELS = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999];
const ASKED = [0.5, 0.8, 0.9, 0.95, 0.99];
const LEVEL = 0.99;
const LEAD = 3;
/** Bins of each series that are looked at: four weeks. */
const MOST = 8064;

/** One series; those of one group lie on one grid, and are also summed. */
const SERIES = [
  ...['vm0321', 'vm0534', 'vm0593', 'vm0848', 'vm0942'].map((vm) => ({
    path: `bitbrains_faststorage/${vm}.csv`,
    column: 'cpu',
    group: 'five machines',
  })),
  { path: 'bitbrains_rnd/vm012.csv', column: 'cpu', group: 'two components' },
  { path: 'bitbrains_rnd/vm012.csv', column: 'network_tx', group: 'two components' },
  { path: 'bitbrains_rnd/vm220.csv', column: 'cpu' },
  { path: 'bitbrains_rnd/vm268.csv', column: 'cpu' },
  { path: 'nab/ec2_cpu_ac20cd.csv', column: 'value' },
  { path: 'nab/tweets_GOOG.csv', column: 'value' },
  { path: 'google2011_machines/m1094470.csv', column: 'cpu' },
  { path: 'datacenter_agg/azure_v2_all.csv', column: 'cpu' },
  { path: 'crane_tke/input11.csv', column: 'value' },
] as const satisfies readonly { path: string; column: string; group?: string }[];

interface Tally {
  hits: number[];
  count: number;
}
const tally = (): Tally => ({ hits: ASKED.map(() => 0), count: 0 });
function count(into: Tally, actual: number, quantiles: readonly number[]): void {
  into.count++;
  quantiles.forEach((value, j) => {
    if (actual <= value) into.hits[j] = (into.hits[j] ?? 0) + 1;
  });
}
/** The largest distance of a level from what came, in percentage points. */
const worst = ({ hits, count: n }: Tally): number =>
  100 * Math.max(...ASKED.map((level, j) => Math.abs((hits[j] ?? 0) / n - level)));
const shown = ({ hits, count: n }: Tally): string =>
  ASKED.map((level, j) => `${level}: ${((hits[j] ?? 0) / n).toFixed(3)}`).join(', ');

function measureTime(): BenchResult[] {
  const quantiles = Array.from({ length: STEPS }, () => LEVELS.map((level) => 100 + 10 * probit(level)));
  const forecast: QuantileForecast = { origin: 8064 * STEP, step: STEP, levels: LEVELS, quantiles, weights: {} };
  const values = (seed: number) => Float64Array.from({ length: 8064 }, (_, k) => 10 + unitDraw(seed, k, 1));
  const dependence = Array.from({ length: 10 }, (_, s): Dependence | null => {
    const series = { start: 0, step: STEP, values: values(s), censored: new Uint8Array(8064) };
    return fitAll(series, series.values.length)?.dependence ?? null;
  });
  const series = dependence.map((one) => ({ forecast, dependence: one }));
  return [1000, 5000].flatMap((paths) => {
    const wall: number[] = [];
    const processor: number[] = [];
    for (let run = 0; run < 80; run++) {
      const began = performance.now();
      const used = process.cpuUsage();
      samplePaths(series, { paths, seed: run });
      const { user, system } = process.cpuUsage(used);
      if (run < 10) continue;
      wall.push(performance.now() - began);
      processor.push((user + system) / 1000);
    }
    const what = `${paths} paths, 5 workloads × 2 components × ${STEPS} steps`;
    return [
      {
        metric: `${what}: processor time, median`,
        value: percentile(processor, 0.5),
        unit: 'ms',
        goal: 20,
        better: 'lower',
      },
      {
        metric: `${what}: wall time, 95th percentile`,
        value: percentile(wall, 0.95),
        unit: 'ms',
        goal: 20,
        better: 'lower',
      },
    ] satisfies BenchResult[];
  });
}

function fitAll(series: Series, bins: number): FittedForecaster | null {
  return fitForecaster(sliceSeries(series, 0, bins), {
    timeZone: 'UTC',
    levels: LEVELS,
    level: LEVEL,
    leadSteps: LEAD,
    horizon: STEPS,
    scenarios: { steps: STEPS },
  });
}

/** Capacity by three rules, bin by bin, and whether each window of two hours was covered whole. */
const RULES = ['each bin by itself', 'Bonferroni', 'learnt'] as const;
interface Windows {
  violated: number[];
  windows: number;
  logCost: number[];
  series: number;
}

interface Seen {
  origin: number;
  forecast: QuantileForecast;
  dependence: Dependence;
  totals: number;
}

/** Goes through the last 30 % of a series bin by bin; hands back what was forecast once an hour, for sums of series. */
function walk(
  series: Series,
  sums: { own: Tally; apart: Tally; lockstep: Tally },
  windows: Windows,
): Map<number, Seen> {
  const { values } = series;
  const from = Math.floor(0.7 * values.length);
  const fitted = fitAll(series, from);
  const seen = new Map<number, Seen>();
  const pending = new Map<number, number[]>();
  const cost = RULES.map(() => 0);
  let demand = 0;
  let missed = RULES.map(() => false);
  if (fitted?.dependence === undefined) return seen;
  let learnt = jointLevel(fitted.dependence, STEPS, LEVEL).binLevel;
  for (let k = from; k < values.length; k++) {
    const value = values[k] ?? Number.NaN;
    const capacity = pending.get(k);
    pending.delete(k);
    if (capacity !== undefined && !Number.isNaN(value)) {
      demand += value;
      capacity.forEach((one, r) => {
        cost[r] = (cost[r] ?? 0) + one;
        if (value > one) missed[r] = true;
      });
    }
    if ((k - from) % STEPS === STEPS - 1) {
      windows.windows++;
      missed.forEach((miss, r) => (windows.violated[r] = (windows.violated[r] ?? 0) + (miss ? 1 : 0)));
      missed = RULES.map(() => false);
    }
    fitted.observe(binLabel(series, k), value, false);
    if (Number.isNaN(value)) continue;
    if ((k - from) % 12 === 0) {
      learnt = jointLevel(fitted.dependence, STEPS, LEVEL).binLevel;
      const forecast = fitted.forecast(STEPS, LEVELS);
      const ahead = values.subarray(k + 1, k + 1 + STEPS);
      if (ahead.length === STEPS && !ahead.some((one) => Number.isNaN(one))) {
        const actual = ahead.reduce((sum, one) => sum + one, 0);
        const { dependence } = fitted;
        const ways = fitted.ways?.(STEPS, LEVELS) ?? null;
        const drawn = samplePaths([{ forecast, dependence, ways }], { paths: PATHS, seed: 1 });
        count(sums.own, actual, quantilesOf(pathTotals(drawn), ASKED));
        const together = ASKED.map((level) =>
          forecast.quantiles.reduce((sum, row) => sum + atLevel(LEVELS, row, level), 0),
        );
        count(sums.lockstep, actual, together);
        count(sums.apart, actual, independent(drawn));
        seen.set(binLabel(series, k), { origin: k, forecast, dependence, totals: actual });
      }
    }
    const row = fitted.forecast(LEAD, LEVELS).quantiles[LEAD - 1] ?? [];
    pending.set(
      k + LEAD,
      [LEVEL, 1 - (1 - LEVEL) / STEPS, learnt].map((level) => atLevel(LEVELS, row, Math.min(0.9999, level))),
    );
  }
  if (demand > 0) {
    windows.series++;
    cost.forEach((one, r) => (windows.logCost[r] = (windows.logCost[r] ?? 0) + Math.log(one / demand)));
  }
  return seen;
}

const PATHS = 2048;
/** Orders that know nothing of each other, one a bin or series. */
const ORDERS = Array.from({ length: STEPS }, (_, k) => shuffled(PATHS, k + 1));

/** The same bins, each drawn by itself. */
function independent({ values, steps, paths }: Scenarios): number[] {
  const totals = new Float64Array(paths);
  for (let t = 0; t < steps; t++) {
    for (let p = 0; p < paths; p++) {
      totals[p] = (totals[p] ?? 0) + (values[0]?.[t * paths + (ORDERS[t]?.[p] ?? 0)] ?? 0);
    }
  }
  return quantilesOf(totals, ASKED);
}

async function measureTraces(folder: string): Promise<BenchResult[]> {
  const sums = { own: tally(), apart: tally(), lockstep: tally() };
  const windows: Windows = { violated: RULES.map(() => 0), windows: 0, logCost: RULES.map(() => 0), series: 0 };
  const groups = new Map<string, { scale: number; seen: Map<number, Seen> }[]>();
  for (const one of SERIES) {
    const whole = await readCsvSeries(join(folder, one.path), { column: one.column, step: STEP });
    const series = sliceSeries(whole, whole.values.length - MOST, whole.values.length);
    const seen = walk(series, sums, windows);
    if ('group' in one) {
      // In units of their own mean, so that no one of them is the sum.
      const known = series.values.filter((value) => !Number.isNaN(value));
      const scale = known.reduce((sum, value) => sum + value, 0) / known.length || 1;
      groups.set(one.group, [...(groups.get(one.group) ?? []), { scale, seen }]);
    }
    process.stderr.write(`${one.path} ${one.column}: ${shown(sums.own)}\n`);
  }
  const together = tally();
  const unrelated = tally();
  for (const parts of groups.values()) {
    for (const label of parts[0]?.seen.keys() ?? []) {
      const now = parts.flatMap(({ scale, seen }) => {
        const found = seen.get(label);
        return found === undefined ? [] : [{ scale, ...found }];
      });
      if (now.length < parts.length) continue;
      const scaled = now.map(({ scale, forecast, dependence }) => ({
        forecast: { ...forecast, quantiles: forecast.quantiles.map((row) => row.map((value) => value / scale)) },
        dependence,
      }));
      const actual = now.reduce((sum, { totals, scale }) => sum + totals / scale, 0);
      count(together, actual, quantilesOf(pathTotals(samplePaths(scaled, { paths: PATHS, seed: 1 })), ASKED));
      // Each series with its own ties in time, and none to the others.
      const alone = new Float64Array(PATHS);
      scaled.forEach((part, s) => {
        const totals = pathTotals(samplePaths([part], { paths: PATHS, seed: 1 }));
        ORDERS[s]?.forEach((place, p) => (alone[p] = (alone[p] ?? 0) + (totals[place] ?? 0)));
      });
      count(unrelated, actual, quantilesOf(alone, ASKED));
    }
  }
  const cost = (rule: number): number => Math.exp((windows.logCost[rule] ?? 0) / Math.max(1, windows.series));
  const violated = (rule: number): number => (100 * (windows.violated[rule] ?? 0)) / Math.max(1, windows.windows);
  const of = `${SERIES.length} series, ${sums.own.count} origins`;
  return [
    {
      metric: `quantiles of the sum over 2 h: largest distance of coverage from the level (${ASKED.join(', ')})`,
      value: worst(sums.own),
      unit: 'percentage points',
      goal: null,
      better: 'lower',
      peer: 'bins drawn independently',
      peerValue: worst(sums.apart),
      note: `${of}; ${shown(sums.own)}; independent ${shown(sums.apart)}; in lock-step ${shown(sums.lockstep)}`,
    },
    {
      metric: 'the same of the sum of five workloads, and of two components of one',
      value: worst(together),
      unit: 'percentage points',
      goal: null,
      better: 'lower',
      peer: 'series drawn independently',
      peerValue: worst(unrelated),
      note: `${together.count} origins; ${shown(together)}; independent ${shown(unrelated)}`,
    },
    {
      metric: `windows of 2 h with any bin above capacity, asked ${LEVEL} of windows`,
      value: violated(2),
      unit: '%',
      goal: 100 * (1 - LEVEL),
      better: 'lower',
      peer: 'Bonferroni',
      peerValue: violated(1),
      note: `${windows.windows} windows; with the level in each bin by itself ${violated(0).toFixed(2)} %`,
    },
    {
      metric: 'capacity for those windows / demand, geometric mean over series',
      value: cost(2),
      unit: 'ratio',
      goal: cost(1),
      better: 'lower',
      peer: 'Bonferroni',
      peerValue: cost(1),
      note: `with the level in each bin by itself ${cost(0).toFixed(3)}; quantiles as they are, without ceiling and guard`,
    },
  ];
}

const folder = process.env['TRACES'] ?? join(checkoutRoot(), '..', 'shared', 'traces');
const time = measureTime();
for (const { metric, value } of time) console.log(`${metric}: ${value?.toFixed(2) ?? '–'} ms`);
const traces = existsSync(folder) ? await measureTraces(folder) : [];
if (traces.length === 0)
  console.error(`no traces in ${folder} (TRACES names another folder): calibration was not measured`);
for (const { metric, value, note } of traces) console.log(`${metric}: ${value?.toFixed(3) ?? '–'} (${note ?? ''})`);
writeResults('scenarios', [...time, ...traces]);
