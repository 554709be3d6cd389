import type { AccountPolicy } from '../domain/account.js';
import type { AnnouncedEvent } from '../domain/control.js';
import type { AccountForecast, QuantileForecast } from '../domain/forecast.js';
import { announced } from '../domain/announced.js';
import { fixedTasks, underEvents } from './demand.js';

/**
 * A forecast with all that is known of the future in it: announced events, those of the account file, and the tasks that
 * run at fixed times; at every level. What the models say themselves is of ordinary demand alone.
 */
export function expectedForecast(
  forecast: AccountForecast,
  policy: AccountPolicy,
  events: readonly AnnouncedEvent[] = [],
): AccountForecast {
  const all = [...policy.events.map(announced), ...events];
  return {
    ...forecast,
    series: forecast.series.map((series) => {
      const own = all.filter((event) => event.workloads === undefined || event.workloads.includes(series.workload));
      const complete = (one: QuantileForecast): QuantileForecast => {
        const end = one.origin + (one.quantiles.length + 1) * one.step;
        const tasks = fixedTasks(policy, series.workload, series.component, one.origin + one.step, end);
        return {
          ...one,
          quantiles: one.quantiles.map((row, index) => {
            const from = one.origin + (index + 1) * one.step;
            const extra = tasks(from, from + one.step);
            const levels = one.levels.map(
              (level) =>
                underEvents(own, series.component, { from, to: from + one.step }, one.levels, row, level) + extra,
            );
            // Rounding of a broad event must not turn levels round.
            return levels.map((value, j) => Math.max(value, ...levels.slice(0, j)));
          }),
        };
      };
      return { ...series, resolutions: series.resolutions.map(complete) };
    }),
  };
}
