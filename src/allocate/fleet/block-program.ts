import type { Highs } from 'highs';
import type { Answers } from './answers.js';
import { createProgramBuilder } from './lp.js';
import { stepsOf, type Fleet } from './prepare.js';
import type { Placement } from './sums.js';

/*
 * Whole nodes of one block near where they were last cycle. Only parts near another choice may move, so that the program has
 * a few dozen columns; branch and bound is done here, by bounds of nodes alone: the program is passed once and solved again from
 * where it stands, which costs a few pivots, where HiGHS' own search costs some thirty milliseconds however small the program.
 */

/** Parts that may move. */
const FREE_PARTS = 64;
/** Nodes of a pool more or less than last cycle. */
const REACH = 2;
/** Numbers are good enough that cost so much more than fractions would, as a share of that. */
const NEAR = 0.001;
/** Programs solved for a block at most. */
const SOLVES = 16;
const ITERATIONS = 5000;

/** Statuses of a basis as HiGHS numbers them. */
const [LOWER, BASIC, UPPER] = [0, 1, 2];

type Model = ReturnType<Highs['createModel']>;

export interface BlockOptions {
  block: number;
  /** Nodes of each pool before the block, and what one that is there at its end saves later, money. */
  before: ArrayLike<number>;
  worthAfter: ArrayLike<number>;
  /** Nodes to begin with; the first is where numbers are looked for, and the best of them is what is there at least. */
  first: readonly Int32Array[];
  /** Whether numbers near them are looked for, too. */
  search: boolean;
}

export interface BlockSolved {
  nodes: Int32Array;
  pivots: number;
}

/**
 * @param placement its shares of the block become those of the nodes found.
 * @returns null where the programs were not solved: then nothing is changed.
 */
export function solveBlock(
  highs: Highs,
  model: Model,
  fleet: Fleet,
  placement: Placement,
  answers: Answers,
  options: BlockOptions,
): BlockSolved | null {
  const { block: t, first } = options;
  const { blocks, pools, low, high } = fleet;
  const program = programOf(fleet, placement, answers, options);
  const { columns, rows, built, shares } = program;
  const center = first[0] ?? new Int32Array(pools);
  const lowest = Int32Array.from({ length: pools }, (_, p) =>
    Math.max(low[p * blocks + t] ?? 0, (center[p] ?? 0) - REACH),
  );
  const highest = Int32Array.from({ length: pools }, (_, p) =>
    Math.min(high[p * blocks + t] ?? 0, (center[p] ?? 0) + REACH),
  );
  built.lower.set(lowest);
  built.upper.set(highest);
  model.passModel({
    ...{ numCols: columns, numRows: rows, colCost: built.cost, colLower: built.lower, colUpper: built.upper },
    ...{ rowLower: built.rowLower, rowUpper: built.rowUpper },
    matrix: {
      ...{ format: 'csc', numRows: rows, numCols: columns, starts: built.starts },
      ...{ indices: built.indices, values: built.values },
    },
  });
  model.options.set({ output_flag: false, simplex_iteration_limit: ITERATIONS, solver: 'simplex' });
  // Every part where it is, and nodes enough for that: far fewer pivots than from nothing.
  const colStatus = new Int32Array(columns).fill(LOWER);
  const rowStatus = new Int32Array(rows).fill(BASIC);
  for (let p = 0; p < pools; p++) colStatus[p] = UPPER;
  for (const { row, column } of program.basic) {
    colStatus[column] = BASIC;
    rowStatus[row] = LOWER;
  }
  model.setBasis({ colStatus, rowStatus });
  const { optimal } = highs.constants.modelStatus;
  let solves = 0;
  let pivots = 0;
  const run = (lowest: Int32Array, highest: Int32Array): { objective: number; values: Float64Array } | null => {
    solves += 1;
    model.changeColsBounds(
      { kind: 'range', from: 0, to: pools - 1 },
      Float64Array.from(lowest),
      Float64Array.from(highest),
    );
    model.run();
    if (model.getModelStatus() !== optimal) return null;
    pivots += Number(model.info.get('simplex_iteration_count'));
    return { objective: model.getObjectiveValue(), values: model.getSolution().colValue };
  };
  let best: { objective: number; values: Float64Array } | null = null;
  for (const nodes of first) {
    if (nodes.some((count, p) => count < (lowest[p] ?? 0) || count > (highest[p] ?? 0))) continue;
    const found = run(nodes, nodes);
    if (found !== null && (best === null || found.objective < best.objective)) best = found;
  }
  let enough = Number.NEGATIVE_INFINITY;
  const search = (from: Int32Array, to: Int32Array, at: { objective: number; values: Float64Array }): void => {
    if (best !== null && (best.objective <= enough || at.objective >= best.objective - 1e-9)) return;
    let branch = -1;
    let farthest = 1e-6;
    for (let p = 0; p < pools; p++) {
      const value = at.values[p] ?? 0;
      const away = Math.abs(value - Math.round(value));
      if (away > farthest) [farthest, branch] = [away, p];
    }
    if (branch < 0) {
      best = at;
      return;
    }
    const value = at.values[branch] ?? 0;
    const sides = [Math.floor(value), Math.ceil(value)];
    if (value - Math.floor(value) > 0.5) sides.reverse();
    const children = sides.map((bound) => {
      const down = bound < value;
      const range: [Int32Array, Int32Array] = [from.slice(), to.slice()];
      range[down ? 1 : 0][branch] = bound;
      return { range, found: solves < SOLVES ? run(...range) : null };
    });
    children.sort((a, b) => (a.found?.objective ?? Infinity) - (b.found?.objective ?? Infinity));
    for (const { range, found } of children) if (found !== null) search(...range, found);
  };
  const root = options.search || best === null ? run(lowest, highest) : null;
  if (root !== null) {
    enough = root.objective + NEAR * Math.abs(root.objective);
    search(lowest, highest, root);
  }
  if (best === null) return null;
  const { values } = best;
  for (const { at, column } of shares) placement[at] = Math.min(1, Math.max(0, values[column] ?? 0));
  return { nodes: Int32Array.from({ length: pools }, (_, p) => Math.round(values[p] ?? 0)), pivots };
}

