import type { Conflict } from '../domain/plan.js';
import { isoTime } from '../domain/time.js';
import { buildModel } from './build.js';
import { amountWords } from './constraints/demand.js';
import { asAsked, countOn, mostOn, type Cap } from './caps.js';
import { elastic, restrictedTo, type LinearModel } from './model.js';
import { shortfallOf, taskLoad, totalOf, type Numbers } from './numbers.js';
import type { Prepared, PreparedWorkload } from './prepare.js';
import { nodeRange, replicaRange } from './rounding.js';
import type { Solver } from './solver.js';

const WORK = { iterationLimit: 20_000, nodeLimit: 100 };
/** Whole-number conflicts are looked into only where that is quick. */
const MOST_INTEGERS = 60;

/** One thing that the plan does not give, and what is looked at to say why. */
interface Question {
  prepared: Prepared;
  /** The last block that it takes to see it. */
  last: number;
  /** Demands that are limits here, as `workload/component/block`. */
  hard: ReadonlySet<string>;
  /** Limits that contradict each other need no demand, and may do so from block to block. */
  whole: boolean;
}

/**
 * Why the plan cannot give everything that was asked for, as an irreducible set of limits in the operator's words;
 * null where it gives it (or leaves something out because serving it would cost more than it is worth). Two things may be
 * missing for two reasons: the set is that of the worse (contradicting limits, then demand, then a placement), the others'
 * are told with what is given up.
 * @param broken the limits themselves contradict each other, whatever the demand.
 */
export function findConflict(prepared: Prepared, numbers: Numbers, solver: Solver, broken: boolean): Conflict | null {
  const last = prepared.blocks.length - 1;
  const breach = broken ? null : firstBreach(prepared, numbers);
  const short = firstShortfall(prepared, numbers);
  const opened = firstOpened(prepared, numbers);
  const none = new Set<string>();
  const sets: Limits[] = [];
  const ask = (question: Question): boolean => {
    const set = contradiction(question, numbers, solver);
    const known = (one: Limits): boolean => wordsOf(one) === wordsOf(set ?? []);
    if (set !== null && !sets.some(known)) sets.push(set);
    return set !== null;
  };
  if (broken) ask({ prepared, last, hard: none, whole: true });
  else if (short !== null) ask({ prepared, last: short.block, hard: new Set(short.keys), whole: false });
  let unproven: Limits = [];
  if (breach !== null) {
    const { block, workload } = breach;
    const hard = new Set(workload === null ? [] : demandKeys(workload, block));
    const alone = workload === null ? prepared : onlyWith(prepared, workload);
    const proven =
      ask({ prepared: alone, last: block, hard, whole: false }) ||
      (workload !== null && ask({ prepared, last: block, hard, whole: false }));
    // Whole numbers were not found, and that there are none was not proven: it is said all the same.
    const words = `${breach.words}, with whole replicas on whole nodes`;
    if (!proven) unproven = [{ constraint: breach.constraint, words }];
  }
  if (opened !== null) {
    const { block, workload, caps } = opened;
    const alone = onlyWith(prepared, { ...workload, caps: workload.caps.map(asAsked) });
    const proven = ask({ prepared: alone, last: block, hard: new Set(demandKeys(workload, block)), whole: false });
    // Of so few replicas that fractions of them, and not they, keep every cap.
    if (!proven && unproven.length === 0) unproven = caps.map(({ limit, words }) => ({ constraint: limit, words }));
  }
  const [set = unproven, ...others] = sets;
  if (set.length === 0) return null;
  const also = [...others, ...(set === unproven || unproven.length === 0 ? [] : [unproven])];
  const words = also.map((one) => `besides cannot all be met: ${wordsOf(one)}`);
  return { set: [...set], gaveUp: [gaveUpWords(prepared, numbers), ...words].join('; ') };
}

type Limits = readonly Conflict['set'][number][];

const wordsOf = (limits: Limits): string => limits.map(({ words }) => words).join(' against ');

/** The demands of a workload in a block, as the model names them. */
const demandKeys = ({ policy, needs }: PreparedWorkload, block: number): string[] =>
  needs.map(({ component }) => `${policy.name}/${component}/${block}`);

/** The problem of one workload by itself: what contradicts itself there does so with all of them, and is found in whole numbers. */
const onlyWith = (prepared: Prepared, workload: PreparedWorkload): Prepared => ({
  ...prepared,
  workloads: prepared.workloads.map((one) => (one.index === workload.index ? workload : { ...one, exists: false })),
});

/** An irreducible set of limits that cannot all be kept, with the demands that are limits here; null where none is found. */
function contradiction({ prepared, last, hard, whole }: Question, numbers: Numbers, solver: Solver): Limits | null {
  const sizes = prepared.workloads.map((workload) => [numbers.option[workload.index] ?? 0]);
  for (const blocks of views(prepared, last, whole)) {
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
      return groups.filter((group) => found.has(group.id)).map(({ constraint, words }) => ({ constraint, words }));
    }
  }
  return null;
}

