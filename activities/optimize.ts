import type { AccountForecast } from '../src/domain/forecast.js';
import type { AccountPolicy } from '../src/domain/account.js';
import type { DataSetNeed, Plan, PlanSummary } from '../src/domain/plan.js';
import { binStart, type EpochSeconds } from '../src/domain/time.js';
import type { Dependencies } from './dependencies.js';
import { createDataSets, type DataSets } from './data-sets.js';
import { translated } from './failures.js';
import type { Policies } from './policies.js';
import type { Activities } from './types.js';

/** How far back the reactive guard looks. */
const RECENT_SECONDS = 3600;

/** From forecast, policy, prices and the cluster's state to a plan; the whole plan is kept, the workflow gets a summary. */
export function createOptimize(
  deps: Dependencies,
  policies: Policies,
  summarize: (plan: Plan) => PlanSummary,
): Pick<Activities, 'optimize'> {
  const prefetch = deps.behavior === undefined ? null : createDataSets(deps.behavior);
  return {
    optimize: (input) =>
      translated(async (signal) => {
        const policy = await policies.get(input.policyId);
        const since = binStart(input.at - RECENT_SECONDS, policy.step);
        const [forecast, recent] = await Promise.all([
          input.forecastId === null ? null : deps.store.getRecord('forecast', input.forecastId),
          deps.store.readSnapshot(input.snapshotId, signal, since),
        ]);
        const told = await dataSetsFor(prefetch, input.account, policy, input.at, signal);
        const plan = await deps.decider.allocate({
          account: input.account,
          policyId: input.policyId,
          policy,
          snapshotId: input.snapshotId,
          at: input.at,
          forecast: forecast === null ? null : (forecast.body as AccountForecast),
          state: input.state,
          overrides: input.overrides,
          events: input.events,
          leadTimes: input.leadTimes,
          raiseOnly: input.raiseOnly,
          recent: recent.series,
          ...(told.needs.length === 0 ? {} : { dataSets: told.needs }),
        });
        if (told.problem !== null) {
          plan.verdict.detail += `; nobody is told which data sets will be read: ${told.problem}`;
        }
        await deps.store.putRecord({ kind: 'plan', id: plan.id, account: input.account, at: input.at, body: plan });
        return { plan: summarize(plan) };
      }),
  };
}

/** Capacity does not wait for a list of what to fetch: where it cannot be made the plan says so. */
async function dataSetsFor(
  prefetch: DataSets | null,
  account: string,
  policy: AccountPolicy,
  at: EpochSeconds,
  signal: AbortSignal,
): Promise<{ needs: DataSetNeed[]; problem: string | null }> {
  try {
    return { needs: (await prefetch?.of(account, policy, at, signal)) ?? [], problem: null };
  } catch (error) {
    signal.throwIfAborted();
    return { needs: [], problem: error instanceof Error ? error.message : String(error) };
  }
}
