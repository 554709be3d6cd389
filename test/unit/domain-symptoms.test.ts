import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ClusterState } from '../../src/domain/cluster.js';
import { amountText, type Component } from '../../src/domain/component.js';
import { withEarlier, type Trigger, type WatchedSeries } from '../../src/domain/contingency.js';
import { leastMean, symptomsOf, type Look } from '../../src/domain/symptoms.js';

const T0 = 1_772_445_600;
const STEP = 300;
const web: WatchedSeries = {
  ...{ workload: 'web', component: 'cpu', from: T0, step: STEP },
  above: [10, 10, 10, 10, 10, 10, 10, 10],
  far: [12, 12, 12, 12, 12, 12, 12, 12],
};
const usage = (values: number[], censored: number[] = [], start = T0): Look => ({
  recent: [
    {
      workload: 'web',
      component: 'cpu',
      series: {
        start,
        step: STEP,
        values: Float64Array.from(values),
        censored: Uint8Array.from(values, (_, index) => censored[index] ?? 0),
      },
    },
  ],
});
const pools = (...list: [string, number, number][]): Look => ({
  state: {
    at: T0,
    workloads: [],
    pools: list.map(([pool, nodes, readyNodes]) => ({ pool, nodes, readyNodes, owner: null })),
  } satisfies ClusterState,
});
const pending = (look: Look, pods: number): Look => ({
  state: {
    at: T0,
    pools: look.state?.pools ?? [],
    workloads: [
      {
        ...{ workload: 'web', exists: true, replicas: 9, readyReplicas: 3, request: {}, autoscaler: null },
        owners: { replicas: null, request: null, floor: null },
        troubles: [{ reason: 'unschedulable', pods, words: 'no node fits' }],
      },
    ],
  },
});
const running = (least: number, from = T0 + 2 * STEP): Look => ({
  running: [{ workload: 'web', component: 'cpu', from, least }],
});
const demand: Trigger = { kind: 'demand', bins: 2 };
const forecast: Trigger = { kind: 'forecast', misses: 3, of: 6 };
const market: Trigger = { kind: 'spot-market', pools: ['a', 'b'], counted: 6, ready: 3 };
const stuck: Trigger = { kind: 'pool-stuck', pool: 'a', counted: 5 };
const telemetry: Trigger = { kind: 'telemetry', after: 900 };
const freshness = (...kinds: ('fresh' | 'stale' | 'missing')[]): Look => ({
  freshness: kinds.map((kind) => ({ workload: 'web', component: 'cpu', kind })),
});

/** Web with so many replicas of one core. */
const there = (replicas: number, ready = replicas, request: { cpu?: number } = { cpu: 1 }): Look => ({
  state: {
    at: T0,
    pools: [],
    workloads: [
      {
        ...{ workload: 'web', exists: true, replicas, readyReplicas: ready, request, autoscaler: null },
        owners: { replicas: null, request: null, floor: null },
      },
    ],
  },
});

