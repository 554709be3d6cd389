import type { Constraint } from './constraint.js';
import { addCaps } from './spot-share.js';

/** Σ replicas on one spot market ≤ share · Σ replicas, for each workload and each market that it may use. */
export const spotMarkets: Constraint = {
  name: 'spot-markets',
  why: 'a spot market is lost as a whole: what is lost with one must be little enough to live without',
  add: (build) => addCaps(build, 'spot-markets'),
};
