import { describe, expect, it, test } from 'vitest';
import { storedBlocks } from '../../src/allocate/publish.js';
import { spanNotes, spanWords } from '../../src/cli/commands/plan.js';
import type { PlanBlock } from '../../src/domain/plan.js';

/* A row of a plan that is hours long is read as what is there for hours, unless it says what it is. */

const block = (from: number, to: number, replicas: number, more: Partial<PlanBlock> = {}): PlanBlock => ({
  ...{ from: from * 3600, to: to * 3600, nodes: { general: 1 }, costPerHour: 0.4 },
  workloads: [{ workload: 'web', replicas, request: { cpu: 1 }, pools: { general: replicas }, shortfall: {} }],
  ...more,
});

describe('a row of a plan', () => {
  test.each([
    { name: 'as it was decided', row: block(0, 1, 2), says: '1h', notes: 0 },
    { name: 'unequal blocks stored as one', row: block(1, 20, 9, { merged: true }), says: '19h, at most', notes: 1 },
    { name: 'blocks that were planned as one', row: block(5, 24, 9, { joined: 19 }), says: '19h, as one', notes: 1 },
    { name: 'both', row: block(5, 24, 9, { merged: true, joined: 19 }), says: '19h, at most', notes: 1 },
  ])('$name', ({ row, says, notes }) => {
    expect(spanWords(row)).toBe(says);
    expect(spanNotes([block(0, 1, 2), row])).toHaveLength(notes);
  });

  it('that is several equal ones, planned as one or not, keeps how many', () => {
    const request = { cpu: 1 };
    const equal = [block(0, 1, 2), block(1, 3, 2, { joined: 2 }), block(3, 4, 3)].map((one) => ({
      ...one,
      workloads: one.workloads.map((workload) => ({ ...workload, request })),
    }));
    expect(storedBlocks(equal)).toMatchObject([{ from: 0, to: 3 * 3600, joined: 3 }, { from: 3 * 3600 }]);
    expect(storedBlocks(equal)[1]).not.toHaveProperty('joined');
  });

  it('that was joined by length says so in JSON', () => {
    const many = Array.from({ length: 200 }, (_, index) => block(index, index + 1, 1 + (index % 7)));
    const rows = storedBlocks(many);
    expect(rows.length).toBeLessThan(many.length);
    for (const row of rows) if (row.to - row.from > 3600) expect(row.merged).toBe(true);
  });
});
