import { describe, expect, test } from 'vitest';
import { withWrites, writtenWords } from '../../src/cli/commands/history.js';
import { orderChange } from '../../src/domain/change.js';
import type { ChangeOutcome, Contingency, PlanSummary } from '../../src/domain/plan.js';

const outcome: ChangeOutcome = {
  ...{ changeId: 'shop/1', planId: 'p', result: 'kept', detail: '', startedAt: 0, endedAt: 60, leadTime: null },
  ...{ applied: 2, checks: [], restored: true },
};
const seen = (value: number) => ({ value, owner: null });
const plan: PlanSummary = {
  ...{
    id: 'p',
    at: 0,
    verdict: { kind: 'act', source: 'forecast', detail: '' },
    costPerHour: 1,
    currency: 'EUR',
    conflict: null,
  },
  reasons: [],
  fields: [
    { target: { field: 'replicas', workload: 'web', value: 5 }, seen: seen(3), reason: '' },
    { target: { field: 'nodes', pool: 'od', value: 2 }, seen: seen(4), reason: '' },
  ],
};
const { contingency } = orderChange(plan, 'shop/1', 'shop', 0, 60);
const { writes: _writes, ...old } = contingency;

async function told(body: Contingency | null): Promise<string[]> {
  const records =
    body === null ? [] : [{ kind: 'contingency' as const, id: body.changeId, account: 'shop', at: 0, body }];
  const [change] = await withWrites([outcome], { getRecords: () => Promise.resolve(records) });
  return change?.back.map(writtenWords) ?? [];
}

// Lost where it fails: history shows what a field was, and never what became of it.
describe('what history says was written', () => {
  test.each([
    { name: 'what it was and what was written', body: contingency, expected: ['od.nodes 4 → 2', 'web.replicas 3 → 5'] },
    { name: 'a record of before says what it was', body: old, expected: ['od.nodes (was 4)', 'web.replicas (was 3)'] },
    { name: 'no record: nothing', body: null, expected: [] },
  ])('$name', async ({ body, expected }) => {
    expect(await told(body)).toEqual(expected);
  });
});
