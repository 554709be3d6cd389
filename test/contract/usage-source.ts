import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Component } from '../../src/domain/component.js';
import type { Sample } from '../../src/domain/series.js';
import { windowFreshness } from '../../src/telemetry/freshness.js';
import type { Store, UsageQuery, UsageSource } from '../../src/telemetry/port.js';
import type { TroubleKind } from './trouble-proxy.js';

/*
 * What every usage source owes its reader, whoever wrote it. A source that cannot be put into a situation skips the
 * case and says why.
 */

export const CASES = [
  'a series that nobody wrote is missing, not zero',
  'a gap stays missing',
  'a series that went silent is stale: its last value is not carried forward',
  'a sample ahead of the clock makes nothing fresh',
  'a value in another unit is never read as an amount',
  'a bin is the mean of what falls in',
  'a bin is censored where any of its samples is',
  'a step finer than the data is refused',
  'an unaligned window is aligned down',
  'series come in the order asked for, also twice',
  'names are data, whatever stands in them',
  'an account never sees another one’s data',
  'a metric is the mean over the window, null where there is none',
  'a call that is cancelled before it begins ends with the reason',
  'a call that is cancelled under way ends with the reason',
  'a server that does not answer is unavailable',
  'a slow server is waited for, a dripping one not for ever',
  'an answer that is cut off is unavailable, never a shorter series',
  'a token that is not accepted is refused',
  'a repeated write writes nothing',
  'a correction is read, and an older snapshot keeps its bytes',
  'a snapshot of the same content has the same id',
  'late data is not in a snapshot taken before',
  'a snapshot is read from any bin on',
  'records are replaced by kind and id, and listed for their account alone',
  'records are read on from a place, oldest first',
  'records of one kind are written together, or not at all',
] as const;
export type Case = (typeof CASES)[number];

export interface UsageHarness {
  source: UsageSource;
  /** The same object, where it can be written to. */
  store?: Store;
  load(key: { account: string; workload: string; component: Component }, samples: readonly Sample[]): Promise<void>;
  loadMetric(key: { account: string; workload: string; metric: string }, samples: readonly Sample[]): Promise<void>;
  /** From now on the server does what its name says. */
  make?(trouble: TroubleKind): void;
  close(): Promise<void>;
}

/** 2026-01-05T00:00:00Z, a Monday. */
const T = 1_767_571_200;
const STEP = 300;
const key = { account: 'acme', workload: 'web', component: 'cpu' as const };
const never = (): AbortSignal => new AbortController().signal;
const every = (seconds: number, values: readonly number[], from = T): Sample[] =>
  values.map((value, index) => ({ at: from + index * seconds, value }));
const ask = (bins: number, more: Partial<UsageQuery> = {}): UsageQuery => ({
  account: 'acme',
  series: [{ workload: 'web', component: 'cpu' }],
  from: T,
  to: T + bins * STEP,
  step: STEP,
  ...more,
});

/**
 * Runs the suite.
 * @param open a fresh, empty source for each case.
 * @param skipped cases that this source cannot be put into, with the reason.
 */
