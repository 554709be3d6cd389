import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CapacityTarget } from '../../src/domain/cluster.js';
import { createEngine, type Engine } from '../../src/cluster/simulated/engine.js';
import { samplesSince, timelineOf } from '../../src/cluster/simulated/samples.js';
import { buildScenario, type ScenarioFile } from '../../src/cluster/simulated/scenario.js';

const T0 = Date.parse('2026-05-04T00:00:00Z') / 1000;
const MINUTE = 60;
const HOUR = 3600;
type WorkloadFile = ScenarioFile['accounts'][number]['workloads'][number];

/** Account `acme`, workload `web`: 4 replicas of one core, pods ready after exactly 30 s, demand of 2 cores. */
function engineOf(
  options: { web?: Partial<WorkloadFile>; more?: WorkloadFile[] } & Partial<ScenarioFile> = {},
): Engine {
  const { web, more = [], ...rest } = options;
  const file: ScenarioFile = {
    version: 'headroom-scenario/v1',
    clock: { start: T0, mode: 'manual' },
    accounts: [{ name: 'acme', workloads: [workload(web), ...more] }],
    ...rest,
  };
  return createEngine(buildScenario(file, { what: 'test', directory: '.' }).model);
}
const workload = (options: Partial<WorkloadFile> = {}): WorkloadFile => ({
  name: 'web',
  replicas: 4,
  components: { cpu: { request: 1, demand: 2 } },
  podStart: { median: 30, spread: 0 },
  ...options,
});
const demandOf = (demand: NonNullable<WorkloadFile['components']['cpu']>['demand']) => ({
  cpu: { request: 1, demand },
});
const observe = (engine: Engine, name = 'web') => {
  const target = { workload: name, kind: 'Deployment' as const, namespace: 'acme', name };
  const { workloads, pools } = engine.observe({
    account: 'acme',
    workloads: [target],
    pools: engine.model.pools.map((pool) => pool.name),
  });
  const [state] = workloads;
  if (state === undefined) throw new Error('no answer');
  return { ...state, pools };
};
let keys = 0;
/** Writes what is asked for, fenced by what is there. */
const write = (engine: Engine, target: CapacityTarget, key = `key-${keys++}`) => {
  const now = observe(engine, 'workload' in target ? target.workload : 'web');
  const seen = target.field === 'nodes' ? now.pools.find(({ pool }) => pool === target.pool) : undefined;
  const value = { replicas: now.replicas, floor: now.autoscaler?.floor ?? 0, request: 0, nodes: seen?.nodes ?? 0 };
  const expectValue = target.field === 'request' ? (now.request[target.component] ?? 0) : value[target.field];
  const owner = target.field === 'nodes' ? (seen?.owner ?? null) : now.owners[target.field];
  return engine.apply({ key, account: 'acme', target, expect: { value: expectValue, owner }, reason: 'test' });
};
const replicas = (value: number): CapacityTarget => ({ field: 'replicas', workload: 'web', value });
/** The last whole minutes of a metric. */
const metric = (engine: Engine, name: string, minutes = 1): number[] => {
  const { metrics } = samplesSince(engine, engine.clock - minutes * MINUTE);
  return (metrics.find((batch) => batch.metric === name)?.samples ?? []).map(({ value }) => value);
};
const last = (values: readonly (number | null)[]): number => values.at(-1) ?? Number.NaN;

describe('time', () => {
  test('the same calls at the same times end in the same state, however time is cut', () => {
    const day = Array.from({ length: 48 }, (_, index) => 2 + 2 * Math.sin(index));
    const pools = [{ name: 'spot', node: { cpu: 2 }, pricePerHour: 1, max: 50, interruptionsPerHour: 0.5 }];
    const fresh = () =>
      engineOf({
        pools,
        web: { hpa: { floor: 1, ceiling: 12, target: 0.5 }, components: demandOf({ step: '5m', values: day }) },
      });
    const straight = fresh();
    straight.advanceTo(T0 + 2 * HOUR);
    write(straight, { field: 'floor', workload: 'web', value: 6 }, 'k');
    straight.advanceTo(T0 + 4 * HOUR);
    const expected = timelineOf(straight, { step: MINUTE });
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 1800 }), { maxLength: 20 }), (cuts) => {
        const cut = fresh();
        let at = T0;
        for (const seconds of cuts) cut.advanceTo(Math.min((at += seconds), T0 + 2 * HOUR));
        cut.advanceTo(T0 + 2 * HOUR);
        write(cut, { field: 'floor', workload: 'web', value: 6 }, 'k');
        cut.advanceTo(T0 + 4 * HOUR);
        expect(timelineOf(cut, { step: MINUTE })).toEqual(expected);
      }),
      { numRuns: 15 },
    );
  });

  test('another seed has other luck', () => {
    const fates = [1, 2].map((seed) => {
      const engine = engineOf({ seed, web: { podStart: { median: 60, spread: 0.5 } } });
      write(engine, replicas(40));
      engine.advanceTo(T0 + 5 * MINUTE);
      return timelineOf(engine, { step: MINUTE }).workloads[0]?.ready;
    });
    expect(fates[0]).not.toEqual(fates[1]);
  });
});

