import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PROFILE_NAMES, profileOf } from '../../src/replay/profiles.js';
import { collected, generateDemand, type DemandProfile } from '../../src/replay/synthetic.js';

const DAY = 86_400;
const HOUR = 3600;
/** A Thursday. */
const dayStart = Date.parse('2026-03-12T00:00:00Z') / 1000;

const demandOf = (profile: DemandProfile, workload: string, component: 'cpu' | 'memory', days: number, seed = 7) => {
  const generated = generateDemand({ profile, seed, from: dayStart - days * DAY, to: dayStart + DAY, step: 300 });
  const found = generated.find((one) => one.workload === workload && one.component === component);
  if (found === undefined) throw new Error(`no ${component} of ${workload}`);
  return found.samples;
};
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const deviation = (values: readonly number[]): number =>
  Math.sqrt(mean(values.map((value) => (value - mean(values)) ** 2)));
const between = (samples: readonly { at: number; value: number }[], from: number, to: number): number[] =>
  samples.filter(({ at }) => at >= from && at < to).map(({ value }) => value);
const quiet = (profile: DemandProfile): DemandProfile => ({
  ...profile,
  workloads: profile.workloads.map((shape) => ({
    ...shape,
    bursts: { perDay: 0, height: 0 },
    noise: { fast: 0, slow: 0 },
  })),
});

describe('generated demand is a function of seed, profile and moment', () => {
  it.each(PROFILE_NAMES)('%s: the same again, and another with another seed', (name) => {
    const request = { profile: profileOf(name, dayStart), from: dayStart, to: dayStart + DAY, step: 300 };
    const first = generateDemand({ ...request, seed: 1 });
    expect(generateDemand({ ...request, seed: 1 })).toEqual(first);
    expect(generateDemand({ ...request, seed: 2 })).not.toEqual(first);
  });

  it('gives a bin the same value whatever range it is asked for in', () => {
    const profile = profileOf('analytics', dayStart);
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 400 }),
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: 0, max: 1e6 }),
        (skip, length, seed) => {
          const whole = generateDemand({ profile, seed, from: dayStart, to: dayStart + 2 * DAY, step: 300 });
          const from = dayStart + skip * 300;
          const part = generateDemand({ profile, seed, from, to: from + length * 300, step: 300 });
          part.forEach(({ samples }, at) => expect(samples).toEqual(whole[at]?.samples.slice(skip, skip + length)));
        },
      ),
      { numRuns: 15 },
    );
  });

  it.each(PROFILE_NAMES)('%s: is finite and above zero at every bin of eight weeks', (name) => {
    const profile = profileOf(name, dayStart);
    const generated = generateDemand({ profile, seed: 3, from: dayStart - 56 * DAY, to: dayStart + DAY, step: 900 });
    expect(generated).toHaveLength(4);
    for (const { samples } of generated) {
      expect(samples).toHaveLength(57 * 96);
      expect(samples.every(({ value }) => Number.isFinite(value) && value > 0)).toBe(true);
    }
  });

  it.each([0, -60, 30, 90, Number.NaN])('refuses a step of %s', (step) => {
    const request = { profile: profileOf('shop', dayStart), seed: 1, from: dayStart, to: dayStart + DAY, step };
    expect(() => generateDemand(request)).toThrow(/multiple of a minute/);
  });
});

