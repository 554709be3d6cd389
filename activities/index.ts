import type { Plan, PlanSummary } from '../src/domain/plan.js';
import { createAnswer } from './answer.js';
import { createApply, createConfirm, createRelease, createRevalidate, createRollback } from './apply.js';
import type { Dependencies } from './dependencies.js';
import { createForecast } from './forecast.js';
import { createLearn } from './learn.js';
import { createMigrationsSeen } from './migrations-seen.js';
import { createObserve } from './observe.js';
import { createOptimize } from './optimize.js';
import { createPolicies } from './policies.js';
import { createRecords } from './records.js';
import type { Activities } from './types.js';
import { createAwaitReady, createVerify } from './verify.js';

/** Every activity over the given ports; one file a verb. */
export function createActivities(deps: Dependencies, summarize: (plan: Plan) => PlanSummary): Activities {
  const policies = createPolicies(deps.store);
  return {
    ...createObserve(deps, policies),
    ...createForecast(deps, policies),
    ...createOptimize(deps, policies, summarize),
    ...createLearn(deps, policies),
    ...createAnswer(deps, policies),
    ...createRevalidate(deps, policies),
    ...createApply(deps, policies),
    ...createRollback(deps, policies),
    ...createRelease(deps, policies),
    ...createConfirm(deps, policies),
    ...createAwaitReady(deps, policies),
    ...createVerify(deps, policies),
    ...createRecords(deps),
    ...createMigrationsSeen(deps),
  };
}
