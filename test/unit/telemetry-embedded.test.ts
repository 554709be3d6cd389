import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { binSamples, type Sample } from '../../src/domain/series.js';
import { createEmbeddedStore } from '../../src/telemetry/embedded/store.js';
import type { Store, UsageQuery } from '../../src/telemetry/port.js';

const T = 1_767_571_200;
const DAY = 86_400;
const STEP = 300;
const key = { account: 'acme', workload: 'web', component: 'cpu' as const };
const signal = new AbortController().signal;
const ask = (from: number, to: number, more: Partial<UsageQuery> = {}): UsageQuery => ({
  account: 'acme',
  series: [{ workload: 'web', component: 'cpu' }],
  from,
  to,
  step: STEP,
  ...more,
});
const every = (seconds: number, count: number, from = T): Sample[] =>
  Array.from({ length: count }, (_, index) => ({ at: from + index * seconds, value: index }));
const read = async (store: Store, query: UsageQuery): Promise<number[]> => [
  ...((await store.readUsage(query, signal)).series[0]?.series.values ?? []),
];

let folder = '';
let files = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headroom-store-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});
const fresh = (): string => join(folder, `${++files}.duckdb`);

describe('embedded store: what was written is there', () => {
  it('after closing and opening: values, corrections, snapshots with the same id, records, the interval', async () => {
    const path = fresh();
    const first = await createEmbeddedStore({ path });
    await first.writeUsage([{ key, samples: every(STEP, 40) }]);
    await first.writeUsage([{ key, samples: [{ at: T + STEP, value: 99, censored: true }] }]);
    await first.writeMetrics([{ account: 'acme', workload: 'web', metric: 'error_rate', samples: every(60, 3) }]);
    await first.putRecord({ kind: 'outcome', id: 'o', account: 'acme', at: T, body: { kept: true, text: 'ü "' } });
    const snapshot = await first.takeSnapshot(ask(T, T + 1200), T, signal);
    const early = await first.takeSnapshot(ask(T + 600, T + 1200), T, signal);
    const bytes = await first.readSnapshot(snapshot.id, signal);
    await first.close();

    const second = await createEmbeddedStore({ path });
    expect(await second.readSnapshot(snapshot.id, signal)).toEqual(bytes);
    expect([...(bytes.series[0]?.series.values ?? [])]).toEqual([0, 99, 2, 3]);
    expect([...(bytes.series[0]?.series.censored ?? [])]).toEqual([0, 1, 0, 0]);
    expect((await second.takeSnapshot(ask(T, T + 1200), T, signal)).id).toBe(snapshot.id);
    expect((await second.takeSnapshot(ask(T + 600, T + 1200), T, signal)).id).toBe(early.id);
    expect(await second.writeUsage([{ key, samples: every(STEP, 40) }])).toEqual({ written: 1 });
    expect((await second.getRecord('outcome', 'o'))?.body).toEqual({ kept: true, text: 'ü "' });
    expect(
      await second.readMetric({ account: 'acme', workload: 'web', metric: 'error_rate', from: T, to: T + 180 }, signal),
    ).toBe(1);
    await expect(second.readUsage(ask(T, T + 600, { step: 60 }), signal)).rejects.toMatchObject({
      kind: 'invalid-input',
    });
    await second.close();
  });

  it('a window reads the same out of memory and out of the file, wherever it begins', async () => {
    const path = fresh();
    const first = await createEmbeddedStore({ path });
    await first.writeUsage([{ key, samples: every(STEP, 1000) }]);
    const correction = [500, 990, 991].map((bin) => ({ at: T + bin * STEP, value: -bin + 2000 }));
    await first.writeUsage([{ key, samples: correction }]);
    const windows = [0, 499, 940, 951, 952, 953, 989, 990, 995, 999].map((bin) => ask(T + bin * STEP, T + 1000 * STEP));
    const before: number[][] = [];
    for (const window of windows) before.push(await read(first, window));
    await first.close();
    const second = await createEmbeddedStore({ path });
    for (const [index, window] of windows.entries()) {
      const bins = Array.from({ length: (window.to - window.from) / STEP }, (_, k) => (window.from - T) / STEP + k);
      expect(before[index]).toEqual(bins.map((bin) => ([500, 990, 991].includes(bin) ? 2000 - bin : bin)));
      expect(await read(second, window)).toEqual(before[index]);
    }
    await second.close();
  });

  it('a call after closing says so', async () => {
    const store = await createEmbeddedStore({ path: ':memory:' });
    await store.writeUsage([{ key, samples: every(STEP, 3) }]);
    await store.close();
    await store.close();
    await expect(store.readUsage(ask(T, T + 900), signal)).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(store.writeUsage([{ key, samples: every(STEP, 1) }])).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(store.getRecord('plan', 'x')).rejects.toMatchObject({ kind: 'unavailable' });
  });

  it.each([
    ['an infinite value', [{ at: T, value: Infinity }], 'infinite'],
    ['a negative value', [{ at: T, value: -0.1 }], 'negative'],
    ['an infinite time', [{ at: -Infinity, value: 1 }], 'no time'],
    ['a time that is none', [{ at: NaN, value: 1 }], 'no time'],
    [
      'two values for one time',
      [
        { at: T, value: 1 },
        { at: T + 1, value: 2 },
        { at: T, value: 3 },
      ],
      'two values for 2026-01-05T00:00:00Z: 1 and 3',
    ],
  ])('%s is refused, and nothing of the call is written', async (_, samples, text) => {
    const store = await createEmbeddedStore({ path: ':memory:' });
    const good = { key: { ...key, workload: 'api' }, samples: every(STEP, 3) };
    const write = store.writeUsage([good, { key, samples }]);
    await expect(write).rejects.toMatchObject({ kind: 'invalid-input' });
    await expect(write).rejects.toThrow(text);
    expect(await read(store, ask(T, T + 900, { series: [{ workload: 'api', component: 'cpu' }] }))).toEqual([
      NaN,
      NaN,
      NaN,
    ]);
    await store.close();
  });

  it('a forecast that is read from memory is the one in the file, whoever changes or refuses what', async () => {
    const store = await createEmbeddedStore({ path: ':memory:' });
    const put = (account: string, body: unknown) =>
      store.putRecord({ kind: 'forecast', id: 'f', account, at: T, body });
    const readBoth = async () => [
      (await store.getRecord('forecast', 'f'))?.body,
      (await store.listRecords('forecast', 'acme', { limit: 1 }))[0]?.body,
    ];
    await put('acme', { level: [1] });
    const first = (await store.getRecord('forecast', 'f'))?.body as { level: number[] };
    first.level.push(2);
    expect(await readBoth()).toEqual([{ level: [1] }, { level: [1] }]);
    await expect(put('umbrella', { level: [3] })).rejects.toMatchObject({ kind: 'conflict' });
    expect(await readBoth()).toEqual([{ level: [1] }, { level: [1] }]);
    await put('acme', { level: [4] });
    expect(await readBoth()).toEqual([{ level: [4] }, { level: [4] }]);
    await store.close();
    await expect(store.getRecord('forecast', 'f')).rejects.toMatchObject({ kind: 'unavailable' });
  });

  it('one bad write among many that wait together spoils no other', async () => {
    const store = await createEmbeddedStore({ path: ':memory:' });
    const record = (index: number, account: string) =>
      store.putRecord({ kind: 'plan', id: `p${index}`, account, at: T, body: index });
    await record(3, 'umbrella');
    const ended = await Promise.allSettled([
      ...Array.from({ length: 6 }, (_, index) => record(index, 'acme')),
      ...Array.from({ length: 6 }, (_, index) =>
        store.writeUsage([{ key, samples: [{ at: T + index * STEP, value: index }] }]),
      ),
    ]);
    expect(ended.map(({ status }) => status)).toEqual(
      ended.map((_, index) => (index === 3 ? 'rejected' : 'fulfilled')),
    );
    expect((await store.getRecord('plan', 'p3'))?.account).toBe('umbrella');
    expect((await store.listRecords('plan', 'acme', { limit: 10 })).map(({ id }) => id).sort()).toEqual([
      'p0',
      'p1',
      'p2',
      'p4',
      'p5',
    ]);
    expect(await read(store, ask(T, T + 1800))).toEqual([0, 1, 2, 3, 4, 5]);
    await store.close();
  });

  it('the same sample from two writers at once is one row', async () => {
    const store = await createEmbeddedStore({ path: ':memory:' });
    const writes = await Promise.all(
      Array.from({ length: 8 }, () => store.writeUsage([{ key, samples: every(STEP, 5) }])),
    );
    expect(writes.map(({ written }) => written).reduce((a, b) => a + b)).toBe(5);
    await store.close();
  });

  it('a long read that is cancelled stops, and the next one works', async () => {
    const store = await createEmbeddedStore({ path: ':memory:' });
    await store.writeUsage([{ key, samples: every(1, 400_000) }]);
    const controller = new AbortController();
    const reason = new Error('the activity was cancelled');
    const reading = store.readUsage(ask(T, T + 400_000, { step: 1 }), controller.signal);
    setImmediate(() => controller.abort(reason));
    await expect(reading).rejects.toBe(reason);
    expect(await read(store, ask(T, T + 3, { step: 1 }))).toEqual([0, 1, 2]);
    await store.close();
  });
});

