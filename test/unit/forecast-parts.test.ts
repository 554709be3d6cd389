import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCalibration } from '../../src/forecast/conformal.js';
import { straighten } from '../../src/forecast/levels.js';
import { createHistory } from '../../src/forecast/history.js';
import { solveRidge } from '../../src/forecast/ridge.js';
import { createSketchBank } from '../../src/forecast/sketch.js';
import { createStateTracker } from '../../src/forecast/state.js';
import { createWeightBank } from '../../src/forecast/weights.js';

const LEVELS = [0.1, 0.5, 0.9, 0.99];
const read = (bank: ReturnType<typeof createSketchBank>, row = 0): number[] => {
  const out = new Float32Array(LEVELS.length);
  bank.quantiles(row, out, 0);
  return [...out];
};

describe('residual sketches', () => {
  it('read the quantiles of what went in, within the width of a cell', () => {
    const bank = createSketchBank(1, LEVELS, { halfLife: 1e9, prior: 0.001 });
    for (let k = 1; k <= 10_000; k++) bank.add(0, k / 1000, false);
    read(bank).forEach((value, j) => {
      expect(Math.abs(value / (10 * (LEVELS[j] ?? 0)) - 1)).toBeLessThan(0.03);
    });
  });

  it.each([
    { name: 'zero', residual: 0, low: -0.01, high: 0.01 },
    { name: 'one', residual: 1, low: 0.8, high: 1.22 },
    { name: 'minus one', residual: -1, low: -1.22, high: -0.8 },
    { name: 'beyond the last cell', residual: 1e9, low: 500, high: 1500 },
    { name: 'infinite', residual: Infinity, low: 500, high: 1500 },
  ])('put $name where it belongs', ({ residual, low, high }) => {
    const bank = createSketchBank(1, LEVELS, { halfLife: 1e9, prior: 0.001 });
    for (let k = 0; k < 100; k++) bank.add(0, residual, false);
    const median = read(bank)[1] ?? Number.NaN;
    expect(median).toBeGreaterThanOrEqual(low);
    expect(median).toBeLessThanOrEqual(high);
  });

  it('are wide before anything went in, and keep their rows apart', () => {
    const bank = createSketchBank(2, LEVELS, { halfLife: 100, prior: 20 });
    for (let k = 0; k < 500; k++) bank.add(0, 0.1, false);
    const untouched = read(bank, 1);
    expect(untouched[1]).toBeCloseTo(0, 1);
    // Laplace of scale 1: the 0.99 quantile is ln 50.
    expect(Math.abs((untouched[3] ?? 0) - Math.log(50))).toBeLessThan(0.5);
  });

  it('forget: after several half-lives the newer residuals rule', () => {
    const bank = createSketchBank(1, LEVELS, { halfLife: 50, prior: 1 });
    for (let k = 0; k < 500; k++) {
      bank.age();
      bank.add(0, 10, false);
    }
    for (let k = 0; k < 500; k++) {
      bank.age();
      bank.add(0, 1, false);
    }
    expect(read(bank)[2]).toBeLessThan(1.3);
  });

  it('survive the renormalisation that forgetting needs', () => {
    const bank = createSketchBank(1, LEVELS, { halfLife: 2, prior: 1 });
    for (let k = 0; k < 5000; k++) {
      bank.age();
      bank.add(0, 3, false);
    }
    expect(read(bank).every((value) => value > 2 && value < 4)).toBe(true);
  });

  it('property: a lower bound never lowers a quantile', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -50, max: 50, noNaN: true }), { minLength: 1, maxLength: 200 }),
        fc.double({ min: -50, max: 50, noNaN: true }),
        (residuals, bound) => {
          const bank = createSketchBank(1, LEVELS, { halfLife: 1e9, prior: 5 });
          for (const residual of residuals) bank.add(0, residual, false);
          const before = read(bank);
          bank.add(0, bound, true);
          read(bank).forEach((value, j) => {
            expect(value).toBeGreaterThanOrEqual((before[j] ?? 0) - 1e-3 * Math.max(1, Math.abs(before[j] ?? 0)));
          });
        },
      ),
    );
  });
});

