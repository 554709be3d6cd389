import { CONSTRAINTS } from './constraints/index.js';
import { createModelBuilder, type Entry, type LinearModel, type ModelBuilder } from './model.js';
import {
  freeCost,
  nodeCost,
  replicaCost,
  tieBreak,
  type Prepared,
  type PreparedPool,
  type PreparedWorkload,
} from './prepare.js';

/** One replicas column: so many replicas of a workload, of a size, on a pool, in a block. */
export interface ReplicaColumn {
  column: number;
  option: number;
  pool: number;
}

/** What the constraints work on: the prepared problem, the columns, and the model that they add rows to. */
export interface Build {
  prepared: Prepared;
  builder: ModelBuilder;
  /** Blocks in the model, ascending; all of them but where a conflict is looked into. */
  blocks: number[];
  /** Workloads that the cluster has. */
  workloads: PreparedWorkload[];
  /** The model's columns of a workload in a block. */
  replicas(workload: number, block: number): readonly ReplicaColumn[];
  /** Σ of those with coefficient `factor`. */
  total(workload: number, block: number, factor?: number): Entry[];
  /** The same, put into the row that is being made. */
  putTotal(workload: number, block: number, factor?: number): void;
  /** The nodes column of a variable pool; null for a fixed one. */
  nodes(pool: number, block: number): number | null;
  /** Of those, nodes that are paid in any case: a column of what is given back; null where there are none. */
  free(pool: number, block: number): number | null;
  /** Start columns of a movable task's run, one for each of its possible starts. */
  starts(run: number): readonly number[];
  /** What a block follows: a block, what runs `now`, or nothing that is part of this model. */
  before(block: number): number | 'now' | null;
  /** Workloads of which no size fits a node: they have a column that a limit holds at 0, so that it can be named. */
  unfit: ReadonlySet<number>;
  /** The first of a workload's sizes in the model. */
  sizes(workload: PreparedWorkload): number;
  /** The demand rows as they were added, for what whole numbers imply of them. */
  demandRows: { workload: number; block: number; bound: number; entries: Entry[]; shortfall: number }[];
  /** Of demand that one row stands for: Σ replicas + Σ missing ≥ count, by `workload/block`; see demand.ts. */
  folded: Map<string, { count: number; missing: readonly number[] }>;
  /** Objective of an amount of money: costs are scaled to about 1. */
  cost(money: number): number;
  /** Demand that is a limit here and may not go unserved, as `workload/component/block`; null: shortfall is priced. */
  hard: ReadonlySet<string> | null;
  /** Penalty of a limit that gives, per unit; see GIVING_ORDER. */
  gives(rank: keyof typeof GIVING_ORDER): number;
}

/**
 * Where the limits cannot all be met, these give, the cheapest first; what is not here (maximum, budget, pool
 * maximum, grant, quota, lead time) holds. Demand gives before all of them, by its shortfall price.
 */
export const GIVING_ORDER = {
  'spot-markets': 0.6e5,
  zones: 0.8e5,
  'spot-share': 1e5,
  minimum: 2e5,
  disruption: 3e5,
  'missing-data': 4e5,
  override: 8e5,
  'pool-minimum': 1.6e6,
  step: 3.2e6,
  blackout: 6.4e6,
} as const;

export interface BuildOptions {
  /** Sizes in the model, by workload: indices into its options. */
  sizes: readonly (readonly number[])[];
  blocks?: readonly number[];
  hard?: ReadonlySet<string>;
  /** The only start left to a run, by run: an index into its starts. */
  fixedStarts?: readonly (number | null)[];
}

export interface BuiltModel {
  model: LinearModel;
  build: Build;
  /** Money that one unit of the objective is. */
  unit: number;
}

/** Moving a task costs next to nothing, and yet something: it stays where it was put unless that saves. */
const MOVE = 1e-5;

