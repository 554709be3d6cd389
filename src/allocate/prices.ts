import { buildModel } from './build.js';
import type { Numbers } from './numbers.js';
import { OCCUPANCY, type Prepared } from './prepare.js';
import type { Solver } from './solver.js';

/**
 * What a unit of each limit is worth in the first block that can still be decided, in money per hour: the duals of
 * that block's own program, with the chosen sizes and starts. Positive: one unit less would save so much (a demand, a
 * minimum). Negative: one unit more would (a maximum, the budget). They are taken from this small program rather than
 * from the whole one because they are then rates by the hour, and the same whether or not a basis warmed the whole.
 * Keyed by the limit's group; demand is per unit of its component, the others per replica, node or money.
 */
export function limitPrices(prepared: Prepared, numbers: Numbers, solver: Solver): Map<string, number> {
  const prices = new Map<string, number>();
  const { model, build, unit } = buildModel(prepared, {
    sizes: prepared.workloads.map((workload) => [numbers.option[workload.index] ?? 0]),
    blocks: [0],
    hard: new Set(),
    fixedStarts: numbers.starts,
  });
  const solution = solver.solve(model, { iterationLimit: 20_000 });
  const hours = prepared.hours[0] ?? 0;
  if (solution.status !== 'optimal' || hours === 0) return prices;
  const perUnit = new Map<string, number>();
  for (const workload of build.workloads) {
    const request = workload.options[workload.reference]?.request ?? {};
    for (const need of workload.needs) {
      const size = (request[need.component] ?? 0) * need.utilization;
      perUnit.set(`demand/${workload.policy.name}/${need.component}/0`, size);
    }
  }
  // A replica's own place on a node that stays is charged next to nothing, to prefer the smaller of two plans of one bill. That is
  // nobody's money: a limit that is worth no more than that is worth nothing.
  const nothing = 2 * OCCUPANCY * Math.max(...build.workloads.map((workload) => workload.replicaPrice), 0);
  for (const [row, dual] of solution.rowDuals.entries()) {
    if (Math.abs(dual) < 1e-9) continue;
    const group = (dual > 0 ? model.lowerGroup[row] : model.upperGroup[row]) ?? null;
    if (group === null) continue;
    if (Math.abs((dual * unit) / hours) <= nothing) {
      prices.set(group, prices.get(group) ?? 0);
      continue;
    }
    const price = (dual * unit) / hours / (perUnit.get(group) ?? 1);
    prices.set(group, (prices.get(group) ?? 0) + price);
  }
  return prices;
}