describe('embedded store: any history of writes', () => {
  it('reads as the log says, now and in every snapshot, whatever comes later', async () => {
    const write = fc.record({
      workload: fc.constantFrom('web', 'api'),
      samples: fc.uniqueArray(
        fc.record({
          at: fc.integer({ min: 0, max: 59 }).map((minute) => T + minute * 60),
          value: fc.integer({ min: 0, max: 3 }),
          censored: fc.boolean(),
        }),
        { selector: ({ at }) => at, maxLength: 12 },
      ),
    });
    const step = fc.oneof(
      { weight: 3, arbitrary: write },
      { weight: 1, arbitrary: fc.constant('snapshot' as const) },
      { weight: 1, arbitrary: fc.constant('compact' as const) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
        const store = await createEmbeddedStore({ path: ':memory:', threads: 1 });
        const model = new Map<string, Map<number, Sample>>();
        const query: UsageQuery = {
          account: 'acme',
          series: [
            { workload: 'web', component: 'cpu' },
            { workload: 'api', component: 'cpu' },
          ],
          from: T,
          to: T + 3600,
          // One bin holds it all: whatever the samples' distances, no step is too fine.
          step: 3600,
        };
        const expected = () =>
          query.series.map(({ workload, component }) => {
            const samples = [...(model.get(workload)?.values() ?? [])].sort((a, b) => a.at - b.at);
            return { workload, component, series: binSamples(samples, query.step, query) };
          });
        const taken: { id: string; series: ReturnType<typeof expected> }[] = [];
        for (const one of steps) {
          if (one === 'snapshot') {
            taken.push({ id: (await store.takeSnapshot(query, T, signal)).id, series: expected() });
          } else if (one === 'compact') await store.compact(T + 3600);
          else {
            const known = model.get(one.workload) ?? new Map<number, Sample>();
            model.set(one.workload, known);
            const changed = one.samples.filter(({ at, value, censored }) => {
              const before = known.get(at);
              return before?.value !== value || before.censored !== censored;
            });
            for (const sample of one.samples) known.set(sample.at, sample);
            const batch = { key: { ...key, workload: one.workload }, samples: one.samples };
            expect(await store.writeUsage([batch])).toEqual({ written: changed.length });
          }
        }
        expect((await store.readUsage(query, signal)).series).toEqual(expected());
        for (const { id, series } of taken) {
          expect((await store.readSnapshot(id, signal)).series).toEqual(series);
        }
        await store.close();
      }),
      { numRuns: 25 },
    );
  });
});

