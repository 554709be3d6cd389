import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { checkPlan, createAllocator, type AllocationInput, type Allocator } from '../../src/allocate/index.js';
import type { Plan } from '../../src/domain/plan.js';
import { proofed } from '../../src/allocate/proof.js';
import { createTerminal, exitCodeOf } from '../../src/cli/command.js';
import { ranges, showCheck } from '../../src/cli/plan-check.js';
import { AT, blocksOf, demandOf, inputOf, policyOf, stateOf } from './allocate-fixtures.js';
import { randomProblem } from './allocate-random.js';

let allocator: Allocator;
beforeAll(async () => {
  allocator = await createAllocator({ wholeBlocks: true });
});

/** A problem in which every limit that the checker knows has its place. */
function whole(): AllocationInput {
  const policy = policyOf({
    budget: { perHour: 20 },
    spotMaxShare: 0.5,
    workloads: [
      {
        ...{ name: 'web', replicas: { min: 2, max: 12, stepUp: 4, stepDown: 2 }, pools: ['general', 'spot', 'fixed'] },
        components: { cpu: { request: 1, grid: [1, 2] }, memory: { request: '1Gi' } },
      },
      { name: 'db', replicas: { min: 1, max: 3 }, components: { cpu: { request: 2 } } },
    ],
    pools: [
      { name: 'general', pricePerHour: 0.4, node: { cpu: 4, memory: '16Gi' }, min: 1, max: 6, leadTime: '0s' },
      { ...{ name: 'spot', capacityType: 'spot', pricePerHour: 0.1, node: { cpu: 4 } }, max: 6, leadTime: '70m' },
      { name: 'fixed', size: 'fixed', pricePerHour: 0.2, node: { cpu: 4 }, max: 1 },
    ],
    tasks: [
      {
        ...{ name: 'nightly', workload: 'db', cron: '0 11 * * *', duration: '30m', demand: { cpu: 1 } },
        ...{ earlier: '0s', later: '1h' },
      },
    ],
    blackouts: [{ name: 'sale', cron: '0 13 * * *', duration: '1h', reason: 'hands off' }],
  });
  const state = stateOf(policy, { web: 4, db: 1 }, { general: 2, spot: 1, fixed: 1 });
  state.quotas = [{ quota: 'acme/compute requests.cpu', component: 'cpu', each: { web: 1, db: 2 }, room: 14 }];
  for (const one of state.workloads) if (one.workload === 'web') one.disruption = { name: 'pdb', minAvailable: 3 };
  return inputOf(
    policy,
    [
      demandOf('web', 'cpu', [4, 5, 6, 6]),
      demandOf('web', 'memory', [4e9, 4e9, 4e9, 4e9]),
      demandOf('db', 'cpu', [2, 2, 2, 2]),
    ],
    { blocks: blocksOf(4), state, grant: { cpu: 15 } },
  );
}

const broken = (input: AllocationInput, plan: Plan): string[] =>
  checkPlan(input, plan)
    .breaches.filter((breach) => !breach.declared)
    .map((breach) => breach.words);

/** A copy with one number of block `at` changed, its bill kept right. */
function changed(plan: Plan, change: (plan: Plan) => void): Plan {
  // By way of text: within a plan equal requests may be one object.
  const copy = JSON.parse(JSON.stringify(plan)) as Plan;
  change(copy);
  return copy;
}

const webOf = (plan: Plan, block: number) => {
  const found = plan.blocks[block]?.workloads.find((one) => one.workload === 'web');
  if (found === undefined) throw new Error('web is missing');
  return found;
};

function replicas(plan: Plan, block: number, counts: Record<string, number>): void {
  const one = webOf(plan, block);
  one.pools = counts;
  one.replicas = Object.values(counts).reduce((sum, count) => sum + count, 0);
}

const nodes = (plan: Plan, block: number, pool: string, count: number): void => {
  const found = plan.blocks[block];
  if (found !== undefined) found.nodes[pool] = count;
};

