import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus, xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';

/** A seeded stream of numbers whose place can be noted and come back to. */
export interface Random {
  /** Uniform in [0, 1), 53 bits. */
  uniform(): number;
  /** Uniform among 0 … below − 1. */
  below(bound: number): number;
  /** Standard normal, by Box and Muller. */
  normal(): number;
  /** 32 random bits as a number in [0, 1): half the cost of `uniform`, for masks. */
  coarse(): number;
  state(): readonly number[];
}

/** @param from a seed, or the state of a stream that goes on. */
export function createRandom(from: number | readonly number[]): Random {
  const generator = typeof from === 'number' ? xoroshiro128plus(from) : xoroshiro128plusFromState(from);
  const uniform = (): number => uniformFloat64(generator);
  return {
    uniform,
    below: (bound) => Math.min(bound - 1, Math.floor(uniform() * bound)),
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    coarse: () => (generator.next() >>> 0) / 2 ** 32,
    state: () => generator.getState(),
  };
}
