import { describe, expect, it } from 'vitest';
import { createDataSets, toldOf } from '../../activities/data-sets.js';
import type { BehaviorRow } from '../../src/behavior/events.js';
import type { AccountPolicy } from '../../src/domain/account.js';
import type { BehaviorQuery } from '../../src/telemetry/events/port.js';
import { simple } from './allocate-fixtures.js';
import { HOUR, MONDAY, row } from './behavior-world.js';

/* What a cache is told to fetch before people come: the wrong list, or none, and the first of them wait. */

const DAY = 24 * HOUR;
const END = MONDAY + 21 * DAY;
const signal = new AbortController().signal;

/** `orders` is read from nine to ten on every day, `archive` on the first of three weeks alone. */
const rows: BehaviorRow[] = Array.from({ length: 21 }, (_, day) => {
  const at = MONDAY + day * DAY;
  return [
    row({ at: at + 9 * HOUR, width: 900, detail: 'orders', events: 20 }),
    ...(day < 7 ? [row({ at: at + 15 * HOUR, width: 900, detail: 'archive', events: 9 })] : []),
    ...[8, 10, 12, 14, 16].map((hour) => row({ at: at + hour * HOUR, width: 900, events: 5 })),
  ];
}).flat();

function world(all = rows) {
  const asked: BehaviorQuery[] = [];
  let broken: Error | null = null;
  const dataSets = createDataSets({
    readEvents: (query) => {
      asked.push(query);
      if (broken !== null) return Promise.reject(broken);
      return Promise.resolve(all.filter(({ at }) => at >= query.from && at < query.to));
    },
  });
  return { dataSets, asked, breakWith: (error: Error | null) => void (broken = error) };
}

const policy = (parts: object = { atLeast: 0.5 }): AccountPolicy =>
  simple({}, { warmUp: [{ name: 'fill', ahead: '15m', image: 'fill', dataSets: parts }] });
const TEN_TO_NINE = END + 9 * HOUR - 600;

describe('which data sets the loop tells an action of', () => {
  it('those of the hour that it prepares for, above the probability asked for', async () => {
    const { dataSets } = world();
    const [need] = await dataSets.of('acme', policy(), TEN_TO_NINE, signal);
    expect(need).toMatchObject({ workload: 'web', action: 'warm-up.fill', from: END + 9 * HOUR });
    expect(need?.dataSets.map(({ dataSet }) => dataSet)).toEqual(['orders']);
    expect(need?.dataSets[0]?.probability).toBeGreaterThan(0.7);
    expect(need?.next?.dataSet).toBe('archive');
    const [night] = await dataSets.of('acme', policy(), END + 3 * HOUR - 600, signal);
    expect(night?.dataSets).toEqual([]);
    const [all] = await world().dataSets.of('acme', policy({ atLeast: 0.01, most: 1 }), TEN_TO_NINE, signal);
    expect(all?.dataSets.map(({ dataSet }) => dataSet)).toEqual(['orders']);
  });

  it('asks the store once an hour, and only for accounts whose file asks', async () => {
    const { dataSets, asked } = world();
    const first = await dataSets.of('acme', policy(), TEN_TO_NINE, signal);
    const reads = asked.length;
    expect(await dataSets.of('acme', policy(), TEN_TO_NINE + 300, signal)).toEqual(first);
    expect(asked.length).toBe(reads);
    await dataSets.of('acme', policy(), TEN_TO_NINE + HOUR, signal);
    // The hour that is new, and what is not settled yet; not the eight weeks again.
    expect(asked.length).toBe(reads + 2);
    expect(await dataSets.of('other', simple(), TEN_TO_NINE, signal)).toEqual([]);
    expect(asked.every(({ account }) => account === 'acme')).toBe(true);
  });

  it('a store that fails midway leaves no half-read profile behind', async () => {
    const { dataSets, breakWith } = world();
    const before = await world().dataSets.of('acme', policy(), TEN_TO_NINE, signal);
    breakWith(new Error('down'));
    await expect(dataSets.of('acme', policy(), TEN_TO_NINE, signal)).rejects.toThrow('down');
    breakWith(null);
    expect(await dataSets.of('acme', policy(), TEN_TO_NINE, signal)).toEqual(before);
  });

  it.each([
    { name: 'as the record says', body: { dataSets: [told('web', ['orders', 'customers'])] }, names: 2 },
    { name: 'another workload’s', body: { dataSets: [told('api', ['orders'])] }, names: 0 },
    { name: 'a plan from before there were any', body: { id: 'p' }, names: 0 },
    { name: 'no record', body: undefined, names: 0 },
  ])('an action is told of a plan: $name', ({ body, names }) =>
    expect(toldOf(body, 'web', 'warm-up.fill')).toHaveLength(names),
  );
});

function told(workload: string, names: string[]) {
  const dataSets = names.map((dataSet) => ({ dataSet, probability: 0.9 }));
  return { workload, action: 'warm-up.fill', from: END, dataSets, next: null };
}
