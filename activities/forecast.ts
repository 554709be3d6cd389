import type { AccountForecast, QuantileForecast, SeriesForecast } from '../src/domain/forecast.js';
import { levelOf } from '../src/domain/policy-rules.js';
import type { AccountPolicy } from '../src/domain/account.js';
import type { Dependencies } from './dependencies.js';
import { translated } from './failures.js';
import type { Policies } from './policies.js';
import type { Activities, ForecastDigest } from './types.js';

/** From a snapshot to quantiles by component and step; the series stay on this side, the workflow gets a digest. */
export function createForecast(deps: Dependencies, policies: Policies): Pick<Activities, 'forecast'> {
  return {
    forecast: (input) =>
      translated(async (signal) => {
        const policy = await policies.get(input.policyId);
        const { since } = await deps.decider.wanted(input.account, input.policyId, input.at);
        const window = await deps.store.readSnapshot(input.snapshotId, signal, since ?? undefined);
        const forecast = await deps.decider.forecast({
          account: input.account,
          policyId: input.policyId,
          policy,
          snapshotId: input.snapshotId,
          at: input.at,
          leadTimes: input.leadTimes,
          bins: window.series,
        });
        await deps.store.putRecord({
          kind: 'forecast',
          id: forecast.id,
          account: input.account,
          at: input.at,
          body: recordable(forecast),
        });
        return {
          forecastId: forecast.id,
          series: forecast.series.map((series) => digest(series, policy, input.leadTimes)),
          missing: forecast.missing,
        };
      }),
  };
}

/** Rows of a coarse resolution that a record keeps: what the optimizer plans over. */
const COARSE_ROWS = 24;

/** A forecast as it is kept: four significant digits, a day of the coarse rows. */
function recordable(forecast: AccountForecast): AccountForecast {
  const short = (row: number[]): number[] => row.map((value) => Number(value.toPrecision(4)));
  const trim = (resolution: QuantileForecast): QuantileForecast => ({
    ...resolution,
    quantiles: resolution.quantiles.slice(0, Math.max(COARSE_ROWS, 1)).map(short),
  });
  return {
    ...forecast,
    series: forecast.series.map((series) => ({ ...series, resolutions: series.resolutions.map(trim) })),
  };
}

function digest(series: SeriesForecast, policy: AccountPolicy, leadTimes: Record<string, number>): ForecastDigest {
  const workload = policy.workloads.find((candidate) => candidate.name === series.workload);
  const level = workload === undefined ? policy.level : levelOf(policy, workload, series.component);
  const fine = series.resolutions[0];
  const lead = leadTimes[series.workload] ?? workload?.leadTime ?? 0;
  const row = fine?.quantiles[Math.min(Math.ceil(lead / (fine?.step ?? 1)), (fine?.quantiles.length ?? 1) - 1)];
  const at = (wanted: number): number => {
    const index = fine?.levels.findIndex((candidate) => candidate >= wanted - 1e-9) ?? -1;
    return Number((row?.[index] ?? Number.NaN).toPrecision(4));
  };
  return {
    workload: series.workload,
    component: series.component,
    level,
    median: at(0.5),
    atLevel: at(level),
    open: series.gate.open,
    ...(series.gate.reason === undefined ? {} : { reason: series.gate.reason }),
    cold: series.data === 'cold',
  };
}
