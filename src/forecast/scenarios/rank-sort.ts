/**
 * Sorts many columns of 16-bit numbers of one length, by radix: some ten times as fast as the language's own sort, which
 * is what sampling would otherwise spend its time on.
 * @returns a function from a column to its places in ascending order of value (equal ones in order of place); valid until
 *   the next call.
 */
export function createRankSort(length: number): (column: Uint16Array) => Uint16Array {
  const counts = new Uint32Array(256);
  const half = new Uint16Array(length);
  const sorted = new Uint16Array(length);
  const pass = (column: Uint16Array, from: Uint16Array | null, to: Uint16Array, shift: number): void => {
    counts.fill(0);
    for (let k = 0; k < length; k++) {
      const digit = ((column[k] ?? 0) >> shift) & 255;
      counts[digit] = (counts[digit] ?? 0) + 1;
    }
    let before = 0;
    for (let digit = 0; digit < 256; digit++) {
      const count = counts[digit] ?? 0;
      counts[digit] = before;
      before += count;
    }
    for (let k = 0; k < length; k++) {
      const place = from === null ? k : (from[k] ?? 0);
      const digit = ((column[place] ?? 0) >> shift) & 255;
      const at = counts[digit] ?? 0;
      counts[digit] = at + 1;
      to[at] = place;
    }
  };
  return (column) => {
    pass(column, null, half, 0);
    pass(column, half, sorted, 8);
    return sorted;
  };
}
