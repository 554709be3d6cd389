import { beforeAll, describe, expect, it } from 'vitest';
import { startingPoint, WORKLOAD_CLASSES } from '../../src/behavior/classes/class.js';
import { exampleOf } from '../../src/behavior/classes/examples.js';
import { CLASS_FEATURES, classFeatures } from '../../src/behavior/classes/features.js';
import {
  classify,
  exampleFeatures,
  growForest,
  readForest,
  votesOf,
  type Forest,
} from '../../src/behavior/classes/forest.js';
import type { Series } from '../../src/domain/series.js';
import { calendarOf } from '../../src/forecast/calendar.js';
import { MONDAY } from './behavior-world.js';

const SMALL = { seed: 3, examples: 30, trees: 25 };
const UTC = calendarOf('UTC');

const flat = (value: number, bins = 14 * 96): Series => ({
  ...{ start: MONDAY, step: 900, censored: new Uint8Array(bins) },
  values: new Float64Array(bins).fill(value),
});

describe('kinds of workloads', () => {
  let forest: Forest;
  beforeAll(() => {
    forest = growForest(SMALL);
  });

  it('are told of series that the forest never saw, also where it is smaller than ours', () => {
    const { rows, labels } = exampleFeatures(77, 12);
    const right = rows.filter((row, index) => {
      const votes = votesOf(forest, row);
      return votes.indexOf(Math.max(...votes)) === labels[index];
    });
    expect(right.length / rows.length).toBeGreaterThan(0.85);
  });

  it('the votes are shares, and the probability is that of the class', () => {
    const found = classify(forest, exampleOf('daily', 901).series, UTC, null);
    expect(found?.votes.reduce((sum, vote) => sum + vote, 0)).toBeCloseTo(1, 9);
    expect(found?.probability).toBe(found?.votes[WORKLOAD_CLASSES.indexOf(found.class)]);
  });

  it.each([
    { name: 'a constant is steady', series: flat(3), component: 'cpu' as const, expected: 'steady' },
    { name: 'a thousandth of a core is idle', series: flat(0.001), component: 'cpu' as const, expected: 'idle' },
    { name: 'all zero is idle, in whatever unit', series: flat(0), component: null, expected: 'idle' },
  ])('$name', ({ series, component, expected }) => {
    expect(classify(forest, series, UTC, component)?.class).toBe(expected);
  });

  it('five hours of data are no kind, and missing bins are no zeros', () => {
    expect(classify(forest, flat(3, 20), UTC, 'cpu')).toBeNull();
    expect(classify(forest, flat(Number.NaN), UTC, 'cpu')).toBeNull();
    const holed = flat(3);
    holed.values.fill(Number.NaN, 200, 900);
    expect(classify(forest, holed, UTC, 'cpu')?.class).toBe('steady');
  });

  it('the same seed grows the same forest, another seed another', () => {
    const tiny = { seed: 5, examples: 3, trees: 3 };
    expect(JSON.stringify(growForest(tiny))).toBe(JSON.stringify(growForest(tiny)));
    expect(JSON.stringify(growForest({ ...tiny, seed: 6 }).trees)).not.toBe(JSON.stringify(growForest(tiny).trees));
  });

  it('is read back as it was written; one of other features is refused', () => {
    const written: unknown = JSON.parse(JSON.stringify(forest));
    expect(readForest(written)).toEqual(forest);
    expect(() => readForest({ ...forest, features: ['variation'] })).toThrow(/make setup/);
    expect(() => readForest({ trees: [] })).toThrow(/make setup/);
  });
});

describe('features of a series', () => {
  it('have no unit: a thousand times as much is the same kind', () => {
    const { series } = exampleOf('batch', 5);
    const thousand = { ...series, values: series.values.map((value) => 1000 * value) };
    const [one, other] = [series, thousand].map((each) => classFeatures(each, UTC, null));
    expect(one).toHaveLength(CLASS_FEATURES.length);
    one?.forEach((value, index) => expect(other?.[index]).toBeCloseTo(value, 3));
  });

  it('every class has its start for a search', () => {
    for (const name of WORKLOAD_CLASSES) expect(startingPoint(name).models.length).toBeGreaterThan(0);
  });
});
