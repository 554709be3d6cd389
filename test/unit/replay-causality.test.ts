import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Series } from '../../src/domain/series.js';
import { fitForecaster } from '../../src/forecast/forecaster.js';
import type { FitForecaster } from '../../src/forecast/port.js';
import { parsePolicies } from '../../src/replay/registry.js';
import { replay } from '../../src/replay/simulate.js';
import { createNaiveFit } from './replay-naive-forecaster.js';

const CAUSAL = 'headroom,headroom-floor,hpa:0.5,hpa:0.7,yesterday:1.2,percentile:99,static:peak';
const LEAD_BINS = 2;

/** Hourly bins, so that a few hundred of them hold days and weeks. */
function seriesOf(values: readonly number[]): Series {
  return {
    start: 1_767_225_600,
    step: 3600,
    values: Float64Array.from(values),
    censored: new Uint8Array(values.length),
  };
}

function capacitiesOf(values: readonly number[], censor: boolean, fit: FitForecaster): Map<string, Float64Array> {
  const options = { lead: LEAD_BINS * 3600, level: 0.95, warmup: 0.4, timeZone: 'Europe/Berlin', fit, censor };
  const { policies } = replay(seriesOf(values), parsePolicies(CAUSAL), options);
  return new Map(policies.map((policy) => [policy.name, policy.capacities]));
}

const bin = fc.oneof(
  { weight: 12, arbitrary: fc.double({ min: 0, max: 100, noNaN: true }) },
  { weight: 1, arbitrary: fc.constant(Number.NaN) },
  { weight: 1, arbitrary: fc.double({ min: 1e6, max: 1e9, noNaN: true }) },
);

/**
 * What the user loses when this fails: every figure of every backtest, since a policy that peeks looks cheap and safe
 * on history and is neither on the day.
 */
function poisons(fit: FitForecaster, length: number, runs: number): void {
  fc.assert(
    fc.property(
      fc.array(bin, { minLength: length, maxLength: length }),
      fc.array(bin, { minLength: length, maxLength: length }),
      fc.integer({ min: 2, max: length - 1 }),
      fc.boolean(),
      (truth, garbage, cut, censor) => {
        truth[0] = 10;
        const poisoned = [...truth.slice(0, cut), ...garbage.slice(cut)];
        const honest = capacitiesOf(truth, censor, fit);
        const tainted = capacitiesOf(poisoned, censor, fit);
        for (const [name, capacities] of honest) {
          // The decision at the start of bin `cut` knows bins before it and reaches bin cut + LEAD_BINS.
          const upTo = cut + LEAD_BINS + 1;
          expect([name, ...(tainted.get(name)?.slice(0, upTo) ?? [])]).toEqual([name, ...capacities.slice(0, upTo)]);
        }
      },
    ),
    { numRuns: runs },
  );
}

describe('poisoning the future leaves every decision before it as it was', () => {
  it('with a forecaster of a few lines', () => poisons(createNaiveFit().fit, 240, 60));

  it('with the forecaster that is sold', () => poisons(fitForecaster, 220, 6));

  it('and is seen at once in what it reaches: the test can fail', () => {
    const truth = Array.from({ length: 240 }, (_, index) => 10 + (index % 24));
    const poisoned = truth.map((value, index) => (index >= 150 ? 1e6 : value));
    const fit = createNaiveFit().fit;
    const honest = capacitiesOf(truth, false, fit);
    const tainted = capacitiesOf(poisoned, false, fit);
    for (const name of ['headroom', 'headroom-floor', 'hpa:0.5']) {
      expect(tainted.get(name)?.[153]).not.toBe(honest.get(name)?.[153]);
    }
  });
});