export function usageSourceContract(
  name: string,
  open: () => Promise<UsageHarness>,
  skipped: Partial<Record<Case, string>> = {},
): void {
  describe(`usage source: ${name}`, () => {
    let harness: UsageHarness;
    beforeEach(async () => {
      harness = await open();
    });
    afterEach(async () => {
      await harness.close();
    });

    const values = async (query: UsageQuery, at = 0): Promise<number[]> => {
      const window = await harness.source.readUsage(query, never());
      return [...(window.series[at]?.series.values ?? [])];
    };
    const trouble = (kind: TroubleKind): void => {
      if (harness.make === undefined) throw new Error('the harness cannot make trouble: skip this case with a reason');
      harness.make(kind);
    };
    const store = (): Store => {
      if (harness.store === undefined) throw new Error('the source cannot be written to: skip this case with a reason');
      return harness.store;
    };

    const bodies: Record<Case, () => Promise<void>> = {
      'a series that nobody wrote is missing, not zero': async () => {
        const window = await harness.source.readUsage(ask(3), never());
        expect(window).toMatchObject({ account: 'acme', from: T, to: T + 900, step: STEP });
        expect(window.series).toHaveLength(1);
        expect(window.series[0]).toMatchObject({ workload: 'web', component: 'cpu' });
        expect([...(window.series[0]?.series.values ?? [])]).toEqual([NaN, NaN, NaN]);
        expect([...(window.series[0]?.series.censored ?? [])]).toEqual([0, 0, 0]);
      },

      'a gap stays missing': async () => {
        await harness.load(key, [
          ...every(STEP, [1, 0, 3]),
          ...every(STEP, [6, 7, 8], T + 5 * STEP),
          { at: T + 8 * STEP, value: NaN },
        ]);
        expect(await values(ask(10))).toEqual([1, 0, 3, NaN, NaN, 6, 7, 8, NaN, NaN]);
      },

      'a series that went silent is stale: its last value is not carried forward': async () => {
        await harness.load(key, every(STEP, [1, 2, 3]));
        const window = await harness.source.readUsage(ask(12), never());
        expect([...(window.series[0]?.series.values ?? [])]).toEqual([1, 2, 3, ...Array<number>(9).fill(NaN)]);
        const now = T + 12 * STEP;
        expect(windowFreshness(window, 9 * STEP - 1, now)).toEqual([
          { kind: 'stale', lastBin: T + 2 * STEP, age: 9 * STEP },
        ]);
        expect(windowFreshness(window, 9 * STEP, now)).toEqual([{ kind: 'fresh', lastBin: T + 2 * STEP }]);
      },

      // A writer's clock runs ahead, or the reader's is behind: the window ends where the reader's clock stands, and what
      // is labelled later is in none of its bins. It counts when its time has come.
      'a sample ahead of the clock makes nothing fresh': async () => {
        await harness.load(key, [...every(STEP, [1, 2, 3]), ...every(STEP, [7, 8], T + 12 * STEP)]);
        const window = await harness.source.readUsage(ask(12), never());
        expect([...(window.series[0]?.series.values ?? [])]).toEqual([1, 2, 3, ...Array<number>(9).fill(NaN)]);
        expect(windowFreshness(window, STEP, T + 12 * STEP)).toMatchObject([{ kind: 'stale', lastBin: T + 2 * STEP }]);
        expect((await values(ask(14))).slice(11)).toEqual([NaN, 7, 8]);
      },

      // Refused when it is written or read, or missing; whatever a source does, no plan is made for it. Nanocores are
      // what the kubelet counts in.
      'a value in another unit is never read as an amount': async () => {
        for (const [workload, wrong] of [
          ['nanocores', 250_000_000],
          ['negative', -1],
        ] as const) {
          const samples = every(STEP, [1, wrong, 3]);
          const read = harness
            .load({ ...key, workload }, samples)
            .then(() => values(ask(3, { series: [{ workload, component: 'cpu' }] })));
          const refused = read.then(
            (found) => expect(found).toEqual([1, NaN, 3]),
            (error: unknown) => expect(error).toMatchObject({ kind: 'invalid-input' }),
          );
          await refused;
        }
      },

      'a bin is the mean of what falls in': async () => {
        await harness.load(key, every(100, [1, 2, 6, 4, 4, 4, 9]));
        expect(await values(ask(4))).toEqual([3, 4, 9, NaN]);
      },

      'a bin is censored where any of its samples is': async () => {
        const samples = every(100, [1, 2, 3, 4, 5, 6, 7]);
        await harness.load(
          key,
          samples.map((sample, index) => ({ ...sample, censored: index === 1 })),
        );
        const window = await harness.source.readUsage(ask(3), never());
        expect([...(window.series[0]?.series.censored ?? [])]).toEqual([1, 0, 0]);
        expect([...(window.series[0]?.series.values ?? [])]).toEqual([2, 5, 7]);
      },

      'a step finer than the data is refused': async () => {
        await harness.load(key, every(STEP, [1, 2, 3, 4, 5, 6, 7, 8]));
        await expect(harness.source.readUsage(ask(8, { step: 60 }), never())).rejects.toMatchObject({
          kind: 'invalid-input',
        });
        // With an outage in it the interval is still that of the samples.
        await harness.load(key, every(STEP, [1, 2, 3, 4], T + 86_400));
        expect(await values(ask(2, { from: T + 86_400, to: T + 86_400 + 2 * STEP }))).toEqual([1, 2]);
      },

      'an unaligned window is aligned down': async () => {
        await harness.load(key, every(STEP, [1, 2, 3, 4]));
        const window = await harness.source.readUsage(ask(0, { from: T + 301, to: T + 1199 }), never());
        expect([window.from, window.to]).toEqual([T + 300, T + 900]);
        expect(window.series[0]?.series.start).toBe(T + 300);
        expect([...(window.series[0]?.series.values ?? [])]).toEqual([2, 3]);
      },

      'series come in the order asked for, also twice': async () => {
        await harness.load(key, every(STEP, [1, 1]));
        await harness.load({ ...key, component: 'memory' }, every(STEP, [2, 2]));
        await harness.load({ ...key, workload: 'api' }, every(STEP, [3, 3]));
        const series: UsageQuery['series'] = [
          { workload: 'web', component: 'memory' },
          { workload: 'none', component: 'cpu' },
          { workload: 'api', component: 'cpu' },
          { workload: 'web', component: 'cpu' },
          { workload: 'web', component: 'memory' },
        ];
        const window = await harness.source.readUsage(ask(1, { series }), never());
        expect(window.series.map(({ workload, component }) => ({ workload, component }))).toEqual(series);
        expect(window.series.map((one) => one.series.values[0])).toEqual([2, NaN, 3, 1, 2]);
      },

      'names are data, whatever stands in them': async () => {
        const odd = ['") |> drop(', "'; DROP TABLE samples; --", 'a\\"b', '${jndi}', 'ü/Ω 💡', 'a,b\tc'];
        for (const [index, workload] of odd.entries()) {
          await harness.load({ ...key, workload }, every(STEP, [index + 1, index + 1]));
        }
        const series = odd.map((workload) => ({ workload, component: 'cpu' as const }));
        const window = await harness.source.readUsage(ask(1, { series }), never());
        expect(window.series.map((one) => one.series.values[0])).toEqual([1, 2, 3, 4, 5, 6]);
        expect(await values(ask(1, { account: '") |> drop(' }))).toEqual([NaN]);
      },

      'an account never sees another one’s data': async () => {
        await harness.load(key, every(STEP, [1, 1]));
        await harness.load({ ...key, account: 'umbrella' }, every(STEP, [2, 2]));
        await harness.load({ ...key, account: 'umbrella', workload: 'secret' }, every(STEP, [3, 3]));
        expect(await values(ask(1))).toEqual([1]);
        expect(await values(ask(1, { account: 'umbrella' }))).toEqual([2]);
        expect(await values(ask(1, { series: [{ workload: 'secret', component: 'cpu' }] }))).toEqual([NaN]);
        expect(await values(ask(1, { account: 'acm%' }))).toEqual([NaN]);
        expect(await values(ask(1, { account: 'ACME' }))).toEqual([NaN]);
      },

      'a metric is the mean over the window, null where there is none': async () => {
        const metric = { account: 'acme', workload: 'web', metric: 'latency_p99' };
        await harness.load(key, every(STEP, [1, 1]));
        await harness.loadMetric(metric, every(60, [0.1, 0.2, 0.3, 9]));
        const read = (more: object) => harness.source.readMetric({ ...metric, from: T, to: T + 180, ...more }, never());
        expect(await read({})).toBeCloseTo(0.2, 12);
        expect(await read({ from: T + 3600, to: T + 7200 })).toBeNull();
        expect(await read({ metric: 'error_rate' })).toBeNull();
        expect(await read({ account: 'umbrella' })).toBeNull();
        expect(await read({ to: T })).toBeNull();
      },

      'a call that is cancelled before it begins ends with the reason': async () => {
        await harness.load(key, every(STEP, [1, 2]));
        const reason = new Error('the activity was cancelled');
        await expect(harness.source.readUsage(ask(2), AbortSignal.abort(reason))).rejects.toBe(reason);
        await expect(
          harness.source.readMetric({ ...key, metric: 'm', from: T, to: T + 60 }, AbortSignal.abort(reason)),
        ).rejects.toBe(reason);
        expect(await values(ask(2))).toEqual([1, 2]);
      },

      'a call that is cancelled under way ends with the reason': async () => {
        await harness.load(key, every(STEP, [1, 2]));
        trouble('silent');
        const controller = new AbortController();
        const reason = new Error('the activity was cancelled');
        const reading = harness.source.readUsage(ask(2), controller.signal);
        setTimeout(() => controller.abort(reason), 20);
        await expect(reading).rejects.toBe(reason);
      },

      'a server that does not answer is unavailable': async () => {
        await harness.load(key, every(STEP, [1, 2]));
        trouble('silent');
        await expect(harness.source.readUsage(ask(2), never())).rejects.toMatchObject({ kind: 'unavailable' });
      },

      'a slow server is waited for, a dripping one not for ever': async () => {
        await harness.load(key, every(STEP, [1, 2, 3, 4, 5, 6, 7, 8]));
        trouble('slow');
        expect(await values(ask(8))).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
        // Never silent, so that only a limit on the whole call ends it.
        trouble('dripping');
        await expect(harness.source.readUsage(ask(8), never())).rejects.toMatchObject({ kind: 'unavailable' });
      },

      'an answer that is cut off is unavailable, never a shorter series': async () => {
        await harness.load(key, every(STEP, [1, 2, 3, 4, 5, 6, 7, 8]));
        trouble('cut-off');
        await expect(harness.source.readUsage(ask(8), never())).rejects.toMatchObject({ kind: 'unavailable' });
      },

      'a token that is not accepted is refused': async () => {
        await harness.load(key, every(STEP, [1, 2]));
        trouble('unauthorized');
        await expect(harness.source.readUsage(ask(2), never())).rejects.toMatchObject({ kind: 'refused' });
      },

      'a repeated write writes nothing': async () => {
        const samples = every(STEP, [1, 2, 3]);
        expect(await store().writeUsage([{ key, samples }])).toEqual({ written: 3 });
        expect(await store().writeUsage([{ key, samples }])).toEqual({ written: 0 });
        const more = [...samples, { at: T + 900, value: 4 }];
        expect(await store().writeUsage([{ key, samples: more }])).toEqual({ written: 1 });
        expect(await values(ask(4))).toEqual([1, 2, 3, 4]);
      },

      'a correction is read, and an older snapshot keeps its bytes': async () => {
        await store().writeUsage([{ key, samples: every(STEP, [1, 2, 3]) }]);
        const before = await store().takeSnapshot(ask(3), T + 900, never());
        const bytes = await store().readSnapshot(before.id, never());
        expect(await store().writeUsage([{ key, samples: [{ at: T + 300, value: 20 }] }])).toEqual({ written: 1 });
        expect(await values(ask(3))).toEqual([1, 20, 3]);
        const after = await store().takeSnapshot(ask(3), T + 900, never());
        expect(after.id).not.toBe(before.id);
        expect(after.watermark).toBeGreaterThan(before.watermark);
        expect(await store().readSnapshot(before.id, never())).toEqual(bytes);
        expect([...(bytes.series[0]?.series.values ?? [])]).toEqual([1, 2, 3]);
        // Back to what it was is one more correction, and no third row after that.
        expect(await store().writeUsage([{ key, samples: [{ at: T + 300, value: 2 }] }])).toEqual({ written: 1 });
        expect(await store().writeUsage([{ key, samples: [{ at: T + 300, value: 2 }] }])).toEqual({ written: 0 });
        expect(await values(ask(3))).toEqual([1, 2, 3]);
      },

      'a snapshot of the same content has the same id': async () => {
        await store().writeUsage([{ key, samples: every(STEP, [1, 2, 3]) }]);
        const first = await store().takeSnapshot(ask(3), T + 900, never());
        await store().writeUsage([
          { key: { ...key, account: 'umbrella' }, samples: every(STEP, [9, 9, 9]) },
          { key, samples: [{ at: T + 900, value: 4 }] },
        ]);
        const again = await store().takeSnapshot(ask(3), T + 900, never());
        expect(again.id).toBe(first.id);
        expect((await store().takeSnapshot(ask(4), T + 900, never())).id).not.toBe(first.id);
        expect((await store().takeSnapshot(ask(3, { account: 'umbrella' }), T, never())).id).not.toBe(first.id);
      },

      'late data is not in a snapshot taken before': async () => {
        await store().writeUsage([{ key, samples: [...every(STEP, [1]), ...every(STEP, [3], T + 600)] }]);
        const before = await store().takeSnapshot(ask(4), T + 900, never());
        await store().writeUsage([{ key, samples: every(STEP, [2], T + 300) }]);
        await store().writeUsage([{ key, samples: every(STEP, [4], T + 900) }]);
        const read = async (id: string): Promise<number[]> => [
          ...((await store().readSnapshot(id, never())).series[0]?.series.values ?? []),
        ];
        expect(await read(before.id)).toEqual([1, NaN, 3, NaN]);
        expect(await read((await store().takeSnapshot(ask(4), T, never())).id)).toEqual([1, 2, 3, 4]);
        await expect(store().readSnapshot('snap_of_nothing', never())).rejects.toMatchObject({ kind: 'not-found' });
      },

      'a snapshot is read from any bin on': async () => {
        await store().writeUsage([{ key, samples: every(STEP, [1, 2, 3, 4]) }]);
        const { id } = await store().takeSnapshot(ask(4), T + 1200, never());
        const from = async (since: number): Promise<[number, number[]]> => {
          const window = await store().readSnapshot(id, never(), since);
          return [window.from, [...(window.series[0]?.series.values ?? [])]];
        };
        expect(await from(T + 700)).toEqual([T + 600, [3, 4]]);
        expect(await from(T - 9999)).toEqual([T, [1, 2, 3, 4]]);
        expect(await from(T + 9999)).toEqual([T + 1200, []]);
      },

      'records are replaced by kind and id, and listed for their account alone': async () => {
        const record = { kind: 'plan' as const, id: 'plan/acme/1', account: 'acme', at: T, body: { replicas: 3 } };
        await store().putRecord(record);
        await store().putRecord(record);
        await store().putRecord({ ...record, body: { replicas: 4 } });
        for (const index of [2, 3, 4]) {
          await store().putRecord({ ...record, id: `plan/acme/${index}`, at: T + index });
        }
        await store().putRecord({ ...record, id: 'plan/umbrella/1', account: 'umbrella', at: T + 9 });
        await store().putRecord({ ...record, kind: 'outcome' });
        expect(await store().getRecord('plan', 'plan/acme/1')).toEqual({ ...record, body: { replicas: 4 } });
        expect(await store().getRecord('plan', 'plan/acme/99')).toBeNull();
        const ids = async (account: string, options: { limit: number; before?: number }): Promise<string[]> =>
          (await store().listRecords('plan', account, options)).map(({ id }) => id);
        expect(await ids('acme', { limit: 2 })).toEqual(['plan/acme/4', 'plan/acme/3']);
        expect(await ids('acme', { limit: 9, before: T + 3 })).toEqual(['plan/acme/2', 'plan/acme/1']);
        expect(await ids('umbrella', { limit: 9 })).toEqual(['plan/umbrella/1']);
        expect(await ids('acm_', { limit: 9 })).toEqual([]);
        await expect(store().putRecord({ ...record, account: 'umbrella', body: 'mine now' })).rejects.toMatchObject({
          kind: 'conflict',
        });
      },

      'records of one kind are written together, or not at all': async () => {
        const grant = (account: string, id: string, at: number, cpu: number) => ({ id, account, at, body: { cpu } });
        const first = [grant('acme', 'g/acme', T, 1), grant('umbrella', 'g/umbrella', T, 2)];
        await store().putRecords('grant', []);
        await store().putRecords('grant', first);
        await store().putRecords('grant', first);
        await store().putRecords('grant', [grant('acme', 'g/acme', T, 7), grant('acme', 'g/acme/2', T + 60, 3)]);
        const found = await store().listRecords('grant', 'acme', { limit: 9 });
        expect(found.map(({ id, body }) => [id, body])).toEqual([
          ['g/acme/2', { cpu: 3 }],
          ['g/acme', { cpu: 7 }],
        ]);
        const stolen = [grant('acme', 'g/acme/3', T, 1), grant('acme', 'g/umbrella', T, 9)];
        await expect(store().putRecords('grant', stolen)).rejects.toMatchObject({ kind: 'conflict' });
        expect(await store().getRecord('grant', 'g/acme/3'), 'the first of them').toBeNull();
        expect((await store().getRecord('grant', 'g/umbrella'))?.body).toEqual({ cpu: 2 });
        const twice = [grant('acme', 'g/x', T, 1), grant('acme', 'g/x', T, 2)];
        await expect(store().putRecords('grant', twice)).rejects.toMatchObject({ kind: 'invalid-input' });
      },

      'records are read on from a place, oldest first': async () => {
        const put = (id: string, at: number, more: object = {}): Promise<void> =>
          store().putRecord({ kind: 'plan', id, account: 'acme', at, body: {}, ...more });
        await put('b', T);
        await put('a', T);
        await put('c', T - 60);
        await put('d', T + 60);
        await put('umbrella/1', T + 90, { account: 'umbrella' });
        await put('e', T + 99, { kind: 'outcome' });
        const ids = async (after: { at: number; id: string } | null, limit = 9): Promise<string[]> =>
          (await store().recordsAfter('plan', 'acme', after, limit)).map(({ id }) => id);
        expect(await ids(null)).toEqual(['c', 'a', 'b', 'd']);
        expect(await ids(null, 2)).toEqual(['c', 'a']);
        expect(await ids({ at: T, id: 'a' })).toEqual(['b', 'd']);
        expect(await ids({ at: T, id: '' })).toEqual(['a', 'b', 'd']);
        expect(await ids({ at: T + 60, id: 'd' })).toEqual([]);
        const newest = await store().newestRecords('plan');
        expect(newest.sort((a, b) => a.at - b.at)).toEqual([
          { account: 'acme', at: T + 60, id: 'd' },
          { account: 'umbrella', at: T + 90, id: 'umbrella/1' },
        ]);
        expect(await store().newestRecords('history')).toEqual([]);
        const some = await store().getRecords('plan', ['d', 'gone', 'umbrella/1', 'e', 'd']);
        expect(some.map(({ id, account }) => `${id} of ${account}`).sort()).toEqual([
          'd of acme',
          'umbrella/1 of umbrella',
        ]);
        expect(await store().getRecords('plan', [])).toEqual([]);
      },
    };

    for (const title of CASES) {
      const reason = skipped[title];
      if (reason === undefined) it(title, bodies[title]);
      else it(title, (context) => context.skip(reason));
    }
  });
}
