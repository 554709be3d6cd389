import type { Client } from '@temporalio/client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { UsageWatch, Watch } from '../../activities/lookout.js';
import { HeadroomError } from '../../src/domain/errors.js';
import type { ClusterState } from '../../src/domain/cluster.js';
import type { Cluster } from '../../src/cluster/port.js';
import { createEmbeddedStore, type EmbeddedStore } from '../../src/telemetry/embedded/store.js';
import type { UsageQuery, UsageSource } from '../../src/telemetry/port.js';
import { createLookout } from '../../src/temporal/lookout.js';
import { createUsageLook } from '../../src/temporal/usage-look.js';

/* Telemetry between two cycles, on the real store. What is lost where this fails: minutes in which demand is not served. */

const T0 = 1_772_445_600;
const STEP = 300;
const HOUR = 3600;
/** Web with so many replicas of one core. */
const stateWith = (replicas: number): ClusterState => ({
  at: T0,
  pools: [],
  workloads: [
    {
      ...{ workload: 'web', exists: true, replicas, readyReplicas: replicas, request: { cpu: 1 }, autoscaler: null },
      owners: { replicas: null, request: null, floor: null },
    },
  ],
});
const clusterOf = (replicas: () => number): Cluster =>
  ({ observe: () => Promise.resolve(stateWith(replicas())) }) as unknown as Cluster;
const never = (): AbortSignal => new AbortController().signal;

