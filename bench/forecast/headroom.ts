import type { Series } from '../../src/domain/series.js';
import { fitForecaster } from '../../src/forecast/forecaster.js';
import type { GlobalModel } from '../../src/forecast/global.js';
import type { FitForecaster } from '../../src/forecast/port.js';
import { forecastAtOrigins } from '../../src/forecast/rolling.js';
import type { Cost } from './cache.js';
import { TIME_ZONE } from './setting.js';
import { stopwatch } from './stopwatch.js';

/** The product's own rolling forecast, as `headroom forecast --rolling` runs it, with a watch on its parts. */
export function forecastHeadroom(
  series: Series,
  origins: readonly number[],
  aheads: number,
  levels: readonly number[],
  globals: readonly GlobalModel[],
): { quantiles: Float64Array; cost: Pick<Cost, 'fits' | 'cycle'> } {
  const fits: number[] = [];
  const spent = { observe: 0, observed: 0, forecast: 0, forecasts: 0 };
  const fit: FitForecaster = (window, options) => {
    const fitting = stopwatch();
    const fitted = fitForecaster(window, globals.length > 0 ? { ...options, globals } : options);
    fits.push(fitting());
    return {
      ...fitted,
      get lastBin() {
        return fitted.lastBin;
      },
      get data() {
        return fitted.data;
      },
      observe(label, value, censored) {
        const watch = stopwatch();
        fitted.observe(label, value, censored);
        spent.observe += watch();
        spent.observed++;
      },
      forecast(horizon, asked) {
        const watch = stopwatch();
        const forecast = fitted.forecast(horizon, asked);
        spent.forecast += watch();
        spent.forecasts++;
        return forecast;
      },
    };
  };
  const made = forecastAtOrigins(series, origins, { fit, horizon: aheads, levels, timeZone: TIME_ZONE });
  const quantiles = Float64Array.from(made.flatMap((forecast) => forecast.quantiles.flat()));
  const cycle =
    spent.observed === 0 ? null : spent.observe / spent.observed + spent.forecast / Math.max(1, spent.forecasts);
  return { quantiles, cost: { fits, cycle } };
}
