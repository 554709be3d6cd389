import type { Entry } from '../model.js';
import { leftOf, replicaBill } from '../prepare.js';
import type { Constraint } from './constraint.js';

/** Σ nodes · price + replicas' shares of fixed pools ≤ budget less what is paid in any case, in every block. */
export const budget: Constraint = {
  name: 'budget',
  why: 'the account’s hard budget: money that is not there cannot be spent, whatever the demand',
  add(build) {
    const { builder, prepared } = build;
    if (prepared.budget === null) return;
    const group = builder.group({
      id: 'budget',
      constraint: 'budget',
      words: budgetWords(prepared.budget, prepared.currency),
    });
    for (const block of build.blocks) {
      const left = leftOf(prepared, block);
      const entries: Entry[] = [];
      for (const pool of prepared.pools) {
        const column = build.nodes(pool.index, block);
        const price = pool.policy.pricePerHour;
        if (column === null || price === 0) continue;
        entries.push({ column, value: price });
        const free = build.free(pool.index, block);
        if (free !== null) entries.push({ column: free, value: -price });
        // Nodes are whole: what the budget buys of one pool alone is a bound that no fraction gets past.
        const most = Math.floor((pool.held[block] ?? 0) + left / price + 1e-9);
        const upper = { bound: price * most, group };
        builder.row([{ column, value: price }], { upper });
      }
      for (const workload of build.workloads) {
        for (const { column, option, pool } of build.replicas(workload.index, block)) {
          const size = workload.options[option];
          const on = prepared.pools[pool];
          if (size !== undefined && on !== undefined) entries.push({ column, value: replicaBill(size, on) });
        }
      }
      builder.row(entries, { upper: { bound: left, group } });
    }
  },
};

export const budgetWords = (perHour: number, currency: string): string => `budget ${perHour.toFixed(2)} ${currency}/h`;
