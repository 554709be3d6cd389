/**
 * Random numbers by name instead of by turn: a draw depends on the seed and on what it is for (`pod acme/web 17`), never
 * on how many were drawn before. So two runs that differ in one decision share all other luck (common random numbers),
 * and a replay of the same commands ends in the same state.
 */
export interface Draws {
  /** In (0, 1). */
  uniform(purpose: string): number;
  /** Log-normal with this median; `spread` is the standard deviation of its logarithm (0.2: ± 20 %). */
  logNormal(purpose: string, median: number, spread: number): number;
  /** Waiting time of a Poisson process with `rate` events a unit; infinite at rate 0. */
  exponential(purpose: string, rate: number): number;
}

/** Two rounds of FNV-1a with a murmur3 finaliser: 53 well mixed bits. */
function hash(text: string, seed: number): number {
  let high = 0x811c9dc5 ^ seed;
  let low = 0x9747b28c ^ Math.imul(seed, 0x85ebca6b);
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    high = Math.imul(high ^ code, 0x01000193);
    low = Math.imul(low ^ code, 0x5bd1e995);
    low ^= low >>> 15;
  }
  const finish = (value: number) => {
    let mixed = value;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return (mixed ^ (mixed >>> 16)) >>> 0;
  };
  return (finish(high) >>> 5) * 2 ** 26 + (finish(low ^ high) >>> 6);
}

export function createDraws(seed: number): Draws {
  const uniform = (purpose: string) => (hash(purpose, seed) + 0.5) / 2 ** 53;
  return {
    uniform,
    logNormal(purpose, median, spread) {
      if (spread === 0) return median;
      // Box and Muller (1958).
      const radius = Math.sqrt(-2 * Math.log(uniform(`${purpose} radius`)));
      return median * Math.exp(spread * radius * Math.cos(2 * Math.PI * uniform(`${purpose} angle`)));
    },
    exponential: (purpose, rate) => (rate > 0 ? -Math.log(uniform(purpose)) / rate : Number.POSITIVE_INFINITY),
  };
}
