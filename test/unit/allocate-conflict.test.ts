import { beforeAll, describe, expect, test } from 'vitest';
import { createAllocator, type AllocationInput, type Allocator } from '../../src/allocate/index.js';
import { irreducible } from '../../src/allocate/conflict.js';
import { raises } from '../../src/domain/change.js';
import type { Override } from '../../src/domain/control.js';
import { AT, demandOf, inputOf, simple, stateOf } from './allocate-fixtures.js';

let allocator: Allocator;
beforeAll(async () => {
  allocator = await createAllocator();
});

export const override = (target: Override['target']): Override => ({
  kind: 'override',
  id: 'o1',
  author: 'ann',
  reason: 'match day',
  since: AT - 60,
  until: AT + 7200,
  target,
});

interface Case {
  name: string;
  input: AllocationInput;
  /** What has to be in each limit's words, in any order. */
  words: string[];
  /** The same with one of the limits left out, one for each: the rest can then be met. */
  without: AllocationInput[];
  replicas: number;
  verdict: string;
}

const two = [demandOf('web', 'cpu', [2, 2])];
const eight = [demandOf('web', 'cpu', [8, 8])];
const tenAt = (perHour: number) => simple({ budget: { perHour } }, { replicas: { min: 10, max: 20 } });
const fixed = (nodes: number, min: number) => {
  const policy = simple(
    { pools: [{ name: 'general', pricePerHour: 0.4, node: { cpu: 4 }, size: 'fixed' }] },
    { replicas: { min, max: 20 } },
  );
  return inputOf(policy, two, { state: stateOf(policy, { web: 2 }, { general: nodes }) });
};
const overridden = (value: number, max: number) =>
  inputOf(simple({}, { replicas: { min: 1, max } }), two, {
    overrides: [override({ field: 'replicas', workload: 'web', value })],
  });
const stepped = (stepUp: number | undefined, min: number) => {
  const policy = simple({}, { replicas: { min, max: 20, ...(stepUp === undefined ? {} : { stepUp }) } });
  return inputOf(policy, two, { state: stateOf(policy, { web: 1 }, { general: 1 }) });
};

const CASES: Case[] = [
  {
    name: 'a budget that the minimum does not fit into',
    input: inputOf(tenAt(0.9), two),
    words: ['budget 0.90 USD/h', 'minimum 10 replicas of web on pool general at 0.40'],
    without: [
      inputOf(simple({}, { replicas: { min: 10, max: 20 } }), two),
      inputOf(simple({ budget: { perHour: 0.9 } }), two),
    ],
    replicas: 8,
    verdict: 'act',
  },
  {
    name: 'a budget of nothing',
    input: inputOf(tenAt(0), two, { state: stateOf(tenAt(0), { web: 10 }, { general: 0 }) }),
    words: ['budget 0.00 USD/h', 'minimum 10 replicas of web'],
    without: [
      inputOf(simple({}, { replicas: { min: 10, max: 20 } }), two),
      inputOf(simple({ budget: { perHour: 0 } }, { replicas: { min: 0, max: 20 } }), [demandOf('web', 'cpu', [0, 0])]),
    ],
    replicas: 0,
    verdict: 'infeasible',
  },
  {
    name: 'demand that the budget cannot pay for',
    input: inputOf(simple({ budget: { perHour: 0.5 } }), eight),
    words: ['budget 0.50 USD/h', 'demand of web: 8 cores of cpu'],
    without: [inputOf(simple(), eight), inputOf(simple({ budget: { perHour: 0.5 } }), two)],
    replicas: 4,
    verdict: 'act',
  },
  {
    name: 'demand above the maximum',
    input: inputOf(simple({}, { replicas: { min: 1, max: 5 } }), eight),
    words: ['maximum 5 replicas of web', 'demand of web: 8 cores of cpu'],
    without: [inputOf(simple(), eight), inputOf(simple({}, { replicas: { min: 1, max: 5 } }), two)],
    replicas: 5,
    verdict: 'act',
  },
  {
    name: 'a minimum that a fixed pool cannot carry',
    input: fixed(2, 10),
    words: ['pool general has 2 nodes and is fixed', 'minimum 10 replicas of web'],
    without: [fixed(3, 10), fixed(2, 8)],
    replicas: 8,
    verdict: 'act',
  },
  {
    name: 'an override above the maximum',
    input: overridden(12, 5),
    words: ['override 12 replicas of web by ann', 'maximum 5 replicas of web'],
    without: [overridden(5, 5), overridden(12, 20)],
    replicas: 5,
    verdict: 'act',
  },
  {
    name: 'a minimum further up than one step reaches',
    input: stepped(2, 8),
    words: ['at most 2 more replicas of web at once', 'minimum 8 replicas of web'],
    without: [stepped(undefined, 8), stepped(2, 1)],
    replicas: 3,
    verdict: 'act',
  },
  {
    name: 'a replica that fits no node',
    input: inputOf(simple({}, { components: { cpu: { request: 6 } }, replicas: { min: 1, max: 5 } }), two),
    words: ['a replica of web (6 cores of cpu) fits no node of its pools', 'minimum 1 replicas of web'],
    without: [inputOf(simple({}, { components: { cpu: { request: 4 } } }), two)],
    replicas: 0,
    verdict: 'infeasible',
  },
  {
    name: 'whole nodes that no fraction shows: two pools, of which neither carries both',
    input: inputOf(
      simple(
        {
          budget: { perHour: 0.11 },
          pools: [
            { name: 'small', pricePerHour: 0.05, node: { cpu: 3 }, max: 1, leadTime: '0s' },
            { name: 'large', pricePerHour: 0.07, node: { cpu: 4 }, max: 1, leadTime: '0s' },
          ],
        },
        { components: { cpu: { request: 3 } }, replicas: { min: 2, max: 2 } },
      ),
      [demandOf('web', 'cpu', [0, 0])],
    ),
    words: ['budget 0.11 USD/h', 'minimum 2 replicas of web', 'maximum 1 nodes of pool small'],
    without: [],
    replicas: 1,
    verdict: 'act',
  },
];

