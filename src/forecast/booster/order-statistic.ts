/**
 * The k-th smallest of `values[0 … count)` (k from 0), which it leaves parted around place k: quickselect with the middle
 * of three as pivot (Hoare 1961).
 */
export function select(values: Float32Array, count: number, k: number): number {
  let low = 0;
  let high = count - 1;
  while (low < high) {
    const half = (low + high) >> 1;
    const a = values[low] ?? 0;
    const b = values[half] ?? 0;
    const c = values[high] ?? 0;
    const pivot = a < b ? (b < c ? b : a < c ? c : a) : a < c ? a : b < c ? c : b;
    let i = low;
    let j = high;
    while (i <= j) {
      while ((values[i] ?? 0) < pivot) i++;
      while ((values[j] ?? 0) > pivot) j--;
      if (i <= j) {
        const kept = values[i] ?? 0;
        values[i] = values[j] ?? 0;
        values[j] = kept;
        i++;
        j--;
      }
    }
    if (k <= j) high = j;
    else if (k >= i) low = i;
    else break;
  }
  return values[k] ?? Number.NaN;
}

/**
 * The value that costs least at `level` where some of `values[0 … count)` are lower bounds: one that is at or under it
 * costs nothing, one that is above it as much as any other (the pinball loss of one side; Powell, J. Econometrics 1986).
 * The smallest s with as many known values up to it as `level` of these and of the bounds above it.
 */
export function boundedQuantileOf(values: Float32Array, isBound: Uint8Array, count: number, level: number): number {
  const order = Uint32Array.from({ length: count }, (_, k) => k).sort((a, b) => (values[a] ?? 0) - (values[b] ?? 0));
  let known = 0;
  for (let k = 0; k < count; k++) if (isBound[k] !== 1) known++;
  let under = 0;
  let above = count - known;
  for (let k = 0; k < count; k++) {
    const index = order[k] ?? 0;
    if (isBound[index] === 1) above--;
    else under++;
    const value = values[index] ?? 0;
    // All that are equal come in at once.
    if (k + 1 < count && values[order[k + 1] ?? 0] === value) continue;
    if (under >= level * (known + above)) return value;
  }
  return 0;
}

/** The quantile of `values[0 … count)` at `level`, linear between neighbours; changes their order. */
export function quantileOf(values: Float32Array, count: number, level: number): number {
  if (count === 0) return 0;
  const place = level * (count - 1);
  const k = Math.floor(place);
  const low = select(values, count, k);
  if (k + 1 >= count || place === k) return low;
  let high = Number.POSITIVE_INFINITY;
  for (let at = k + 1; at < count; at++) high = Math.min(high, values[at] ?? 0);
  return low + (place - k) * (high - low);
}
