import type { AccountPolicy } from '../src/domain/account.js';
import { actionsOf, type WorkloadAction } from '../src/domain/actions.js';
import type { Mutation } from '../src/domain/cluster.js';
import { HeadroomError } from '../src/domain/errors.js';
import { modeProblem } from '../src/domain/mode-problem.js';
import { seenValue } from '../src/domain/seen.js';
import type { DataSetNeed } from '../src/domain/plan.js';
import { createDataSets } from './data-sets.js';
import type { Dependencies } from './dependencies.js';
import { callHook } from './hooks.js';
import type { PrefetchInput, PrefetchResult } from './migrate-types.js';
import { observeRequest, targetOf, type Policies } from './policies.js';

/** `data-sets`: what asked to be told of data sets, where some are likely to be read. `all`: every hook and warm-up. */
export type PrefetchScope = 'data-sets' | 'all';
export type Prefetch = (input: PrefetchInput, signal: AbortSignal, scope: PrefetchScope) => Promise<PrefetchResult>;

/**
 * Fills caches ahead of predicted reads, with no change of capacity: hooks are called and warm-up Jobs are started, each told
 * the data sets that are likely to be read in the hour that it prepares for. What one of them does not do keeps no other from
 * it. A repeat with the same key is told from another by whoever is called.
 * @throws HeadroomError `refused` where the account’s mode touches nothing; a dry run is answered there, too.
 */
export function createPrefetch(deps: Pick<Dependencies, 'behavior' | 'cluster'>, policies: Policies): Prefetch {
  const known = deps.behavior === undefined ? null : createDataSets(deps.behavior);
  return async ({ account, policyId, at, workload, key, dry }, signal, scope) => {
    const policy = await policies.get(policyId);
    const problem = dry ? null : modeProblem(policy, 'the prefetch');
    if (problem !== null) {
      throw new HeadroomError({
        ...{ kind: 'refused', component: 'activities/prefetch', action: `filling caches of ${account}`, problem },
        remedy: '`headroom prefetch --dry-run` says what would be fetched',
      });
    }
    const needs = (await known?.of(account, policy, at, signal)) ?? [];
    const actions: PrefetchResult['actions'] = [];
    for (const one of policy.workloads) {
      if (workload !== null && one.name !== workload) continue;
      for (const action of actionsOf(one)) {
        if (action.kind === 'prepull' || (action.kind === 'hook' && action.hook === 'prestage' && scope !== 'all'))
          continue;
        const need = needs.find((entry) => entry.workload === one.name && entry.action === action.action);
        const dataSets = need?.dataSets ?? [];
        if (scope === 'data-sets' && dataSets.length === 0) {
          if (action.dataSets !== undefined) actions.push(nothing(one.name, action, at, need));
          continue;
        }
        const neededAt = need?.from ?? Math.round(at + action.ahead);
        const entry = { workload: one.name, action: action.action, neededAt, dataSets };
        if (dry) {
          actions.push({ ...entry, result: null, ok: true });
          continue;
        }
        const names = dataSets.map(({ dataSet }) => dataSet);
        const told = await run(deps, policy, one.name, action, { account, key, neededAt, names }, signal);
        actions.push({ ...entry, ...told });
      }
    }
    return { actions };
  };
}

const nothing = (workload: string, action: WorkloadAction, at: number, need: DataSetNeed | undefined) => ({
  ...{ workload, action: action.action, neededAt: need?.from ?? Math.round(at + action.ahead), dataSets: [] },
  result: 'no data set is likely enough to be read then',
  ok: true,
});

async function run(
  deps: Pick<Dependencies, 'cluster'>,
  policy: AccountPolicy,
  workload: string,
  action: WorkloadAction,
  { account, key, neededAt, names }: { account: string; key: string; neededAt: number; names: string[] },
  signal: AbortSignal,
): Promise<{ result: string; ok: boolean }> {
  const cluster = deps.cluster(policy.cluster);
  const target = { field: 'prepared', workload, action: action.action, value: neededAt } as const;
  const mutation: Mutation = {
    key: `${key}#${action.action}`,
    account,
    target,
    expect: { value: 0, owner: null },
    reason: names.length === 0 ? 'caches are warmed' : `${names.length} data sets are likely to be read`,
    ...(names.length === 0 ? {} : { dataSets: names }),
  };
  try {
    const called = await callHook(policy, mutation, signal);
    if (called !== null) return { result: called.note, ok: called.answered };
    const state = await cluster.observe(observeRequest(policy, [target]), signal);
    const seen = seenValue(state, target);
    if (seen === null) return { result: 'the workload is not there', ok: false };
    const result = await cluster.apply({ ...mutation, expect: seen }, targetOf(policy, workload), signal);
    switch (result.kind) {
      case 'applied':
      case 'repeated':
        return { result: 'a Job runs', ok: true };
      case 'moved':
        return { result: `${result.owner ?? 'somebody'} prepared it meanwhile`, ok: false };
      case 'not-found':
      case 'refused':
        return { result: result.detail, ok: false };
    }
  } catch (error) {
    signal.throwIfAborted();
    return { result: error instanceof Error ? error.message : String(error), ok: false };
  }
}
