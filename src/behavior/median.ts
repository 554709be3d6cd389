/** The upper of the two in the middle, where there are two; NaN of nothing. Sorts the values in place. */
export function medianOf(values: number[]): number {
  values.sort((a, b) => a - b);
  return values[values.length >> 1] ?? Number.NaN;
}
