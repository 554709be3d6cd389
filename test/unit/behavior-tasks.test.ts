import { describe, expect, it } from 'vitest';
import { occurrences } from '../../src/domain/occurrences.js';
import { cronOf } from '../../src/behavior/tasks/cron.js';
import { findTasks, joinComponents } from '../../src/behavior/tasks/find.js';
import { log10Tail } from '../../src/behavior/tasks/periods.js';
import { runningMedian } from '../../src/behavior/tasks/pulses.js';
import type { Series } from '../../src/domain/series.js';
import { calendarOf } from '../../src/forecast/calendar.js';
import { HOUR, MONDAY, randomOf } from './behavior-world.js';

const DAY = 24 * HOUR;

interface World {
  days?: number;
  step?: number;
  timeZone?: string;
  from?: number;
  /** Relative to the mean of ten. */
  noise?: number;
  cycle?: number;
  burstsPerDay?: number;
  tasks?: { cron: string; duration: number; height: number; jitter?: number; missed?: number }[];
  every?: { period: number; duration: number; height: number };
  seed?: number;
}

/** Demand of ten on average with a day's cycle, noise and bursts, and what tasks add. */
function series(world: World): Series {
  const { days = 21, step = 300, timeZone = 'UTC', from = MONDAY, noise = 0.05, cycle = 0.5, burstsPerDay = 0 } = world;
  const random = randomOf(world.seed ?? 1);
  const bins = Math.round((days * DAY) / step);
  const runs: { from: number; to: number; height: number }[] = [];
  for (const { cron, duration, height, jitter = 0, missed = 0 } of world.tasks ?? []) {
    for (const at of occurrences(cron, timeZone, from, from + days * DAY)) {
      if (random.uniform() < missed) continue;
      const start = at + jitter * random.normal();
      runs.push({ from: start, to: start + duration, height });
    }
  }
  for (let at = from + 1234; world.every !== undefined && at < from + days * DAY; at += world.every.period) {
    runs.push({ from: at, to: at + world.every.duration, height: world.every.height });
  }
  for (let count = random.poisson(burstsPerDay * days); count > 0; count--) {
    const at = from + random.uniform() * days * DAY;
    runs.push({ from: at, to: at + 600 + 1800 * random.uniform(), height: 5 + 20 * random.uniform() });
  }
  const values = Float64Array.from({ length: bins }, (_, bin) => {
    const at = from + bin * step;
    const level = 10 * (1 + cycle * Math.sin((2 * Math.PI * (at - from)) / DAY)) * (1 + noise * random.normal());
    const added = runs.reduce(
      (sum, run) => sum + (run.height * Math.max(0, Math.min(at + step, run.to) - Math.max(at, run.from))) / step,
      0,
    );
    return Math.max(0, level + added);
  });
  return { start: from, step, values, censored: new Uint8Array(bins) };
}

const found = (world: World) => findTasks(series(world), calendarOf(world.timeZone ?? 'UTC'));

