import { COMPONENTS } from '../../domain/component.js';
import type { Entry } from '../model.js';
import { riseOf } from '../numbers.js';
import type { Constraint } from './constraint.js';

/** A fraction of a node smaller than this makes a cut of huge coefficients that says nothing. */
const CLEAR = 0.01;

/**
 * What whole replicas and whole nodes imply, said to the relaxation: from Σ aⱼxⱼ ≥ b with whole x ≥ 0 follows
 * Σ (⌊aⱼ⌋ + min(1, frac(aⱼ)/f))·xⱼ ≥ ⌈b⌉ with f = b − ⌊b⌋ (mixed-integer rounding; Nemhauser and Wolsey 1990). It
 * closes most of the gap between relaxation and whole numbers, so that the gap that a plan states is a near one.
 *
 * What is missing of ⌈b⌉ is paid for by the replica: a bin that is a little short is a bin that misses its level.
 * Every row is always there, so that a basis fits the next cycle; one that would say nothing is left without a bound.
 */
export const wholeNumbers: Constraint = {
  name: 'whole-numbers',
  why: 'replicas and nodes come whole: 3.2 of them are 4',
  add(build) {
    const { builder, prepared } = build;
    if (build.hard !== null) return;
    /** The tightest Σ replicas + missing ≥ count, by workload and block. */
    const tight = new Map<string, { count: number; missing: number }>();
    for (const one of build.demandRows) {
      const workload = prepared.workloads[one.workload];
      if (workload === undefined) continue;
      const count = Math.ceil(one.bound - 1e-6);
      const missing = builder.column({ cost: build.cost(workload.missPrice * (prepared.hours[one.block] ?? 0)) });
      const entries = one.entries.map(({ column, value }) => ({ column, value: riseOf(value, one.bound) }));
      builder.row([...entries, { column: missing, value: 1 }], { lower: { bound: count } });
      const key = `${one.workload}/${one.block}`;
      const plain = one.entries.every(({ value }) => value === 1);
      if (plain && count > (tight.get(key)?.count ?? 0)) tight.set(key, { count, missing });
    }
    for (const pool of prepared.pools) {
      // Whole nodes under what has nowhere else to go.
      const bound = build.workloads.filter(
        (workload) =>
          !build.unfit.has(workload.index) &&
          build.replicas(workload.index, build.blocks[0] ?? 0).every((column) => column.pool === pool.index),
      );
      if (bound.length === 0) continue;
      for (const block of build.blocks) {
        const nodes = build.nodes(pool.index, block);
        if (nodes === null) continue;
        for (const component of COMPONENTS) {
          const node = pool.policy.node[component];
          if (node === undefined || node === 0) continue;
          let load = 0;
          const missing: Entry[] = [];
          for (const workload of bound) {
            const known = tight.get(`${workload.index}/${block}`);
            if (known === undefined) continue;
            const columns = build.replicas(workload.index, block);
            const share = Math.min(
              ...columns.map(({ option }) => (workload.options[option]?.request[component] ?? 0) / node),
            );
            load += share * known.count;
            missing.push({ column: known.missing, value: share });
          }
          const fraction = load - Math.floor(load);
          const clear = fraction > CLEAR;
          builder.row(
            [
              { column: nodes, value: 1 },
              ...missing.map(({ column, value }) => ({ column, value: clear ? value / fraction : 0 })),
            ],
            { lower: { bound: clear ? Math.ceil(load) : 0 } },
          );
        }
      }
    }
  },
};
