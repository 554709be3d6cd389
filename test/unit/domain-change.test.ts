import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fieldName, orderChange, raises } from '../../src/domain/change.js';
import type { FieldTarget } from '../../src/domain/cluster.js';
import { differences } from '../../src/domain/differences.js';
import type { PlannedField, PlanSummary } from '../../src/domain/plan.js';

const TARGETS: FieldTarget[] = [
  { field: 'replicas', workload: 'web', value: 3 },
  { field: 'floor', workload: 'web', value: 3 },
  { field: 'request', workload: 'web', component: 'cpu', value: 1 },
  { field: 'request', workload: 'web', component: 'memory', value: 1 },
  { field: 'nodes', pool: 'web', value: 3 },
];

const planOf = (fields: PlannedField[]): PlanSummary => ({
  id: 'p-1',
  at: 0,
  verdict: { kind: 'act', source: 'forecast', detail: '' },
  fields,
  costPerHour: 1,
  currency: 'EUR',
  conflict: null,
  reasons: [],
});

const planned = (target: FieldTarget, seen: number): PlannedField => ({
  target,
  seen: { value: seen, owner: 'hpa/web' },
  reason: `because of ${target.field}`,
});

describe('the name of a field', () => {
  it('tells every field from every other, whatever its value', () => {
    const names = TARGETS.map(fieldName);
    expect(names).toEqual(['web.replicas', 'web.floor', 'web.request.cpu', 'web.request.memory', 'web.nodes']);
    expect(TARGETS.map((target) => fieldName({ ...target, value: 99 }))).toEqual(names);
  });
});

describe('an order', () => {
  const fields = fc.array(fc.record({ target: fc.constantFrom(...TARGETS), seen: fc.integer({ min: 0, max: 9 }) }), {
    maxLength: 6,
  });

  it('carried out and then taken back step by step, leaves everything as it was', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.constantFrom(...TARGETS), { selector: fieldName }),
        fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 5, maxLength: 5 }),
        (targets, seen) => {
          const plan = planOf(targets.map((target, index) => planned(target, seen[index] ?? 0)));
          const { mutations, contingency } = orderChange(plan, 'acme/7', 'acme', 100, 600);
          const cluster = new Map(plan.fields.map((field) => [fieldName(field.target), field.seen.value]));
          const before = new Map(cluster);
          for (const { target, expect: fence } of mutations) {
            expect(cluster.get(fieldName(target))).toBe(fence.value);
            cluster.set(fieldName(target), target.value);
          }
          for (const { target } of contingency.reverse) cluster.set(fieldName(target), target.value);
          expect(cluster).toEqual(before);
        },
      ),
    );
  });

  it('gives every write a key of its own, and takes the last back first', () => {
    fc.assert(
      fc.property(fields, (given) => {
        const plan = planOf(given.map(({ target, seen }) => planned(target, seen)));
        const order = orderChange(plan, 'acme/7', 'acme', 100, 600);
        expect(order.mutations.map(({ key }) => key)).toEqual(given.map((_, index) => `change/acme/7#${index}`));
        expect(order.contingency.reverse.map(({ target }) => fieldName(target))).toEqual(
          given.map(({ target }) => fieldName(target)).reverse(),
        );
        expect(order.contingency.reverse.every(({ owner }) => owner === 'hpa/web')).toBe(true);
      }),
    );
  });

  it.each([
    ['only raises', [planned({ field: 'replicas', workload: 'web', value: 5 }, 2)], /keep the change/],
    ['leaves as it is', [planned({ field: 'replicas', workload: 'web', value: 2 }, 2)], /keep the change/],
    [
      'lowers one of two',
      [
        planned({ field: 'replicas', workload: 'web', value: 5 }, 2),
        planned({ field: 'replicas', workload: 'api', value: 1 }, 2),
      ],
      /roll back/,
    ],
  ])('where telemetry goes missing, one that %s says what follows', (_name, given, words) => {
    const { contingency } = orderChange(planOf(given), 'acme/7', 'acme', 100, 600);
    expect(contingency.fallbacks.find(({ trigger }) => trigger.includes('telemetry'))?.answer).toMatch(words);
    expect(given.every(raises)).toBe(/keep/.test(String(words)));
  });
});

describe('differences', () => {
  it.each([
    ['none', { a: 1 }, { a: 1 }, []],
    ['a leaf', { a: 1 }, { a: 2 }, [{ path: 'a', before: '1', after: '2' }]],
    ['not a number is itself', { a: Number.NaN }, { a: Number.NaN }, []],
    ['added', {}, { a: { b: 1 } }, [{ path: 'a', before: 'not set', after: '{"b":1}' }]],
    ['taken away', { a: null }, {}, [{ path: 'a', before: 'null', after: 'not set' }]],
    ['deep', { a: { b: { c: 1 } } }, { a: { b: { c: 2 } } }, [{ path: 'a.b.c', before: '1', after: '2' }]],
    [
      'things with names in another order',
      {
        w: [
          { name: 'x', n: 1 },
          { name: 'y', n: 2 },
        ],
      },
      {
        w: [
          { name: 'y', n: 2 },
          { name: 'x', n: 3 },
        ],
      },
      [{ path: 'w[x].n', before: '1', after: '3' }],
    ],
    [
      'plain lists by place',
      { a: [1, 2] },
      { a: [1, 3, 4] },
      [
        { path: 'a[1]', before: '2', after: '3' },
        { path: 'a[2]', before: 'not set', after: '4' },
      ],
    ],
    ['a list where there was a thing', { a: {} }, { a: [] }, [{ path: 'a', before: '{}', after: '[]' }]],
  ])('%s', (_name, before, after, found) => {
    expect(differences(before, after)).toEqual(found);
  });

  it('a value has none to its own copy', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        expect(differences(value, structuredClone(value))).toEqual([]);
      }),
    );
  });
});