describe('a look at telemetry between two cycles', () => {
  let store: EmbeddedStore;
  beforeEach(async () => {
    store = await createEmbeddedStore({ path: ':memory:' });
  });
  afterEach(() => store.close());

  /** Samples of [from, to), so many seconds apart. */
  const write = (from: number, to: number, value: number, every = 15): Promise<unknown> =>
    store.writeUsage([
      {
        key: { account: 'acme', workload: 'web', component: 'cpu' },
        samples: Array.from({ length: Math.round((to - from) / every) }, (_, index) => ({
          at: from + index * every,
          value,
        })),
      },
    ]);

  /** A cycle at T0 has seen everything before it; 10 is the 99th percentile of each bin, 12 the 99.9th. */
  const watch = (usage: Partial<UsageWatch> = {}): Watch & { usage: UsageWatch } => ({
    account: 'acme',
    cluster: 'main',
    request: { account: 'acme', workloads: [], pools: [] },
    answers: [
      { key: 'demand', trigger: { kind: 'demand', bins: 2 }, for: 0 },
      { key: 'forecast', trigger: { kind: 'forecast', misses: 3, of: 6 }, for: 0 },
      { key: 'telemetry', trigger: { kind: 'telemetry', after: 900 }, for: 0 },
    ],
    usage: {
      series: [{ workload: 'web', component: 'cpu' }],
      watched: [
        {
          ...{ workload: 'web', component: 'cpu' as const, from: T0 - 2 * STEP, step: STEP },
          ...{ above: Array<number>(24).fill(10), far: Array<number>(24).fill(12) },
        },
      ],
      ...{ step: STEP, staleAfter: 900, settle: 0, knownTo: T0, newest: T0, cycleAt: T0 + HOUR },
      ...usage,
    },
    told: new Set(),
    until: T0 + 3 * HOUR,
  });
  const looked = async (at: number, one = watch(), source: Pick<UsageSource, 'readUsage'> = store): Promise<string[]> =>
    (await createUsageLook(source).look(one, one.usage, at, never())).map(({ key }) => key);

  beforeEach(() => write(T0 - HOUR, T0, 8));

  it('demand is seen within the bin that runs, as soon as its mean is sure to be above the percentile', async () => {
    await write(T0, T0 + STEP, 30);
    // 30 over two fifths of the bin is 12 at the least.
    expect(await looked(T0 + 120)).toEqual([]);
    expect(await looked(T0 + 135)).toEqual(['demand']);
  });

  it('demand that falls away within the bin is no surprise', async () => {
    await write(T0, T0 + 60, 30);
    await write(T0 + 60, T0 + STEP, 6);
    for (let at = T0; at < T0 + STEP; at += 15) expect(await looked(at)).toEqual([]);
  });

  it('a bin that is over is judged when it is known, not when a cycle that is longer than it comes', async () => {
    await write(T0, T0 + STEP, 13);
    expect(await looked(T0 + STEP)).toEqual(['demand']);
    // What came late, too: until then the bin before it is the newest.
    const late = watch();
    expect(await looked(T0 + STEP + 20, watch({ settle: 60 }))).toEqual([]);
    expect(await looked(T0 + STEP + 60, watch({ settle: 60 }))).toEqual(['demand']);
    expect(await looked(T0 + STEP, late)).toEqual(['demand']);
    expect(late.usage.knownTo).toBe(T0 + STEP);
  });

  it('a forecast that misses three of six is told as such', async () => {
    for (const [bin, value] of [11, 8, 11, 8, 11].entries()) {
      await write(T0 + bin * STEP, T0 + (bin + 1) * STEP, value);
    }
    expect(await looked(T0 + 5 * STEP)).toEqual(['forecast']);
    expect(await looked(T0 + 4 * STEP)).toEqual([]);
  });

  it.each([
    ['as old as the policy allows', T0 + 900, []],
    ['older', T0 + 901, ['telemetry']],
  ])('telemetry that stopped, %s', async (_name, at, told) => {
    expect(await looked(at)).toEqual(told);
  });

  it.each([
    ['for less than the policy allows: nothing is told, and the failure is', T0 + 900, 'unavailable', null],
    ['for longer', T0 + 901, 'unavailable', ['telemetry']],
    ['refused: somebody has to mend that, and no capacity does', T0 + 901, 'refused', null],
  ] as const)('telemetry that cannot be read %s', async (_name, at, kind, told) => {
    const failure = new HeadroomError({
      ...{ kind, component: 'telemetry/test', action: 'reading', problem: 'the server is away', remedy: 'start it' },
    });
    const looking = looked(at, watch(), { readUsage: () => Promise.reject(failure) });
    if (told === null) await expect(looking).rejects.toThrow('the server is away');
    else expect(await looking).toEqual(told);
  });

  it('a cycle that is due looks for itself, and one that does not come is not waited for', async () => {
    await write(T0, T0 + STEP, 13);
    const due = watch({ cycleAt: T0 + STEP });
    expect(await looked(T0 + STEP + 5, due)).toEqual([]);
    expect(await looked(T0 + STEP + 30, due)).toEqual(['demand']);
  });

  it('a source whose samples are a minute apart is asked by minutes, and found out once', async () => {
    await store.writeUsage([
      {
        key: { account: 'acme', workload: 'api', component: 'cpu' },
        samples: Array.from({ length: 64 }, (_, index) => ({ at: T0 - HOUR + index * 60, value: index < 60 ? 8 : 40 })),
      },
    ]);
    const steps: number[] = [];
    const counted = {
      readUsage(query: UsageQuery, signal: AbortSignal) {
        steps.push(query.step);
        return store.readUsage(query, signal);
      },
    };
    const one = watch();
    const api = { ...one.usage, series: [{ workload: 'api', component: 'cpu' as const }] };
    const usage = { ...api, watched: api.watched.map((series) => ({ ...series, workload: 'api' })) };
    const look = createUsageLook(counted);
    expect(await look.look(one, usage, T0 + 60, never())).toEqual([]);
    expect((await look.look(one, usage, T0 + 120, never())).map(({ key }) => key)).toEqual(['demand']);
    expect(steps).toEqual([15, 30, 60, 60]);
  });

  it('of demand that what is there covers nobody is told; what is there is asked for only where a percentile was passed', async () => {
    let replicas = 40;
    let asked = 0;
    const present = (): Promise<ClusterState> => {
      asked += 1;
      return Promise.resolve(stateWith(replicas));
    };
    const look = createUsageLook(store, present);
    await write(T0, T0 + STEP, 30);
    const one = watch();
    const keys = async (at: number) => (await look.look(one, one.usage, at, never())).map(({ key }) => key);
    expect([await keys(T0 + 60), asked]).toEqual([[], 0]);
    expect([await keys(T0 + 150), asked]).toEqual([[], 1]);
    replicas = 10;
    expect([await keys(T0 + 165), asked]).toEqual([['demand'], 2]);
  });

  it('an account is told once, and its telemetry is read every quarter of a minute at most', async () => {
    await write(T0, T0 + STEP, 30);
    let clock = T0 + 60;
    let reads = 0;
    const told: unknown[] = [];
    const client = {
      workflow: {
        getHandle: () => ({ signal: (_name: unknown, symptom: unknown) => Promise.resolve(told.push(symptom)) }),
      },
    } as unknown as Client;
    const lookout = createLookout({
      client,
      cluster: () => clusterOf(() => 10),
      source: {
        readUsage(query, signal) {
          reads += 1;
          return store.readUsage(query, signal);
        },
      },
      now: () => clock,
      say: (line) => told.push(line),
      everyMs: 1,
    });
    try {
      lookout.watch(watch());
      await expect.poll(() => reads, { interval: 5 }).toBe(1);
      await new Promise((done) => setTimeout(done, 20));
      expect({ reads, told }).toEqual({ reads: 1, told: [] });
      clock = T0 + 150;
      await expect.poll(() => told, { interval: 5 }).toHaveLength(1);
      expect(told[0]).toMatchObject({ key: 'demand', what: expect.stringContaining('in the bin that runs') });
      // The other triggers are looked for still.
      clock = T0 + 165;
      await expect.poll(() => reads, { interval: 5 }).toBe(3);
      expect(told).toHaveLength(1);
    } finally {
      await lookout.close();
    }
  });
});
