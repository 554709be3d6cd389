import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { foundBy, looksAt } from '../../src/behavior/tasks/known.js';
import type { Series } from '../../src/domain/series.js';
import {
  loadGlobalBooster,
  parseGlobalBooster,
  serialiseGlobalBooster,
  trainGlobalBooster,
  type GlobalMethod,
} from '../../src/forecast/booster/global-booster.js';
import { fitWithOwn } from '../../src/forecast/booster/own.js';
import { FEWEST_COLUMNS } from '../../src/forecast/booster/relative.js';
import { calendarOf } from '../../src/forecast/calendar.js';
import type { FeatureInputs } from '../../src/forecast/feature-inputs.js';
import { fitForecaster } from '../../src/forecast/forecaster.js';
import type { GlobalModel } from '../../src/forecast/global.js';
import { inputsOf, type DeclaredTask } from '../../src/forecast/known-inputs.js';
import type { FitOptions } from '../../src/forecast/port.js';
import {
  amountWithin,
  FARTHEST_RUN,
  tasksAt,
  untilNext,
  type FoundTasks,
  type ScheduledTask,
} from '../../src/forecast/schedule.js';

/*
 * A task that runs every five hours is no hour of the day: who does not know of it provides for it always, or never. And a
 * backtest that knew of tasks before anybody could would promise what no forecast keeps.
 */

const DAY = 86_400;
const HOUR = 3600;
const UTC = calendarOf('UTC');
const MONDAY = Date.parse('2026-03-02T00:00:00Z') / 1000;
const cron = (line: string, duration = HOUR, amount = 6, timeZone = 'UTC'): ScheduledTask => ({
  timing: { cron: line, timeZone },
  duration,
  amount,
});
const every = (period: number, phase = 0, days: number[] | null = null): ScheduledTask => ({
  timing: { period, phase, days },
  duration: HOUR,
  amount: 6,
});

describe('what is due in a bin', () => {
  it.each<{ name: string; tasks: ScheduledTask[]; from: number; to: number; amount: number; zone?: string }>([
    { name: 'no task', tasks: [], from: 0, to: HOUR, amount: 0 },
    { name: 'a run that fills it', tasks: [cron('0 2 * * *')], from: 2 * HOUR, to: 2 * HOUR + 300, amount: 6 },
    { name: 'a run that ends within it', tasks: [cron('0 2 * * *')], from: 2.5 * HOUR, to: 3.5 * HOUR, amount: 3 },
    { name: 'a short run within an hour', tasks: [cron('0 2 * * *', 600)], from: 2 * HOUR, to: 3 * HOUR, amount: 1 },
    { name: 'the bin before', tasks: [cron('0 2 * * *')], from: HOUR, to: 2 * HOUR, amount: 0 },
    { name: 'the bin after', tasks: [cron('0 2 * * *')], from: 3 * HOUR, to: 4 * HOUR, amount: 0 },
    { name: 'a run since yesterday', tasks: [cron('0 23 * * *', 4 * HOUR)], from: 2 * HOUR, to: 3 * HOUR, amount: 6 },
    { name: 'runs that overlap', tasks: [cron('0 2 * * *'), every(2 * HOUR)], from: 7200, to: 7500, amount: 12 },
    { name: 'a day that it runs on', tasks: [every(DAY, 0, [0])], from: 0, to: 300, amount: 6 },
    { name: 'a day that it does not run on', tasks: [every(DAY, 0, [1, 6])], from: 0, to: 300, amount: 0 },
    { name: 'local time', tasks: [every(DAY, 2 * HOUR)], from: HOUR, to: HOUR + 300, amount: 6, zone: 'Europe/Berlin' },
    {
      name: 'a line in local time',
      tasks: [cron('0 2 * * *', HOUR, 6, 'Europe/Berlin')],
      from: HOUR,
      to: 3900,
      amount: 6,
    },
  ])('$name', ({ tasks, from, to, amount, zone = 'UTC' }) => {
    expect(amountWithin(tasks, calendarOf(zone), MONDAY + from, MONDAY + to)).toBeCloseTo(amount, 9);
  });

  it.each<{ name: string; tasks: ScheduledTask[]; from: number; seconds: number }>([
    { name: 'no task', tasks: [], from: 0, seconds: FARTHEST_RUN },
    { name: 'at this moment', tasks: [cron('0 2 * * *')], from: 2 * HOUR, seconds: 0 },
    { name: 'while it runs', tasks: [cron('0 2 * * *')], from: 2 * HOUR + 60, seconds: DAY - 60 },
    {
      name: 'the first of two',
      tasks: [cron('0 9 * * *'), every(DAY, 11 * HOUR)],
      from: 4 * HOUR,
      seconds: 5 * HOUR,
    },
    { name: 'next month', tasks: [cron('0 0 28 * *')], from: 0, seconds: FARTHEST_RUN },
  ])('the next run: $name', ({ tasks, from, seconds }) => {
    expect(untilNext(tasks, UTC, MONDAY + from)).toBe(seconds);
  });

  it('runs as often a day where the clock is put forward', () => {
    const berlin = calendarOf('Europe/Berlin');
    const sunday = Date.parse('2026-03-29T00:00:00Z') / 1000;
    // Every two hours of 23: the run at two, which that day lacks, comes at three.
    const sum = amountWithin([every(2 * HOUR)], berlin, sunday - HOUR, sunday + 22 * HOUR);
    expect(sum * 23).toBeCloseTo(12 * 6, 6);
  });
});

