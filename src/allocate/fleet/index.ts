export { createFleetSolver } from './solver.js';
export type {
  FleetAccount,
  FleetBasis,
  FleetConflict,
  FleetGrant,
  FleetInput,
  FleetOptions,
  FleetPlan,
  FleetPool,
  FleetSolver,
} from './problem.js';