describe('a limit that is broken is named', () => {
  test('and none is in the plan as it was made', () => {
    const input = whole();
    const { plan } = allocator.allocate(input);
    const report = checkPlan(input, plan);
    expect(report.breaches).toEqual([]);
    expect(report.ok).toBe(true);
    expect(report.unchecked).toEqual([]);
    expect(report.blocks).toBe(4);
  });

  test.each<{ name: string; limit: string; change: (plan: Plan) => void }>([
    { name: 'under the minimum', limit: 'minimum', change: (plan) => replicas(plan, 1, { general: 1 }) },
    { name: 'over the maximum', limit: 'maximum', change: (plan) => replicas(plan, 1, { general: 13 }) },
    { name: 'two steps at once', limit: 'step', change: (plan) => replicas(plan, 0, { general: 9 }) },
    { name: 'under a disruption budget', limit: 'disruption', change: (plan) => replicas(plan, 1, { general: 2 }) },
    { name: 'a replica lost between pools', limit: 'whole', change: (plan) => (webOf(plan, 0).replicas += 1) },
    { name: 'half a replica', limit: 'whole', change: (plan) => replicas(plan, 0, { general: 3.5 }) },
    { name: 'too much on spot', limit: 'spot-share', change: (plan) => replicas(plan, 0, { general: 1, spot: 4 }) },
    { name: 'a size that is not on the grid', limit: 'sizes', change: (plan) => (webOf(plan, 0).request.cpu = 1.5) },
    { name: 'two sizes in one plan', limit: 'sizes', change: (plan) => (webOf(plan, 2).request = { cpu: 1.25 }) },
    { name: 'no room', limit: 'room', change: (plan) => replicas(plan, 1, { spot: 12 }) },
    { name: 'a pool over its maximum', limit: 'pool-maximum', change: (plan) => nodes(plan, 0, 'general', 7) },
    { name: 'a pool under its minimum', limit: 'pool-minimum', change: (plan) => nodes(plan, 0, 'general', 0) },
    { name: 'nodes sooner than they can be', limit: 'lead-time', change: (plan) => nodes(plan, 0, 'spot', 4) },
    { name: 'a fixed pool that grew', limit: 'fixed', change: (plan) => nodes(plan, 0, 'fixed', 2) },
    { name: 'a bill that is not its nodes’', limit: 'bill', change: (plan) => nodes(plan, 3, 'general', 6) },
    { name: 'more than the grant', limit: 'grant', change: (plan) => replicas(plan, 1, { general: 15 }) },
    { name: 'more than the quota', limit: 'quota', change: (plan) => replicas(plan, 1, { general: 14 }) },
    { name: 'a move in a blackout', limit: 'blackout', change: (plan) => replicas(plan, 3, { general: 8 }) },
    { name: 'demand that nobody covers', limit: 'demand', change: (plan) => replicas(plan, 2, { general: 3 }) },
    { name: 'a task left out', limit: 'tasks', change: (plan) => plan.placements.splice(0) },
    {
      ...{ name: 'a task out of its window', limit: 'tasks' },
      change: (plan) => plan.placements.forEach((one) => (one.start -= 3600)),
    },
    { name: 'a block left out', limit: 'complete', change: (plan) => plan.blocks.splice(1, 1) },
    { name: 'a workload left out', limit: 'complete', change: (plan) => plan.blocks[1]?.workloads.splice(0, 1) },
    {
      ...{ name: 'a write beyond the plan', limit: 'fields' },
      change: (plan) =>
        plan.fields.push({
          ...{ target: { field: 'replicas', workload: 'web', value: 11 }, seen: { value: 4, owner: null }, reason: '' },
        }),
    },
    {
      ...{ name: 'over the budget', limit: 'budget' },
      change: (plan) => plan.blocks.forEach((block) => (block.nodes['general'] = 60)),
    },
  ])('$name', ({ limit, change }) => {
    const input = whole();
    const { plan } = allocator.allocate(input);
    const report = checkPlan(input, changed(plan, change));
    expect(report.ok).toBe(false);
    expect(report.breaches.map((breach) => breach.limit)).toContain(limit);
  });

  test('and a plan that names a conflict is excused for what gives, never for the budget', () => {
    const input = whole();
    const { plan } = allocator.allocate(input);
    const conflict = { set: [{ constraint: 'replica-limits', words: 'minimum' }], gaveUp: 'one replica' };
    const less = changed({ ...plan, conflict }, (copy) => replicas(copy, 3, { general: 1 }));
    expect(checkPlan(input, less).breaches.find((one) => one.limit === 'minimum')?.declared).toBe(true);
    const dear = changed({ ...plan, conflict }, (copy) => nodes(copy, 0, 'general', 60));
    expect(checkPlan(input, dear).ok).toBe(false);
  });

  test('a missing forecast holds replicas where they are', () => {
    const input = { ...whole(), demand: [] };
    const { plan } = allocator.allocate(input);
    expect(broken(input, plan)).toEqual([]);
    expect(
      broken(
        input,
        changed(plan, (copy) => replicas(copy, 0, { general: 3 })),
      ).join(),
    ).toContain('no forecast');
  });
});

