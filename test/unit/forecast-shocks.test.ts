import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fitForecaster } from '../../src/forecast/forecaster.js';
import type { FittedForecaster } from '../../src/forecast/port.js';
import { createShocks, statesBoth, type Shocks } from '../../src/forecast/shocks.js';
import { createWeightBank } from '../../src/forecast/weights.js';

/*
 * A single wild value that is taken for the new level buys a thousand machines for an hour; a new level that is taken for a
 * spike leaves a day of forecasts far under demand.
 */

const STEP = 300;
const DAY = 288;
const usual = (k: number): number => 10 + 5 * Math.sin((2 * Math.PI * k) / DAY) + 0.3 * Math.sin(k * 12.9898);

describe('shocks', () => {
  const following = (days = 3): { shocks: Shocks; next: number } => {
    const shocks = createShocks(STEP);
    const next = days * DAY;
    for (let k = 0; k < next; k++) shocks.see(k * STEP, usual(k));
    return { shocks, next };
  };
  const hold = (shocks: Shocks, from: number, values: readonly number[], level = 0) =>
    values.map((value, k) => shocks.hold((from + k) * STEP, value, usual(from + k) + level)).at(-1) ?? null;

  it('nothing is wild before a day is known', () => {
    expect(following(0.9).shocks.isWild(1e6)).toBe(false);
    expect(following(1).shocks.isWild(1e6)).toBe(true);
  });

  it.each([
    { what: 'what the week has seen', value: 15, wild: false },
    { what: 'somewhat more than ever', value: 20, wild: false },
    { what: 'twice the range', value: 30, wild: true },
    { what: 'less than nothing of it', value: -10, wild: true },
  ])('$what: wild $wild', ({ value, wild }) => {
    expect(following().shocks.isWild(value)).toBe(wild);
  });

  it('a spike is let go, bounded; the third within the week is a habit, and no longer wild', () => {
    const { shocks, next } = following();
    const taken = [0, 1, 2].map((day) => {
      const at = next + day * DAY;
      expect(shocks.isWild(1000)).toBe(true);
      expect(hold(shocks, at, [1000])).toBeNull();
      return shocks.dismiss()[0]?.value ?? Number.NaN;
    });
    expect(taken[0]).toBeGreaterThan(15);
    expect(taken[0]).toBeLessThan(100);
    expect(taken[2]).toBe(1000);
    expect(shocks.isWild(1000)).toBe(false);
    expect(shocks.suspected(1, 0)).toBeNull();
  });

  it('six in a row are a new level; the way back is exactly as far', () => {
    const { shocks, next } = following();
    const up = hold(
      shocks,
      next,
      Array.from({ length: 6 }, (_, k) => 100 + usual(next + k)),
    );
    expect(up).toMatchObject({ from: next * STEP });
    expect(up?.delta).toBeCloseTo(100, 6);
    expect(shocks.release()).toHaveLength(6);
    expect(shocks.isWild(110)).toBe(false);
    expect(shocks.isWild(10)).toBe(true);
    const down = hold(
      shocks,
      next + 6,
      // Noisier than on the way up.
      Array.from({ length: 6 }, (_, k) => usual(next + k) + 2 * (k % 2)),
      100,
    );
    expect(down?.delta).toBe(-(up?.delta ?? 0));
  });

  it('what never is as usual, now above and now below, is taken as it is', () => {
    const { shocks, next } = following();
    let shift = null;
    let bins = 0;
    while (shift === null && bins < 50) shift = hold(shocks, next + bins, [bins++ % 2 === 0 ? 200 : -200]);
    expect(shift).toMatchObject({ delta: 0 });
    expect(bins).toBe(12);
    for (const { label, value } of shocks.release()) shocks.see(label, value);
    expect(shocks.isWild(bins % 2 === 0 ? -200 : 200)).toBe(false);
  });

  it('what comes back is no longer wild on its next visit, and fits see it as it was', () => {
    const { shocks, next } = following();
    const high = Array.from({ length: 6 }, () => 100);
    hold(shocks, next, high);
    for (const { label, value } of shocks.release()) shocks.see(label, value);
    const low = Array.from({ length: 6 }, (_, k) => usual(next + 6 + k));
    const back = hold(shocks, next + 6, low, 90);
    expect(back?.keeps).toBe(next * STEP);
    for (const { label, value } of shocks.release()) shocks.see(label, value);
    expect(shocks.isWild(100)).toBe(false);
    expect(shocks.isWild(10)).toBe(false);
    expect(shocks.since(0)).toEqual({ shifts: [], spikes: [] });
  });

  it('on a ramp the upper quantiles lie above the last value', () => {
    const { shocks, next } = following();
    hold(shocks, next, [40, 60, 80, 100]);
    const { delta = 0, least = 0, most = 0 } = shocks.suspected(1, 0) ?? {};
    expect(usual(next + 3) + most).toBeGreaterThan(100);
    expect(least).toBeLessThan(delta);
  });

  it('values on the other side begin anew: up and down again is no level', () => {
    const { shocks, next } = following();
    expect(hold(shocks, next, [100, 100, 100, -50, -50, -50])).toBeNull();
    expect(shocks.suspected(1, 0)?.delta).toBeLessThan(0);
  });

  it('a series of many spikes is believed less each time, one whose levels stay is believed more', () => {
    const { shocks, next } = following();
    const shareOfFirst = (at: number): number => {
      hold(shocks, at, [1e6]);
      return shocks.suspected(1, 0)?.share ?? 0;
    };
    const first = shareOfFirst(next);
    expect(first).toBeCloseTo(1 / 3, 9);
    shocks.dismiss();
    const second = shareOfFirst(next + 2);
    expect(second).toBeLessThan(first);
    hold(shocks, next + 3, [1e6, 1e6, 1e6, 1e6, 1e6]);
    shocks.release();
    hold(shocks, next + 8, [3e6]);
    expect(shocks.suspected(1, 0)?.share).toBeGreaterThan(second);
  });

  it('a new level may be left again: the further ahead the likelier, the longer it has lasted the less', () => {
    const { shocks, next } = following();
    hold(shocks, next, [100, 100, 100, 100, 100, 100]);
    shocks.release();
    const share = (ahead: number): number => shocks.suspected(ahead, 0)?.share ?? 0;
    for (let k = 6; k < 12; k++) shocks.see((next + k) * STEP, 100);
    const near = share(12);
    const far = share(DAY);
    expect(far).toBeGreaterThan(near);
    for (let k = 12; k < DAY; k++) shocks.see((next + k) * STEP, 100);
    expect(share(DAY)).toBeLessThan(far);
    expect(share(12)).toBeLessThan(0.02);
  });

  it.each([
    { what: 'at once', bins: 0, suspected: true },
    { what: 'after an hour without data', bins: 12, suspected: true },
    { what: 'after more than an hour without data', bins: 13, suspected: false },
  ])('what a wild value means is open $what: $suspected', ({ bins, suspected }) => {
    const { shocks, next } = following();
    hold(shocks, next, [100, 100]);
    expect(shocks.suspected(1 + bins, (next + 1 + bins) * STEP) !== null).toBe(suspected);
  });

  it('a young level is taken to be left for a day without data, and no longer', () => {
    const { shocks, next } = following();
    hold(shocks, next, [100, 100, 100, 100, 100, 100]);
    for (const { label, value } of shocks.release()) shocks.see(label, value);
    expect(shocks.suspected(DAY, (next + 5 + DAY) * STEP)).not.toBeNull();
    expect(shocks.suspected(DAY, (next + 6 + DAY) * STEP)).toBeNull();
  });

  it('wild values before and after a silence are no level together', () => {
    const { shocks, next } = following();
    hold(shocks, next, [100, 100, 100]);
    expect(hold(shocks, next + 30, [100, 100, 100, 100, 100])).toBeNull();
    expect(shocks.since(0).spikes.slice(0, 3)).toEqual([0, 1, 2].map((k) => (next + k) * STEP));
    expect(hold(shocks, next + 35, [100])).toMatchObject({ from: (next + 30) * STEP });
  });

  it('an outage is bridged the first time, and the second time within the week stands as it was seen', () => {
    const { shocks, next } = following();
    const outage = (at: number) => {
      hold(
        shocks,
        at,
        Array.from({ length: 6 }, () => -100),
      );
      for (const { label, value } of shocks.release()) shocks.see(label, value);
      const back = hold(
        shocks,
        at + 6,
        Array.from({ length: 6 }, (_, k) => usual(at + 6 + k)),
        -110,
      );
      for (const { label, value } of shocks.release()) shocks.see(label, value);
      return back;
    };
    const first = outage(next);
    expect(first?.delta).toBeGreaterThan(50);
    expect(first?.keeps).toBeUndefined();
    expect(shocks.since(0)).toEqual({ shifts: [], spikes: [0, 1, 2, 3, 4, 5].map((k) => (next + k) * STEP) });
    expect(shocks.isWild(-100)).toBe(false);
  });

  it('property: what states both is ordered, never negative, and within both', () => {
    const levels = [0.05, 0.1, 0.5, 0.9, 0.99];
    fc.assert(
      fc.property(
        fc.double({ min: -200, max: 200, noNaN: true }),
        fc.double({ min: 0.05, max: 0.9, noNaN: true }),
        (delta, share) => {
          const out = new Float64Array(levels.length);
          const read = (level: number): number => 50 + 10 * level;
          statesBoth(levels, { delta, share, least: delta, most: delta }, read, out);
          const [low, high] = [Math.min(50, 50 + delta), Math.max(60, 60 + delta)];
          out.forEach((value, l) => {
            expect(value).toBeGreaterThanOrEqual(Math.max(0, low));
            expect(value).toBeLessThanOrEqual(Math.max(0, high));
            // Far apart, the lower one comes first whole; nearer, the ensemble straightens what is left.
            if (Math.abs(delta) > 10) expect(value).toBeGreaterThanOrEqual(l === 0 ? 0 : (out[l - 1] ?? 0));
          });
        },
      ),
    );
  });
});

