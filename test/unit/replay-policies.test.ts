import { describe, expect, it } from 'vitest';
import { isHeadroomError } from '../../src/domain/errors.js';
import type { Series } from '../../src/domain/series.js';
import { parsePolicies, parsePolicy, policyForms } from '../../src/replay/registry.js';
import { replay, type ReplayOptions } from '../../src/replay/simulate.js';
import { createNaiveFit } from './replay-naive-forecaster.js';

const gap = Number.NaN;

function seriesOf(values: readonly number[], step = 300): Series {
  return { start: 1_767_225_600, step, values: Float64Array.from(values), censored: new Uint8Array(values.length) };
}

function capacitiesOf(
  name: string,
  values: readonly number[],
  options: Partial<ReplayOptions> & { step?: number } = {},
) {
  const { step = 300, ...rest } = options;
  const { fit } = createNaiveFit();
  const given = { lead: 600, level: 0.99, warmup: 0, timeZone: 'UTC', fit, ...rest };
  return [...(replay(seriesOf(values, step), [parsePolicy(name)], given).policies[0]?.capacities ?? [])];
}

describe('what each policy asks for, bin by bin (lead 10m, step 5m: the decision after bin k reaches bin k + 3)', () => {
  const rows: { name: string; policy: string; demand: number[]; expected: number[]; lead?: number }[] = [
    {
      name: 'hpa scales up at once',
      policy: 'hpa:0.5',
      demand: [10, 20, 40, 0, 0, 0],
      expected: [gap, gap, gap, 20, 40, 80],
    },
    {
      name: 'hpa leaves alone what is within 10 % of the target',
      policy: 'hpa:0.5',
      demand: [10, 10.9, 9.1, 11.5, 0, 0, 0],
      expected: [gap, gap, gap, 20, 20, 20, 23],
    },
    {
      name: 'hpa scales down to the maximum of the last five minutes only',
      policy: 'hpa:0.5',
      demand: [40, 10, 10, 10, 0, 0, 0],
      expected: [gap, gap, gap, 80, 80, 20, 20],
    },
    {
      name: 'hpa holds where metrics are missing',
      policy: 'hpa:0.5',
      demand: [10, gap, gap, 10, 10, 10, 10],
      expected: [gap, gap, gap, 20, 20, 20, 20],
    },
    {
      name: 'hpa with no lead reaches the very next bin',
      policy: 'hpa:0.5',
      demand: [10, 20, 40],
      expected: [gap, 20, 40],
      lead: 0,
    },
    {
      name: 'a lead that is no whole number of bins waits for the next one',
      policy: 'hpa:0.5',
      demand: [10, 20, 40, 0, 0],
      expected: [gap, gap, gap, 20, 40],
      lead: 301,
    },
    {
      name: 'static:peak keeps the peak of what was known at the first decision',
      policy: 'static:peak',
      demand: [3, 5, 99, 99, 99],
      expected: [gap, gap, gap, 3, 3],
    },
    {
      name: 'percentile is linear between ranks, over what is known',
      policy: 'percentile:50',
      demand: [1, 2, gap, 9, 9, 9, 9],
      expected: [gap, gap, gap, 1, 1.5, 1.5, 2],
    },
    {
      name: 'clairvoyant has demand itself, and holds over a gap',
      policy: 'clairvoyant',
      demand: [1, 2, 3, 4, gap, 6],
      expected: [1, 2, 3, 4, 4, 6],
    },
    {
      name: 'clairvoyant@v gives the largest bins up, wholly, among those that are scored',
      policy: 'clairvoyant@0.5',
      demand: [90, 90, 90, 4, 7, 9, 1],
      expected: [90, 90, 90, 4, 0, 0, 1],
    },
  ];
  it.each(rows)('$name', ({ policy, demand, expected, lead }) => {
    expect(capacitiesOf(policy, demand, lead === undefined ? {} : { lead })).toEqual(expected);
  });

  it('yesterday is the same bin a day before the one that is reached, and holds where that is missing', () => {
    // Six-hour bins: four a day; the decision after bin k reaches bin k + 2.
    const demand = [1, 2, 3, 4, gap, 20, 30, 40, 50, 60];
    const capacities = capacitiesOf('yesterday:2', demand, { step: 21_600, lead: 21_600 });
    expect(capacities).toEqual([gap, gap, 2, 4, 2, 4, 6, 8, 8, 40]);
  });

  it('yesterday looks back two days where the lead is a whole one', () => {
    const demand = Array.from({ length: 14 }, (_, bin) => 100 + bin);
    const capacities = capacitiesOf('yesterday:1', demand, { step: 21_600, lead: 86_400 });
    expect(capacities.slice(10)).toEqual([102, 103, 104, 105]);
  });

  it('percentile forgets after eight days', () => {
    const demand = [1000, ...Array.from({ length: 12 }, () => 1)];
    const capacities = capacitiesOf('percentile:100', demand, { step: 86_400, lead: 0 });
    expect(capacities.slice(7)).toEqual([1000, 1000, 1, 1, 1, 1]);
  });
});

