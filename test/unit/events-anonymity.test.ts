import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeSmall } from '../../src/behavior/anonymity.js';
import { contributionsOf, type Contribution } from '../../src/behavior/contributions.js';
import type { BehaviorEvent, RowKind } from '../../src/behavior/events.js';

const event = (person: string, at: number, more: Partial<BehaviorEvent> = {}): BehaviorEvent => ({
  ...{ account: 'acme', at, person, system: false, operation: 'query', dataset: null, group: null, count: 1 },
  ...{ complexity: null, sessions: null, inputRate: null, program: null, region: null, ...more },
});
const operations = (events: readonly BehaviorEvent[], k: number) =>
  mergeSmall(contributionsOf(events, [], 600).contributions, k).rows.filter(({ kind }) => kind === 'operation');
const crowd = (size: number, more: (index: number) => Partial<BehaviorEvent>, prefix = 'p'): BehaviorEvent[] =>
  Array.from({ length: size }, (_, index) => event(`${prefix}${index}`, index, more(index)));

describe('small groups are merged', () => {
  it.each([
    {
      name: 'enough in each: nothing is given up',
      events: crowd(5, () => ({ dataset: 'a', group: 'staff' })),
      rows: [{ name: 'query', detail: 'a', group: 'staff', merged: [], users: 5 }],
    },
    {
      name: 'data sets of few: the data set goes',
      events: crowd(6, (index) => ({ dataset: `d${index}`, group: 'staff' })),
      rows: [{ name: 'query', detail: null, group: 'staff', merged: ['detail'], users: 6 }],
    },
    {
      name: 'groups of few: the group goes, the data set stays',
      events: crowd(6, (index) => ({ dataset: 'a', group: `g${index}` })),
      rows: [{ name: 'query', detail: 'a', group: null, merged: ['group'], users: 6 }],
    },
    {
      name: 'both of few: the operation stays',
      events: crowd(6, (index) => ({ dataset: `d${index}`, group: `g${index}` })),
      rows: [{ name: 'query', detail: null, group: null, merged: ['detail', 'group'], users: 6 }],
    },
    {
      name: 'operations of few: only the number stays',
      events: crowd(6, (index) => ({ operation: `o${index}` })),
      rows: [{ name: null, merged: ['detail', 'group', 'name'], users: 6, events: 6 }],
    },
    {
      name: 'a large cell is not spoilt by the small ones beside it, nor do they hide in it',
      events: [...crowd(7, () => ({ dataset: 'a' })), ...crowd(4, (index) => ({ dataset: `d${index}` }), 'q')],
      rows: [{ detail: 'a', users: 7, events: 7 }],
    },
    { name: 'four of five: nothing at all', events: crowd(4, () => ({})), rows: [] },
    {
      name: 'one person a hundred times is one person',
      events: crowd(100, () => ({})).map((e) => ({ ...e, person: 'p' })),
      rows: [],
    },
    { name: 'nobody', events: [], rows: [] },
  ])('$name', ({ events, rows }) => {
    expect(operations(events, 5)).toMatchObject(rows);
    expect(operations(events, 5)).toHaveLength(rows.length);
  });

  it('a number that only four of five persons state is not stored, and is not zero', () => {
    const four = crowd(5, (index) => (index === 0 ? {} : { complexity: 2, sessions: 3 }));
    expect(operations(four, 5)).toMatchObject([{ events: 5, complexity: null, sessions: null }]);
    const five = crowd(5, () => ({ complexity: 2, count: 4 }));
    expect(operations(five, 5)).toMatchObject([{ events: 20, complexity: { sum: 40, of: 20 }, sessions: null }]);
  });

  const kinds = fc.constantFrom<RowKind[]>('operation', 'transition', 'program', 'region');
  const word = fc.option(fc.constantFrom('a', 'b', 'c'), { nil: null });
  /** Each has a power of two of its own, so that the sum of a row tells what went into it. */
  const contributions = fc
    .array(
      fc.record({
        ...{ kind: kinds, name: fc.constantFrom('x', 'y', 'z'), detail: word, group: word },
        ...{ person: fc.nat({ max: 9 }), system: fc.boolean(), states: fc.boolean() },
      }),
      { maxLength: 45 },
    )
    .map((all) =>
      all.map(({ person, system, states, ...one }, index): Contribution => {
        const events = 2 ** index;
        const bare = one.kind === 'program' || one.kind === 'region' ? { detail: null, group: null } : {};
        return {
          ...{ ...one, ...bare, system, events, sessions: null, inputRate: null },
          complexity: states ? { sum: events, of: 1 } : null,
          // One is a person or a schedule, never both.
          person: `${system}${person}`,
        };
      }),
    );
  const inside = (all: readonly Contribution[], sum: number): Contribution[] =>
    all.filter((_, index) => Math.floor(sum / 2 ** index) % 2 === 1);
  const persons = (all: readonly Contribution[]): number => new Set(all.map(({ person }) => person)).size;

  it('no row, and no number of a row, rests on fewer than k persons; nothing is lost and nothing twice', () => {
    fc.assert(
      fc.property(contributions, fc.integer({ min: 2, max: 6 }), (all, k) => {
        const { rows, left } = mergeSmall(all, k);
        for (const row of rows) {
          const behind = inside(all, row.events);
          expect(behind.length).toBeGreaterThan(0);
          expect(new Set(behind.map(({ system }) => system)).size).toBe(1);
          expect(behind.every(({ kind }) => kind === row.kind)).toBe(true);
          for (const part of ['name', 'detail', 'group'] as const) {
            if (!row.merged.includes(part)) expect(behind.every((one) => one[part] === row[part])).toBe(true);
          }
          if (row.users === null) expect(behind.every(({ system }) => system)).toBe(true);
          else {
            expect(row.users).toBe(persons(behind));
            expect(row.users).toBeGreaterThanOrEqual(k);
            if (row.complexity !== null) expect(persons(inside(all, row.complexity.sum))).toBeGreaterThanOrEqual(k);
          }
        }
        const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);
        expect(sum(rows.map(({ events }) => events)) + sum(left.map(({ events }) => events))).toBe(
          sum(all.map(({ events }) => events)),
        );
        for (const kind of new Set(left.map((one) => one.kind))) {
          expect(persons(left.filter((one) => one.kind === kind))).toBeLessThan(k);
        }
      }),
    );
  });
});

