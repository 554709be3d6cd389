import { betaQuantile } from '../distributions.js';

/*
 * What follows what: for each operation a Dirichlet over the next one. Its prior is what follows it elsewhere, else how
 * often each operation is done at all.
 */

export interface TransitionTable {
  from: Map<string, { to: Map<string, number>; total: number }>;
  /** Weighted steps into each operation, whatever they come from. */
  into: Map<string, number>;
  pairs: number;
  readonly most: number;
}

export const newTransitionTable = (most: number): TransitionTable => ({
  ...{ from: new Map(), into: new Map(), pairs: 0, most },
});

export function addTransition(table: TransitionTable, from: string, to: string, weighted: number): void {
  let row = table.from.get(from);
  if (row?.to.has(to) !== true && table.pairs >= table.most) dropSmallest(table);
  row = table.from.get(from);
  if (row === undefined) table.from.set(from, (row = { to: new Map(), total: 0 }));
  if (!row.to.has(to)) table.pairs += 1;
  row.to.set(to, (row.to.get(to) ?? 0) + weighted);
  row.total += weighted;
  table.into.set(to, (table.into.get(to) ?? 0) + weighted);
}

function dropSmallest(table: TransitionTable): void {
  let smallest: { from: string; to: string; count: number } | null = null;
  for (const [from, { to }] of table.from) {
    for (const [name, count] of to) {
      if (smallest === null || count < smallest.count) smallest = { from, to: name, count };
    }
  }
  if (smallest === null) return;
  const row = table.from.get(smallest.from);
  row?.to.delete(smallest.to);
  if (row !== undefined) row.total -= smallest.count;
  if (row?.to.size === 0) table.from.delete(smallest.from);
  const left = (table.into.get(smallest.to) ?? 0) - smallest.count;
  if (left > smallest.count * 1e-9) table.into.set(smallest.to, left);
  else table.into.delete(smallest.to);
  table.pairs -= 1;
}

export interface NextOperation {
  operation: string;
  probability: number;
  low: number;
  high: number;
}

/** The prior is worth so many steps. */
const PRIOR_STEPS = 4;

/**
 * The likely next operations after `from`, the likeliest first.
 * @param weight of a step now; turns weighted sums into steps.
 * @param elsewhere shares of what follows `from` elsewhere; null where nobody else is known to do it.
 */
export function nextOperations(
  table: TransitionTable,
  from: string,
  weight: number,
  elsewhere: ReadonlyMap<string, number> | null,
  probability: number,
): NextOperation[] {
  const row = table.from.get(from);
  const steps = (row?.total ?? 0) / weight;
  let all = 0;
  for (const count of table.into.values()) all += count;
  const base = elsewhere ?? new Map([...table.into].map(([name, count]) => [name, all > 0 ? count / all : 0]));
  const names = new Set([...(row?.to.keys() ?? []), ...base.keys()]);
  const tail = (1 - probability) / 2;
  return [...names]
    .map((operation): NextOperation => {
      const a = (row?.to.get(operation) ?? 0) / weight + PRIOR_STEPS * (base.get(operation) ?? 0);
      const b = Math.max(0, steps + PRIOR_STEPS - a);
      return {
        operation,
        probability: a / (steps + PRIOR_STEPS),
        low: betaQuantile(tail, a, b),
        high: betaQuantile(1 - tail, a, b),
      };
    })
    .filter((one) => one.probability > 0)
    .sort((one, other) => other.probability - one.probability || (one.operation < other.operation ? -1 : 1));
}
