import { describe, expect, it } from 'vitest';
import { binSamples } from '../../src/domain/series.js';
import { freshnessOf, windowFreshness } from '../../src/telemetry/freshness.js';

const T = 1_767_571_200;
const STEP = 300;
const series = (values: readonly number[]) => ({
  start: T,
  step: STEP,
  values: Float64Array.from(values),
  censored: new Uint8Array(values.length),
});

describe('freshness: what a decision may rest on', () => {
  // The last bin of three is known at T + 900.
  it.each([
    ['known this moment', [1, 2, 3], T + 900, { kind: 'fresh', lastBin: T + 600 }],
    ['not known yet', [1, 2, 3], T + 700, { kind: 'fresh', lastBin: T + 600 }],
    ['exactly as old as allowed', [1, 2, 3], T + 1800, { kind: 'fresh', lastBin: T + 600 }],
    ['a second older', [1, 2, 3], T + 1801, { kind: 'stale', lastBin: T + 600, age: 901 }],
    ['missing at the end', [1, NaN, NaN], T + 1500, { kind: 'stale', lastBin: T, age: 1200 }],
    ['a zero is a value', [NaN, NaN, 0], T + 900, { kind: 'fresh', lastBin: T + 600 }],
    ['only missing bins', [NaN, NaN, NaN], T + 900, { kind: 'missing' }],
    ['no bins', [], T + 900, { kind: 'missing' }],
  ] as const)('%s', (_, values, now, expected) => {
    expect(freshnessOf(series(values), 900, now)).toEqual(expected);
  });

  it('tells each series of a window apart', () => {
    const window = {
      account: 'acme',
      from: T,
      to: T + 900,
      step: STEP,
      series: [
        { workload: 'web', component: 'cpu' as const, series: series([1, 2, 3]) },
        { workload: 'web', component: 'memory' as const, series: binSamples([], STEP, { from: T, to: T + 900 }) },
      ],
    };
    expect(windowFreshness(window, 900, T + 900).map(({ kind }) => kind)).toEqual(['fresh', 'missing']);
  });
});
