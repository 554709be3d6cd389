import { describe, expect, it, test } from 'vitest';
import type { Series } from '../../src/domain/series.js';
import { calendarOf } from '../../src/forecast/calendar.js';
import { createHistory, type History } from '../../src/forecast/history.js';
import type { Model, ModelEntry } from '../../src/forecast/models/model.js';

/*
 * What every model of the registry owes the ensemble, whatever it makes of a series. A model that breaks one of these
 * takes the whole forecast of an account with it: a NaN is a sitting out, an infinity is a plan for the whole fleet.
 */

// 2026-01-05 was a Monday.
const START = Date.parse('2026-01-05T00:00:00Z') / 1000;
const ANCHORS = [1, 2, 3, 6, 12, 24];

/** A model beside its history, as the ensemble keeps it. */
class Bench {
  readonly model: Model | null;
  readonly history: History;
  readonly seen: number[] = [];
  /** Looks into the history, so that a test can count them. */
  looks = 0;
  private readonly step: number;

  constructor(entry: ModelEntry, step: number, timeZone = 'Europe/Berlin') {
    const history = createHistory(step, 2017);
    this.step = step;
    this.history = {
      ...history,
      at: (label) => {
        this.looks++;
        return history.at(label);
      },
    };
    this.model = entry.create({ step, calendar: calendarOf(timeZone), anchors: ANCHORS, history: this.history });
  }

  /** Fits on the first half and goes on bin by bin; NaN is a bin that nobody tells the model of. */
  run(values: readonly number[]): this {
    const half = Math.floor(values.length / 2);
    values.forEach((value, k) => {
      if (k === half && half > 0) this.model?.fit?.(this.series(values.slice(0, half)));
      this.tell(k, value);
    });
    if (values.length > 0) this.model?.fit?.(this.series(values));
    return this;
  }

  tell(k: number, value: number): void {
    this.seen.push(value);
    if (Number.isNaN(value)) return;
    this.history.set(START + k * this.step, value);
    this.model?.observe(START + k * this.step, value);
  }

  /** Predictions from the last known bin, at every anchor. */
  ahead(): number[] {
    const last = this.seen.findLastIndex((value) => !Number.isNaN(value));
    return ANCHORS.map((ahead) => this.model?.predict(START + (last + ahead) * this.step, ahead) ?? Number.NaN);
  }

  private series(values: readonly number[]): Series {
    return {
      start: START,
      step: this.step,
      values: Float64Array.from(values),
      censored: new Uint8Array(values.length),
    };
  }
}

const daily = (step: number) => (k: number) =>
  10 + 4 * Math.sin((2 * Math.PI * k * step) / 86_400) + (((k * 7919) % 101) - 50) / 100;
const week = (step: number, of: (k: number) => number): number[] =>
  Array.from({ length: Math.min(2016, Math.max(60, Math.round((10 * 86_400) / step))) }, (_, k) => of(k));

const SHAPES: { name: string; values: (step: number) => number[]; most: number }[] = [
  { name: 'a daily course', values: (step) => week(step, daily(step)), most: 30 },
  { name: 'a constant', values: (step) => week(step, () => 7), most: 7.001 },
  { name: 'zeros', values: (step) => week(step, () => 0), most: 0.001 },
  {
    name: 'one spike of a thousand times',
    values: (step) => week(step, (k) => (k === 50 ? 1e4 : daily(step)(k))),
    most: 3e4,
  },
  {
    name: 'a level shift near the end',
    values: (step) => week(step, (k) => daily(step)(k) + (k > 55 ? 200 : 0)),
    most: 700,
  },
  { name: 'idle with rare bursts', values: (step) => week(step, (k) => (k % 37 === 0 ? 100 : 0)), most: 300 },
  { name: 'tiny numbers', values: (step) => week(step, (k) => 1e-12 * daily(step)(k)), most: 1e-10 },
  { name: 'huge numbers', values: (step) => week(step, (k) => 1e15 * daily(step)(k)), most: 1e17 },
  { name: 'holes', values: (step) => week(step, (k) => (k % 50 < 12 ? NaN : daily(step)(k))), most: 30 },
  {
    name: 'a hole at the end',
    values: (step) => [...week(step, daily(step)), ...Array.from({ length: 20 }, () => NaN)],
    most: 30,
  },
];
const STEPS = [60, 300, 3600, 86_400];

/** Runs every case of the port's contract on a model. */
export function modelContract(entry: ModelEntry): void {
  describe(`${entry.name} keeps the contract of models`, () => {
    test.each(STEPS.flatMap((step) => SHAPES.map((shape) => ({ step, ...shape }))))(
      'finite, not negative, within reason: $name in steps of $step s',
      ({ step, values, most }) => {
        const bench = new Bench(entry, step).run(values(step));
        if (bench.model === null) return; // Left out at this step, as the registry allows.
        for (const value of bench.ahead()) {
          if (Number.isNaN(value)) continue;
          expect(value).toBeGreaterThanOrEqual(0);
          expect(value).toBeLessThanOrEqual(most);
        }
      },
    );

    test.each([0, 1, 2, 3, 5])('says nothing wild from %d bins', (bins) => {
      const bench = new Bench(entry, 300).run(Array.from({ length: bins }, (_, k) => 5 + k));
      for (const value of bench.ahead()) if (!Number.isNaN(value)) expect(value).toBeLessThan(50);
    });

    it('carries its own name', () => {
      expect(new Bench(entry, 300).model?.name).toBe(entry.name);
    });

    it('says something of a course that it has seen for a week', () => {
      const bench = new Bench(entry, 300).run(week(300, daily(300)));
      expect(bench.ahead().every((value) => value > 1 && value < 20)).toBe(true);
    });

    it('says the same of the same data, bit for bit', () => {
      const values = week(300, (k) => (k % 91 === 0 ? NaN : daily(300)(k)));
      expect(new Bench(entry, 300).run(values).ahead()).toEqual(new Bench(entry, 300).run(values).ahead());
    });

    it('is not changed by being asked', () => {
      const bench = new Bench(entry, 300).run(week(300, daily(300)));
      const first = bench.ahead();
      for (const ahead of [24, 1, 7]) bench.model?.predict(START + (2016 + ahead) * 300, ahead);
      expect(bench.ahead()).toEqual(first);
    });

    it('looks at no more of the past for the five-thousandth bin than for the five-hundredth', () => {
      const bench = new Bench(entry, 300).run(week(300, daily(300)).slice(0, 500));
      const looksAt = (from: number): number => {
        bench.looks = 0;
        for (let k = from; k < from + 24; k++) bench.tell(k, daily(300)(k));
        return bench.looks;
      };
      for (let k = 500; k < 900; k++) bench.tell(k, daily(300)(k));
      const early = looksAt(900);
      for (let k = 924; k < 5000; k++) bench.tell(k, daily(300)(k));
      expect(looksAt(5000)).toBeLessThanOrEqual(early);
    });

    it('goes on after a hole of a day', () => {
      const bench = new Bench(entry, 300).run(week(300, daily(300)));
      for (let k = 2016 + 288; k < 2016 + 290; k++) bench.tell(k, daily(300)(k));
      const last = 2016 + 289;
      for (const ahead of ANCHORS) {
        const value = bench.model?.predict(START + (last + ahead) * 300, ahead) ?? Number.NaN;
        if (!Number.isNaN(value)) expect(Math.abs(value - daily(300)(last + ahead))).toBeLessThan(9);
      }
    });
  });
}
