import type { Conflict } from '../domain/plan.js';
import { isoTime } from '../domain/time.js';
import { buildModel } from './build.js';
import { amountWords } from './constraints/demand.js';
import { countOn, mostOn } from './caps.js';
import { elastic, restrictedTo, type LinearModel } from './model.js';
import { shortfallOf, taskLoad, totalOf, type Numbers } from './numbers.js';
import type { Prepared } from './prepare.js';
import { nodeRange, replicaRange } from './rounding.js';
import type { Solver } from './solver.js';

const WORK = { iterationLimit: 20_000, nodeLimit: 100 };
/** Whole-number conflicts are looked into only where that is quick. */
const MOST_INTEGERS = 60;

/**
 * Why the plan cannot give everything that was asked for, as an irreducible set of limits in the operator's words;
 * null where it gives it (or leaves something out because serving it would cost more than it is worth).
 * @param broken the limits themselves contradict each other, whatever the demand.
 */
export function findConflict(prepared: Prepared, numbers: Numbers, solver: Solver, broken: boolean): Conflict | null {
  const sizes = prepared.workloads.map((workload) => [numbers.option[workload.index] ?? 0]);
  const breach = broken ? null : firstBreach(prepared, numbers);
  const short = broken || breach !== null ? null : firstShortfall(prepared, numbers);
  if (!broken && breach === null && short === null) return null;
  const hard = new Set(short?.keys ?? []);
  const last = breach?.block ?? short?.block ?? prepared.blocks.length - 1;
  for (const blocks of views(prepared, last, broken)) {
    const { model } = buildModel(prepared, { sizes, blocks, hard, fixedStarts: numbers.starts });
    const groups = [...model.groups.values()].filter(
      (group) => group.constraint !== 'demand' || hard.has(group.id.slice('demand/'.length)),
    );
    const integers = model.integer.filter(Boolean).length;
    for (const integer of integers <= MOST_INTEGERS ? [false, true] : [false]) {
      const impossible = (kept: readonly string[]): boolean =>
        solver.solve(restrictedTo(model, new Set(kept)), { ...WORK, integer }).status === 'infeasible';
      const all = groups.map((group) => group.id);
      if (!impossible(all)) continue;
      const suspects = integer ? all : suspected(model, all, solver);
      const found = new Set(irreducible(impossible(suspects) ? suspects : all, impossible));
      const set = groups.filter((group) => found.has(group.id)).map(({ constraint, words }) => ({ constraint, words }));
      return { set, gaveUp: gaveUpWords(prepared, numbers) };
    }
  }
  if (breach === null) return null;
  // Whole numbers were not found, and that there are none was not proven: it is said all the same.
  const words = `${breach.words}, with whole replicas on whole nodes`;
  return { set: [{ constraint: breach.constraint, words }], gaveUp: gaveUpWords(prepared, numbers) };
}

/** Limits that a proof of the contradiction uses, in the order of `all`; all of them where there is no such proof. */
function suspected(model: LinearModel, all: readonly string[], solver: Solver): readonly string[] {
  const kept = new Set(all);
  const solution = solver.solve(elastic(restrictedTo(model, kept)), WORK);
  if (solution.status !== 'optimal') return all;
  const used = new Set<string>();
  for (const [row, dual] of solution.rowDuals.entries()) {
    if (Math.abs(dual) < 1e-9) continue;
    const group = (dual > 0 ? model.lowerGroup[row] : model.upperGroup[row]) ?? null;
    if (group !== null && kept.has(group)) used.add(group);
  }
  return all.filter((id) => used.has(id));
}

/** The first block in which whole numbers stay under a limit that fractions could keep. */
export function firstBreach(
  prepared: Prepared,
  numbers: Numbers,
): { block: number; constraint: string; words: string } | null {
  for (const block of prepared.blocks.keys()) {
    for (const workload of prepared.workloads) {
      if (!workload.exists) continue;
      const counts = numbers.replicas[workload.index]?.[block] ?? [];
      const cap = workload.caps.find(
        (one) => countOn(one, counts) > mostOn(one, totalOf(numbers, workload.index, block)),
      );
      if (cap !== undefined) return { block, constraint: cap.limit, words: cap.words };
      const { low } = replicaRange(prepared, numbers, workload, block);
      if (totalOf(numbers, workload.index, block) >= low) continue;
      const words = workload.override?.words ?? `minimum ${low} replicas of ${workload.policy.name}`;
      return { block, constraint: workload.override === null ? 'replica-limits' : 'overrides', words };
    }
    for (const pool of prepared.pools) {
      const { low } = nodeRange(prepared, numbers, pool, block);
      if ((numbers.nodes[block]?.[pool.index] ?? 0) >= low) continue;
      return { block, constraint: 'pool-size', words: `minimum ${low} nodes of pool ${pool.policy.name}` };
    }
  }
  return null;
}

