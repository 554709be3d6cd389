import { COMPONENTS } from '../../domain/component.js';
import type { Build } from '../build.js';
import type { Entry } from '../model.js';
import { riseOf } from '../numbers.js';
import type { Prepared, PreparedPool, PreparedWorkload } from '../prepare.js';
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
    const tight = new Map<string, { count: number; missing: readonly number[] }>(build.folded);
    for (const one of build.demandRows) {
      const workload = prepared.workloads[one.workload];
      if (workload === undefined) continue;
      const count = Math.ceil(one.bound - 1e-6);
      const missing = builder.column({ cost: build.cost(workload.missPrice * (prepared.hours[one.block] ?? 0)) });
      const entries = one.entries.map(({ column, value }) => ({ column, value: riseOf(value, one.bound) }));
      builder.row([...entries, { column: missing, value: 1 }], { lower: { bound: count } });
      const key = `${one.workload}/${one.block}`;
      const plain = one.entries.every(({ value }) => value === 1);
      if (plain && count > (tight.get(key)?.count ?? 0)) tight.set(key, { count, missing: [missing] });
    }
    for (const pools of alike(prepared)) addNodeCuts(build, pools, tight);
  },
};

type Tight = ReadonlyMap<string, { count: number; missing: readonly number[] }>;

/** Variable pools whose nodes may be counted together: each alone, all of one node, and those of them off spot. */
function alike(prepared: Prepared): PreparedPool[][] {
  const variable = prepared.pools.filter((pool) => pool.variable);
  const byNode = new Map<string, PreparedPool[]>();
  for (const pool of variable) {
    const key = COMPONENTS.map((component) => pool.policy.node[component] ?? '').join('/');
    byNode.set(key, [...(byNode.get(key) ?? []), pool]);
  }
  const sets = variable.map((pool) => [pool]);
  for (const same of byNode.values()) {
    const steady = same.filter((pool) => pool.policy.capacityType !== 'spot');
    if (same.length > 1) sets.push(same);
    if (steady.length > 1 && steady.length < same.length) sets.push(steady);
  }
  return sets;
}

/** Whole nodes under the replicas that have nowhere else to go. */
function addNodeCuts(build: Build, pools: readonly PreparedPool[], tight: Tight): void {
  const within = new Set(pools.map((pool) => pool.index));
  const node = pools[0]?.policy.node ?? {};
  const first = build.blocks[0] ?? 0;
  const bound = build.workloads.flatMap((workload) => {
    const part = build.unfit.has(workload.index) ? 0 : boundPart(build, workload, first, within);
    return part > 0 ? [{ workload, part }] : [];
  });
  if (bound.length === 0) return;
  for (const block of build.blocks) {
    const nodes: Entry[] = pools.flatMap((pool) => {
      const column = build.nodes(pool.index, block);
      return column === null ? [] : [{ column, value: 1 }];
    });
    for (const component of COMPONENTS) {
      const offered = node[component];
      if (offered === undefined || offered === 0) continue;
      let load = 0;
      const missing: Entry[] = [];
      for (const { workload, part } of bound) {
        const known = tight.get(`${workload.index}/${block}`);
        if (known === undefined) continue;
        const columns = build.replicas(workload.index, block);
        const asked = columns.map(({ option }) => workload.options[option]?.request[component] ?? 0);
        const share = Math.min(...asked) / offered;
        load += share * Math.ceil(part * known.count - 1e-9);
        for (const column of known.missing) missing.push({ column, value: share });
      }
      const fraction = load - Math.floor(load);
      const clear = fraction > CLEAR;
      build.builder.row(
        [...nodes, ...missing.map(({ column, value }) => ({ column, value: clear ? value / fraction : 0 }))],
        { lower: { bound: clear ? Math.ceil(load) : 0 } },
      );
    }
  }
}

/** The part of a workload's replicas that has to be on these pools: all, what may not be on spot, or nothing. */
function boundPart(build: Build, workload: PreparedWorkload, block: number, within: ReadonlySet<number>): number {
  const outside = build.replicas(workload.index, block).filter((column) => !within.has(column.pool));
  if (outside.length === 0) return 1;
  const onlySpot = outside.every(({ pool }) => build.prepared.pools[pool]?.policy.capacityType === 'spot');
  return onlySpot ? 1 - (workload.caps.find(({ limit }) => limit === 'spot-share')?.share ?? 1) : 0;
}
