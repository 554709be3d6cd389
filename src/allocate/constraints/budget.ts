import type { Entry } from '../model.js';
import { replicaBill } from '../prepare.js';
import type { Constraint } from './constraint.js';

/** Σ nodes · price + replicas' shares of fixed pools ≤ budget, in every block. */
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
      const entries: Entry[] = [];
      for (const pool of prepared.pools) {
        const column = build.nodes(pool.index, block);
        const price = pool.policy.pricePerHour;
        if (column === null || price === 0) continue;
        entries.push({ column, value: price });
        // Nodes are whole: what the budget buys of one pool alone is a bound that no fraction gets past.
        const upper = { bound: price * Math.floor(prepared.budget / price + 1e-9), group };
        builder.row([{ column, value: price }], { upper });
      }
      for (const workload of build.workloads) {
        for (const { column, option, pool } of build.replicas(workload.index, block)) {
          const size = workload.options[option];
          const on = prepared.pools[pool];
          if (size !== undefined && on !== undefined) entries.push({ column, value: replicaBill(size, on) });
        }
      }
      builder.row(entries, { upper: { bound: prepared.budget, group } });
    }
  },
};

export const budgetWords = (perHour: number, currency: string): string => `budget ${perHour.toFixed(2)} ${currency}/h`;