describe('pods', () => {
  test('new replicas are ready after their start, not before', () => {
    const engine = engineOf();
    write(engine, replicas(6));
    const ready = [15, 30, 45].map((seconds) => {
      engine.advanceTo(T0 + seconds);
      return observe(engine).readyReplicas;
    });
    expect(ready).toEqual([4, 6, 6]);
    expect(observe(engine).replicas).toBe(6);
  });

  test('fewer replicas go at once', () => {
    const engine = engineOf();
    write(engine, replicas(1));
    engine.advanceTo(T0 + 15);
    expect(observe(engine).readyReplicas).toBe(1);
  });

  test('a new request rolls out a quarter at a time: capacity never falls below three quarters', () => {
    const engine = engineOf({ web: { replicas: 8 } });
    write(engine, { field: 'request', workload: 'web', component: 'cpu', value: 2 });
    engine.advanceTo(T0 + 10 * MINUTE);
    const ready = timelineOf(engine, { step: MINUTE }).workloads[0]?.ready ?? [];
    expect(Math.min(...ready.map((count) => count ?? 0))).toBeGreaterThanOrEqual(6);
    expect(last(timelineOf(engine, { step: MINUTE }).workloads[0]?.components[0]?.capacity ?? [])).toBe(16);
  });

  test('usage is demand up to the capacity that is ready; a bin at its limit is marked', () => {
    const engine = engineOf({ web: { components: demandOf({ step: '1h', values: [3, 9] }) } });
    engine.advanceTo(T0 + 2 * HOUR);
    const { usage } = samplesSince(engine, T0);
    const samples = usage[0]?.samples ?? [];
    expect(samples).toHaveLength(120);
    expect(samples[59]).toEqual({ at: T0 + 59 * MINUTE, value: 3 });
    expect(samples[60]).toEqual({ at: T0 + HOUR, value: 4, censored: true });
  });
});

describe('hpa', () => {
  const hpa = { floor: 2, ceiling: 10, target: 0.5 };

  test.each([
    { row: 'to its target', demand: 4, replicas: 8 },
    { row: 'no further than its ceiling', demand: 9, replicas: 10 },
    { row: 'no lower than its floor', demand: 0.1, replicas: 2 },
    { row: 'not at all within its tolerance', demand: 2.1, replicas: 4 },
  ])('goes $row', ({ demand, replicas: expected }) => {
    const engine = engineOf({ web: { hpa, components: demandOf(demand) } });
    engine.advanceTo(T0 + 15 * MINUTE);
    expect(observe(engine).replicas).toBe(expected);
  });

  test('comes down only after five minutes', () => {
    const values = [4, 4, 1, 1, 1, 1];
    const engine = engineOf({ web: { hpa, components: demandOf({ step: '5m', values }) } });
    engine.advanceTo(T0 + 14 * MINUTE);
    expect(observe(engine).replicas).toBe(8);
    engine.advanceTo(T0 + 16 * MINUTE);
    expect(observe(engine).replicas).toBe(2);
  });

  test('a raised floor brings replicas up, and the owner of the replicas stays the HPA', () => {
    const engine = engineOf({ web: { hpa } });
    write(engine, { field: 'floor', workload: 'web', value: 7 });
    engine.advanceTo(T0 + 2 * MINUTE);
    const { replicas: count, readyReplicas, owners } = observe(engine);
    expect({ count, readyReplicas, owners }).toEqual({
      count: 7,
      readyReplicas: 7,
      owners: { replicas: 'hpa/web', request: null, floor: 'headroom', target: null },
    });
  });

  test('rests while Headroom owns the replicas, and wakes when they are given back', () => {
    const engine = engineOf({ web: { hpa, components: demandOf(4) } });
    write(engine, replicas(5), 'take');
    engine.advanceTo(T0 + 10 * MINUTE);
    expect(observe(engine).replicas).toBe(5);
    const target = replicas(4);
    engine.restore({ key: 'back', changeKeys: ['take'], account: 'acme', target, owner: 'hpa/web', reason: '' });
    engine.advanceTo(T0 + 20 * MINUTE);
    expect(observe(engine).replicas).toBe(8);
  });
});