describe('what is above a percentile is a surprise only where it matters', () => {
  it.each<[string, number | undefined, Trigger, Look, boolean]>([
    ['two bins a hair above: the forecast was narrow', undefined, demand, usage([10.01, 10.01]), false],
    ['one bin a hair above the 99.9th', undefined, demand, usage([9, 12.1]), false],
    ['six bins a hair above', undefined, forecast, usage([10.1, 10.1, 10.1, 10.1, 10.1, 10.1]), false],
    ['what is there covers it with room', 0.8, demand, { ...usage([9, 13]), ...there(20) }, false],
    ['what is there covers six misses', 0.8, forecast, { ...usage([11, 11, 11, 11, 11, 11]), ...there(20) }, false],
    ['a little of the usual room is taken', 0.8, demand, { ...usage([9, 13]), ...there(16) }, false],
    ['half of the usual room is taken', 0.8, demand, { ...usage([9, 13]), ...there(14) }, true],
    ['no room is asked for, and hardly any is left', undefined, demand, { ...usage([9, 13]), ...there(13) }, true],
    ['no room is asked for, and there is some', undefined, demand, { ...usage([9, 13]), ...there(15) }, false],
    ['asked for, and not ready yet', 0.8, demand, { ...usage([9, 13]), ...there(20, 3) }, false],
    ['throttled, whatever is there', 0.8, demand, { ...usage([9, 9.8], [0, 1]), ...there(20) }, true],
    ['a bin that runs, covered', 0.8, demand, { ...running(13), ...there(20) }, false],
    ['a bin that runs, not covered', 0.8, demand, { ...running(13), ...there(12) }, true],
    ['what one replica has is not known', 0.8, demand, { ...usage([9, 13]), ...there(20, 20, {}) }, true],
    ['another workload’s capacity says nothing', 0.8, demand, { ...usage([9, 13]), ...pools(['a', 9, 9]) }, true],
  ])('%s', (_name, utilization, trigger, look, holds) => {
    const watched = [{ ...web, ...(utilization === undefined ? {} : { utilization }) }];
    expect(symptomsOf({ answers: [{ key: 'k', trigger, for: 0 }], watched }, look)).toHaveLength(holds ? 1 : 0);
  });

  it('says whose demand it is, of all that are surprised, in amounts that people read', () => {
    const names = ['web', 'api', 'mail', 'search', 'quiet'];
    const watched = names.map((workload) => ({ ...web, workload, component: 'memory' as const }));
    const recent = names.map((workload) => ({
      workload,
      component: 'memory' as const,
      series: {
        ...{ start: T0, step: STEP, censored: new Uint8Array(2) },
        values: Float64Array.from([9, workload === 'quiet' ? 9 : 3 * 2 ** 30]),
      },
    }));
    const [found] = symptomsOf({ answers: [{ key: 'demand', trigger: demand, for: 0 }], watched }, { recent });
    expect(found?.workloads).toEqual(['web', 'api', 'mail', 'search']);
    expect(found?.what).toContain('web/memory is 3Gi');
    expect(found?.what).toContain('and 1 more series');
  });
});