describe('a forecast after a shock', () => {
  const DAYS = 8;
  const N = DAYS * DAY;
  const fitted = (value: (k: number) => number): FittedForecaster =>
    fitForecaster(
      {
        start: 0,
        step: STEP,
        values: Float64Array.from({ length: N }, (_, k) => value(k)),
        censored: new Uint8Array(N),
      },
      { timeZone: 'UTC', levels: [0.05, 0.5, 0.9, 0.99], level: 0.99, leadSteps: 3, horizon: DAY },
    );
  const at = (one: FittedForecaster, ahead: number, level: number): number =>
    one.forecast(DAY, [level]).quantiles[ahead - 1]?.[0] ?? Number.NaN;
  const go = (one: FittedForecaster, bins: number, value: (k: number) => number): void => {
    const from = Math.round(one.lastBin / STEP) + 1;
    for (let k = from; k < from + bins; k++) one.observe(k * STEP, value(k), false);
  };

  it('one bin of a thousand times is stated as both, and forgotten with the next', () => {
    const one = fitted((k) => (k === N - 1 ? 1000 * usual(k) : usual(k)));
    for (const ahead of [1, 12, DAY]) {
      expect(at(one, ahead, 0.5)).toBeLessThan(1.3 * usual(N - 1 + ahead));
      expect(at(one, ahead, 0.99)).toBeGreaterThan(900 * usual(N - 1));
    }
    go(one, 1, usual);
    for (const ahead of [1, 12, 48, DAY]) {
      expect(at(one, ahead, 0.99)).toBeLessThan(1.5 * usual(N + ahead));
      expect(at(one, ahead, 0.5)).toBeGreaterThan(0.7 * usual(N + ahead));
    }
  });

  it('a new level is covered from its first bin on, and is the median a day ahead within the hour', () => {
    const raised = (k: number): number => usual(k) + 30;
    const one = fitted((k) => (k === N - 1 ? raised(k) : usual(k)));
    for (const ahead of [1, 12, DAY]) expect(at(one, ahead, 0.9)).toBeGreaterThan(0.9 * raised(N - 1 + ahead));
    go(one, 6, raised);
    for (const ahead of [1, 12, 144, DAY]) {
      const truth = raised(N + 5 + ahead);
      expect(Math.abs(at(one, ahead, 0.5) - truth)).toBeLessThan(0.15 * truth);
      expect(at(one, ahead, 0.99)).toBeLessThan(1.4 * truth);
    }
  });

  it('after a fall capacity stays stated for a while: it may come back', () => {
    const one = fitted((k) => usual(k) + 100);
    go(one, 7, usual);
    expect(at(one, 1, 0.5)).toBeLessThan(30);
    expect(at(one, 12, 0.9)).toBeGreaterThan(90);
    go(one, DAY, usual);
    expect(at(one, 1, 0.9)).toBeLessThan(30);
  });

  it('a batch of two hours a day that begins after two quiet days is known a day ahead', () => {
    const value = (k: number): number => (k >= 2 * DAY && k % DAY >= 144 && k % DAY < 168 ? 40 : 1);
    const one = fitted(value);
    expect(at(one, 156, 0.5)).toBeGreaterThan(30);
    expect(at(one, 100, 0.5)).toBeLessThan(5);
  });

  it('single bins of bursts on nothing are learnt', () => {
    const one = fitted((k) => (k >= 3 * DAY && k % 12 === 5 ? 10 : 0));
    expect(at(one, 6, 0.99)).toBeGreaterThan(9);
  });

  it('an outage of an hour leaves the curve as it was', () => {
    const value = (k: number): number => (k >= N - 36 && k < N - 24 ? 0 : 200 + 50 * Math.sin((2 * Math.PI * k) / DAY));
    const one = fitted(value);
    for (const ahead of [12, 72, 144]) {
      const truth = value(N - 1 + ahead);
      expect(Math.abs(at(one, ahead, 0.5) - truth)).toBeLessThan(0.1 * truth);
    }
  });

  it('an outage of an hour is not expected again at that hour tomorrow', () => {
    const value = (k: number): number =>
      k >= N - DAY && k < N - DAY + 12 ? 0 : 200 + 50 * Math.sin((2 * Math.PI * k) / DAY);
    const one = fitted(value);
    for (const ahead of [3, 8, 12]) {
      const truth = value(N - 1 + ahead);
      expect(at(one, ahead, 0.05)).toBeGreaterThan(0.9 * truth);
      expect(at(one, ahead, 0.99)).toBeLessThan(1.2 * truth);
    }
  });

  it('a wild value before data stopped is doubted for an hour', () => {
    const one = fitted((k) => (k === N - 1 ? 1000 : usual(k)));
    const upper = (): number => at(one, 1, 0.99);
    go(one, 12, () => Number.NaN);
    expect(upper()).toBeGreaterThan(500);
    go(one, 1, () => Number.NaN);
    expect(upper()).toBeLessThan(100);
  });

  it('a plateau a little above all that was seen is left again, though the way down is through what it had seen', () => {
    const value = (k: number): number => usual(k) + (k >= N - 60 && k < N - 53 ? 11.5 : 0);
    const one = fitted(value);
    for (const ahead of [12, 72, 144]) {
      const truth = usual(N - 1 + ahead);
      expect(Math.abs(at(one, ahead, 0.5) - truth)).toBeLessThan(0.25 * truth);
    }
  });

  it('a peak of one bin that comes every day is a part of the series', () => {
    const value = (k: number): number => (k % DAY === 100 ? 400 : usual(k));
    const one = fitted(value);
    go(one, 90, value);
    expect(at(one, 11, 0.99)).toBeGreaterThan(300);
    expect(at(one, 20, 0.5)).toBeLessThan(30);
  });
});

