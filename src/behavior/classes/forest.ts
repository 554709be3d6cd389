import { RandomForestClassifier } from 'ml-random-forest';
import { z } from 'zod';
import type { Component } from '../../domain/component.js';
import { HeadroomError } from '../../domain/errors.js';
import type { Series } from '../../domain/series.js';
import { calendarOf, type Calendar } from '../../forecast/calendar.js';
import { WORKLOAD_CLASSES, type Classified, type WorkloadClass } from './class.js';
import { exampleOf } from './examples.js';
import { CLASS_FEATURES, classFeatures, NOTHING } from './features.js';

/** What a forest was grown from: the same numbers give the same forest, bit for bit. */
export interface Growth {
  seed: number;
  /** Series of each kind. */
  examples: number;
  trees: number;
}

export const GROWTH: Growth = { seed: 1, examples: 50, trees: 40 };
/** Share of the features that a tree may look at. */
const FEATURES_OF_TREE = 0.6;

/** A tree as it is kept: by node, in order of its depth-first walk. */
const nodeSchema = z.array(
  z.union([
    /** Feature, threshold, index of the node for values at or above it (below it: the next node). */
    z.tuple([z.int().min(0), z.number(), z.int().min(1)]),
    /** The class that a leaf votes for. */
    z.tuple([z.int().min(0)]),
  ]),
);

export const forestSchema = z.strictObject({
  version: z.literal(1),
  growth: z.strictObject({ seed: z.int(), examples: z.int(), trees: z.int() }),
  classes: z.array(z.string()),
  features: z.array(z.string()),
  trees: z.array(nodeSchema).min(1),
});
export type Forest = z.output<typeof forestSchema>;

export interface Examples {
  rows: number[][];
  labels: number[];
}

/** Features of synthetic series with their kinds; seeds of a training and of a test never meet. */
export function exampleFeatures(seed: number, examples: number): Examples {
  const calendar = calendarOf('UTC');
  const rows: number[][] = [];
  const labels: number[] = [];
  for (let index = 0; index < examples; index++) {
    WORKLOAD_CLASSES.forEach((of, label) => {
      const { series, nothing } = exampleOf(of, seed * 1_000_000 + index);
      const features = classFeatures(series, calendar, nothing);
      if (features === null) return;
      rows.push(features);
      labels.push(label);
    });
  }
  return { rows, labels };
}

/** Grows the forest from synthetic series; some seconds. */
export function growForest(growth: Growth = GROWTH): Forest {
  const { rows, labels } = exampleFeatures(growth.seed, growth.examples);
  const grown = new RandomForestClassifier({
    ...{ seed: growth.seed, nEstimators: growth.trees, maxFeatures: FEATURES_OF_TREE, replacement: false },
    ...{ useSampleBagging: true, noOOB: true, treeOptions: { minNumSamples: 3, maxDepth: 12 } },
  });
  grown.train(rows, labels);
  const written: unknown = JSON.parse(JSON.stringify(grown));
  return {
    version: 1,
    growth,
    classes: [...WORKLOAD_CLASSES],
    features: [...CLASS_FEATURES],
    trees: treesOf(written),
  };
}

/** A node as the library writes it. */
interface WrittenNode {
  splitColumn?: number | undefined;
  splitValue?: number | undefined;
  left?: WrittenNode | undefined;
  right?: WrittenNode | undefined;
  distribution?: unknown;
}
const writtenNode: z.ZodType<WrittenNode> = z.lazy(() =>
  z.object({
    splitColumn: z.number().optional(),
    splitValue: z.number().optional(),
    left: writtenNode.optional(),
    right: writtenNode.optional(),
    distribution: z.unknown().optional(),
  }),
);
const writtenForest = z.object({
  baseModel: z.object({
    indexes: z.array(z.array(z.int())),
    estimators: z.array(z.object({ root: writtenNode })),
  }),
});

function treesOf(written: unknown): Forest['trees'] {
  const { indexes, estimators } = writtenForest.parse(written).baseModel;
  return estimators.map(({ root }, tree) => {
    const nodes: Forest['trees'][number] = [];
    const walk = (node: WrittenNode): void => {
      const { left, right, splitColumn, splitValue } = node;
      if (left === undefined || right === undefined || splitColumn === undefined || splitValue === undefined) {
        nodes.push([voteOf(node.distribution)]);
        return;
      }
      const place = nodes.length;
      const feature = indexes[tree]?.[splitColumn] ?? splitColumn;
      nodes.push([feature, splitValue, 1]);
      walk(left);
      nodes[place] = [feature, splitValue, nodes.length];
      walk(right);
    };
    walk(root);
    return nodes;
  });
}

function voteOf(distribution: unknown): number {
  const shares = z.array(z.array(z.number())).parse(distribution)[0] ?? [];
  return shares.reduce((best, share, index) => (share > (shares[best] ?? 0) ? index : best), 0);
}

/** @throws HeadroomError `invalid-input`: it is no forest, or one of other classes or features. */
export function readForest(value: unknown): Forest {
  const parsed = forestSchema.safeParse(value);
  const same = (one: readonly string[], other: readonly string[]): boolean => one.join() === other.join();
  if (parsed.success && same(parsed.data.classes, WORKLOAD_CLASSES) && same(parsed.data.features, CLASS_FEATURES)) {
    return parsed.data;
  }
  throw new HeadroomError({
    ...{ kind: 'invalid-input', component: 'behavior/classes', action: 'reading the forest of workload classes' },
    problem: parsed.success ? 'it is of other classes or features' : z.prettifyError(parsed.error),
    remedy: 'make setup grows it anew',
  });
}

/** Votes of the trees on one row of features. */
export function votesOf(forest: Forest, features: readonly number[]): number[] {
  const votes = new Array<number>(WORKLOAD_CLASSES.length).fill(0);
  for (const nodes of forest.trees) {
    let place = 0;
    for (;;) {
      const node = nodes[place];
      if (node === undefined) break;
      if (node.length === 1) {
        votes[node[0]] = (votes[node[0]] ?? 0) + 1 / forest.trees.length;
        break;
      }
      place = (features[node[0]] ?? 0) < node[1] ? place + 1 : node[2];
    }
  }
  return votes;
}

/**
 * The kind of a series with its probability; null where there is too little of it to tell.
 * @param component says what is as good as nothing; null where the unit is unknown.
 */
export function classify(
  forest: Forest,
  series: Series,
  calendar: Calendar,
  component: Component | null,
): Classified | null {
  const features = classFeatures(series, calendar, component === null ? null : NOTHING[component]);
  if (features === null) return null;
  const votes = votesOf(forest, features);
  const best = votes.reduce((most, vote, index) => (vote > (votes[most] ?? 0) ? index : most), 0);
  const name: WorkloadClass | undefined = WORKLOAD_CLASSES[best];
  return name === undefined ? null : { class: name, probability: votes[best] ?? 0, votes };
}
