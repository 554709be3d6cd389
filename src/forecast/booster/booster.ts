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

/** Trees as they are walked: what is read of a node lies side by side. */
interface PackedTrees {
  /** Of each node four numbers: the column asked (and {@link LEFT} where a missing value goes left), the threshold, and both children. */
  readonly nodes: Int32Array;
  /** The same memory, for the thresholds. */
  readonly thresholds: Float32Array;
  /** A child is where its four numbers begin, or −1 − leaf. */
  readonly roots: Int32Array;
}

/** Numbers of a node. */
const WIDE = 4;
const LEFT = 1 << 16;

const packed = new WeakMap<Booster, PackedTrees>();

function packedOf(booster: Booster): PackedTrees {
  const known = packed.get(booster);
  if (known !== undefined) return known;
  const { column, threshold, missingLeft, left, right } = booster;
  const nodes = new Int32Array(column.length * WIDE);
  const thresholds = new Float32Array(nodes.buffer);
  const placed = (child: number): number => (child >= 0 ? child * WIDE : child);
  for (let node = 0; node < column.length; node++) {
    const at = node * WIDE;
    nodes[at] = (column[node] ?? 0) + (missingLeft[node] === 1 ? LEFT : 0);
    thresholds[at + 1] = threshold[node] ?? 0;
    nodes[at + 2] = placed(left[node] ?? -1);
    nodes[at + 3] = placed(right[node] ?? -1);
  }
  const trees = { nodes, thresholds, roots: booster.roots.map(placed) };
  packed.set(booster, trees);
  return trees;
}

/**
 * Quantiles of one row, ascending.
 * @param values features from index `at`, `booster.columns` of them; NaN is missing.
 * @param out receives them from `outAt`, one a level.
 */
export function predictRow(booster: Booster, values: Float32Array, at: number, out: Float32Array, outAt: number): void {
  predictRows(booster, values.subarray(at), { count: 1, width: booster.columns }, out.subarray(outAt));
}

/**
 * The same of several rows, tree by tree: a tree is small and stays in the nearest cache, where all of them do not.
 * @param values [row][column], `width` apart.
 * @param out receives [row][level].
 */
export function predictRows(
  booster: Booster,
  values: Float32Array,
  { count: rows, width }: { count: number; width: number },
  out: Float32Array,
): void {
  const { steps, base } = booster;
  const { nodes, thresholds, roots } = packedOf(booster);
  const count = base.length;
  for (let row = 0; row < rows; row++) out.set(base, row * count);
  for (let tree = 0; tree < roots.length; tree++) {
    const root = roots[tree] ?? -1;
    for (let row = 0; row < rows; row++) {
      const at = row * width;
      let node = root;
      while (node >= 0) {
        const column = nodes[node] ?? 0;
        const value = values[at + (column & (LEFT - 1))] ?? Number.NaN;
        const goesLeft = value !== value ? column >= LEFT : value <= (thresholds[node + 1] ?? 0);
        node = (goesLeft ? nodes[node + 2] : nodes[node + 3]) ?? -1;
      }
      const from = (-1 - node) * count;
      const to = row * count;
      for (let level = 0; level < count; level++) out[to + level] = (out[to + level] ?? 0) + (steps[from + level] ?? 0);
    }
  }
  for (let row = 0; row < rows; row++) ascending(out, row * count, count);
}

/** Levels are fitted apart and may cross where rows are few; in order they are never worse (Chernozhukov et al. 2010). */
function ascending(out: Float32Array, from: number, count: number): void {
  for (let level = 1; level < count; level++) {
    const value = out[from + level] ?? 0;
    let place = level;
    for (; place > 0 && (out[from + place - 1] ?? 0) > value; place--) out[from + place] = out[from + place - 1] ?? 0;
    out[from + place] = value;
  }
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
