/** What kind of workload a series is of. */
export const WORKLOAD_CLASSES = ['steady', 'daily', 'bursty', 'batch', 'idle', 'growing'] as const;
export type WorkloadClass = (typeof WORKLOAD_CLASSES)[number];

export interface Classified {
  class: WorkloadClass;
  /** Share of the forest's votes, in (0, 1]. */
  probability: number;
  /** Of all classes, in the order of {@link WORKLOAD_CLASSES}; they sum to 1. */
  votes: number[];
}

/** Where a search over models and hyper-parameters begins: what tends to suit the class, to be tried first. */
export interface StartingPoint {
  /** Members of the ensemble whose fits are tried first, by their names in the registry; the others follow. */
  models: readonly string[];
  /** Seconds of history that a learnt model looks back. */
  context: number;
  /** Half-life of the forgetting, seconds: how fast the past is outdated. */
  halfLife: number;
  /** Of a booster: leaves of a tree, and how strongly it is held back. */
  leaves: number;
  learningRate: number;
}

const DAY = 86_400;
const STARTS: Record<WorkloadClass, StartingPoint> = {
  steady: { models: ['recent-mean', 'persistence'], context: DAY, halfLife: 14 * DAY, leaves: 8, learningRate: 0.1 },
  daily: {
    models: ['mstl', 'seasonal-naive-day', 'regression'],
    ...{ context: 14 * DAY, halfLife: 28 * DAY, leaves: 31, learningRate: 0.05 },
  },
  bursty: {
    models: ['persistence', 'recent-mean', 'regression'],
    ...{ context: 2 * DAY, halfLife: 7 * DAY, leaves: 16, learningRate: 0.05 },
  },
  batch: {
    models: ['seasonal-naive-day', 'seasonal-naive-week', 'regression'],
    ...{ context: 14 * DAY, halfLife: 28 * DAY, leaves: 63, learningRate: 0.05 },
  },
  idle: { models: ['persistence', 'recent-mean'], context: DAY, halfLife: 7 * DAY, leaves: 4, learningRate: 0.1 },
  growing: {
    models: ['persistence', 'mstl', 'regression'],
    ...{ context: 7 * DAY, halfLife: 3 * DAY, leaves: 16, learningRate: 0.1 },
  },
};

/** A judgement, not a measurement: the search goes on from here, and what it measures decides. */
export const startingPoint = (of: WorkloadClass): StartingPoint => STARTS[of];
