export { createAllocator, type AllocatorOptions } from './allocator.js';
export { planBlocks } from './blocks.js';
export { contingencyFor, mutationsFor } from './change.js';
export { demandBlocks, type DemandInput } from './demand.js';
export { createHighsSolver, type Solver } from './solver.js';
export { summarizePlan } from './summary.js';
export type { AllocationInput, AllocationResult, Allocator, Block, DemandBlocks, SolverBasis } from './problem.js';
export { checkPlan, type Breach, type CheckFacts, type CheckReport } from './checker/index.js';
export { priceOf, withPrices, type PricedPolicy } from './price-book/apply.js';