describe('a trigger', () => {
  it.each<[string, Trigger, Look, boolean]>([
    ['demand below the percentile is none', demand, usage([9, 9]), false],
    ['one bin above the 99th is chance', demand, usage([9, 11]), false],
    ['two in a row are not', demand, usage([11, 11]), true],
    ['one above the 99.9th is not', demand, usage([9, 13]), true],
    ['what was above, and is not any more, is over', demand, usage([13, 9]), false],
    ['throttled close to the 99th: demand is hidden', demand, usage([9, 9.8], [0, 1]), true],
    ['throttled far below it: the level is low, no surprise', demand, usage([9, 7], [0, 1]), false],
    ['a missing newest bin: the one before counts', demand, usage([13, Number.NaN]), true],
    ['nothing known at all', demand, usage([Number.NaN, Number.NaN]), false],
    ['bins before anything was stated say nothing', demand, usage([99, 99], [], T0 - 2 * STEP), false],
    ['a bin that runs, and is above the 99.9th whatever comes', demand, running(13), true],
    ['a bin that runs, and may still end below it', demand, running(11.9), false],
    ['a bin that runs, for which nothing was stated', demand, running(99, T0 + 99 * STEP), false],
    ['a bin that runs is no miss yet', forecast, { ...usage([11, 9, 11]), ...running(13) }, false],
    ['three misses of six', forecast, usage([11, 9, 11, 9, 9, 11]), true],
    ['two misses', forecast, usage([11, 9, 9, 9, 9, 11]), false],
    ['misses of long ago', forecast, usage([11, 11, 9, 9, 9, 9, 9, 11]), false],
    ['half of a market', market, pools(['a', 3, 2], ['b', 3, 1]), true],
    ['most of a market is left', market, pools(['a', 3, 3], ['b', 3, 1]), false],
    ['a pool that is not shown is not lost', market, pools(['a', 3, 0]), false],
    ['nodes asked for that are not ready', stuck, pools(['a', 5, 2]), true],
    ['all that were asked for are ready', stuck, pools(['a', 5, 5]), false],
    ['pods fit on no node, and fewer are there than counted', stuck, pending(pools(['a', 2, 2]), 4), true],
    ['pods fit on no node, though all are there', stuck, pending(pools(['a', 5, 5]), 4), false],
    ['fewer are there, and nobody waits', stuck, pools(['a', 2, 2]), false],
    ['every series is old', telemetry, freshness('stale', 'missing'), true],
    ['one series is fresh', telemetry, freshness('stale', 'fresh'), false],
    ['nobody said', telemetry, {}, false],
  ])('%s', (_name, trigger, look, holds) => {
    const found = symptomsOf({ answers: [{ key: 'k', trigger, for: 0 }], watched: [web] }, look);
    expect(found.map(({ key }) => key)).toEqual(holds ? ['k'] : []);
  });

  it('a bin that runs is never said to be above what it comes to: what is missing of it counts for nothing', () => {
    const value = fc.oneof(fc.constant(Number.NaN), fc.double({ min: 0, max: 1e9, noNaN: true }));
    fc.assert(
      fc.property(fc.array(value, { minLength: 20, maxLength: 20 }), fc.nat(20), (parts, seen) => {
        const part = (values: number[]) => ({
          ...{ start: T0, step: STEP / 20 },
          ...{ values: Float64Array.from(values), censored: new Uint8Array(values.length) },
        });
        const known = parts.filter((one) => !Number.isNaN(one));
        const mean = known.reduce((sum, one) => sum + one, 0) / known.length;
        const least = leastMean(part(parts.slice(0, seen)), STEP);
        expect(least).toBeGreaterThanOrEqual(0);
        if (known.length > 0) expect(least).toBeLessThanOrEqual(mean * (1 + 1e-9));
      }),
    );
    const half = { start: T0, step: 60, values: Float64Array.from([10, 10]), censored: new Uint8Array(2) };
    expect(leastMean(half, STEP)).toBe(4);
  });

  it('a forecast that is prepared for anew has still missed: what was stated before is kept for six bins', () => {
    const next: WatchedSeries = { ...web, from: T0 + 2 * STEP, above: [20, 20], far: [25, 25] };
    const [joined] = withEarlier([next], [web]);
    expect(joined).toMatchObject({ from: T0, above: [10, 10, 20, 20], far: [12, 12, 25, 25] });
    const misses = usage([11, 11, 22]);
    const answers = [{ key: 'forecast', trigger: forecast, for: 0 }];
    expect(symptomsOf({ answers, watched: [next] }, misses)).toEqual([]);
    expect(symptomsOf({ answers, watched: joined === undefined ? [] : [joined] }, misses)).toHaveLength(1);
    // What is older than the trigger looks back goes.
    const late: WatchedSeries = { ...web, from: T0 + 8 * STEP };
    expect(withEarlier([late], [web])[0]?.from).toBe(T0 + 2 * STEP);
    expect(withEarlier([{ ...web, from: T0 + 99 * STEP }], [web])[0]?.above).toHaveLength(8);
  });
});

describe('amounts that people read', () => {
  it.each<[Component, number, string]>([
    ['memory', 1_410_000_000, '1.31Gi'],
    ['storage', 15 * 2 ** 30, '15Gi'],
    ['memory', 3278 * 2 ** 20, '3.2Gi'],
    ['memory', 1023.9 * 2 ** 20, '1Gi'],
    ['memory', 12, '12'],
    ['network', 5e7, '47.7 MiB/s'],
    ['network', 0, '0 B/s'],
    ['cpu', 1.6123, '1.61'],
    ['gpu', 2, '2'],
  ])('%s %d is %s', (component, amount, text) => {
    expect(amountText(component, amount)).toBe(text);
  });
});
