import type { Highs } from 'highs';

/** A linear or mixed-integer program by columns, as HiGHS takes it: minimise cost · x within the bounds. */
export interface Program {
  cost: Float64Array;
  lower: Float64Array;
  upper: Float64Array;
  /** 1 where the column is a whole number; null: none is. */
  integer: Int32Array | null;
  rowLower: Float64Array;
  rowUpper: Float64Array;
  starts: Int32Array;
  indices: Int32Array;
  values: Float64Array;
}

export interface Solved {
  values: Float64Array;
  rowDuals: Float64Array;
  objective: number;
  pivots: number;
  /** No whole solution costs less; the objective itself where nothing is whole. */
  bound: number;
}

/** Columns and rows added one after another; kept as growing arrays, cut to typed arrays at the end. */
export interface ProgramBuilder {
  row(lower: number, upper: number): number;
  /** Entries of a column follow its call, in any order of rows. @returns its index */
  column(cost: number, lower: number, upper: number, integer?: boolean): number;
  entry(row: number, value: number): void;
  rows(): number;
  columns(): number;
  build(): Program;
}

export function createProgramBuilder(): ProgramBuilder {
  const cost: number[] = [];
  const lower: number[] = [];
  const upper: number[] = [];
  const integer: number[] = [];
  const rowLower: number[] = [];
  const rowUpper: number[] = [];
  const starts: number[] = [];
  const indices: number[] = [];
  const values: number[] = [];
  let whole = false;
  return {
    row(low, high) {
      rowLower.push(low);
      rowUpper.push(high);
      return rowLower.length - 1;
    },
    column(price, low, high, isWhole = false) {
      cost.push(price);
      lower.push(low);
      upper.push(high);
      integer.push(isWhole ? 1 : 0);
      whole ||= isWhole;
      starts.push(indices.length);
      return cost.length - 1;
    },
    entry(row, value) {
      if (value === 0) return;
      indices.push(row);
      values.push(value);
    },
    rows: () => rowLower.length,
    columns: () => cost.length,
    build() {
      return {
        cost: Float64Array.from(cost),
        lower: Float64Array.from(lower),
        upper: Float64Array.from(upper),
        integer: whole ? Int32Array.from(integer) : null,
        rowLower: Float64Array.from(rowLower),
        rowUpper: Float64Array.from(rowUpper),
        starts: Int32Array.from([...starts, indices.length]),
        indices: Int32Array.from(indices),
        values: Float64Array.from(values),
      };
    },
  };
}

export interface RunOptions {
  iterationLimit: number;
  nodeLimit?: number;
  relativeGap?: number;
}

/**
 * Solves a program by simplex, or by branch and bound where columns are whole; limits are on work alone.
 * @returns null where HiGHS found no solution within them.
 */
export function runProgram(highs: Highs, program: Program, options: RunOptions): Solved | null {
  const columns = program.cost.length;
  const rows = program.rowLower.length;
  const whole = program.integer !== null;
  if (columns === 0) {
    const kept = program.rowLower.every((low, row) => low <= 0 && (program.rowUpper[row] ?? 0) >= 0);
    const none = new Float64Array(0);
    return kept ? { values: none, rowDuals: new Float64Array(rows), objective: 0, bound: 0, pivots: 0 } : null;
  }
  return highs.withModel(
    {
      numCols: columns,
      numRows: rows,
      colCost: program.cost,
      colLower: program.lower,
      colUpper: program.upper,
      rowLower: program.rowLower,
      rowUpper: program.rowUpper,
      matrix: {
        format: 'csc',
        numRows: rows,
        numCols: columns,
        starts: program.starts,
        indices: program.indices,
        values: program.values,
      },
      ...(program.integer === null ? {} : { integrality: program.integer }),
    },
    (model) => {
      model.options.set({
        output_flag: false,
        simplex_iteration_limit: options.iterationLimit,
        ...(whole
          ? {
              mip_max_nodes: options.nodeLimit ?? 100,
              mip_rel_gap: options.relativeGap ?? 1e-4,
              mip_lp_solver: 'simplex',
            }
          : { solver: 'simplex' }),
      });
      try {
        model.run();
      } catch {
        return null;
      }
      const status = model.getModelStatus();
      const { optimal, solutionLimit } = highs.constants.modelStatus;
      const found = status === optimal || (whole && status === solutionLimit);
      if (!found || (whole && Number(model.info.get('primal_solution_status')) !== 2)) return null;
      const solution = model.getSolution();
      return {
        values: Float64Array.from(solution.colValue),
        rowDuals: whole ? new Float64Array(0) : Float64Array.from(solution.rowDual),
        objective: model.getObjectiveValue(),
        bound: whole ? Number(model.info.get('mip_dual_bound')) : model.getObjectiveValue(),
        pivots: Number(model.info.get('simplex_iteration_count')),
      };
    },
  );
}