describe.each(CASES)('$name', ({ input, words, without, replicas, verdict }) => {
  test('is named in the operator’s words, and the least bad plan keeps the hard limits', () => {
    const { plan } = allocator.allocate(input);
    const set = plan.conflict?.set.map((one) => one.words) ?? [];
    for (const word of words)
      expect(
        set.some((one) => one.includes(word)),
        `${word} in ${set.join(' | ')}`,
      ).toBe(true);
    expect(set).toHaveLength(words.length);
    expect(plan.blocks[0]?.workloads[0]?.replicas).toBe(replicas);
    expect(plan.verdict.kind === 'act' ? 'act' : plan.verdict.reason).toBe(verdict);
    expect(plan.conflict?.gaveUp).not.toBe('');
  });

  test('is irreducible: without any one of them the rest can be met', () => {
    for (const one of without) expect(allocator.allocate(one).plan.conflict).toBeNull();
  });
});

describe('where limits contradict each other', () => {
  // What a user loses: a slip in a limit (a budget of 0.01 for 6) took down what served.
  const policy = tenAt(0);
  const state = stateOf(policy, { web: 12 }, { general: 0 });

  test('nothing that serves is taken away, and the conflict says why', () => {
    const { plan } = allocator.allocate(inputOf(policy, two, { state }));
    expect(plan.conflict).not.toBeNull();
    expect(plan.fields.filter((one) => !raises(one))).toEqual([]);
    expect(plan.verdict).toMatchObject({ kind: 'hold', reason: 'infeasible' });
    expect(plan.verdict.detail).toContain('left as they are until the limits agree');
  });

  test('but for what an operator asks for in so many words', () => {
    const { plan } = allocator.allocate(
      inputOf(policy, two, { state, overrides: [override({ field: 'replicas', workload: 'web', value: 0 })] }),
    );
    expect(plan.fields.filter((one) => !raises(one)).map(({ target }) => target)).toEqual([
      { field: 'replicas', workload: 'web', value: 0 },
    ]);
  });
});

test('a grant bounds the blocks until it ends, and nothing after that', () => {
  const policy = simple({}, { components: { cpu: { request: 1 } }, replicas: { min: 1, max: 20 } });
  const later = [1, 1, 8, 8];
  const given = inputOf(policy, [demandOf('web', 'cpu', later)], { grant: { cpu: 4 } });
  const until = given.blocks[2]?.from ?? Number.NaN;
  const bound = allocator.allocate(given).plan;
  const free = allocator.allocate({ ...given, grantUntil: until }).plan;
  const replicas = (plan: typeof bound): number =>
    Math.max(...plan.blocks.map((one) => one.workloads[0]?.replicas ?? 0));
  expect(bound.conflict?.set.map(({ constraint }) => constraint)).toContain('grant');
  expect(replicas(bound)).toBeLessThanOrEqual(4);
  expect(free.conflict).toBeNull();
  expect(replicas(free)).toBeGreaterThanOrEqual(8);
  // The next block is bound, however soon the grant ends.
  const now = allocator.allocate({
    ...inputOf(policy, [demandOf('web', 'cpu', [8, 8])], { grant: { cpu: 4 } }),
    grantUntil: 0,
  });
  expect(now.plan.blocks[0]?.workloads[0]?.replicas).toBeLessThanOrEqual(4);
});

