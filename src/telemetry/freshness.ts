import { binLabel, lastKnownIndex, type Series } from '../domain/series.js';
import type { EpochSeconds } from '../domain/time.js';
import type { Freshness, UsageWindow } from './port.js';

/**
 * How a series stands at `now`. A bin is known at its label + step; its age counts from there.
 * @param staleAfter seconds; older than this is stale, exactly this is fresh.
 */
export function freshnessOf(series: Series, staleAfter: number, now: EpochSeconds): Freshness {
  const last = lastKnownIndex(series);
  if (last < 0) return { kind: 'missing' };
  const lastBin = binLabel(series, last);
  const age = Math.max(0, now - (lastBin + series.step));
  return age > staleAfter ? { kind: 'stale', lastBin, age } : { kind: 'fresh', lastBin };
}

/** The same for each series of a window, in its order. */
export const windowFreshness = (window: UsageWindow, staleAfter: number, now: EpochSeconds): Freshness[] =>
  window.series.map(({ series }) => freshnessOf(series, staleAfter, now));