describe('nodes', () => {
  const pool = { name: 'general', node: { cpu: 4 }, pricePerHour: 2, provision: { median: 120, spread: 0 } };

  test('pods that fit nowhere get a node; ready after provisioning and their start; it goes once idle for ten minutes', () => {
    const engine = engineOf({ pools: [{ ...pool, nodes: 1 }] });
    write(engine, replicas(6));
    engine.advanceTo(T0 + 2 * MINUTE);
    expect(observe(engine)).toMatchObject({ readyReplicas: 4, pools: [{ nodes: 2, readyNodes: 2 }] });
    engine.advanceTo(T0 + 3 * MINUTE);
    expect(observe(engine).readyReplicas).toBe(6);
    write(engine, replicas(4));
    engine.advanceTo(T0 + 12 * MINUTE);
    expect(observe(engine).pools[0]?.nodes).toBe(2);
    engine.advanceTo(T0 + 14 * MINUTE);
    expect(observe(engine).pools[0]).toMatchObject({ nodes: 1, owner: 'cluster-autoscaler' });
  });

  test('a fixed pool does not grow by itself: pods wait until somebody sizes it', () => {
    const engine = engineOf({ pools: [{ ...pool, size: 'fixed', nodes: 1, max: 3 }] });
    write(engine, replicas(8));
    engine.advanceTo(T0 + HOUR);
    expect(observe(engine).readyReplicas).toBe(4);
    expect(write(engine, { field: 'nodes', pool: 'general', value: 2 }).result).toMatchObject({ kind: 'applied' });
    engine.advanceTo(T0 + HOUR + 3 * MINUTE);
    expect(observe(engine).readyReplicas).toBe(8);
    expect(write(engine, { field: 'nodes', pool: 'general', value: 4 }).result).toMatchObject({ kind: 'refused' });
  });

  test('cost is what stands there, by price and time', () => {
    const engine = engineOf({ pools: [{ ...pool, nodes: 3, min: 3 }] });
    engine.advanceTo(T0 + 2 * HOUR);
    expect(timelineOf(engine, { step: HOUR }).pools[0]).toMatchObject({ nodeHours: 6, cost: 12 });
  });

  test('spot nodes are taken back about as often as stated, and pods come back', () => {
    const engine = engineOf({
      pools: [{ ...pool, nodes: 40, min: 40, interruptionsPerHour: 0.1, provision: { median: 60, spread: 0 } }],
      web: { replicas: 100, components: demandOf(50) },
    });
    engine.advanceTo(T0 + 24 * HOUR);
    const ready = timelineOf(engine, { step: MINUTE }).workloads[0]?.ready ?? [];
    const dips = ready.filter((count, index) => (count ?? 0) < (ready[index - 1] ?? 0)).length;
    // 40 nodes × 24 h × 0.1 = 96 expected, 25 of 40 of them with pods: 60; several may share a minute.
    expect(dips).toBeGreaterThan(30);
    expect(dips).toBeLessThan(90);
    expect(last(ready)).toBeGreaterThan(90);
  });

  test('pods never ask a node for more than it has', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 12 }), (sizes) => {
        const engine = engineOf({ pools: [{ ...pool, node: { cpu: 3.5 }, max: 6, interruptionsPerHour: 2 }] });
        let at = T0;
        for (const size of sizes) {
          write(engine, replicas(size));
          engine.advanceTo((at += 10 * MINUTE));
          const { readyReplicas, replicas: asked } = observe(engine);
          // Three pods a node, six nodes.
          expect(readyReplicas).toBeLessThanOrEqual(Math.min(asked, 18));
        }
      }),
      { numRuns: 25 },
    );
  });
});

