import { errorsOf } from '../../domain/errors.js';
import { pack, unpack } from './container.js';

/*
 * A fitted booster: trees whose leaves hold a step for each level, summed on a base. Flat arrays, so that a row walks
 * through hundreds of trees in microseconds and the whole is written as it stands.
 */

/** Nodes and leaves of all trees, one after another; a node's children come after it. */
export interface Booster {
  /** Ascending, each in (0, 1). */
  readonly levels: readonly number[];
  readonly columns: number;
  /** Of each tree its first node, or −1 − leaf where it has none. */
  readonly roots: Int32Array;
  /** Of each node: the column asked, the largest value that goes left, where a missing one goes. */
  readonly column: Uint16Array;
  readonly threshold: Float32Array;
  readonly missingLeft: Uint8Array;
  /** Children: a node, or −1 − leaf. */
  readonly left: Int32Array;
  readonly right: Int32Array;
  /** [leaf][level]. */
  readonly steps: Float32Array;
  /** By level, what the steps are added to. */
  readonly base: Float32Array;
}

const fail = errorsOf('forecast/booster');

/**
 * Quantiles of one row, ascending.
 * @param values features from index `at`, `booster.columns` of them; NaN is missing.
 * @param out receives them from `outAt`, one a level.
 */
export function predictRow(booster: Booster, values: Float32Array, at: number, out: Float32Array, outAt: number): void {
  const { roots, column, threshold, missingLeft, left, right, steps, base } = booster;
  const count = base.length;
  for (let level = 0; level < count; level++) out[outAt + level] = base[level] ?? 0;
  for (let tree = 0; tree < roots.length; tree++) {
    let node = roots[tree] ?? -1;
    while (node >= 0) {
      const value = values[at + (column[node] ?? 0)] ?? Number.NaN;
      const goesLeft = value !== value ? missingLeft[node] === 1 : value <= (threshold[node] ?? 0);
      node = (goesLeft ? left[node] : right[node]) ?? -1;
    }
    const from = (-1 - node) * count;
    for (let level = 0; level < count; level++)
      out[outAt + level] = (out[outAt + level] ?? 0) + (steps[from + level] ?? 0);
  }
  // Levels are fitted apart and may cross where rows are few; in order they are never worse (Chernozhukov et al. 2010).
  for (let level = 1; level < count; level++) {
    const value = out[outAt + level] ?? 0;
    let place = level;
    for (; place > 0 && (out[outAt + place - 1] ?? 0) > value; place--)
      out[outAt + place] = out[outAt + place - 1] ?? 0;
    out[outAt + place] = value;
  }
}

/** How often each column was split on, as a share of all splits. */
export function splitShares(booster: Booster): Float64Array {
  const shares = new Float64Array(booster.columns);
  for (const column of booster.column) shares[column] = (shares[column] ?? 0) + 1 / booster.column.length;
  return shares;
}

const KIND = 'booster';
const VERSION = 1;

/** The booster as bytes; the same booster gives the same bytes. */
export function serialiseBooster(booster: Booster): Uint8Array {
  const { levels, columns, roots, column, threshold, missingLeft, left, right, steps, base } = booster;
  return pack(KIND, VERSION, { levels, columns }, { roots, column, threshold, missingLeft, left, right, steps, base });
}

/**
 * The inverse of {@link serialiseBooster}.
 * @throws HeadroomError `invalid-input`: other bytes, another version, a part that does not fit the others.
 */
export function parseBooster(bytes: Uint8Array): Booster {
  const { header, read } = unpack(KIND, VERSION, bytes);
  const bad = (problem: string): Error => fail('invalid-input', 'reading a booster', problem, 'fetch or fit it again');
  const levels: unknown = header['levels'];
  const columns: unknown = header['columns'];
  const areLevels = (value: unknown): value is number[] =>
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((p, k) => typeof p === 'number' && p > 0 && p < 1 && (k === 0 || p > value[k - 1]));
  if (!areLevels(levels)) throw bad('its levels are none');
  if (typeof columns !== 'number' || !Number.isInteger(columns) || columns < 1) throw bad('its columns are none');
  const booster: Booster = {
    levels,
    columns,
    roots: read('roots', Int32Array),
    column: read('column', Uint16Array),
    threshold: read('threshold', Float32Array),
    missingLeft: read('missingLeft', Uint8Array),
    left: read('left', Int32Array),
    right: read('right', Int32Array),
    steps: read('steps', Float32Array),
    base: read('base', Float32Array),
  };
  const nodes = booster.column.length;
  const leaves = booster.steps.length / levels.length;
  const lengths = [booster.threshold, booster.missingLeft, booster.left, booster.right].map((part) => part.length);
  if (
    lengths.some((length) => length !== nodes) ||
    booster.base.length !== levels.length ||
    !Number.isInteger(leaves)
  ) {
    throw bad('its parts are of different lengths');
  }
  // A child after its parent, and a leaf that is there: a walk ends, and ends in a leaf.
  const leads = (child: number | undefined, from: number): boolean =>
    child !== undefined && (child < 0 ? -1 - child < leaves : child > from && child < nodes);
  for (let node = 0; node < nodes; node++) {
    const inside = (booster.column[node] ?? columns) < columns;
    if (!inside || !leads(booster.left[node], node) || !leads(booster.right[node], node)) {
      throw bad(`node ${node} leads nowhere`);
    }
  }
  if (!booster.roots.every((root) => leads(root, -1))) throw bad('a tree has no root');
  if (![booster.steps, booster.base, booster.threshold].every((part) => part.every(Number.isFinite))) {
    throw bad('a value in it is not finite');
  }
  return booster;
}
