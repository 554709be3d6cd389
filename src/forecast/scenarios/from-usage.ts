import type { Series } from '../../domain/series.js';
import { binLabel } from '../../domain/series.js';
import { FULL, ROWS, strideOf, type Dependence } from './dependence.js';
import { createShape } from './shape.js';

const DAY = 86_400;
/** Fewer rows than this tie nothing to anything. */
const FEWEST = 24;

/**
 * What past usage alone says of how bins hang together, for series whose forecasts were made elsewhere (other accounts,
 * other processes). In the place of the forecasts' own misses stand those of a simple one: the usual course of the day,
 * and a departure from it that fades as it usually does. Only the order of misses is used, so that a forecast better than
 * that one is tied together alike.
 * @param usage at the step of the paths; some weeks of it.
 * @returns null where there is too little.
 */
export function dependenceOfUsage(usage: Series, steps: number): Dependence | null {
  const { step, values } = usage;
  const stride = strideOf(step);
  const departures = fromUsual(usage);
  const fades = Float64Array.from({ length: steps }, (_, t) => fadeOf(departures, t + 1));
  const origins: number[] = [];
  const misses: Float64Array[] = [];
  for (let index = 0; index + steps < values.length; index++) {
    const label = binLabel(usage, index);
    if (label % stride !== 0) continue;
    const now = departures[index] ?? Number.NaN;
    const row = fades.map((fade, t) => (departures[index + t + 1] ?? Number.NaN) - fade * now);
    if (row.some((miss) => Number.isNaN(miss))) continue;
    origins.push(label);
    misses.push(row);
  }
  const first = Math.max(0, origins.length - ROWS);
  const rows = origins.length - first;
  if (rows < FEWEST) return null;
  const shares = new Uint16Array(rows * steps);
  const order = Array.from({ length: rows }, (_, r) => r);
  for (let t = 0; t < steps; t++) {
    const miss = (r: number): number => misses[first + r]?.[t] ?? 0;
    order.sort((a, b) => miss(a) - miss(b));
    order.forEach((r, rank) => (shares[r * steps + t] = Math.round(((rank + 0.5) / rows) * FULL)));
  }
  return {
    step,
    steps,
    stride,
    shape: createShape(),
    origins: origins.slice(first),
    shares,
    begin: (row) => row * steps,
  };
}

/** Departures from the usual value of the time of day; NaN where missing. */
function fromUsual({ start, step, values }: Series): Float64Array {
  const slots = Math.max(1, Math.round(DAY / step));
  const sums = new Float64Array(slots);
  const counts = new Float64Array(slots);
  const slotOf = (index: number): number => Math.floor(((start + index * step) % DAY) / step) % slots;
  values.forEach((value, index) => {
    if (Number.isNaN(value)) return;
    const slot = slotOf(index);
    sums[slot] = (sums[slot] ?? 0) + value;
    counts[slot] = (counts[slot] ?? 0) + 1;
  });
  return values.map((value, index) => value - (sums[slotOf(index)] ?? 0) / (counts[slotOf(index)] ?? 1));
}

/** How much of a departure is left so many bins later: the slope of the one on the other. */
function fadeOf(departures: Float64Array, ahead: number): number {
  let products = 0;
  let squares = 0;
  for (let k = 0; k + ahead < departures.length; k++) {
    const now = departures[k] ?? Number.NaN;
    const later = departures[k + ahead] ?? Number.NaN;
    if (Number.isNaN(now) || Number.isNaN(later)) continue;
    products += now * later;
    squares += now * now;
  }
  return squares > 0 ? Math.max(0, Math.min(1, products / squares)) : 0;
}