/** Columns and objective; the rows are the constraints' own, each in its file. */
export function buildModel(prepared: Prepared, options: BuildOptions): BuiltModel {
  const builder = createModelBuilder();
  const blocks = [...(options.blocks ?? prepared.blocks.map((_, index) => index))];
  const workloads = prepared.workloads.filter((one) => one.exists);
  const unit = Math.max(...workloads.map((one) => one.replicaPrice), 1e-12);
  const cost = (money: number): number => money / unit;
  /** By block and workload. */
  const replicaColumns: ReplicaColumn[][] = [];
  const many = prepared.workloads.length;
  const none: ReplicaColumn[] = [];
  const nodeColumns = new Map<string, number>();
  const freeColumns = new Map<string, number>();
  const unfit = new Set<number>();
  const pool = (index: number): PreparedPool => {
    const found = prepared.pools[index];
    if (found === undefined) throw new RangeError(`no pool ${index}`);
    return found;
  };
  for (const block of blocks) {
    const hours = prepared.hours[block] ?? 0;
    for (const workload of workloads) {
      const columns: ReplicaColumn[] = [];
      for (const [order, option] of (options.sizes[workload.index] ?? []).entries()) {
        const size = workload.options[option];
        if (size === undefined) continue;
        for (const index of workload.pools) {
          if ((size.price[index] ?? null) === null) continue;
          const money = replicaCost(workload, size, pool(index)) * hours * tieBreak(order + index);
          columns.push({ column: builder.column({ cost: cost(money), integer: true }), option, pool: index });
        }
      }
      if (columns.length === 0) {
        unfit.add(workload.index);
        const money = workload.replicaPrice * hours;
        const option = options.sizes[workload.index]?.[0] ?? 0;
        const column = builder.column({ cost: cost(money), integer: true });
        columns.push({ column, option, pool: workload.pools[0] ?? 0 });
      }
      replicaColumns[block * many + workload.index] = columns;
    }
    for (const one of prepared.pools) {
      if (!one.variable) continue;
      const money = nodeCost(one) * hours * tieBreak(one.index);
      nodeColumns.set(`${one.index}/${block}`, builder.column({ cost: cost(money), integer: true }));
      const upper = one.held[block] ?? 0;
      if (upper === 0 || nodeCost(one) === 0) continue;
      const back = freeCost(one) * hours * tieBreak(one.index);
      freeColumns.set(`${one.index}/${block}`, builder.column({ cost: cost(back), upper }));
    }
  }
  const starts = prepared.tasks.map((run, index) =>
    run.starts.map((start, slot) => {
      const only = options.fixedStarts?.[index] ?? null;
      const distance = Math.abs(start - run.scheduled) / 3600 + slot * 1e-3;
      return builder.column({ cost: MOVE * distance, upper: only === null || only === slot ? 1 : 0, integer: true });
    }),
  );
  const position = new Map(blocks.map((block, index) => [block, index]));
  const build: Build = {
    prepared,
    builder,
    blocks,
    workloads,
    replicas: (workload, block) => replicaColumns[block * many + workload] ?? none,
    total: (workload, block, factor = 1) =>
      (replicaColumns[block * many + workload] ?? none).map(({ column }) => ({ column, value: factor })),
    putTotal(workload, block, factor = 1) {
      for (const { column } of replicaColumns[block * many + workload] ?? none) builder.put(column, factor);
    },
    nodes: (index, block) => nodeColumns.get(`${index}/${block}`) ?? null,
    free: (index, block) => freeColumns.get(`${index}/${block}`) ?? null,
    starts: (run) => starts[run] ?? [],
    before(block) {
      if (block === 0) return 'now';
      const at = position.get(block) ?? 0;
      return blocks[at - 1] === block - 1 ? block - 1 : null;
    },
    unfit,
    sizes: (workload) => options.sizes[workload.index]?.[0] ?? 0,
    demandRows: [],
    folded: new Map(),
    cost,
    hard: options.hard ?? null,
    gives: (rank) => GIVING_ORDER[rank],
  };
  for (const constraint of CONSTRAINTS) constraint.add(build);
  return { model: builder.model, build, unit };
}
