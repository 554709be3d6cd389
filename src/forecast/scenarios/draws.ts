/** A number in (0, 1) that a few numbers decide: the same ones give the same draw, in whatever order they are asked. */
export function unitDraw(seed: number, first: number, second: number): number {
  let h = Math.imul(seed | 0, 0x9e3779b1) ^ Math.imul(first | 0, 0x85ebca6b) ^ Math.imul(second | 0, 0xc2b2ae35);
  h ^= Math.imul(Math.floor(first / 2 ** 32), 0x27d4eb2f);
  // Murmur3's finaliser.
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  h ^= h >>> 16;
  return ((h >>> 0) + 0.5) / 2 ** 32;
}

/** A permutation of 0 … n−1 (Fisher and Yates) that a seed decides. */
export function shuffled(n: number, seed: number): Int32Array {
  const order = Int32Array.from({ length: n }, (_, k) => k);
  for (let k = n - 1; k > 0; k--) {
    const other = Math.floor(unitDraw(seed, k, n) * (k + 1));
    const kept = order[k] ?? 0;
    order[k] = order[other] ?? 0;
    order[other] = kept;
  }
  return order;
}
