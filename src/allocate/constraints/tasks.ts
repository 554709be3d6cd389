import type { Constraint } from './constraint.js';

/** Σ starts = 1: each occurrence of a movable task is placed once, within its window. */
export const tasks: Constraint = {
  name: 'tasks',
  why: 'a scheduled task has to run, once; only when is open',
  add(build) {
    for (const run of build.prepared.tasks.keys()) {
      const entries = build.starts(run).map((column) => ({ column, value: 1 }));
      build.builder.row(entries, { lower: { bound: 1 }, upper: { bound: 1 } });
    }
  },
};