describe('embedded store: retention', () => {
  it('drops what is past it and nothing else; a snapshot with dropped bins is gone, not shorter', async () => {
    const store = await createEmbeddedStore({ path: fresh(), retentionDays: 10 });
    await store.writeUsage([{ key, samples: every(3600, 24 * 30) }]);
    const end = T + 30 * DAY;
    const hourly = { step: 3600 };
    const old = await store.takeSnapshot(ask(T, end, hourly), end, signal);
    const recent = await store.takeSnapshot(ask(end - 5 * DAY, end, hourly), end, signal);
    const bytes = await store.readSnapshot(recent.id, signal);
    for (const day of [0, 20, 29]) {
      for (const kind of ['plan', 'history'] as const) {
        await store.putRecord({ kind, id: `${kind}${day}`, account: 'acme', at: T + day * DAY, body: {} });
      }
    }

    const { samplesRemoved, recordsRemoved } = await store.compact(end);
    expect(samplesRemoved).toBe(24 * 20 - 1);
    expect(recordsRemoved).toBe(1);
    expect(await store.compact(end)).toEqual({ samplesRemoved: 0, recordsRemoved: 0 });
    expect(await store.readSnapshot(recent.id, signal)).toEqual(bytes);
    await expect(store.readSnapshot(old.id, signal)).rejects.toMatchObject({ kind: 'not-found' });
    const values = await read(store, ask(T, end, hourly));
    expect(values.filter(Number.isNaN)).toHaveLength(24 * 20 - 1);
    expect(values.at(-1)).toBe(24 * 30 - 1);
    expect((await store.listRecords('plan', 'acme', { limit: 9 })).map(({ id }) => id)).toEqual(['plan29', 'plan20']);
    expect(await store.listRecords('history', 'acme', { limit: 9 })).toHaveLength(3);

    // What is past retention is not taken in again, and a snapshot taken since reads as it did.
    expect(await store.writeUsage([{ key, samples: every(3600, 24) }])).toEqual({ written: 0 });
    const after = await store.takeSnapshot(ask(T, end, hourly), end, signal);
    const shorter = await store.readSnapshot(after.id, signal);
    expect([...(shorter.series[0]?.series.values ?? [])]).toEqual(values);
    await store.close();
  });

  it('an imported history of other years is not old the moment it arrives', async () => {
    const store = await createEmbeddedStore({ path: ':memory:', retentionDays: 10 });
    await store.writeUsage([{ key, samples: every(3600, 24, T - 4000 * DAY) }]);
    expect((await store.compact(T)).samplesRemoved).toBe(0);
    await store.close();
  });
});