describe('which tasks are known', () => {
  const found: FoundTasks[] = [
    { since: MONDAY, tasks: [every(DAY, 2 * HOUR)] },
    { since: MONDAY + 3 * DAY, tasks: [every(DAY, 2 * HOUR), every(DAY, 9 * HOUR)] },
  ];
  it.each<{ name: string; declared?: ScheduledTask[]; found?: FoundTasks[]; at: number; count: number | null }>([
    { name: 'where nobody said', at: 0, count: null },
    { name: 'of the account file', declared: [cron('0 2 * * *')], at: 0, count: 1 },
    { name: 'before anything was found', found, at: -300, count: null },
    { name: 'as soon as it was found', found, at: 0, count: 1 },
    { name: 'until more was found', found, at: 3 * DAY - 300, count: 1 },
    { name: 'after more was found', found, at: 3 * DAY, count: 2 },
    {
      name: 'of both, one task that is the same counted once',
      declared: [cron('3 2 * * *')],
      found,
      at: DAY,
      count: 1,
    },
    { name: 'of both, two that are not', declared: [cron('0 5 * * *')], found, at: DAY, count: 2 },
    { name: 'where one looked and found none', found: [{ since: MONDAY, tasks: [] }], at: 0, count: 0 },
  ])('$name', ({ at, count, name: _, ...known }) => {
    expect(tasksAt(known, UTC, MONDAY + at)?.length ?? null).toBe(count);
  });

  it.each<{ name: string; task: Partial<DeclaredTask>; amount: number | null }>([
    { name: 'of this workload', task: {}, amount: 3 },
    { name: 'of another workload', task: { workload: 'api' }, amount: null },
    { name: 'of another component', task: { demand: { memory: 5 } }, amount: null },
    { name: 'that may be moved and is not', task: { later: HOUR }, amount: 3 },
    { name: 'that Headroom moves', task: { later: HOUR, target: { name: 'job' } }, amount: null },
  ])('a declared task $name', ({ task, amount }) => {
    const whole = {
      workload: 'web',
      cron: '0 2 * * *',
      duration: 600,
      demand: { cpu: 3 },
      earlier: 0,
      later: 0,
      ...task,
    };
    const told = inputsOf({ events: [], tasks: { timeZone: 'UTC', of: [whole] } }, 'web', 'cpu', MONDAY, MONDAY + DAY);
    expect(told.scheduled?.declared?.[0]?.amount ?? null).toBe(amount);
  });
});