/** The parts of the plan to look at, smallest first: most conflicts show in one block. */
function* views(prepared: Prepared, last: number, broken: boolean): Generator<number[]> {
  const upTo = (block: number): number[] => Array.from({ length: block + 1 }, (_, index) => index);
  if (!broken) {
    yield [last];
    if (last > 0) yield upTo(last);
    return;
  }
  for (let block = 0; block < prepared.blocks.length - 1; block = block * 2 + 1) yield upTo(block);
  yield upTo(prepared.blocks.length - 1);
}

/**
 * A minimal infeasible subset by divide and conquer (Junker, "QuickXplain", AAAI 2004): about k·log(n/k) checks for k
 * limits out of n. Dropping any one of what is returned makes the rest feasible.
 */
export function irreducible(items: readonly string[], impossible: (kept: readonly string[]) => boolean): string[] {
  const explain = (background: readonly string[], added: boolean, rest: readonly string[]): string[] => {
    if (added && impossible(background)) return [];
    if (rest.length <= 1) return [...rest];
    const middle = Math.floor(rest.length / 2);
    const left = rest.slice(0, middle);
    const right = rest.slice(middle);
    const fromRight = explain([...background, ...left], left.length > 0, right);
    const fromLeft = explain([...background, ...fromRight], fromRight.length > 0, left);
    return [...fromLeft, ...fromRight];
  };
  return impossible([]) ? [] : explain([], false, items);
}

/** The first block in which demand goes unserved, with the keys of its demands that do. */
export function firstShortfall(prepared: Prepared, numbers: Numbers): { block: number; keys: string[] } | null {
  for (const block of prepared.blocks.keys()) {
    const keys: string[] = [];
    for (const workload of prepared.workloads) {
      if (!workload.exists) continue;
      const option = numbers.option[workload.index] ?? 0;
      const total = totalOf(numbers, workload.index, block);
      for (const need of workload.needs) {
        const demand = (need.target[block] ?? 0) + taskLoad(prepared, numbers, workload.index, need.component, block);
        if (shortfallOf(workload, need, option, total, demand) > 0) {
          keys.push(`${workload.policy.name}/${need.component}/${block}`);
        }
      }
    }
    if (keys.length > 0) return { block, keys };
  }
  return null;
}

/** What the least bad plan leaves out, the worst first; three are named. */
function gaveUpWords(prepared: Prepared, numbers: Numbers): string {
  const words: string[] = [];
  for (const workload of prepared.workloads) {
    if (!workload.exists) continue;
    const total = totalOf(numbers, workload.index, 0);
    const { name } = workload.policy;
    if (workload.override !== null && total !== workload.override.value) {
      words.push(`${workload.override.words}: it gets ${total}`);
    } else if (total < workload.min) {
      words.push(`minimum of ${name}: ${total} of ${workload.min} replicas`);
    }
  }
  for (const pool of prepared.pools) {
    const nodes = numbers.nodes[0]?.[pool.index] ?? 0;
    if (pool.override !== null && nodes !== pool.override.value) words.push(`${pool.override.words}: it gets ${nodes}`);
    else if (pool.variable && nodes < pool.min)
      words.push(`minimum of pool ${pool.policy.name}: ${nodes} of ${pool.min} nodes`);
  }
  const short = firstShortfall(prepared, numbers);
  if (short !== null) {
    const { block } = short;
    for (const workload of prepared.workloads) {
      const total = totalOf(numbers, workload.index, block);
      for (const need of workload.needs) {
        if (!short.keys.includes(`${workload.policy.name}/${need.component}/${block}`)) continue;
        const tasks = taskLoad(prepared, numbers, workload.index, need.component, block);
        const asked = (need.series.blocks[block]?.atLevel ?? 0) + tasks;
        const option = numbers.option[workload.index] ?? 0;
        const left = shortfallOf(workload, need, option, total, asked);
        const at = isoTime(prepared.blocks[block]?.from ?? 0);
        words.push(
          `${amountWords(need.component, left)} of ${workload.policy.name} unserved of ${amountWords(need.component, asked)} at ${at}`,
        );
      }
    }
  }
  const more = words.length - 3;
  if (words.length === 0) return 'nothing in the next block; later ones are short';
  return words.slice(0, 3).join('; ') + (more > 0 ? `; and ${more} more` : '');
}
