import { binStart } from '../../src/domain/time.js';
import type { Series } from '../../src/domain/series.js';
import { fitForecaster } from '../../src/forecast/forecaster.js';
import { scoreRun, type RunScore, type ScoredRun } from '../../src/operate/score-run.js';
import { parsePolicies } from '../../src/replay/registry.js';
import { replay } from '../../src/replay/simulate.js';
import { csvSeries, readCsvColumns } from '../../src/telemetry/csv.js';
import type { Played } from './play.js';
import { LEAD, LEVEL, STEP } from './setting.js';
import { CLOCK_START, REPLICA_CORES, type CutTrace } from './traces.js';

/** Latencies of the loop in simulated seconds, medians and 95th percentiles. */
export interface Latency {
  median: number;
  high: number;
}

export interface TraceResult {
  trace: CutTrace;
  /** Beside autoscalers in whole replicas, as the live run's are, and in continuous capacity. */
  whole: ScoredRun;
  continuous: ScoredRun;
  /** What the same decisions give in replay, where each takes effect exactly a lead later and nothing has a latency. */
  backtest: RunScore;
  backtestContinuous: RunScore;
  /** The same with the lead that the run had in fact: the median time to the plan on top. */
  backtestLate: RunScore;
  coverageReached: number | null;
  changes: { kept: number; rolledBack: number; other: number; held: number };
  /** From the end of the newest bin to the plan; from the plan to ready capacity. */
  decided: Latency;
  ready: Latency;
  cycles: number;
}

export async function resultOf(trace: CutTrace, played: Played, firstScored: number): Promise<TraceResult> {
  const { account } = trace;
  const found = played.timeline.workloads.find((one) => one.account === account)?.components[0];
  const status = played.status.get(account);
  if (found === undefined || status === undefined) throw new TypeError(`the run says nothing of ${account}`);
  const input = { step: STEP, lead: LEAD, demand: found.demand, capacity: found.capacity, firstScored };
  const demand = await wholeDemand(trace, found.demand);
  const plans = played.plans.get(account) ?? [];
  const outcomes = played.outcomes.get(account) ?? [];
  const { kept, stale, stopped, failed } = status.results;
  const scored = found.demand.length - firstScored;
  const decided = latency(plans.map((plan) => plan.at - binStart(plan.at, STEP)));
  return {
    trace,
    whole: scoreRun({ ...input, replicaSize: REPLICA_CORES }),
    continuous: scoreRun(input),
    backtest: backtest(demand, scored, LEAD, REPLICA_CORES),
    backtestContinuous: backtest(demand, scored, LEAD),
    backtestLate: backtest(demand, scored, LEAD + decided.median, REPLICA_CORES),
    coverageReached: status.learnt.coverage[0]?.coverage ?? null,
    changes: {
      kept,
      rolledBack: status.results['rolled-back'],
      other: stale + stopped + failed,
      held: Object.values(status.holds).reduce((sum, count) => sum + count, 0),
    },
    decided,
    ready: latency(
      outcomes.flatMap((one) => {
        const plan = plans.find((candidate) => candidate.id === one.planId);
        return one.leadTime === null || plan === undefined ? [] : [one.startedAt - plan.at + one.leadTime];
      }),
    ),
    cycles: status.cycle,
  };
}

/** Past and played part as one series on the grid, in cores. */
async function wholeDemand(trace: CutTrace, played: readonly (number | null)[]): Promise<Series> {
  const file = await readCsvColumns(trace.history, { columns: ['value'] });
  const past = csvSeries(file, { column: 'value', step: STEP });
  const before = Math.round((CLOCK_START - past.start) / STEP);
  const values = new Float64Array(before + played.length).fill(Number.NaN);
  past.values.forEach((value, index) => (values[index] = value * trace.scale));
  played.forEach((value, index) => (values[before + index] = value ?? Number.NaN));
  return { start: past.start, step: STEP, values, censored: new Uint8Array(values.length) };
}

function backtest(demand: Series, scored: number, lead: number, replicaSize?: number): RunScore {
  const count = demand.values.length;
  const played = replay(demand, parsePolicies('headroom'), {
    lead,
    level: LEVEL,
    warmup: (count - scored + 0.5) / count,
    timeZone: 'UTC',
    fit: fitForecaster,
    ...(replicaSize === undefined ? {} : { replicaSize }),
  }).policies[0];
  if (played === undefined) throw new TypeError('replay returned nothing');
  const { cost, violations, depth, slack } = played;
  return { cost, violations, depth, slack };
}

function latency(values: readonly number[]): Latency {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
  return { median: at(0.5), high: at(0.95) };
}
