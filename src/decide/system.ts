import { expectedForecast } from '../allocate/expected.js';
import type { AccountPolicy } from '../domain/account.js';
import { COMPONENT_UNITS, COMPONENTS, type Component } from '../domain/component.js';
import type { AccountForecast } from '../domain/forecast.js';
import type { Series } from '../domain/series.js';
import type { EpochSeconds } from '../domain/time.js';
import { aggregateForecasts, reaches, type Aggregate, type AggregateGrid } from '../forecast/aggregate.js';
import { dependenceOfUsage } from '../forecast/scenarios/from-usage.js';

/*
 * The load of the whole system, by resource: every account's forecast with its events and tasks, added up as their usage
 * in fact rises and falls together.
 */

/** What is known of one account. */
export interface SystemAccount {
  forecast: AccountForecast;
  /** Null where it is not known: its forecast counts without events and tasks, and is named for it. */
  policy: AccountPolicy | null;
  /** Past usage at the grid's step, for how series hang together; what is missing is guessed. */
  usage: readonly { workload: string; component: Component; series: Series }[];
}

export interface SystemForecast {
  origin: EpochSeconds;
  step: number;
  levels: number[];
  components: ({ component: Component; unit: string; accounts: number; series: number } & Aggregate)[];
  /** What is not in it, and why: unknown is not zero. */
  missing: { account: string; workload?: string; component?: Component; reason: string }[];
}

/** An account whose newest forecast is older than this, against the newest of all, says nothing of the next hours. */
const OLDEST = 2 * 3600;

/**
 * The grid on which forecasts of several accounts are added up: the coarsest of the steps that reach the horizon, from
 * the newest origin on.
 */
export function systemGrid(forecasts: readonly AccountForecast[], horizon: number): AggregateGrid {
  let step = 0;
  let newest = Number.NEGATIVE_INFINITY;
  for (const { resolutions } of forecasts.flatMap(({ series }) => series)) {
    const finest = resolutions[0];
    if (finest === undefined) continue;
    const fit = resolutions.find((one) => one.quantiles.length * one.step >= horizon) ?? resolutions.at(-1) ?? finest;
    step = Math.max(step, fit.step);
    newest = Math.max(newest, finest.origin + finest.step);
  }
  if (step === 0) return { origin: 0, step: 0, steps: 0 };
  // The first bin of the grid begins where the newest forecast does, or within it.
  return { origin: Math.floor(newest / step) * step - step, step, steps: Math.max(1, Math.round(horizon / step)) };
}

/** @param options.seed decides what is drawn; the same accounts and seed give the same forecast. */
export function systemForecast(
  accounts: readonly SystemAccount[],
  grid: AggregateGrid,
  options: { levels: readonly number[]; seed: number },
): SystemForecast {
  const missing: SystemForecast['missing'] = [];
  const newest = Math.max(...accounts.map(({ forecast }) => forecast.at));
  const parts = accounts.flatMap(({ forecast, policy, usage }) => {
    const { account } = forecast;
    if (newest - forecast.at > OLDEST) {
      missing.push({ account, reason: `its newest forecast is ${Math.round((newest - forecast.at) / 3600)} h old` });
      return [];
    }
    for (const { workload, component, reason, detail } of forecast.missing) {
      missing.push({ account, workload, component, reason: `${reason}: ${detail}` });
    }
    if (policy === null)
      missing.push({ account, reason: 'its policy is not known: its events and tasks are left out' });
    const expected = policy === null ? forecast : expectedForecast(forecast, policy, forecast.events);
    return expected.series.flatMap(({ workload, component, resolutions }) => {
      if (!reaches(resolutions, grid)) {
        missing.push({ account, workload, component, reason: 'its forecast ends before the first bin' });
        return [];
      }
      const past = usage.find((one) => one.workload === workload && one.component === component);
      const dependence = past === undefined ? null : dependenceOfUsage(past.series, grid.steps);
      return [{ account, component, resolutions, dependence }];
    });
  });
  const components = COMPONENTS.flatMap((component) => {
    const own = parts.filter((part) => part.component === component);
    if (own.length === 0) return [];
    return [
      {
        component,
        unit: COMPONENT_UNITS[component],
        accounts: new Set(own.map(({ account }) => account)).size,
        series: own.length,
        ...aggregateForecasts(own, grid, options),
      },
    ];
  });
  return { origin: grid.origin, step: grid.step, levels: [...options.levels], components, missing };
}