describe('tasks are found that nobody declared', () => {
  it.each<{ name: string; world: World; cron: string; duration: number; footprint: number }>([
    {
      name: 'every night',
      world: { tasks: [{ cron: '30 2 * * *', duration: 2400, height: 12 }] },
      ...{ cron: '30 2 * * *', duration: 2400, footprint: 12 },
    },
    {
      name: 'every night, ten minutes early or late, a fifth of the runs missed',
      world: { tasks: [{ cron: '0 3 * * *', duration: 3600, height: 10, jitter: 400, missed: 0.2 }] },
      ...{ cron: '0 3 * * *', duration: 3600, footprint: 10 },
    },
    {
      name: 'on working days',
      world: { days: 28, tasks: [{ cron: '0 6 * * 1-5', duration: 1800, height: 15 }] },
      ...{ cron: '0 6 * * 1-5', duration: 1800, footprint: 15 },
    },
    {
      name: 'on two days of the week',
      world: { days: 35, tasks: [{ cron: '0 22 * * 2,4', duration: 3600, height: 15 }] },
      ...{ cron: '0 22 * * 2,4', duration: 3600, footprint: 15 },
    },
    {
      name: 'every hour',
      world: { days: 7, tasks: [{ cron: '20 * * * *', duration: 600, height: 8 }] },
      ...{ cron: '20 * * * *', duration: 600, footprint: 8 },
    },
    {
      name: 'four times a day',
      world: { tasks: [{ cron: '15 1-23/6 * * *', duration: 1200, height: 9 }] },
      ...{ cron: '15 1-23/6 * * *', duration: 1200, footprint: 9 },
    },
    {
      name: 'by the local clock, across the change to summer time',
      world: {
        ...{ timeZone: 'Europe/Berlin', from: Date.UTC(2026, 2, 16) / 1000, days: 28 },
        tasks: [{ cron: '30 4 * * *', duration: 1800, height: 12 }],
      },
      ...{ cron: '30 4 * * *', duration: 1800, footprint: 12 },
    },
  ])('$name', ({ world, cron, duration, footprint }) => {
    const [task, ...others] = found(world);
    expect(others).toEqual([]);
    // Jitter moves the median of three weeks by a minute or two; the times are what an operator checks.
    const minute = (line: string | null | undefined): number => Number(line?.split(' ')[0]);
    expect(task?.cron?.split(' ').slice(world.tasks?.[0]?.jitter === undefined ? 1 : 2)).toEqual(
      cron.split(' ').slice(world.tasks?.[0]?.jitter === undefined ? 1 : 2),
    );
    const off = Math.abs(minute(task?.cron) - minute(cron));
    expect(Math.min(off, 60 - off)).toBeLessThanOrEqual(world.tasks?.[0]?.jitter === undefined ? 1 : 6);
    expect(Math.abs((task?.duration.median ?? 0) - duration)).toBeLessThanOrEqual(0.25 * duration);
    expect(Math.abs((task?.footprint.median ?? 0) - footprint)).toBeLessThanOrEqual(0.2 * footprint);
    expect(task?.active).toBe(true);
    expect(task?.probability).toBeGreaterThan(world.tasks?.[0]?.missed === undefined ? 0.85 : 0.6);
  });

  it('two at once: the nightly one hides in no hourly one', () => {
    const tasks = found({
      days: 14,
      tasks: [
        { cron: '0 * * * *', duration: 600, height: 6 },
        { cron: '0 2 * * *', duration: 600, height: 18 },
      ],
    });
    expect(tasks.map(({ cron }) => cron).sort()).toEqual(['0 * * * *', '0 2 * * *']);
  });

  it('what no cron line says has its period: every ninety minutes', () => {
    const [task] = found({ days: 10, every: { period: 5400, duration: 900, height: 10 } });
    expect(task?.period).toBeCloseTo(5400, -2);
    expect(task?.cron).toBeNull();
  });

  it('a hole is not a missed run: what was not seen was not due', () => {
    const whole = series({ tasks: [{ cron: '30 2 * * *', duration: 2400, height: 12 }] });
    whole.values.fill(Number.NaN, 2000, 4000);
    const [task] = findTasks(whole, calendarOf('UTC'));
    expect(task?.due).toBeLessThanOrEqual(15);
    expect(task?.probability).toBeGreaterThan(0.85);
  });

  it('one that ended three weeks ago is not awaited', () => {
    const ended = series({ days: 42, tasks: [{ cron: '30 2 * * *', duration: 2400, height: 12 }] });
    const quiet = series({ days: 42, seed: 2 });
    ended.values.set(quiet.values.subarray(6048), 6048);
    const all = findTasks(ended, calendarOf('UTC'));
    expect(all.every(({ active }) => !active)).toBe(true);
  });

  it.each([
    { name: 'the data end an hour ago', late: HOUR },
    { name: 'the data end six days ago', late: 6 * DAY },
  ])('what comes next lies ahead: $name', ({ late }) => {
    const seen = series({ days: 14, tasks: [{ cron: '30 2 * * 1-5', duration: 2400, height: 12 }] });
    const at = MONDAY + 14 * DAY + late;
    const next = findTasks(seen, calendarOf('UTC'), at)[0]?.next ?? Number.NaN;
    expect(next).toBeGreaterThan(at);
    const due = occurrences('30 2 * * 1-5', 'UTC', at, at + 4 * DAY)[0] ?? Number.NaN;
    expect(Math.abs(next - due)).toBeLessThanOrEqual(60);
  });

  it.each([
    { name: 'hourly, in bins of a quarter of an hour', width: 900, every: HOUR, cron: '0 * * * *' },
    { name: 'every quarter of an hour, in bins of five minutes', width: 300, every: 900, cron: '*/15 * * * *' },
    { name: 'every four hours, in bins of an hour', width: HOUR, every: 4 * HOUR, cron: '0 */4 * * *' },
  ])('events $name: the schedule itself, and not several of its multiples', ({ width, every, cron }) => {
    const values = new Float64Array((21 * DAY) / width);
    for (let at = 0; at < 21 * DAY; at += every) values[Math.floor(at / width)] = 5;
    const counts = { start: MONDAY, step: width, values, censored: new Uint8Array(values.length) };
    expect(findTasks(counts, calendarOf('UTC')).map((task) => task.cron)).toEqual([cron]);
  });

  it('in counts of events, which are zero but for the task', () => {
    const counts = series({ days: 28, step: 900, noise: 0, tasks: [{ cron: '0 9 * * 1', duration: 900, height: 40 }] });
    const only = { ...counts, values: counts.values.map((value) => (value > 25 ? value - 10 : 0)) };
    const [task] = findTasks(only, calendarOf('UTC'));
    expect(task?.cron).toBe('0 9 * * 1');
  });

  it('is one task in all components of its workload', () => {
    const world = { tasks: [{ cron: '30 2 * * *', duration: 2400, height: 12 }] };
    const joined = joinComponents([
      { workload: 'web', component: 'cpu', tasks: found(world) },
      { workload: 'web', component: 'memory', tasks: found({ ...world, seed: 7 }) },
      { workload: 'api', component: 'cpu', tasks: found(world) },
    ]);
    expect(joined.map(({ workload, footprints }) => [workload, Object.keys(footprints)])).toEqual([
      ['web', ['cpu', 'memory']],
      ['api', ['cpu']],
    ]);
  });
});