const STEP = 900;
const noise = (seed: number, k: number): number => {
  const x = Math.sin(seed * 127.1 + k * 311.7) * 43_758.5453;
  return x - Math.floor(x);
};
/** Every five hours one hour of so much more; neither hour nor day says when. */
const PERIOD = 5 * HOUR;
const isDue = (at: number, seed: number): boolean => (at + seed * 4 * STEP) % PERIOD < HOUR;
const seriesOf = (seed: number, days: number, extra = 3): Series => {
  const count = (days * DAY) / STEP;
  return {
    start: MONDAY,
    step: STEP,
    censored: new Uint8Array(count),
    values: Float64Array.from(
      { length: count },
      (_, k) => 10 * seed * (1 + 0.1 * noise(seed, k) + (isDue(MONDAY + k * STEP, seed) ? extra : 0)),
    ),
  };
};

describe('nothing is known before it could be', () => {
  it('what was found by a moment depends on no bin after it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 11 }), fc.integer({ min: 0, max: 1000 }), (day, seed) => {
        const whole = seriesOf(1, 12);
        const end = MONDAY + day * DAY;
        const other = { ...whole, values: whole.values.slice() };
        for (let k = (day * DAY) / STEP; k < other.values.length; k++) other.values[k] = 90 * noise(seed, k);
        const by = (series: Series) =>
          foundBy(
            series,
            UTC,
            looksAt(series).filter((at) => at <= end),
          );
        expect(by(other)).toEqual(by(whole));
      }),
      { numRuns: 12 },
    );
    expect(foundBy(seriesOf(1, 12), UTC, [MONDAY + 6 * DAY])[0]?.tasks[0]?.timing).toMatchObject({ days: null });
  });

  /** What a fit tells its trained models at each origin. */
  function told(series: Series, after: Series | null = null): Map<number, string> {
    const said = new Map<number, string>();
    const listener: GlobalModel = {
      ...{ name: 'listener', levels: [0.1, 0.5, 0.9], context: 96, asksTasks: true },
      predict(requests, aheads) {
        for (const { origin, inputs } of requests) {
          said.set(origin, JSON.stringify(tasksAt(inputs?.scheduled ?? {}, UTC, origin)));
        }
        return new Float32Array(requests.length * aheads.length * 3).fill(Number.NaN);
      },
    };
    const fitted = fitForecaster(series, { ...OPTIONS, globals: [listener] });
    after?.values.forEach((value, k) => fitted.observe(after.start + k * STEP, value, false));
    fitted.forecast(4, [0.5]);
    return said;
  }
  const OPTIONS: FitOptions = { timeZone: 'UTC', levels: [0.5], level: 0.9, leadSteps: 2, horizon: 8 };

  it('a fit tells its models at each origin what bins up to it had shown', () => {
    const whole = seriesOf(1, 12);
    const other = { ...whole, values: whole.values.slice() };
    const from = 9 * 96;
    for (let k = from; k < other.values.length; k++) other.values[k] = 10;
    const [one, changed] = [told(whole), told(other)];
    const before = [...one].filter(([origin]) => origin < MONDAY + from * STEP);
    expect(before.length).toBeGreaterThan(100);
    expect(before.filter(([origin, said]) => changed.get(origin) !== said)).toEqual([]);
    expect(before.some(([, said]) => said.includes('period'))).toBe(true);
  });

  it('and looks again while bins come', () => {
    const whole = seriesOf(1, 12);
    const quiet = seriesOf(1, 3, 0);
    const after = { ...whole, start: MONDAY + 3 * DAY, values: whole.values.subarray(3 * 96) };
    const said = told(quiet, after);
    expect(said.get(MONDAY + 3 * DAY)).toBe('[]');
    expect(said.get(MONDAY + 12 * DAY - STEP)).toContain('period');
  });
});