describe('weights of members that are judged late', () => {
  const weigh = (aheads: number[], prior: number[], times: number): number[] => {
    const bank = createWeightBank(aheads, 2, { halfLife: 1000, prior });
    for (let k = 0; k < times; k++) {
      for (let cell = 0; cell < aheads.length; cell++) {
        bank.score(cell, 0, 0.02 + Math.sin(k));
        bank.score(cell, 1, -0.02 - Math.sin(k));
      }
    }
    return aheads.map((_, cell) => {
      const out = new Float64Array(2);
      bank.weights(cell, [true, true], out);
      return out[0] ?? 0;
    });
  };

  it('a day ahead they move more slowly than for the next step', () => {
    const [near = 0, far = 0] = weigh([1, 288], [1, 1], 300);
    expect(near).toBeGreaterThan(far);
    expect(far).toBeGreaterThan(0.5);
  });

  it('one that has proven itself elsewhere counts more where none has won, once it is judged, and no more where it loses', () => {
    expect(weigh([288], [1, 20], 0)[0]).toBeCloseTo(0.5, 2);
    expect(weigh([288], [20, 1], 400)[0]).toBeGreaterThan(0.9);
    expect(weigh([1], [1, 20], 5000)[0]).toBeGreaterThan(weigh([1], [1, 20], 400)[0] ?? 1);
  });
});
