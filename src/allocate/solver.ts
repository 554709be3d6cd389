import * as entry from 'highs';
import type { Highs, InitOptions, ModelStatusCode } from 'highs';
import { HeadroomError } from '../domain/errors.js';
import type { LinearModel } from './model.js';

/** How a solve ended, with what it left. Values are there for `optimal` alone. */
export interface Solution {
  status: 'optimal' | 'infeasible' | 'limit' | 'error';
  objective: number;
  /** Best proven lower bound: the objective itself for an LP, the dual bound for an integer program. */
  bound: number;
  values: Float64Array;
  /** What the objective changes by when a row's active bound moves up by one. */
  rowDuals: Float64Array;
  iterations: number;
  warm: boolean;
  basis: { columns: Uint8Array; rows: Uint8Array } | null;
}

export interface SolveOptions {
  basis?: { columns: Uint8Array; rows: Uint8Array };
  /** True: branch and bound on the columns marked integer. */
  integer?: boolean;
  /** Work limits, never clocks: the same input must give the same plan on a slow machine. */
  iterationLimit: number;
  nodeLimit?: number;
}

export interface Solver {
  readonly version: string;
  solve(model: LinearModel, options: SolveOptions): Solution;
}

type Load = (options?: InitOptions) => Promise<Highs>;
// The package's types describe its CommonJS face; under ESM the default export is the loader itself.
const isLoad = (value: unknown): value is Load => typeof value === 'function';

/** Loads the WASM module; each call makes an instance of its own. */
export async function loadHighs(): Promise<Highs> {
  const load: unknown = entry.default;
  if (!isLoad(load)) {
    throw new HeadroomError({
      kind: 'unavailable',
      component: 'allocate/solver',
      action: 'loading HiGHS',
      problem: 'the package "highs" has no loader as its default export',
      remedy: 'install the version in package-lock.json',
    });
  }
  return load();
}

/** HiGHS in WASM, single-threaded; one instance serves any number of models, one after another. */
export async function createHighsSolver(): Promise<Solver> {
  const highs = await loadHighs();
  const { optimal, infeasible, iterationLimit, solutionLimit, unboundedOrInfeasible, empty } =
    highs.constants.modelStatus;
  const statusOf = (code: ModelStatusCode): Solution['status'] => {
    if (code === optimal || code === empty) return 'optimal';
    // Every objective here is bounded below by zero, so "one of the two" can only be this one.
    if (code === infeasible || code === unboundedOrInfeasible) return 'infeasible';
    return code === iterationLimit || code === solutionLimit ? 'limit' : 'error';
  };
  /** Serves one program after the other: to make one and take it down again costs more than to solve a small program. */
  let shared: ReturnType<Highs['createModel']> | null = null;
  /** The iterations that the shared instance may take, as it was last told; NaN: it was told nothing yet. */
  let limitSet = Number.NaN;
  const instanceFor = (integer: boolean): ReturnType<Highs['createModel']> => {
    // What branch and bound has left behind goes with it: a program's answer must not depend on those before it.
    if (integer) return highs.createModel();
    if (shared === null) {
      shared = highs.createModel();
      limitSet = Number.NaN;
    }
    return shared;
  };

  function solve(model: LinearModel, options: SolveOptions, instance: ReturnType<Highs['createModel']>): Solution {
    const columns = model.cost.length;
    const rows = model.rowLower.length;
    instance.passModel({
      numCols: columns,
      numRows: rows,
      colCost: model.cost,
      colLower: model.lower,
      colUpper: model.upper,
      rowLower: model.rowLower,
      rowUpper: model.rowUpper,
      matrix: {
        format: 'csr',
        numRows: rows,
        numCols: columns,
        starts: model.starts,
        indices: model.indices,
        values: model.values,
      },
      ...(options.integer === true ? { integrality: Int32Array.from(model.integer, (is) => (is ? 1 : 0)) } : {}),
    });
    // An instance keeps its options from program to program, and each costs a call by name.
    if (options.integer === true || limitSet !== options.iterationLimit) {
      instance.options.set({
        output_flag: false,
        simplex_iteration_limit: options.iterationLimit,
        ...(options.integer === true
          ? { mip_max_nodes: options.nodeLimit ?? 200, mip_rel_gap: 1e-6, mip_lp_solver: 'simplex' }
          : { solver: 'simplex' }),
      });
      if (options.integer !== true) limitSet = options.iterationLimit;
    }
    let warm = false;
    const { basis } = options;
    if (basis !== undefined && basis.columns.length === columns && basis.rows.length === rows) {
      try {
        instance.setBasis({ colStatus: Int32Array.from(basis.columns), rowStatus: Int32Array.from(basis.rows) });
        warm = true;
      } catch {
        instance.setLogicalBasis(); // a basis that does not hold only costs the warm start
      }
    }
    let status: Solution['status'];
    try {
      instance.run();
      status = statusOf(instance.getModelStatus());
    } catch {
      status = 'error';
    }
    if (status !== 'optimal') {
      const none = new Float64Array(0);
      const bound = Number.NEGATIVE_INFINITY;
      return { status, objective: Number.NaN, bound, values: none, rowDuals: none, iterations: 0, warm, basis: null };
    }
    const solution = instance.getSolution();
    const objective = instance.getObjectiveValue();
    const found = options.integer === true ? null : instance.getBasis();
    return {
      status,
      objective,
      bound: options.integer === true ? Number(instance.info.get('mip_dual_bound')) : objective,
      values: solution.colValue,
      rowDuals: solution.rowDual,
      iterations: Number(instance.info.get('simplex_iteration_count')),
      warm,
      basis:
        found === null ? null : { columns: Uint8Array.from(found.colStatus), rows: Uint8Array.from(found.rowStatus) },
    };
  }

  return {
    version: highs.version.string,
    solve(model, options) {
      const instance = instanceFor(options.integer === true);
      let ended = false;
      try {
        const solution = solve(model, options, instance);
        ended = solution.status !== 'error';
        return solution;
      } finally {
        if (!ended && instance === shared) shared = null;
        if (!ended || options.integer === true) instance.dispose();
      }
    },
  };
}
