import type { EpochSeconds } from '../domain/time.js';
import { FEATURE_CONTEXT } from './features.js';
import type { GlobalModel, GlobalRequest } from './global.js';

/*
 * What the series itself was at this local time of the last two weeks, as a distribution: its climate, as forecasters of
 * weather call it. It knows no residuals and no level of today, and errs where trees and regressions don't: a day ahead,
 * where little is known of today's errors any more, that makes their mean better than either. It learns nothing, and
 * stands beside trained models by the same port.
 */

const DAY = 86_400;
/** Days that it looks back, and fewest that say anything. */
const DAYS = 14;
const FEWEST = 2;
/** Days until a value counts half; the same day of the week counts twice. */
const HALF_LIFE = 7;
const SAME_WEEKDAY = 2;
/** Bins before and after the time that count too, less with their distance: none further than half an hour. */
const AROUND = 2;
const MOST = DAYS * (2 * AROUND + 1);
/** What it counts beside all of a series' own members together, before anything is known of the series. */
const TRUST = 0.5;

const LEVELS: readonly number[] = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99];

/** What a day counts, by how many it lies before the latest one; and a bin, by its distance from the time. */
const FADING = Float64Array.from({ length: DAYS }, (_, days) => 2 ** (-days / HALF_LIFE));
const NEAR = Float64Array.from({ length: AROUND + 1 }, (_, k) => 1 - k / (AROUND + 1));

/** Values with weights, and their quantiles: made once and filled anew for each target. */
function createSample() {
  const values = new Float64Array(MOST);
  const weights = new Float64Array(MOST);
  // Sorted natively with their places in the lowest bits, at a tenth of what a comparing function costs.
  const sorted = new Float64Array(MOST);
  const words = new Uint32Array(sorted.buffer);
  const lowWord = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1 ? 0 : 1;
  const placeOf = (rank: number): number => (words[2 * rank + lowWord] ?? 0) & 127;

  /** Takes what is known of a target; how many values that is. */
  const fill = (
    { values: seen, origin, step, calendar }: GlobalRequest,
    target: EpochSeconds,
    around: number,
  ): number => {
    let count = 0;
    let latest = 0;
    for (let days = 1; days <= DAYS; days++) {
      const label = calendar.daysBefore(target, days);
      if (label > origin) continue;
      if (latest === 0) latest = days;
      const middle = seen.length - 1 - Math.round((origin - label) / step);
      if (middle + around < 0) break;
      const ofDay = (FADING[days - latest] ?? 0) * (days % 7 === 0 ? SAME_WEEKDAY : 1);
      const end = Math.min(seen.length - 1, middle + around);
      for (let at = Math.max(0, middle - around); at <= end; at++) {
        const value = seen[at] ?? Number.NaN;
        if (Number.isNaN(value)) continue;
        values[count] = value;
        weights[count] = ofDay * (NEAR[Math.abs(at - middle)] ?? 0);
        sorted[count] = value;
        const low = 2 * count + lowWord;
        words[low] = ((words[low] ?? 0) & ~127) | count;
        count++;
      }
    }
    return count;
  };
  /** Linear between the middles of the values' weights. */
  const quantiles = (count: number, out: Float32Array, to: number): void => {
    sorted.subarray(0, count).sort();
    let total = 0;
    for (let k = 0; k < count; k++) total += weights[k] ?? 0;
    let rank = 0;
    let place = placeOf(0);
    let middle = (weights[place] ?? 0) / 2;
    let before = middle;
    let lower = values[place] ?? 0;
    for (let l = 0; l < LEVELS.length; l++) {
      const wanted = (LEVELS[l] ?? 0.5) * total;
      while (middle < wanted && rank < count - 1) {
        lower = values[place] ?? 0;
        before = middle;
        middle += (weights[place] ?? 0) / 2;
        place = placeOf(++rank);
        middle += (weights[place] ?? 0) / 2;
      }
      const upper = values[place] ?? 0;
      const share = middle > before ? Math.min(1, Math.max(0, (wanted - before) / (middle - before))) : 1;
      out[to + l] = lower + share * (upper - lower);
    }
  };
  return { fill, quantiles };
}

/** See above; it says nothing of series with less than two days of history, or with fewer than four bins a day. */
export function createSameTime(): GlobalModel {
  const K = LEVELS.length;
  const sample = createSample();
  return {
    name: 'same-time',
    levels: LEVELS,
    context: FEATURE_CONTEXT,
    trust: TRUST,
    predict(requests, aheads) {
      const out = new Float32Array(requests.length * aheads.length * K).fill(Number.NaN);
      requests.forEach((request, r) => {
        const { origin, step } = request;
        const season = DAY / step;
        if (season < 4 || request.values.length < FEWEST * season) return;
        const around = Math.min(AROUND, Math.floor(season / 48));
        aheads.forEach((ahead, a) => {
          const count = sample.fill(request, origin + ahead * step, around);
          if (count >= FEWEST) sample.quantiles(count, out, (r * aheads.length + a) * K);
        });
      });
      return out;
    },
  };
}