describe('faults', () => {
  const window = { from: T0 + 10 * MINUTE, to: T0 + 20 * MINUTE };
  const web = { account: 'acme', workload: 'web' };

  test('an outage of the metrics is a hole, in usage and metrics, never zeros', () => {
    const engine = engineOf({ faults: [{ kind: 'metrics-outage', ...window }] });
    engine.advanceTo(T0 + 30 * MINUTE);
    const { usage, metrics, cursor } = samplesSince(engine, T0);
    const inside = (at: number) => at >= window.from && at < window.to;
    for (const { samples } of [...usage, ...metrics]) {
      expect(samples).toHaveLength(20);
      expect(samples.some(({ at }) => inside(at))).toBe(false);
    }
    expect(cursor).toBe(T0 + 30 * MINUTE);
    // The truth is known all the same.
    expect(timelineOf(engine, { step: MINUTE }).workloads[0]?.components[0]?.usage).not.toContain(null);
  });

  test.each([
    { effect: 'slow', metric: 'latency_p99', severity: 0.45 },
    { effect: 'errors', metric: 'error_rate', severity: 0.2 },
  ] as const)(
    'a bad release ($effect) makes $metric worse until it is reverted',
    ({ effect, metric: name, severity }) => {
      const faults = [{ kind: 'bad-release' as const, from: T0, to: T0 + HOUR, ...web, effect, severity }];
      const engine = engineOf({ faults });
      engine.advanceTo(T0 + 5 * MINUTE);
      const before = last(metric(engine, name));
      write(engine, replicas(5), 'bad');
      engine.advanceTo(T0 + 10 * MINUTE);
      expect(last(metric(engine, name))).toBeGreaterThan(1.1 * before);
      engine.restore({ key: 'r', changeKeys: ['bad'], account: 'acme', target: replicas(4), owner: null, reason: '' });
      engine.advanceTo(T0 + 15 * MINUTE);
      expect(last(metric(engine, name))).toBeCloseTo(before, 9);
      // It was that one change: the next is a good one.
      write(engine, replicas(5));
      engine.advanceTo(T0 + 20 * MINUTE);
      expect(last(metric(engine, name))).toBeLessThanOrEqual(before);
    },
  );

  test('a release that crashes leaves the old pods serving, and is over when it is reverted', () => {
    const faults = [{ kind: 'bad-release' as const, from: T0, to: T0 + HOUR, ...web, effect: 'crash' as const }];
    const engine = engineOf({ faults });
    write(engine, { field: 'request', workload: 'web', component: 'cpu', value: 0.5 }, 'bad');
    engine.advanceTo(T0 + 20 * MINUTE);
    expect(observe(engine).readyReplicas).toBe(3);
    const target: CapacityTarget = { field: 'request', workload: 'web', component: 'cpu', value: 1 };
    engine.restore({ key: 'r', changeKeys: ['bad'], account: 'acme', target, owner: null, reason: '' });
    engine.advanceTo(T0 + 22 * MINUTE);
    expect(observe(engine)).toMatchObject({ readyReplicas: 4, request: { cpu: 1 } });
  });

  test('a bad release waits for the field it is about', () => {
    const faults = [
      {
        kind: 'bad-release' as const,
        from: T0,
        to: T0 + HOUR,
        ...web,
        effect: 'errors' as const,
        fields: ['request' as const],
      },
    ];
    const engine = engineOf({ faults });
    write(engine, replicas(5));
    engine.advanceTo(T0 + 2 * MINUTE);
    expect(last(metric(engine, 'error_rate'))).toBeLessThan(0.01);
  });

  test('a pod that does not get ready leaves the others alone', () => {
    const engine = engineOf({ faults: [{ kind: 'pod-never-ready', from: T0, to: T0 + HOUR, ...web }] });
    write(engine, replicas(7));
    engine.advanceTo(T0 + 30 * MINUTE);
    expect(observe(engine).readyReplicas).toBe(6);
    engine.advanceTo(T0 + HOUR + MINUTE);
    expect(observe(engine).readyReplicas).toBe(7);
  });

  test('slow starts take their factor longer', () => {
    const engine = engineOf({ faults: [{ kind: 'slow-start', from: T0, to: T0 + HOUR, factor: 10 }] });
    write(engine, replicas(5));
    engine.advanceTo(T0 + 4 * MINUTE);
    expect(observe(engine).readyReplicas).toBe(4);
    engine.advanceTo(T0 + 5 * MINUTE);
    expect(observe(engine).readyReplicas).toBe(5);
  });

  test('a foreign write happens at its time and names its author', () => {
    const target = { field: 'replicas' as const, ...web, value: 2 };
    const engine = engineOf({ faults: [{ kind: 'foreign-write', at: T0 + 5 * MINUTE, owner: 'argocd', target }] });
    engine.advanceTo(T0 + 5 * MINUTE);
    expect(observe(engine).replicas).toBe(4);
    engine.advanceTo(T0 + 6 * MINUTE);
    expect(observe(engine)).toMatchObject({ replicas: 2, owners: { replicas: 'argocd' } });
  });

  test('a node that is taken back takes its pods with it', () => {
    const pools = [{ name: 'spot', node: { cpu: 2 }, pricePerHour: 1 }];
    const engine = engineOf({
      pools,
      faults: [
        { kind: 'interruption', at: T0 + 5 * MINUTE, pool: 'spot' },
        { kind: 'stock-out', from: T0, to: T0 + HOUR, pool: 'spot' },
      ],
    });
    engine.advanceTo(T0 + 5 * MINUTE);
    expect(observe(engine)).toMatchObject({ readyReplicas: 4, pools: [{ readyNodes: 2 }] });
    engine.advanceTo(T0 + 6 * MINUTE);
    expect(observe(engine)).toMatchObject({ replicas: 4, readyReplicas: 2, pools: [{ readyNodes: 1 }] });
  });

  test('a surge multiplies demand, for whom it is about', () => {
    const engine = engineOf({
      more: [workload({ name: 'other' })],
      faults: [{ kind: 'surge', ...window, ...web, factor: 3 }],
    });
    engine.advanceTo(T0 + 15 * MINUTE);
    const [one, other] = timelineOf(engine, { step: MINUTE }).workloads.map((entry) =>
      last(entry.components[0]?.demand ?? []),
    );
    expect([one, other]).toEqual([6, 2]);
  });

  test('no node comes while the provider has none', () => {
    const pools = [{ name: 'general', node: { cpu: 4 }, pricePerHour: 1, provision: { median: 60, spread: 0 } }];
    const engine = engineOf({ pools, faults: [{ kind: 'stock-out', from: T0, to: T0 + HOUR, pool: 'general' }] });
    write(engine, replicas(8));
    engine.advanceTo(T0 + HOUR);
    expect(observe(engine).readyReplicas).toBe(4);
    engine.advanceTo(T0 + HOUR + 3 * MINUTE);
    expect(observe(engine).readyReplicas).toBe(8);
  });
});

