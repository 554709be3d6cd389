import type { Constraint } from './constraint.js';
import { addCaps } from './spot-share.js';

/** Σ replicas in one zone ≤ (1 − share that survives) · Σ replicas, rounded up to a whole one, for each workload and zone. */
export const zones: Constraint = {
  name: 'zones',
  why: 'a zone is lost as a whole: a workload keeps enough in the others to go on',
  add: (build) => addCaps(build, 'zones'),
};
