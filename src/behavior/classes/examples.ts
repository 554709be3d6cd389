import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { Series } from '../../domain/series.js';
import { WORKLOAD_CLASSES, type WorkloadClass } from './class.js';

/*
 * Series of known kinds, as the forest learns them: each kind in many sizes, lengths and degrees, with what real series
 * have besides (noise, a little of the day, missing bins), so that the borders between the kinds are learnt, too.
 */

const HOUR = 3600;
const DAY = 86_400;
const MONDAY = 1_780_272_000;
const STEP = 900;

export interface Example {
  class: WorkloadClass;
  series: Series;
  /** As good as nothing, in its unit; null: nobody knows. */
  nothing: number | null;
}

interface Random {
  between(low: number, high: number): number;
  /** Evenly by orders of magnitude. */
  around(low: number, high: number): number;
  chance(probability: number): boolean;
  normal(): number;
  exponential(): number;
}

function randomOf(seed: number): Random {
  const generator = xoroshiro128plus(seed);
  const uniform = (): number => uniformFloat64(generator);
  const between = (low: number, high: number): number => low + (high - low) * uniform();
  return {
    between,
    around: (low, high) => Math.exp(between(Math.log(low), Math.log(high))),
    chance: (probability) => uniform() < probability,
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    exponential: () => -Math.log(1 - uniform()),
  };
}

interface Shape {
  bins: number;
  /** Relative level of a bin, around 1. */
  level(bin: number): number;
}

/** A day as people live it: one or two humps, or the night's. */
function cycle(random: Random, amplitude: number, weekend: number): (bin: number) => number {
  const phase = random.between(0, 24);
  const second = random.chance(0.4) ? random.between(0.1, 0.6) : 0;
  const sharp = random.between(0.7, 2.5);
  return (bin) => {
    const at = bin * STEP;
    const hour = (at % DAY) / HOUR;
    const first = (1 + Math.cos((2 * Math.PI * (hour - phase)) / 24)) / 2;
    const other = (1 + Math.cos((4 * Math.PI * (hour - phase - 3)) / 24)) / 2;
    const hump = (first ** sharp + second * other) / (1 + second);
    return (1 - amplitude + amplitude * hump) * (Math.floor(at / DAY) % 7 >= 5 ? weekend : 1);
  };
}

function noise(random: Random, fast: number, slow: number): () => number {
  let wander = 0;
  return () => {
    wander = 0.95 * wander + Math.sqrt(1 - 0.95 ** 2) * random.normal();
    return Math.exp(slow * wander) * (1 + fast * random.normal());
  };
}

/** Heights of bursts by bin: they come at random, rise at once and die away. */
function bursts(random: Random, bins: number, perDay: number, height: number): Float64Array {
  const sums = new Float64Array(bins);
  const mean = DAY / STEP / perDay;
  for (let bin = random.exponential() * mean; bin < bins; bin += Math.max(1, random.exponential() * mean)) {
    const decay = random.around(0.7, 8);
    const size = height * (0.3 + random.exponential());
    for (let after = 0; after < 5 * decay && bin + after < bins; after++) {
      const index = Math.floor(bin + after);
      sums[index] = (sums[index] ?? 0) + size * Math.exp(-after / decay);
    }
  }
  return sums;
}

/** Work by bin that schedules add: one task or two, missed now and then. */
function tasks(random: Random, bins: number): Float64Array {
  const sums = new Float64Array(bins);
  const count = random.chance(0.3) ? 2 : 1;
  for (let task = 0; task < count; task++) {
    const period = [1, 2, 3, 4, 6, 8, 12, 24, 24, 24, 24, 168][Math.floor(random.between(0, 12))] ?? 24;
    const length = Math.max(STEP, Math.min(6 * HOUR, random.around(0.03, 0.35) * period * HOUR));
    const working = period === 24 && random.chance(0.3);
    const missed = random.chance(0.4) ? random.between(0, 0.15) : 0;
    const jitter = random.chance(0.5) ? random.between(0, 600) : 0;
    const size = random.around(0.5, 2);
    for (let at = random.between(0, period) * HOUR; at < bins * STEP; at += period * HOUR) {
      if (random.chance(missed) || (working && Math.floor(at / DAY) % 7 >= 5)) continue;
      const from = at + jitter * random.normal();
      const to = from + length * random.between(0.85, 1.15);
      for (let bin = Math.max(0, Math.floor(from / STEP)); bin < bins && bin * STEP < to; bin++) {
        const part = Math.max(0, Math.min(to, (bin + 1) * STEP) - Math.max(from, bin * STEP)) / STEP;
        sums[bin] = (sums[bin] ?? 0) + size * part;
      }
    }
  }
  return sums;
}