/**
 * The problem with the caps of those workloads opened that contradict each other and are in the way: a plan that keeps them
 * leaves demand unserved, breaks one of them or goes under a minimum. Null where there is none.
 */
export function withOpened(prepared: Prepared, numbers: Numbers): Prepared | null {
  const hindered = (workload: PreparedWorkload): boolean =>
    prepared.blocks.some(
      (_, block) =>
        totalOf(numbers, workload.index, block) < workload.min ||
        workload.caps.some((cap) => exceeds(cap, workload, numbers, block)) ||
        shortIn(prepared, numbers, workload, block).length > 0,
    );
  const ones = prepared.workloads.filter((one) => one.exists && one.opened !== null && hindered(one));
  if (ones.length === 0) return null;
  const workloads = prepared.workloads.map((one) =>
    ones.includes(one) ? { ...one, caps: one.opened ?? one.caps } : one,
  );
  return { ...prepared, workloads };
}

/** The first block in which a cap that had to give is exceeded, with those of its workload that are. */
function firstOpened(
  prepared: Prepared,
  numbers: Numbers,
): { block: number; workload: PreparedWorkload; caps: Cap[] } | null {
  for (const block of prepared.blocks.keys()) {
    for (const workload of prepared.workloads) {
      if (!workload.exists) continue;
      const caps = workload.caps.filter(
        (cap) => cap.asked !== undefined && exceeds(asAsked(cap), workload, numbers, block),
      );
      if (caps.length > 0) return { block, workload, caps };
    }
  }
  return null;
}

const exceeds = (cap: Cap, workload: PreparedWorkload, numbers: Numbers, block: number): boolean =>
  countOn(cap, numbers.replicas[workload.index]?.[block] ?? []) > mostOn(cap, totalOf(numbers, workload.index, block));

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
): { block: number; workload: PreparedWorkload | null; constraint: string; words: string } | null {
  for (const block of prepared.blocks.keys()) {
    for (const workload of prepared.workloads) {
      if (!workload.exists) continue;
      const cap = workload.caps.find((one) => exceeds(one, workload, numbers, block));
      if (cap !== undefined) return { block, workload, constraint: cap.limit, words: cap.words };
      const { low } = replicaRange(prepared, numbers, workload, block);
      if (totalOf(numbers, workload.index, block) >= low) continue;
      const words = workload.override?.words ?? `minimum ${low} replicas of ${workload.policy.name}`;
      return { block, workload, constraint: workload.override === null ? 'replica-limits' : 'overrides', words };
    }
    for (const pool of prepared.pools) {
      const { low } = nodeRange(prepared, numbers, pool, block);
      if ((numbers.nodes[block]?.[pool.index] ?? 0) >= low) continue;
      return {
        block,
        workload: null,
        constraint: 'pool-size',
        words: `minimum ${low} nodes of pool ${pool.policy.name}`,
      };
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
    const keys = prepared.workloads.flatMap((workload) =>
      workload.exists ? shortIn(prepared, numbers, workload, block) : [],
    );
    if (keys.length > 0) return { block, keys };
  }
  return null;
}

/** `at most 34 % of api on spot: 4 of 8 replicas at …`, of each workload's caps the block that is the first to exceed one. */
function capWords(prepared: Prepared, numbers: Numbers): string[] {
  return prepared.workloads.flatMap((workload) => {
    if (!workload.exists) return [];
    const asked = workload.caps.map(asAsked);
    for (const [block, { from }] of prepared.blocks.entries()) {
      const caps = asked.filter((cap) => exceeds(cap, workload, numbers, block));
      if (caps.length === 0) continue;
      const counts = numbers.replicas[workload.index]?.[block] ?? [];
      const total = totalOf(numbers, workload.index, block);
      return caps.map((cap) => `${cap.words}: ${countOn(cap, counts)} of ${total} replicas there at ${isoTime(from)}`);
    }
    return [];
  });
}

/** Keys of the demands of a workload that go unserved in a block. */
function shortIn(prepared: Prepared, numbers: Numbers, workload: PreparedWorkload, block: number): string[] {
  const option = numbers.option[workload.index] ?? 0;
  const total = totalOf(numbers, workload.index, block);
  return workload.needs.flatMap((need) => {
    const demand = (need.target[block] ?? 0) + taskLoad(prepared, numbers, workload.index, need.component, block);
    const short = shortfallOf(workload, need, option, total, demand) > 0;
    return short ? [`${workload.policy.name}/${need.component}/${block}`] : [];
  });
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
  words.push(...capWords(prepared, numbers));
  const breach = words.length === 0 ? firstBreach(prepared, numbers) : null;
  if (breach !== null) words.push(`${breach.words} at ${isoTime(prepared.blocks[breach.block]?.from ?? 0)}`);
  const more = words.length - 3;
  if (words.length === 0) return 'nothing that shows in whole replicas and nodes';
  return words.slice(0, 3).join('; ') + (more > 0 ? `; and ${more} more` : '');
}