describe('replicas and censoring', () => {
  it.each([
    { name: 'rounds up to whole replicas', size: 3, demand: [10, 10, 10, 10], expected: 21 },
    { name: 'a sum of tenths is not a replica more', size: 0.1, demand: [0.15, 0, 0, 0], expected: 0.3 },
  ])('$name', ({ size, demand, expected }) => {
    expect(capacitiesOf('hpa:0.5', demand, { replicaSize: size }).at(-1)).toBeCloseTo(expected, 12);
  });

  it('a censored autoscaler sees no more than its capacity, and so grows by 1/U at most', () => {
    const demand = [10, 10, 10, 100, 100, 100, 100, 100, 100, 100];
    const blind = capacitiesOf('hpa:0.5', demand, { censor: true });
    const seeing = capacitiesOf('hpa:0.5', demand);
    expect(seeing.slice(6)).toEqual([200, 200, 200, 200]);
    expect(blind.slice(6)).toEqual([40, 40, 40, 80]);
  });

  it.each(['hpa:0.5', 'headroom'])('a censored %s that was idle sees demand come back', (policy) => {
    const demand = [
      ...Array.from({ length: 400 }, (_, bin) => (bin < 10 ? 50 : 0)),
      ...Array.from({ length: 80 }, () => 50),
    ];
    const capacities = capacitiesOf(policy, demand, { censor: true, warmup: 0.25 });
    expect(capacities[400]).toBeLessThan(50);
    expect(capacities.at(-1)).toBeGreaterThanOrEqual(50);
  });

  it('what was throttled reaches the forecaster as a lower bound, at the capacity that cut it off', () => {
    const { fit, told } = createNaiveFit();
    const demand = [...Array.from({ length: 60 }, () => 10), ...Array.from({ length: 20 }, () => 30)];
    const options = { lead: 600, level: 0.9, warmup: 0.25, timeZone: 'UTC', fit, censor: true };
    const [played] = replay(seriesOf(demand), [parsePolicy('headroom')], options).policies;
    const first = told.censored.indexOf(true);
    expect(told.labels[first]).toBe(1_767_225_600 + 60 * 300);
    expect(told.values[first]).toBe(played?.capacities[60]);
  });

  it('a throttled Headroom climbs out, though demand is hidden from it', () => {
    const demand = [...Array.from({ length: 60 }, () => 10), ...Array.from({ length: 60 }, () => 100)];
    const capacities = capacitiesOf('headroom', demand, { censor: true, warmup: 0.25 });
    expect(capacities[62]).toBeLessThan(20);
    expect(capacities.at(-1)).toBeGreaterThanOrEqual(100);
  });
});