interface Built {
  built: ReturnType<ReturnType<typeof createProgramBuilder>['build']>;
  columns: number;
  rows: number;
  /** Where in the placement which column's value goes. */
  shares: { at: number; column: number }[];
  /** Of each part its row and the column of the pool that most of it is on. */
  basic: { row: number; column: number }[];
}

function programOf(
  fleet: Fleet,
  placement: Placement,
  answers: Answers,
  { block: t, before, worthAfter }: BlockOptions,
): Built {
  const { blocks, pools, parts, hours, node, nodePrice, startPrice, warmPrice, warm, spot } = fleet;
  const C = fleet.components.length;
  const length = hours[t] ?? 0;
  const free = freeParts(fleet, placement, answers, t);
  const loads = new Float64Array(pools * C);
  for (let e = 0; e < parts.count; e++) {
    if (free.has(e)) continue;
    const index = e * blocks + t;
    for (let p = 0; p < pools; p++) {
      const share = placement[index * pools + p] ?? 0;
      if (share === 0) continue;
      for (let c = 0; c < C; c++) loads[p * C + c] = (loads[p * C + c] ?? 0) + share * (parts.load[index * C + c] ?? 0);
    }
  }
  const builder = createProgramBuilder();
  const capacity = new Int32Array(pools * C).fill(-1);
  for (let p = 0; p < pools; p++) {
    for (let c = 0; c < C; c++) {
      const offered = node[p * C + c] ?? 0;
      if (offered === 0) continue;
      const room = -offered * (warm[p] ?? 0) - (loads[p * C + c] ?? 0);
      capacity[p * C + c] = builder.row(Number.NEGATIVE_INFINITY, room);
    }
  }
  const started = Int32Array.from({ length: pools }, (_, p) =>
    builder.row(-(before[p] ?? 0), Number.POSITIVE_INFINITY),
  );
  const held = Int32Array.from({ length: pools }, (_, p) => fleet.held[p * blocks + t] ?? 0);
  const rebates = held.map((nodes, p) =>
    nodes > 0 && (fleet.rebate[p] ?? 0) > 0 ? builder.row(Number.NEGATIVE_INFINITY, 0) : -1,
  );
  const entries = (p: number): void => {
    for (let c = 0; c < C; c++) {
      const row = capacity[p * C + c] ?? -1;
      if (row >= 0) builder.entry(row, -(node[p * C + c] ?? 0));
    }
  };
  for (let p = 0; p < pools; p++) {
    builder.column(length * (nodePrice[p] ?? 0) - (worthAfter[p] ?? 0), 0, Number.POSITIVE_INFINITY);
    entries(p);
    builder.entry(started[p] ?? 0, -1);
    if ((rebates[p] ?? -1) >= 0) builder.entry(rebates[p] ?? 0, -1);
  }
  for (let p = 0; p < pools; p++) {
    const price = startPrice[p] ?? 0;
    builder.column(price, 0, Number.POSITIVE_INFINITY);
    builder.entry(started[p] ?? 0, 1);
    if ((rebates[p] ?? -1) >= 0) {
      builder.column(-length * (fleet.rebate[p] ?? 0), 0, held[p] ?? 0);
      builder.entry(rebates[p] ?? 0, 1);
    }
    builder.column(length * (warmPrice[p] ?? 0), 0, warm[p] ?? 0);
    entries(p);
  }
  const shares: Built['shares'] = [];
  const basic: Built['basic'] = [];
  for (const e of free) {
    const index = e * blocks + t;
    const all = builder.row(1, 1);
    const limit = parts.spotShare[e] ?? 1;
    const onSpot = limit < 1 ? builder.row(Number.NEGATIVE_INFINITY, limit) : -1;
    let most = { share: 0, column: -1 };
    for (let p = 0; p < pools; p++) {
      if (parts.allowed[e * pools + p] === 0) continue;
      const at = index * pools + p;
      const column = builder.column(length * (parts.cost[at] ?? 0), 0, Number.POSITIVE_INFINITY);
      shares.push({ at, column });
      const share = placement[at] ?? 0;
      if (share > most.share) most = { share, column };
      builder.entry(all, 1);
      for (let c = 0; c < C; c++) {
        const row = capacity[p * C + c] ?? -1;
        if (row >= 0) builder.entry(row, parts.load[index * C + c] ?? 0);
      }
      if (onSpot >= 0 && spot[p] === 1) builder.entry(onSpot, 1);
    }
    const steps = stepsOf(parts.guaranteed[e] === 1);
    for (const step of steps) {
      const column = builder.column(length * step * (parts.short[index] ?? 0), 0, 1 / steps.length);
      builder.entry(all, 1);
      if (most.column < 0) most = { share: 0, column };
    }
    basic.push({ row: all, column: most.column });
  }
  return { built: builder.build(), columns: builder.columns(), rows: builder.rows(), shares, basic };
}

/** Those that are on several pools or not served whole, and of the others those nearest to another choice. */
function freeParts(fleet: Fleet, placement: Placement, answers: Answers, t: number): Set<number> {
  const { blocks, pools, parts } = fleet;
  const listed: { e: number; margin: number }[] = [];
  for (let e = 0; e < parts.count; e++) {
    const index = e * blocks + t;
    // A budget would be a row more: what has one stays where it is.
    if ((parts.value[index] ?? 0) <= 0 || Number.isFinite(parts.budget[index] ?? 0)) continue;
    let whole = false;
    for (let p = 0; p < pools; p++) whole ||= (placement[index * pools + p] ?? 0) > 1 - 1e-9;
    listed.push({ e, margin: whole ? (answers.margin[index] ?? 0) : -1 });
  }
  listed.sort((a, b) => a.margin - b.margin || a.e - b.e);
  return new Set(listed.slice(0, FREE_PARTS).map(({ e }) => e));
}
