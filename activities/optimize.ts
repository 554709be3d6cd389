import type { AccountForecast } from '../src/domain/forecast.js';
import type { AccountPolicy } from '../src/domain/account.js';
import type { AllocationRequest, PrepareRequest } from '../src/decide/port.js';
import type { ContingencyDigest } from '../src/domain/contingency.js';
import type { DataSetNeed, Plan, PlanSummary } from '../src/domain/plan.js';
import { runningNow } from '../src/domain/running.js';
import { binStart, type EpochSeconds } from '../src/domain/time.js';
import type { Dependencies } from './dependencies.js';
import { createDataSets, type DataSets } from './data-sets.js';
import { translated } from './failures.js';
import { createFleetWord } from './grants.js';
import { createNeighbours } from './neighbours.js';
import { createPreparations } from './prepare.js';
import type { Policies } from './policies.js';
import type { Activities, OptimizeResult } from './types.js';

/** How far back the reactive guard looks. */
const RECENT_SECONDS = 3600;

/** From forecast, policy, prices and the cluster's state to a plan; the whole plan is kept, the workflow gets a summary. */
export function createOptimize(
  deps: Dependencies,
  policies: Policies,
  summarize: (plan: Plan) => PlanSummary,
): Pick<Activities, 'optimize'> {
  const preparations = createPreparations(deps);
  const fleetWord = createFleetWord(deps.store);
  const withNeighbours = createNeighbours(deps.store);
  const prefetch = deps.behavior === undefined ? null : createDataSets(deps.behavior);

  /** A plan does not wait for answers that cannot be had: the last ones go on for as long as they are valid. */
  async function answersTo(
    request: PrepareRequest,
    last: ContingencyDigest | null | undefined,
    signal: AbortSignal,
  ): Promise<Pick<OptimizeResult, 'contingencies' | 'unprepared'>> {
    try {
      const contingencies = await preparations.after(request, last);
      return contingencies === null ? {} : { contingencies };
    } catch (error) {
      signal.throwIfAborted();
      return { unprepared: error instanceof Error ? error.message : String(error) };
    }
  }

  return {
    optimize: (input) =>
      translated(async (signal) => {
        const policy = await policies.get(input.policyId);
        const since = binStart(input.at - RECENT_SECONDS, policy.step);
        const [forecast, recent, { grant, policy: counted, state: granted }, prices] = await Promise.all([
          input.forecastId === null ? null : deps.store.getRecord('forecast', input.forecastId),
          deps.store.readSnapshot(input.snapshotId, signal, since),
          fleetWord(policy, input.state, input.at),
          deps.prices?.of(policy, signal) ?? null,
        ]);
        const state = await withNeighbours(policy, granted, input.at);
        const told = await dataSetsFor(prefetch, input.account, policy, input.at, signal);
        const request: AllocationRequest = {
          account: input.account,
          policyId: input.policyId,
          policy: counted,
          snapshotId: input.snapshotId,
          at: input.at,
          forecast: forecast === null ? null : (forecast.body as AccountForecast),
          state,
          overrides: input.overrides,
          events: input.events,
          leadTimes: input.leadTimes,
          raiseOnly: input.raiseOnly,
          recent: recent.series,
          ...(told.needs.length === 0 ? {} : { dataSets: told.needs }),
          ...(grant === null ? {} : { grant }),
          ...(prices === null ? {} : { prices }),
          ...(input.surprises === undefined ? {} : { surprises: input.surprises }),
        };
        const plan: Plan = { ...(await deps.decider.allocate(request)), running: runningNow(input.state) };
        if (told.problem !== null) {
          plan.verdict.detail += `; nobody is told which data sets will be read: ${told.problem}`;
        }
        if (grant?.source === 'guaranteed') plan.verdict.detail += `; ${grant.words}`;
        await deps.store.putRecord({ kind: 'plan', id: plan.id, account: input.account, at: input.at, body: plan });
        return {
          plan: summarize(plan),
          ...(grant === null ? {} : { grant }),
          ...(await answersTo({ ...request, plan }, input.contingencies, signal)),
        };
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
