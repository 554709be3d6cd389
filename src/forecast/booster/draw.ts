import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';

/* What each tree is shown. */

/** Whether a column tells any two rows apart. */
export function isUseful(codes: Uint8Array, rows: number, column: number): boolean {
  const first = codes[column * rows];
  for (let at = column * rows + 1; at < (column + 1) * rows; at++) if (codes[at] !== first) return true;
  return false;
}

/** Draws the rows of a tree, each with the same chance, in ascending order. */
export function drawRows(random: RandomGenerator, sample: Int32Array, rows: number, share: number): number {
  if (share >= 1) {
    for (let row = 0; row < rows; row++) sample[row] = row;
    return rows;
  }
  const bound = Math.round(share * 2 ** 32) - 2 ** 31;
  let count = 0;
  for (let row = 0; row < rows; row++) if (random.next() < bound) sample[count++] = row;
  return count;
}

/** Draws the columns of a tree, in ascending order. */
export function drawColumns(random: RandomGenerator, useful: readonly number[], share: number): number[] {
  if (share >= 1) return [...useful];
  const pool = [...useful];
  const wanted = Math.min(pool.length, Math.max(1, Math.round(share * pool.length)));
  for (let k = 0; k < wanted; k++) {
    const other = k + Math.floor(((random.next() + 2 ** 31) / 2 ** 32) * (pool.length - k));
    const kept = pool[k] ?? 0;
    pool[k] = pool[other] ?? 0;
    pool[other] = kept;
  }
  return pool.slice(0, wanted).sort((a, b) => a - b);
}