function shapeOf(of: WorkloadClass, random: Random): Shape {
  const days = random.between(of === 'growing' || of === 'batch' ? 7 : 3, 28);
  const bins = Math.round((days * DAY) / STEP);
  switch (of) {
    case 'steady': {
      // What is reserved and never let go does not move at all.
      if (random.chance(0.15)) return { bins, level: () => 1 };
      const day = cycle(random, random.between(0, 0.12), random.between(0.95, 1.05));
      const wander = noise(random, random.around(0.005, 0.12), random.around(0.005, 0.06));
      return { bins, level: (bin) => day(bin) * wander() };
    }
    case 'daily': {
      const day = cycle(random, random.between(0.3, 0.97), random.chance(0.5) ? random.between(0.2, 1.4) : 1);
      const wander = noise(random, random.around(0.01, 0.15), random.around(0.01, 0.12));
      const some = bursts(random, bins, random.between(0.05, 1), random.between(0, 0.3));
      const growth = random.between(-0.1, 0.15);
      return { bins, level: (bin) => day(bin) * wander() * (1 + (growth * bin) / bins) + (some[bin] ?? 0) };
    }
    case 'bursty': {
      const base = random.between(0.02, 1);
      const day = cycle(random, random.between(0, 0.5), 1);
      const wander = noise(random, random.around(0.02, 0.2), random.around(0.05, 0.6));
      const many = bursts(random, bins, random.around(0.5, 20), random.around(1, 8));
      return { bins, level: (bin) => base * day(bin) * wander() + (many[bin] ?? 0) };
    }
    case 'batch': {
      const base = random.around(0.003, 0.5);
      const day = cycle(random, random.between(0, 0.3), 1);
      const wander = noise(random, random.around(0.01, 0.15), random.around(0.01, 0.1));
      const scheduled = tasks(random, bins);
      return { bins, level: (bin) => base * day(bin) * wander() + (scheduled[bin] ?? 0) * (0.9 + 0.2 * wander()) };
    }
    case 'idle': {
      const quiet = random.chance(0.5) ? 0 : random.around(0.01, 0.6);
      const wander = noise(random, random.around(0.01, 0.5), random.around(0.01, 0.5));
      const rare = bursts(random, bins, random.around(0.02, 1), random.around(0.1, 2));
      return { bins, level: (bin) => quiet * wander() + (rare[bin] ?? 0) };
    }
    case 'growing': {
      const growth = random.around(0.35, 4);
      const steps = random.chance(0.25) ? Math.round(random.between(3, 8)) : null;
      const day = cycle(random, random.between(0, 0.5), random.between(0.8, 1.1));
      const wander = noise(random, random.around(0.01, 0.12), random.around(0.01, 0.08));
      const exponential = random.chance(0.5);
      return {
        bins,
        level: (bin) => {
          const part = steps === null ? bin / bins : Math.floor((bin / bins) * steps) / steps;
          return day(bin) * wander() * (exponential ? (1 + growth) ** part : 1 + growth * part);
        },
      };
    }
  }
}

/** One series of a kind. The same kind and seed give the same series. */
export function exampleOf(of: WorkloadClass, seed: number): Example {
  const random = randomOf(Math.imul(seed + 1, 0x9e37_79b1) ^ WORKLOAD_CLASSES.indexOf(of));
  // What does next to nothing is idle however it does it, where somebody knows what nothing is.
  const told = random.chance(0.85);
  const likeness = of === 'idle' && told && random.chance(0.5);
  const { bins, level } = shapeOf(likeness ? (random.chance(0.6) ? 'steady' : 'daily') : of, random);
  const unit = random.around(1e-2, 1e6);
  const values = Float64Array.from({ length: bins }, (_, bin) => Math.max(0, level(bin)) * unit);
  const holes = random.chance(0.3) ? random.between(0, 0.05) : 0;
  for (let bin = 0; bin < bins; bin++) if (random.chance(holes)) values[bin] = Number.NaN;
  // Where nobody knows it, only zeros tell.
  const nothing =
    of === 'idle' ? unit * (likeness ? random.around(2, 100) : random.between(0.8, 3)) : unit / random.around(8, 2000);
  if (of === 'idle' && !told) values.forEach((value, bin) => (values[bin] = value < 0.7 * unit ? 0 : value));
  return {
    class: of,
    nothing: told ? nothing : null,
    series: {
      start: MONDAY + Math.floor(random.between(0, 7)) * DAY,
      step: STEP,
      values,
      censored: new Uint8Array(bins),
    },
  };
}