describe('weights', () => {
  const weigh = (bank: ReturnType<typeof createWeightBank>, awake: boolean[]): number[] => {
    const out = new Float64Array(awake.length);
    bank.weights(0, awake, out);
    return [...out];
  };

  it('are equal before anything is scored, and go to members that take part only', () => {
    const bank = createWeightBank([1], 3, { halfLife: 100 });
    expect(weigh(bank, [true, true, true])).toEqual([1 / 3, 1 / 3, 1 / 3]);
    expect(weigh(bank, [true, false, true])).toEqual([0.5, 0, 0.5]);
    expect(weigh(bank, [false, false, false])).toEqual([0, 0, 0]);
  });

  it('go to the member that would have lost less', () => {
    const bank = createWeightBank([1], 2, { halfLife: 1000 });
    for (let k = 0; k < 300; k++) {
      bank.score(0, 0, 0.2);
      bank.score(0, 1, -0.2);
    }
    expect(weigh(bank, [true, true])[0]).toBeGreaterThan(0.95);
  });

  it('come back when the tide turns', () => {
    const bank = createWeightBank([1], 2, { halfLife: 100 });
    for (let k = 0; k < 2000; k++) {
      bank.score(0, 0, k < 1200 ? 0.2 : -0.2);
      bank.score(0, 1, k < 1200 ? -0.2 : 0.2);
    }
    expect(weigh(bank, [true, true])[1]).toBeGreaterThan(0.9);
  });

  it('a member that joins late starts small, though it has lost nothing yet', () => {
    const bank = createWeightBank([1], 2, { halfLife: 1000 });
    for (let k = 0; k < 1000; k++) bank.score(0, 0, k % 2 === 0 ? 0.1 : -0.1);
    expect(weigh(bank, [true, true])[1]).toBeLessThan(0.01);
  });

  it('property: they are a distribution whatever the gains', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(2), fc.double({ min: -4, max: 4, noNaN: true })), { maxLength: 300 }),
        (all) => {
          const bank = createWeightBank([1], 3, { halfLife: 50 });
          for (const [member, gain] of all) bank.score(0, member, gain);
          const weights = weigh(bank, [true, true, true]);
          expect(weights.every((weight) => weight >= 0 && weight <= 1)).toBe(true);
          expect(weights.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9);
        },
      ),
    );
  });
});

describe('conformal calibration', () => {
  it('drives the share of misses to the stated one, however wrong the quantiles are', () => {
    // The forecast says 0.99 at a place that a uniform value exceeds in 40 % of bins.
    const calibration = createCalibration([3], [0.5, 0.99]);
    let misses = 0;
    const bins = 20_000;
    for (let k = 0; k < bins; k++) {
      const x = Math.sin((k + 1) * 12.9898) * 43_758.5453;
      const missed = x - Math.floor(x) > 0.6 + calibration.offset(0, 1);
      if (missed) misses++;
      calibration.judge(1, missed);
      calibration.settle(0);
    }
    expect(misses / bins).toBeGreaterThan(0.006);
    expect(misses / bins).toBeLessThan(0.0125);
  });

  it('keeps anchors and levels apart, and moves far ones less', () => {
    const calibration = createCalibration([1, 24], LEVELS);
    for (const anchor of [0, 1]) {
      calibration.judge(3, true);
      calibration.settle(anchor);
    }
    expect(calibration.offset(0, 0)).toBeLessThan(1e-3 * calibration.offset(0, 3));
    expect(calibration.offset(1, 3)).toBeGreaterThan(0);
    expect(calibration.offset(1, 3)).toBeLessThan(calibration.offset(0, 3));
  });

  it('is bounded: a year of misses does not wind it up', () => {
    const calibration = createCalibration([1], LEVELS);
    for (let k = 0; k < 100_000; k++) {
      calibration.judge(3, true);
      calibration.settle(0);
    }
    expect(calibration.offset(0, 3)).toBeLessThanOrEqual(5);
  });

  it('neighbours learn from each other: 0.75 and 0.8 stay together, 0.5 and 0.99 do not notice', () => {
    const calibration = createCalibration([1], [0.5, 0.75, 0.8, 0.99]);
    calibration.judge(2, true);
    calibration.settle(0);
    const [middle = 0, near = 0, own = 0, far = 0] = [0, 1, 2, 3].map((level) => calibration.offset(0, level));
    expect(near).toBeGreaterThan(0.5 * own);
    expect(middle).toBeLessThan(0.05 * own);
    expect(far).toBeLessThan(1e-6);
    // What was judged counts once.
    calibration.settle(0);
    expect(calibration.offset(0, 2)).toBe(own);
  });
});

