import type { Binning } from './bins.js';
import type { Booster } from './booster.js';
import type { Grown } from './grow.js';

type Trees = Omit<Booster, 'levels' | 'columns' | 'base'>;

/** Collects trees; a node keeps the value that its bin ends with, so that a booster needs no bins afterwards. */
export function createTrees(levels: number): {
  readonly trees: number;
  add(tree: Grown, binning: Binning, steps: Float32Array): void;
  /** The first `trees` of them. */
  finish(trees: number): Trees;
} {
  const grown: { tree: Grown; thresholds: number[]; steps: Float32Array }[] = [];
  return {
    get trees() {
      return grown.length;
    },
    add(tree, binning, steps) {
      const thresholds = tree.column.map((column, node) => {
        const ends = binning.ends[column] ?? new Float32Array(0);
        // All values left of the missing ones.
        return ends[tree.bin[node] ?? 0] ?? LARGEST;
      });
      grown.push({ tree, thresholds, steps });
    },
    finish(trees) {
      const kept = grown.slice(0, trees);
      const nodes = kept.reduce((sum, { tree }) => sum + tree.column.length, 0);
      const leaves = kept.reduce((sum, { tree }) => sum + tree.leaves, 0);
      const out = {
        roots: new Int32Array(kept.length),
        column: new Uint16Array(nodes),
        threshold: new Float32Array(nodes),
        missingLeft: new Uint8Array(nodes),
        left: new Int32Array(nodes),
        right: new Int32Array(nodes),
        steps: new Float32Array(leaves * levels),
      };
      let node = 0;
      let leaf = 0;
      kept.forEach(({ tree, thresholds, steps }, k) => {
        const child = (one: number): number => (one < 0 ? one - leaf : one + node);
        out.roots[k] = tree.column.length > 0 ? node : -1 - leaf;
        out.column.set(tree.column, node);
        out.threshold.set(thresholds, node);
        out.missingLeft.set(tree.missingLeft.map(Number), node);
        out.left.set(tree.left.map(child), node);
        out.right.set(tree.right.map(child), node);
        out.steps.set(steps, leaf * levels);
        node += tree.column.length;
        leaf += tree.leaves;
      });
      return out;
    },
  };
}

const LARGEST = 3.4028234663852886e38;
