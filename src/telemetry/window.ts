import { binSamples } from '../domain/series.js';
import { binStart } from '../domain/time.js';
import type { UsageQuery, UsageWindow } from './port.js';

/** More bins than this are a mistake in a time or a step, and more memory than a worker has. */
export const MOST_BINS = 20_000_000;

/**
 * A window without any data, on the query's grid, for a source to fill.
 * @param leastStep seconds; the finest step that the source has.
 * @param refuse makes the error of a query that is no window, out of what is wrong with it.
 */
export function emptyWindow(query: UsageQuery, leastStep: number, refuse: (problem: string) => Error): UsageWindow {
  const { account, step } = query;
  const from = binStart(query.from, step);
  const to = binStart(query.to, step);
  const bins = ((to - from) / step) * query.series.length;
  if (!(step > 0 && step >= leastStep) || !(to >= from) || bins > MOST_BINS) {
    throw refuse(`${from} to ${to} in steps of ${step}s is no window`);
  }
  return {
    account,
    from,
    to,
    step,
    series: query.series.map(({ workload, component }) => ({
      workload,
      component,
      series: binSamples([], step, { from, to }),
    })),
  };
}
