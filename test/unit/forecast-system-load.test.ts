import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSystemLoads } from '../../activities/system-load.js';
import { systemLoadOf, withSystemLoad } from '../../src/forecast/system-load.js';
import type { TrainingSeries } from '../../src/models/port.js';
import { createEmbeddedStore } from '../../src/telemetry/embedded/store.js';
import { simple } from './allocate-fixtures.js';

/* A busy day is busy for all: what the others do is news of one's own. Were it to see the future, no forecast would hold. */

const HOUR = 3600;
const START = 1_772_409_600;
const seriesOf = (hours: number, valueAt: (hour: number) => number, step = HOUR) => ({
  ...{ start: START, step },
  values: Float64Array.from({ length: (hours * HOUR) / step }, (_, k) => valueAt(Math.floor((k * step) / HOUR))),
});
const at = (load: ReturnType<typeof systemLoadOf>, time: number): number =>
  load?.values[Math.floor((time - load.start) / load.step)] ?? Number.NaN;

describe('how busy the system is', () => {
  const surge = (hour: number): number => (hour >= 60 && hour < 70 ? 2 : 1);

  it('is beside the week before, in no unit, and known when its hour is over', () => {
    const load = systemLoadOf([seriesOf(100, surge, 900), seriesOf(100, (hour) => 1e9 * surge(hour))]);
    expect(at(load, START + 50 * HOUR)).toBeCloseTo(1, 6);
    // The surge begins with hour 60: at its beginning nobody can know.
    expect(at(load, START + 60 * HOUR)).toBeCloseTo(1, 6);
    expect(at(load, START + 61 * HOUR - 1)).toBeCloseTo(1, 6);
    expect(at(load, START + 61 * HOUR)).toBeCloseTo(2, 6);
    expect(at(load, START + 10 * HOUR)).toBeNaN();
  });

  it.each([
    { name: 'one that stops is missing, not zero', one: (hour: number) => (hour > 50 ? Number.NaN : 1) },
    { name: 'one that is always idle says nothing', one: () => 0 },
  ])('$name', ({ one }) => {
    const load = systemLoadOf([seriesOf(100, () => 1), seriesOf(100, () => 3), seriesOf(100, one)]);
    expect(at(load, START + 80 * HOUR)).toBeCloseTo(1, 6);
  });

  it.each([
    { name: 'none', series: [] },
    { name: 'one', series: [seriesOf(100, () => 1)] },
    { name: 'a day of two', series: [seriesOf(20, () => 1), seriesOf(20, () => 1)] },
    { name: 'bins of days', series: [1, 2].map(() => ({ ...seriesOf(100, () => 1), step: 86_400 })) },
  ])('nobody says it of $name', ({ series }) => expect(systemLoadOf(series)).toBeNull());

  it('sees nothing of what comes after, whatever it is', () => {
    const value = fc.oneof(fc.double({ min: 0, max: 1e6, noNaN: true }), fc.constant(Number.NaN));
    const series = fc.array(fc.array(value, { minLength: 60, maxLength: 60 }), { minLength: 2, maxLength: 4 });
    fc.assert(
      fc.property(series, series, fc.integer({ min: 30, max: 59 }), (some, others, cut) => {
        const joined = some.map((values, k) => [...values.slice(0, cut), ...(others[k] ?? values).slice(cut)]);
        const [one, other] = [some, joined].map((all) =>
          systemLoadOf(all.map((values) => seriesOf(60, (hour) => values[hour] ?? 0))),
        );
        for (let hour = 0; hour <= cut; hour++) {
          const [a, b] = [at(one ?? null, START + hour * HOUR), at(other ?? null, START + hour * HOUR)];
          // Where the rest is silent the whole may say nothing at all.
          if (!Number.isNaN(a) && !Number.isNaN(b)) expect(b).toBeCloseTo(a, 9);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('reaches the series of several accounts alone', () => {
    const own = [seriesOf(100, () => 1), seriesOf(100, () => 2)];
    expect(withSystemLoad(own)).toEqual(own);
    const shared = own.map((one): TrainingSeries => ({
      ...{ ...one, id: 's', timeZone: 'UTC', values: Float32Array.from(one.values) },
      together: true,
    }));
    expect(withSystemLoad(shared).map(({ inputs }) => inputs?.systemLoad)).toEqual([
      systemLoadOf(own),
      systemLoadOf(own),
    ]);
  });

  it('is the same for a worker that asks the store as for training on its series; a store that is down keeps what was', async () => {
    const store = await createEmbeddedStore({ path: ':memory:' });
    const accounts = ['acme', 'globex', 'initech'];
    const values = accounts.map((_, k) => seriesOf(100, (hour) => surge(hour) * (k + 1), 900));
    for (const [k, account] of accounts.entries()) {
      await store.putRecord({ kind: 'account', id: `p-${account}`, account, at: START, body: simple() });
      const samples = [...(values[k]?.values ?? [])].map((value, bin) => ({ at: START + bin * 900, value }));
      await store.writeUsage([{ key: { account, workload: 'web', component: 'cpu' }, samples }]);
    }
    let down = false;
    const reads: number[] = [];
    const loads = createSystemLoads({
      ...store,
      readUsage: (query, signal) => {
        reads.push(query.to);
        return down ? Promise.reject(new Error('down')) : store.readUsage(query, signal);
      },
    });
    const now = START + 75 * HOUR + 600;
    const served = await loads.at(now, true);
    const trained = systemLoadOf(values);
    for (let hour = 30; hour <= 75; hour++) {
      expect(at(served, START + hour * HOUR)).toBeCloseTo(at(trained, START + hour * HOUR), 5);
    }
    expect(at(served, now)).not.toBeNaN();
    await loads.at(now + 900, true);
    expect(reads).toHaveLength(3);
    down = true;
    expect(await loads.at(now + HOUR, true)).toEqual(served);
    expect(reads.length).toBeGreaterThan(3);
    await store.close();
  });
});