test('what facts lack is said, not passed over', () => {
  const { policy, at } = whole();
  const { plan } = allocator.allocate(whole());
  const report = checkPlan({ policy, at }, plan);
  expect(report.breaches).toEqual([]);
  expect(report.unchecked.map((one) => one.limit)).toEqual(
    expect.arrayContaining(['demand', 'fixed pools', 'lead-time', 'step']),
  );
});

test('random problems, possible or not: no plan breaks a limit without saying so', () => {
  let declared = 0;
  let clean = 0;
  fc.assert(
    fc.property(randomProblem(), (input) => {
      const { plan } = allocator.allocate(input);
      expect(broken(input, plan)).toEqual([]);
      if (plan.conflict === null) clean++;
      else declared++;
    }),
    { numRuns: 200, seed: 11 },
  );
  // Both kinds are among them: problems that can be met, and problems that cannot.
  expect(Math.min(clean, declared)).toBeGreaterThan(25);
});

test('a solver that runs out of work still yields plans that keep their limits, and a gap', async () => {
  const tired = await createAllocator({ wholeBlocks: true, iterationLimit: 2 });
  let limited = 0;
  fc.assert(
    fc.property(randomProblem(), (input) => {
      const { plan } = tired.allocate(input);
      expect(broken(input, plan)).toEqual([]);
      expect(plan.solver.gap).toBeGreaterThanOrEqual(0);
      if (plan.solver.status === 'limit') limited++;
    }),
    { numRuns: 60, seed: 9 },
  );
  expect(limited).toBeGreaterThan(10);
});

test('what was solved before changes nothing: same input and same basis, same plan', async () => {
  await fc.assert(
    fc.asyncProperty(randomProblem(), randomProblem(), async (input, other) => {
      const fresh = await createAllocator({ wholeBlocks: true });
      const { plan, basis } = fresh.allocate(input);
      const again = await createAllocator({ wholeBlocks: true });
      const expected = again.allocate({ ...input, basis });
      fresh.allocate(other);
      expect(fresh.allocate({ ...input, basis })).toEqual(expected);
      fresh.allocate({ ...other, basis });
      expect(fresh.allocate(input).plan).toEqual(plan);
    }),
    { numRuns: 10, seed: 21 },
  );
});

test('stored plans, whose later blocks are joined, pass as well', async () => {
  const stored = await createAllocator();
  fc.assert(
    fc.property(randomProblem(), (input) => {
      expect(broken(input, stored.allocate(input).plan)).toEqual([]);
    }),
    { numRuns: 60, seed: 5 },
  );
  const input = whole();
  expect(stored.allocate({ ...input, at: AT }).plan.blocks.length).toBeGreaterThan(0);
});