describe('headroom', () => {
  const steady = Array.from({ length: 400 }, (_, bin) => 10 + (bin % 5));

  it('tells its forecaster every bin once, in order, missing ones as missing, and fits on a schedule', () => {
    const { fit, told } = createNaiveFit();
    const demand = [...steady, gap, gap, ...steady, ...steady, ...steady, ...steady, ...steady, ...steady];
    const series = seriesOf(demand);
    replay(series, [parsePolicy('headroom')], { lead: 600, level: 0.9, warmup: 0.1, timeZone: 'UTC', fit });
    expect(told.fits).toBe(2);
    expect(told.labels.every((label, index) => index === 0 || label > (told.labels[index - 1] ?? 0))).toBe(true);
    expect(told.values.filter((value) => Number.isNaN(value))).toHaveLength(2);
  });

  it('never lowers capacity on a missing bin', () => {
    const demand = [...steady];
    demand.fill(gap, 300, 340);
    const capacities = capacitiesOf('headroom', demand, { warmup: 0.5 });
    for (let bin = 303; bin < 343; bin++) expect(capacities[bin]).toBeGreaterThanOrEqual(capacities[bin - 1] ?? 0);
  });

  it('is reactive while its gate is closed, and says so', () => {
    const { fit } = createNaiveFit({ open: () => false });
    const options = { lead: 600, level: 0.99, warmup: 0.5, timeZone: 'UTC', fit };
    const [played] = replay(seriesOf(steady), [parsePolicy('headroom')], options).policies;
    expect(played?.capacities.at(-1)).toBeCloseTo(14 / 0.7);
    expect(played?.notes.join()).toMatch(/reactive 100.0 %/);
  });

  it('serves a series that cannot be forecast reactively, and says why', () => {
    const fit = createNaiveFit().fit;
    const demand = [
      ...Array.from({ length: 2000 }, () => 5),
      ...Array.from({ length: 11_000 }, () => gap),
      5,
      5,
      5,
      5,
      5,
    ];
    const [played] = replay(seriesOf(demand), [parsePolicy('headroom')], {
      lead: 600,
      level: 0.99,
      warmup: 0.1,
      timeZone: 'UTC',
      fit,
    }).policies;
    expect(played?.capacities.at(-1)).toBeGreaterThanOrEqual(5);
    expect(played?.notes.join()).toContain('no bin is known');
  });

  it('as a floor never asks for less than the autoscaler or than Headroom', () => {
    const demand = steady.map((value, bin) => (bin % 97 === 0 ? value * 4 : value));
    const floor = capacitiesOf('headroom-floor', demand, { warmup: 0.5 });
    const hpa = capacitiesOf('hpa:0.5', demand, { warmup: 0.5 });
    const owned = capacitiesOf('headroom', demand, { warmup: 0.5 });
    for (let bin = 203; bin < demand.length; bin++) {
      expect(floor[bin]).toBeGreaterThanOrEqual(hpa[bin] ?? 0);
      // The guard reacts to the capacity that there is, which is higher here: it may ask for less, the forecast not.
      expect(floor[bin]).toBeGreaterThanOrEqual(Math.min(owned[bin] ?? 0, 14));
    }
  });
});

describe('naming a policy', () => {
  it.each([
    { name: 'unknown', text: 'magic', says: 'there is no such policy' },
    { name: 'unknown with an argument', text: 'keda:3', says: 'there is no such policy' },
    { name: 'no argument', text: 'hpa', says: 'it is written hpa:U' },
    { name: 'zero target', text: 'hpa:0', says: 'it is written hpa:U' },
    { name: 'target above 1', text: 'hpa:70', says: '0 < U ≤ 1' },
    { name: 'no number', text: 'yesterday:often', says: 'it is written yesterday:K' },
    { name: 'infinite factor', text: 'yesterday:Infinity', says: 'it is written yesterday:K' },
    { name: 'percentile above 100', text: 'percentile:101', says: 'it is written percentile:P' },
    { name: 'an argument too many', text: 'headroom:2', says: 'it is written headroom' },
    { name: 'share of 1', text: 'clairvoyant@1', says: 'it is written clairvoyant@V' },
    { name: 'named twice', text: 'hpa:0.5,hpa:0.5', says: 'named twice' },
    { name: 'nothing', text: ' , ', says: 'no policy is named' },
  ])('$name is refused with what exists', ({ text, says }) => {
    try {
      parsePolicies(text);
      expect.unreachable();
    } catch (error) {
      if (!isHeadroomError(error)) throw error;
      expect(error.kind).toBe('invalid-input');
      expect(error.message).toContain(says);
      for (const { form } of policyForms()) expect(error.message).toContain(form);
    }
  });

  it('keeps the name as it was given', () => {
    const names =
      'headroom,headroom-floor,hpa:0.50,yesterday:1.2,percentile:99,static:peak,clairvoyant,clairvoyant@0.01';
    expect(parsePolicies(names).map(({ name }) => name)).toEqual(names.split(','));
  });
});