describe('no task is found where there is none: an operator would put a ghost into the account file', () => {
  it.each<{ name: string; world: World }>([
    { name: 'noise', world: { noise: 0.3 } },
    { name: 'a steep cycle of the day', world: { cycle: 0.95 } },
    { name: 'random bursts', world: { burstsPerDay: 6 } },
    { name: 'many random bursts', world: { burstsPerDay: 30 } },
    { name: 'a constant', world: { noise: 0, cycle: 0 } },
    { name: 'a day of data', world: { days: 1, tasks: [{ cron: '30 2 * * *', duration: 2400, height: 12 }] } },
  ])('$name', ({ world }) => {
    for (let seed = 1; seed <= 5; seed++) expect(found({ ...world, seed })).toEqual([]);
  });

  it.each([
    { name: 'now and then', width: 900, mean: 0.3, cycle: 0 },
    { name: 'now and then, most of them by day', width: 900, mean: 0.3, cycle: 0.9 },
    { name: 'often', width: 900, mean: 1, cycle: 0.9 },
    { name: 'in bins of an hour', width: HOUR, mean: 0.3, cycle: 0.9 },
  ])('counts of what people do $name', ({ width, mean, cycle }) => {
    for (let seed = 1; seed <= 5; seed++) {
      const random = randomOf(seed);
      const values = Float64Array.from({ length: (28 * DAY) / width }, (_, bin) =>
        random.poisson(mean * (1 + cycle * Math.sin((2 * Math.PI * bin * width) / DAY))),
      );
      const counts = { start: MONDAY, step: width, values, censored: new Uint8Array(values.length) };
      expect(findTasks(counts, calendarOf('UTC'))).toEqual([]);
    }
  });

  it('nothing at all, and nothing known', () => {
    const none = { start: 0, step: 300, values: new Float64Array(0), censored: new Uint8Array(0) };
    expect(findTasks(none, calendarOf('UTC'))).toEqual([]);
    const missing = { ...none, values: new Float64Array(4000).fill(Number.NaN), censored: new Uint8Array(4000) };
    expect(findTasks(missing, calendarOf('UTC'))).toEqual([]);
  });
});

describe('parts', () => {
  it.each([
    { task: { period: 900, phase: 0, days: null }, cron: '*/15 * * * *' },
    { task: { period: 900, phase: 310, days: null }, cron: '5-59/15 * * * *' },
    { task: { period: 6 * HOUR, phase: 7 * HOUR + 900, days: null }, cron: '15 1-23/6 * * *' },
    { task: { period: DAY, phase: 2.5 * HOUR, days: [6] }, cron: '30 2 * * 0' },
    { task: { period: 5400, phase: 0, days: null }, cron: null },
    { task: { period: DAY, phase: DAY - 10, days: null }, cron: '0 0 * * *' },
  ])('$cron', ({ task, cron }) => expect(cronOf(task)).toBe(cron));

  it('the tail of the binomial', () => {
    expect(log10Tail(10, 10, 0.1)).toBeCloseTo(-10, 9);
    expect(log10Tail(1, 2, 0.5)).toBeCloseTo(Math.log10(0.75), 9);
    expect(log10Tail(0, 5, 0.3)).toBe(0);
  });

  it('the running median leaves missing values out', () => {
    const values = Float64Array.from([1, 9, 2, Number.NaN, 3, 3]);
    expect([...runningMedian(values, 1)]).toEqual([5, 2, 5.5, 2.5, 3, 3]);
  });
});
