import type { GlobalModel, GlobalRequest } from '../forecast/global.js';

/*
 * What a first champion has to beat: the last value, with the spread that differences over the same time had in the
 * window that it is shown. At an hour's distance that is a strong peer.
 */

const CONTEXT = 2016;

/** @param levels ascending. */
export function createLastValue(levels: readonly number[]): GlobalModel {
  return {
    name: 'last-value',
    levels,
    context: CONTEXT,
    predict(requests, aheads) {
      const out = new Float32Array(requests.length * aheads.length * levels.length).fill(Number.NaN);
      requests.forEach((request, at) => {
        aheads.forEach((ahead, index) => {
          fill(out, (at * aheads.length + index) * levels.length, request, ahead, levels);
        });
      });
      return out;
    },
  };
}

function fill(
  out: Float32Array,
  from: number,
  { values }: GlobalRequest,
  ahead: number,
  levels: readonly number[],
): void {
  const start = Math.max(0, values.length - CONTEXT);
  const moves = [];
  let last = Number.NaN;
  for (let index = start; index < values.length; index++) {
    const value = values[index] ?? Number.NaN;
    if (Number.isNaN(value)) continue;
    last = value;
    const before = index - ahead >= start ? (values[index - ahead] ?? Number.NaN) : Number.NaN;
    if (!Number.isNaN(before)) moves.push(value - before);
  }
  if (Number.isNaN(last)) return;
  const sorted = Float64Array.from(moves).sort();
  levels.forEach((level, k) => {
    const at = Math.min(sorted.length - 1, Math.floor(level * sorted.length));
    out[from + k] = Math.max(0, last + (sorted[at] ?? 0));
  });
}