describe('transitions', () => {
  const steps = (events: readonly BehaviorEvent[], session = 600) =>
    contributionsOf(events, [], session)
      .contributions.filter(({ kind }) => kind === 'transition')
      .map(({ person, name, detail, events: count }) => `${person}: ${name} → ${detail} ×${count}`);

  it.each([
    { name: 'one event', events: [event('p', 0)], is: [] },
    {
      name: 'two of one person',
      events: [event('p', 0), event('p', 9, { operation: 'save' })],
      is: ['p: query → save ×1'],
    },
    { name: 'two of two persons', events: [event('p', 0), event('q', 9)], is: [] },
    { name: 'the end of a session', events: [event('p', 0), event('p', 601)], is: [] },
    { name: 'just within it', events: [event('p', 0), event('p', 600)], is: ['p: query → query ×1'] },
    { name: 'out of order', events: [event('p', 9, { operation: 'save' }), event('p', 0)], is: ['p: query → save ×1'] },
    {
      name: 'at one moment, as they came',
      events: [event('p', 0), event('p', 0, { operation: 'save' })],
      is: ['p: query → save ×1'],
    },
  ])('$name', ({ events, is }) => {
    expect(steps(events)).toEqual(is);
  });

  it('a count is how much was done, not how often one went from here to there', () => {
    expect(steps([event('p', 0, { count: 50 }), event('p', 1, { operation: 'save', count: 9 })])).toEqual([
      'p: query → save ×1',
    ]);
  });

  it('what is older than where the person was seen is no step', () => {
    const before = [{ person: 'p', at: 100, operation: 'save' }];
    const { contributions, seen } = contributionsOf([event('p', 50)], before, 600);
    expect(contributions.filter(({ kind }) => kind === 'transition')).toEqual([]);
    expect(seen).toEqual(before);
  });
});