describe.each<{ method: GlobalMethod }>([{ method: 'boosting' }, { method: 'forest' }])(
  'trained by $method',
  ({ method }) => {
    let bytes: Uint8Array;
    let model: GlobalModel;
    beforeAll(() => {
      const series = [1, 2, 3, 4].map((seed) => ({ ...seriesOf(seed, 21), timeZone: 'UTC' }));
      bytes = trainGlobalBooster(series, {
        ...{ method, rows: 8000, validation: 0, seed: 3 },
        trees: { rounds: 40, minLeaf: 30 },
        forest: { trees: 40 },
      });
      model = loadGlobalBooster(bytes);
    });
    /** The median two hours ahead of an idle bin, of a series that it never saw. */
    const ahead = (inputs: FeatureInputs | undefined): number => {
      const { values } = seriesOf(7, 18);
      const origin = 17 * 96 + 5;
      const request = {
        values: Float32Array.from(values.subarray(0, origin + 1)),
        origin: MONDAY + origin * STEP,
        step: STEP,
      };
      const flat = model.predict([{ ...request, calendar: UTC, ...(inputs === undefined ? {} : { inputs }) }], [8]);
      return (flat[model.levels.indexOf(0.5)] ?? Number.NaN) / 70;
    };
    const at = MONDAY + (17 * 96 + 5 + 8) * STEP;
    const due = (start: number): FeatureInputs => ({
      scheduled: {
        declared: [{ timing: { period: PERIOD, phase: start % PERIOD, days: null }, duration: HOUR, amount: 210 }],
      },
    });

    it('a bin with a task is forecast higher than one without', () => {
      expect(model.asksTasks).toBe(true);
      expect(ahead(due(at - STEP))).toBeGreaterThan(1.5 * ahead(due(at + 9 * STEP)));
    });

    it('what was trained before tasks were told goes on saying what it said', () => {
      const { booster, ...rest } = parseGlobalBooster(
        trainGlobalBooster(
          [1, 2].map((seed) => ({ ...seriesOf(seed, 7, 0), timeZone: 'UTC' })),
          {
            ...{ method, rows: 2000, validation: 0, trees: { rounds: 10, minLeaf: 30 }, forest: { trees: 10 } },
          },
        ),
      );
      const today = loadGlobalBooster(serialiseGlobalBooster({ ...rest, booster }));
      const before = loadGlobalBooster(
        serialiseGlobalBooster({ ...rest, booster: { ...booster, columns: FEWEST_COLUMNS } }),
      );
      model = before;
      const said = ahead(due(at));
      expect(before.asksTasks).toBe(false);
      model = today;
      expect(said).toBe(ahead(undefined));
      model = loadGlobalBooster(bytes);
    });

    it('features that this release does not know are refused, with what to do', () => {
      const { booster, ...rest } = parseGlobalBooster(bytes);
      const fewer = serialiseGlobalBooster({ ...rest, booster: { ...booster, columns: FEWEST_COLUMNS - 1 } });
      expect(() => loadGlobalBooster(fewer)).toThrow(/other features.*train it again/s);
    });
  },
);

describe('trees of a series of its own', () => {
  it('forecast a task that no hour of the day tells, once its runs have shown it', () => {
    const series = seriesOf(1, 16);
    const options: FitOptions = { timeZone: 'UTC', levels: [0.5], level: 0.9, leadSteps: 2, horizon: 24, seed: 1 };
    const fit = fitWithOwn(fitForecaster, ['booster']);
    const fitted = fit(series, { ...options, models: ['persistence'] });
    const { quantiles, origin } = fitted.forecast(24, [0.5]);
    const mean = (wanted: boolean): number => {
      const bins = quantiles.flatMap(([value], k) =>
        isDue(origin + (k + 1) * STEP, 1) === wanted ? [value ?? Number.NaN] : [],
      );
      return bins.reduce((sum, value) => sum + value, 0) / bins.length;
    };
    expect(mean(true)).toBeGreaterThan(1.5 * mean(false));
  });
});