describe('holes in the demand', () => {
  test('the load goes on as it was, unmeasured, and the timeline says that nothing is known', () => {
    const engine = engineOf({ web: { components: demandOf({ step: '5m', values: [3, null, 2], repeat: false }) } });
    engine.advanceTo(T0 + 15 * MINUTE);
    const [component] = timelineOf(engine, { step: 300 }).workloads[0]?.components ?? [];
    expect(component?.demand).toEqual([3, null, 2]);
    expect(component?.usage).toEqual([3, 3, 2]);
    expect(samplesSince(engine, T0).usage[0]?.samples).toHaveLength(10);
  });
});

test('a day of minutes is one answer; more than that is told to be there', () => {
  const engine = engineOf({ more: [workload({ name: 'b' }), workload({ name: 'c' })] });
  engine.advanceTo(T0 + 25 * HOUR);
  const window = samplesSince(engine, T0);
  expect(window.usage.map(({ samples }) => samples.length)).toEqual([1440, 1440, 1440]);
  expect(window).toMatchObject({ more: true, cursor: T0 + 24 * HOUR });
  expect(samplesSince(engine, window.cursor)).toMatchObject({ more: false, cursor: T0 + 25 * HOUR });
  expect(samplesSince(engine, T0 + 30 * HOUR)).toEqual({ usage: [], metrics: [], more: false, cursor: T0 + 30 * HOUR });
});
