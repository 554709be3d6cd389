import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';
import type { EpochSeconds } from '../domain/time.js';

/*
 * Randomness that depends on the seed, the stream and the moment alone, never on where a range begins: two calls whose
 * ranges overlap agree where they do. Each stream draws a day at a time from a generator of that day's own seed.
 */

const DAY = 86_400;
const MINUTES = 1440;
/** Nodes of the slow noise: every half hour. */
const NODES = 48;

/** FNV-1a over the parts, with a final mix: neighbouring days and names give unrelated seeds. */
function seedOf(...parts: readonly (string | number)[]): number {
  let hash = 0x811c9dc5;
  for (const character of parts.join('\u0000')) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

/** Standard normal, by Box and Muller. */
const normal = (random: RandomGenerator): number =>
  Math.sqrt(-2 * Math.log(1 - uniformFloat64(random))) * Math.cos(2 * Math.PI * uniformFloat64(random));

/** One burst: it rises within two minutes and dies away. */
export interface Burst {
  at: EpochSeconds;
  /** Seconds in which it falls to 1/e. */
  decay: number;
  /** Standard exponential: most bursts are small, a few large. */
  size: number;
}

interface Day {
  /** Standard normal, one a minute. */
  fast: Float64Array;
  /** Standard normal, one every half hour. */
  slow: Float64Array;
  bursts: Burst[];
}

export interface NoiseStream {
  /** Standard normal, independent from minute to minute. */
  fast(at: EpochSeconds): number;
  /** Smooth over half hours, of about unit variance. */
  slow(at: EpochSeconds): number;
  /** Bursts that began on the (UTC) day of `at` or the day before. */
  bursts(at: EpochSeconds): readonly Burst[];
}

/** @param burstsPerDay expected count; they come at any hour. */
export function createNoise(seed: number, stream: string, burstsPerDay: number): NoiseStream {
  const days = new Map<number, Day>();
  const dayOf = (index: number): Day => {
    const known = days.get(index);
    if (known !== undefined) return known;
    const random = xoroshiro128plus(seedOf(seed, stream, index));
    const fast = Float64Array.from({ length: MINUTES }, () => normal(random));
    const slow = Float64Array.from({ length: NODES }, () => normal(random));
    const bursts: Burst[] = [];
    // Each hour begins one with the same probability: close to a Poisson process, and never two at once.
    for (let hour = 0; hour < 24; hour++) {
      const draws = Array.from({ length: 4 }, () => uniformFloat64(random));
      if ((draws[0] ?? 1) >= burstsPerDay / 24) continue;
      bursts.push({
        at: index * DAY + hour * 3600 + Math.floor((draws[1] ?? 0) * 60) * 60,
        decay: 300 + 1500 * (draws[2] ?? 0),
        size: -Math.log(1 - (draws[3] ?? 0)),
      });
    }
    const day = { fast, slow, bursts };
    days.set(index, day);
    return day;
  };
  const node = (index: number): number => dayOf(Math.floor(index / NODES)).slow[((index % NODES) + NODES) % NODES] ?? 0;
  return {
    fast(at) {
      const index = Math.floor(at / DAY);
      return dayOf(index).fast[Math.floor((at - index * DAY) / 60)] ?? 0;
    },
    slow(at) {
      const position = at / (DAY / NODES);
      const index = Math.floor(position);
      const share = (1 - Math.cos(Math.PI * (position - index))) / 2;
      const mixed = node(index) * (1 - share) + node(index + 1) * share;
      // Between two nodes a mean varies less than either: put the variance back.
      return mixed / Math.sqrt((1 - share) ** 2 + share ** 2);
    },
    bursts(at) {
      const index = Math.floor(at / DAY);
      return [...dayOf(index - 1).bursts, ...dayOf(index).bursts];
    },
  };
}
