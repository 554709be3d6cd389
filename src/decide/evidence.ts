import { plausibleCeiling, type Evidence } from '../allocate/capacity.js';
import type { Component } from '../domain/component.js';
import type { AccountForecast } from '../domain/forecast.js';

/**
 * The forecast under what the evidence lets one believe, level by level, as `decideCapacity` has it. It comes before
 * announced events and tasks are added: those are known inputs, and nothing that was seen speaks against them.
 */
export function boundForecast(
  forecast: AccountForecast,
  evidence: (workload: string, component: Component) => Evidence,
): AccountForecast {
  return {
    ...forecast,
    series: forecast.series.map((series) => {
      const seen = evidence(series.workload, series.component);
      return {
        ...series,
        resolutions: series.resolutions.map((resolution) => {
          const ceilings = resolution.levels.map((level) => plausibleCeiling(seen, level));
          return {
            ...resolution,
            quantiles: resolution.quantiles.map((row) =>
              row.map((value, index) => Math.min(value, ceilings[index] ?? Number.POSITIVE_INFINITY)),
            ),
          };
        }),
      };
    }),
  };
}