describe('embedded store: a file that cannot be used', () => {
  const cases: [string, (path: string) => Promise<void>, string, RegExp][] = [
    ['text', (path) => writeFile(path, 'timestamp,cpu\n'.repeat(2000)), 'invalid-input', /damaged.*move it aside/],
    ['empty', (path) => writeFile(path, ''), 'invalid-input', /damaged.*move it aside/],
    [
      'cut in half',
      async (path) => {
        const store = await createEmbeddedStore({ path });
        await store.writeUsage([{ key, samples: every(STEP, 50_000) }]);
        await store.close();
        const whole = await readFile(path);
        await writeFile(path, whole.subarray(0, whole.length >> 1));
      },
      'invalid-input',
      /damaged.*move it aside/,
    ],
  ];
  it.each(cases)('%s: says what to do, and leaves it as it is', async (_, make, kind, text) => {
    const path = fresh();
    await make(path);
    const before = await readFile(path);
    const opening = createEmbeddedStore({ path });
    await expect(opening).rejects.toMatchObject({ kind });
    await expect(opening).rejects.toThrow(text);
    expect(await readFile(path)).toEqual(before);
  });

  it('a folder that is not there', async () => {
    const opening = createEmbeddedStore({ path: join(folder, 'none', 'x.duckdb') });
    await expect(opening).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(opening).rejects.toThrow('check that its folder exists');
  });

  it('open already, in this process and in another: the owner is named, and is not disturbed', async () => {
    const path = fresh();
    const owner = await createEmbeddedStore({ path });
    await owner.writeUsage([{ key, samples: every(STEP, 3) }]);
    await expect(createEmbeddedStore({ path })).rejects.toThrow('is in use by this process');
    const script = `import { DuckDBInstance } from '@duckdb/node-api';
      await DuckDBInstance.create(process.argv[1]).catch((error) => console.log(error.message));`;
    const said = execFileSync(process.execPath, ['--input-type=module', '-e', script, path], { encoding: 'utf8' });
    expect(said).toContain(`PID ${process.pid}`);
    expect(await read(owner, ask(T, T + 900))).toEqual([0, 1, 2]);
    await owner.close();
    const next = await createEmbeddedStore({ path });
    expect(await read(next, ask(T, T + 900))).toEqual([0, 1, 2]);
    await next.close();
  });

  it('a file of another layout is refused', async () => {
    const path = fresh();
    await (await createEmbeddedStore({ path })).close();
    const script = `import { DuckDBInstance } from '@duckdb/node-api';
      const instance = await DuckDBInstance.create(process.argv[1]);
      await (await instance.connect()).run('UPDATE store SET version = 99');
      instance.closeSync();`;
    execFileSync(process.execPath, ['--input-type=module', '-e', script, path]);
    const opening = createEmbeddedStore({ path });
    await expect(opening).rejects.toMatchObject({ kind: 'refused' });
    await expect(opening).rejects.toThrow('layout 99');
    expect((await stat(path)).size).toBeGreaterThan(0);
  });
});