describe('levels that have crossed', () => {
  const straight = (values: number[]): number[] => {
    const to = new Float64Array(values.length);
    straighten(Float64Array.from(values), to, [1, 3]);
    return [...to];
  };

  it.each([
    { name: 'in order they stay', from: [1, 2, 3, 4, 5], to: [1, 2, 3, 4, 5] },
    { name: 'two of the middle become their mean', from: [1, 4, 2, 5, 6], to: [1, 3, 3, 5, 6] },
    { name: 'three of the middle, too', from: [0, 6, 3, 0, 9], to: [0, 3, 3, 3, 9] },
    { name: 'an upper one is never lowered by its neighbour', from: [0, 1, 2, 8, 6], to: [0, 1, 2, 8, 8] },
    { name: 'a lower one never raised', from: [3, 2, 3, 4, 5], to: [2, 2, 3, 4, 5] },
  ])('$name', ({ from, to }) => {
    expect(straight(from)).toEqual(to);
  });

  it('are in order, whatever they were, and those in the middle keep their sum', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -9, max: 9, noNaN: true }), { minLength: 5, maxLength: 5 }), (from) => {
        const to = straight(from);
        for (let l = 1; l < to.length; l++) expect(to[l]).toBeGreaterThanOrEqual((to[l - 1] ?? 0) - 1e-12);
        const sum = (values: number[]): number => values.slice(1, 4).reduce((all, one) => all + one, 0);
        expect(sum(to)).toBeCloseTo(sum(from), 9);
      }),
    );
  });
});

describe('the history ring', () => {
  it('knows what it was told, forgets what is too old, and leaves holes missing', () => {
    const history = createHistory(60, 4);
    for (const minute of [0, 1, 3, 4, 5]) history.set(minute * 60, minute);
    expect([0, 1, 2, 3, 4, 5, 6].map((minute) => history.at(minute * 60))).toEqual([NaN, NaN, NaN, 3, 4, 5, NaN]);
  });

  it('a hole longer than the ring leaves nothing of before', () => {
    const history = createHistory(60, 4);
    for (const minute of [0, 1, 2, 3, 20]) history.set(minute * 60, minute);
    expect([17, 18, 19, 20].map((minute) => history.at(minute * 60))).toEqual([NaN, NaN, NaN, 20]);
  });
});

describe('ridge regression', () => {
  it('property: solves (A + ridge) x = b', () => {
    const number = fc.double({ min: -10, max: 10, noNaN: true });
    fc.assert(
      fc.property(fc.array(fc.tuple(number, number, number, number), { minLength: 1, maxLength: 20 }), (rows) => {
        const moments = new Float64Array(6);
        const products = new Float64Array(3);
        for (const [a, b, c, y] of rows) {
          const x = [a, b, c];
          let at = 0;
          for (let i = 0; i < 3; i++) {
            products[i] = (products[i] ?? 0) + (x[i] ?? 0) * y;
            for (let j = 0; j <= i; j++, at++) moments[at] = (moments[at] ?? 0) + (x[i] ?? 0) * (x[j] ?? 0);
          }
        }
        const out = new Float64Array(3);
        solveRidge(moments, products, 2, out);
        const entry = (i: number, j: number): number =>
          moments[(Math.max(i, j) * (Math.max(i, j) + 1)) / 2 + Math.min(i, j)] ?? 0;
        for (let i = 0; i < 3; i++) {
          let sum = 2 * (out[i] ?? 0);
          for (let j = 0; j < 3; j++) sum += entry(i, j) * (out[j] ?? 0);
          expect(sum).toBeCloseTo(products[i] ?? 0, 5);
        }
      }),
    );
  });
});

describe('the state of a series', () => {
  it('names bursts and calm apart', () => {
    const tracker = createStateTracker(288);
    for (let k = 0; k < 500; k++) tracker.observe(10 + (k % 3));
    tracker.observe(11);
    const usual = tracker.current();
    tracker.observe(500);
    expect(tracker.current()).toBeGreaterThan(usual);
    tracker.observe(2);
    expect(tracker.current()).toBe(0);
  });

  it('a constant is usual', () => {
    const tracker = createStateTracker(288);
    for (let k = 0; k < 50; k++) tracker.observe(7);
    expect(tracker.current()).toBe(1);
  });
});