describe('where caps on its placement contradict each other', () => {
  // What a user loses: a critical workload was left short for a placement that could not be had at all, one innocent limit
  // was named, and what the budget left out was not said.
  const zoned = (cores: number, parts: Partial<Parameters<typeof simple>[0]> = {}) => {
    const node = { cpu: 4 };
    const policy = simple(
      {
        pools: [
          { name: 'od', pricePerHour: 0.4, node, zone: 'a', leadTime: '0s' },
          { name: 'spot', pricePerHour: 0.1, node, zone: 'b', capacityType: 'spot', leadTime: '0s' },
        ],
        ...{ spotMaxShare: 0.5, spotMarketMaxShare: 0.34, surviveZone: 0.5 },
        ...parts,
      },
      { components: { cpu: { request: 1 } }, replicas: { min: 2, max: 30 }, criticality: 'critical' },
    );
    return inputOf(policy, [demandOf('web', 'cpu', [cores, cores])]);
  };
  const MARKET = 'at most 34 % of web on the spot market /b/spot';
  const ZONE = '50 % of web survive the loss of zone a';

  test.each([
    { name: 'an even number', cores: 8 },
    { name: 'an odd number', cores: 7 },
    { name: 'many', cores: 30 },
  ])('demand is served all the same, and the lesser cap gives: $name', ({ cores }) => {
    const { plan } = allocator.allocate(zoned(cores));
    const [first] = plan.blocks;
    expect(first?.workloads[0]?.replicas).toBe(cores);
    const words = plan.conflict?.set.map((one) => one.words) ?? [];
    expect(words).toEqual(expect.arrayContaining([MARKET, ZONE]));
    expect(words).toHaveLength(3);
    expect(words.some((one) => /^(demand of web|minimum 2 replicas of web)/.test(one))).toBe(true);
    expect(plan.conflict?.gaveUp).toMatch(
      new RegExp(`^${MARKET}: ${Math.floor(cores / 2)} of ${cores} replicas there at \\S+$`),
    );
    expect(plan.check?.breaches.filter((one) => !one.declared)).toEqual([]);
  });

  test.each([
    { name: 'the market’s', parts: { spotMarketMaxShare: 0.5 } },
    { name: 'the zone’s', parts: { surviveZone: 0.34 } },
  ])('either can be had alone: $name cap is another', ({ parts }) => {
    expect(allocator.allocate(zoned(8, parts)).plan.conflict).toBeNull();
  });

  test.each([
    { name: 'three are asked for', cores: 3 },
    { name: 'two are, and a third keeps all of them', cores: 2 },
  ])('where so few replicas keep them, nothing is given up: $name', ({ cores }) => {
    const { plan } = allocator.allocate(zoned(cores));
    expect(plan.conflict).toBeNull();
    expect(plan.blocks[0]?.workloads[0]?.replicas).toBe(3);
  });

  test('what one cap asks for by itself holds: nothing on spot, where there is nothing else', () => {
    const policy = simple({
      spotMaxShare: 0,
      pools: [{ name: 'spot', pricePerHour: 0.1, node: { cpu: 4 }, capacityType: 'spot', leadTime: '0s' }],
    });
    const { plan } = allocator.allocate(inputOf(policy, two));
    expect(plan.conflict?.set.map((one) => one.constraint)).toContain('spot-share');
    expect(plan.conflict?.gaveUp).not.toBe('');
  });

  test('what a budget leaves out is named first, and the caps besides', () => {
    const { plan } = allocator.allocate(zoned(30, { budget: { perHour: 0.9 } }));
    const words = plan.conflict?.set.map((one) => one.words) ?? [];
    expect(words.some((one) => one.startsWith('budget 0.90 USD/h'))).toBe(true);
    expect(words.some((one) => one.startsWith('demand of web: 30 cores'))).toBe(true);
    expect(plan.conflict?.gaveUp).toMatch(/cores of cpu of web unserved of 30 cores/);
    expect(plan.conflict?.gaveUp).toContain(`${MARKET}: `);
  });
});

test('what several limits do together is found out of many, and nothing else is named', () => {
  const items = Array.from({ length: 40 }, (_, index) => `c${index}`);
  const culprits = ['c3', 'c17', 'c38'];
  let checks = 0;
  const found = irreducible(items, (kept) => {
    checks++;
    return culprits.every((one) => kept.includes(one));
  });
  expect(found.sort()).toEqual([...culprits].sort());
  expect(checks).toBeLessThan(40);
});