describe('each feature is in the data', () => {
  it('shop: evenings above nights, weekends above weekdays', () => {
    const samples = demandOf(profileOf('shop', dayStart), 'web', 'cpu', 28);
    // 18 UTC is 19 in Berlin in winter.
    const atHour = (day: number, hour: number) => between(samples, day + hour * HOUR, day + (hour + 1) * HOUR);
    const days = Array.from({ length: 28 }, (_, index) => dayStart - (index + 1) * DAY);
    expect(mean(days.flatMap((day) => atHour(day, 19)))).toBeGreaterThan(
      5 * mean(days.flatMap((day) => atHour(day, 2))),
    );
    const saturdays = days.filter((day) => new Date(day * 1000).getUTCDay() === 6);
    const tuesdays = days.filter((day) => new Date(day * 1000).getUTCDay() === 2);
    const dayMean = (chosen: readonly number[]) => mean(chosen.flatMap((day) => between(samples, day, day + DAY)));
    expect(dayMean(saturdays) / dayMean(tuesdays)).toBeCloseTo(1.25, 1);
  });

  it('cycles follow the local clock across daylight saving', () => {
    const spring = Date.parse('2026-03-29T00:00:00Z') / 1000;
    const profile = quiet(profileOf('shop', spring + 7 * DAY));
    const cpu = generateDemand({ profile, seed: 1, from: spring - 3 * DAY, to: spring + 4 * DAY, step: 3600 })[0];
    const peakHour = (day: number) => {
      const hours = between(cpu?.samples ?? [], day, day + DAY);
      return hours.indexOf(Math.max(...hours));
    };
    expect(peakHour(spring + 2 * DAY)).toBe(peakHour(spring - 2 * DAY) - 1);
  });

  it('shop: the campaign lifts what it names above the same hours of the week before', () => {
    const profile = profileOf('shop', dayStart);
    const samples = demandOf(profile, 'checkout', 'cpu', 14);
    const { from, to } = profile.campaigns[0] ?? { from: 0, to: 0 };
    const lift =
      mean(between(samples, from + 900, to - 900)) / mean(between(samples, from - 7 * DAY + 900, to - 7 * DAY - 900));
    expect(lift).toBeGreaterThan(1.8);
    expect(lift).toBeLessThan(2.7);
  });

  it('analytics: nightly batches stand well above the hours around them, in memory too', () => {
    const profile = profileOf('analytics', dayStart);
    const cpu = demandOf(profile, 'pipeline', 'cpu', 7);
    const memory = demandOf(profile, 'pipeline', 'memory', 7);
    for (let day = 1; day <= 7; day++) {
      const night = dayStart - day * DAY;
      const inside = [night + 1.25 * HOUR, night + 3.25 * HOUR] as const;
      const outside = [night + 6 * HOUR, night + 20 * HOUR] as const;
      expect(mean(between(cpu, ...inside))).toBeGreaterThan(5 * mean(between(cpu, ...outside)));
      expect(mean(between(memory, ...inside))).toBeGreaterThan(2 * mean(between(memory, ...outside)));
    }
  });

  it('analytics: a batch that crosses midnight belongs to the day on which it began', () => {
    const profile = quiet(profileOf('analytics', dayStart));
    const samples = demandOf(profile, 'pipeline', 'cpu', 7);
    const sunday = Date.parse('2026-03-08T00:00:00Z') / 1000;
    const monday = sunday + DAY;
    expect(between(samples, monday + 1800, monday + 2100)[0]).toBeGreaterThan(8);
    expect(between(samples, sunday + 1800, sunday + 2100)[0]).toBeLessThan(2);
  });

  it('bursts: several a day, some more than twice the mean, at times that the seed decides', () => {
    const profile = profileOf('analytics', dayStart);
    const bursts = { perDay: 0, height: 0 };
    const calm = { ...profile, workloads: profile.workloads.map((one) => ({ ...one, bursts })) };
    const peaks = [1, 2, 3].map((seed) => {
      const without = demandOf(calm, 'query', 'cpu', 27, seed).map(({ value }) => value);
      const above = demandOf(profile, 'query', 'cpu', 27, seed).map(({ value }, bin) => value - (without[bin] ?? 0));
      const begun = above.filter((value, bin) => value > 0.5 && (above[bin - 1] ?? 0) <= 0.5).length;
      expect(begun / 28).toBeGreaterThan(2);
      expect(begun / 28).toBeLessThan(6);
      expect(Math.max(...above)).toBeGreaterThan(2 * mean(without));
      return above.indexOf(Math.max(...above));
    });
    expect(new Set(peaks).size).toBe(3);
  });

  it('noise grows with the level', () => {
    const profile = profileOf('saas', dayStart);
    const noisy = demandOf(profile, 'api', 'cpu', 28);
    const plan = new Map(demandOf(quiet(profile), 'api', 'cpu', 28).map(({ at, value }) => [at, value]));
    const residuals = (low: number, high: number) =>
      noisy.flatMap(({ at, value }) => {
        const level = plan.get(at) ?? Number.NaN;
        return level >= low && level < high && value < 1.3 * level ? [value - level] : [];
      });
    expect(deviation(residuals(8, 20))).toBeGreaterThan(1.5 * deviation(residuals(0, 4)));
  });

  it('saas: grows from week to week, and a release raises its level at once and for good', () => {
    const profile = profileOf('saas', dayStart);
    const samples = demandOf(profile, 'api', 'cpu', 35);
    const week = (ago: number) => mean(between(samples, dayStart - ago * 7 * DAY, dayStart - (ago - 1) * 7 * DAY));
    expect(week(2) / week(5)).toBeCloseTo(1.04 ** 3, 1);
    const release = profile.releases[0]?.at ?? 0;
    const ratio = (offset: number) =>
      mean(between(samples, release + offset, release + offset + 2 * HOUR)) /
      mean(between(samples, release + offset - 7 * DAY, release + offset - 7 * DAY + 2 * HOUR));
    expect(ratio(0)).toBeGreaterThan(1.25);
    expect(ratio(3 * DAY)).toBeGreaterThan(1.25);
    expect(ratio(-3 * HOUR)).toBeLessThan(1.2);
  });

  it('an outage of the metrics hides demand and does not end it', () => {
    const profile = profileOf('analytics', dayStart);
    const samples = demandOf(profile, 'query', 'cpu', 1);
    const seen = collected(samples, profile);
    const { from, to } = profile.outages[0] ?? { from: 0, to: 0 };
    expect(samples.length - seen.length).toBe((to - from) / 300);
    expect(between(seen, from, to)).toEqual([]);
    expect(mean(between(samples, from, to))).toBeGreaterThan(1);
  });
});