describe('headroom plan --check', () => {
  const said = (plan: Plan, json: boolean): { lines: string; code: number } => {
    const lines: string[] = [];
    const terminal = { ...createTerminal(), out: (text: string) => void lines.push(text) };
    try {
      showCheck(terminal, whole().policy, plan, json);
      return { lines: lines.join('\n'), code: 0 };
    } catch (error) {
      return { lines: lines.join('\n'), code: exitCodeOf(error) };
    }
  };

  test('says that a plan keeps its limits, and what could not be looked at', () => {
    const { plan } = allocator.allocate(whole());
    const { lines, code } = said(plan, false);
    expect(code).toBe(0);
    expect(lines).toContain('when it was made: every limit kept');
    expect(lines).toContain('demand: not known any more');
  });

  test.each([
    ['one block', ['2026-01-01T00:00:00Z: web has 0 of 2 replicas'], ['2026-01-01T00:00:00Z: web has 0 of 2 replicas']],
    [
      'blocks of one workload, and one of another',
      [
        '2026-01-01T00:00:00Z: web has 0 of 2 replicas',
        '2026-01-01T00:05:00Z: web has 1 of 2 replicas',
        '2026-01-01T00:05:00Z: api has 1 of 2 replicas',
        '2026-01-01T01:00:00Z: web has 0 of 2 replicas',
      ],
      [
        '2026-01-01T00:00:00Z: web has 0 of 2 replicas; 2 more such, to 2026-01-01T01:00:00Z',
        '2026-01-01T00:05:00Z: api has 1 of 2 replicas',
      ],
    ],
    [
      'workloads whose names differ in a number alone',
      ['2026-01-01T00:00:00Z: web-1 has 0 of 2 replicas', '2026-01-01T00:00:00Z: web-2 has 0 of 2 replicas'],
      ['2026-01-01T00:00:00Z: web-1 has 0 of 2 replicas', '2026-01-01T00:00:00Z: web-2 has 0 of 2 replicas'],
    ],
  ])('tells what is the same in many blocks once: %s', (_name, words, expected) => {
    const lines = ranges(words.map((one) => ({ limit: 'minimum', words: one, declared: true })));
    expect(lines.map((one) => one.words)).toEqual(expected);
  });

  test('ends with exit code 1 and the limit in words where one is broken, in JSON too', () => {
    const { plan } = allocator.allocate(whole());
    const dear = changed(plan, (copy) => nodes(copy, 0, 'general', 60));
    expect(said(dear, false)).toMatchObject({ code: 1, lines: expect.stringContaining('the budget is 20') as string });
    const json = JSON.parse(said(dear, true).lines) as { ok: boolean; now: { breaches: { limit: string }[] } };
    expect(json.ok).toBe(false);
    expect(json.now.breaches.map((one) => one.limit)).toContain('budget');
  });
});

describe('a plan that breaks a limit without saying so', () => {
  test.each([
    { name: 'lowers nothing', block: 1, change: { general: 1 }, detail: 'nothing is lowered' },
    {
      name: 'and spends what is not there: writes nothing',
      block: 0,
      change: { general: 40 },
      detail: 'nothing is written',
    },
  ])('$name', ({ block, change, detail }) => {
    const input = whole();
    const { plan } = allocator.allocate(input);
    const lower = {
      target: { field: 'replicas' as const, workload: 'web', value: 3 },
      seen: { value: 4, owner: null },
    };
    const wrong = changed({ ...plan, fields: [{ ...lower, reason: '' }] }, (copy) => replicas(copy, block, change));
    const safe = proofed(input, wrong);
    expect(safe.fields).toEqual([]);
    expect(safe.verdict).toMatchObject({
      kind: 'hold',
      reason: 'failed',
      detail: expect.stringContaining(detail) as string,
    });
    expect(safe.check?.ok).toBe(false);
  });
});
