import type { EpochSeconds } from '../domain/time.js';
import type { Calendar } from './calendar.js';
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
/** Bins before and after the time that count too, less with their distance: no more than half an hour of them. */
const AROUND = 3;
const MOST = DAYS * (2 * AROUND + 1);
/** What it counts beside all of a series' own members together, before anything is known of the series. */
const TRUST = 0.5;

const LEVELS: readonly number[] = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99];

/**
 * Values with weights, and their quantiles; one for all requests, since nothing outlives a call.
 * Values are sorted natively with their place in the lowest bits, a tenth of what a comparing function costs.
 */
function createSample() {
  const values = new Float64Array(MOST);
  const weights = new Float64Array(MOST);
  const sorted = new Float64Array(MOST);
  const words = new Uint32Array(sorted.buffer);
  const lowWord = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1 ? 0 : 1;
  let count = 0;
  let total = 0;
  return {
    get count() {
      return count;
    },
    clear() {
      count = 0;
      total = 0;
    },
    add(value: number, weight: number) {
      values[count] = value;
      weights[count] = weight;
      sorted[count] = value;
      const low = 2 * count + lowWord;
      words[low] = ((words[low] ?? 0) & ~127) | count;
      total += weight;
      count++;
    },
    /** Linear between the middles of the values' weights. */
    quantiles(out: Float32Array, at: number) {
      sorted.subarray(0, count).sort();
      const placeOf = (rank: number): number => (words[2 * rank + lowWord] ?? 0) & 127;
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
        out[at + l] = lower + share * (upper - lower);
      }
    },
  };
}

function gather(
  { values, origin, step }: GlobalRequest,
  target: EpochSeconds,
  calendar: Calendar,
  add: (value: number, weight: number) => void,
): void {
  const last = values.length - 1;
  const around = Math.min(AROUND, Math.floor(DAY / step / 48));
  let latest = Number.NaN;
  for (let days = 1; days <= DAYS; days++) {
    const label = calendar.daysBefore(target, days);
    if (label > origin) continue;
    if (Number.isNaN(latest)) latest = days;
    const middle = last - Math.round((origin - label) / step);
    if (middle + around < 0) return;
    const weight = 2 ** ((latest - days) / HALF_LIFE) * (days % 7 === 0 ? SAME_WEEKDAY : 1);
    for (let k = -around; k <= around; k++) {
      const value = values[middle + k] ?? Number.NaN;
      if (!Number.isNaN(value)) add(value, weight * (1 - Math.abs(k) / (around + 1)));
    }
  }
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
        const { origin, step, calendar } = request;
        const season = DAY / step;
        if (season < 4 || request.values.length < FEWEST * season) return;
        aheads.forEach((ahead, a) => {
          sample.clear();
          gather(request, origin + ahead * step, calendar, sample.add);
          if (sample.count >= FEWEST) sample.quantiles(out, (r * aheads.length + a) * K);
        });
      });
      return out;
    },
  };
}
