import type { AccountPolicy } from '../src/domain/account.js';
import type { FieldTarget } from '../src/domain/cluster.js';
import { actionsOf } from '../src/domain/actions.js';
import { HeadroomError, isHeadroomError } from '../src/domain/errors.js';
import type { EpochSeconds } from '../src/domain/time.js';
import { provisionRequest } from './places.js';
import type { Store } from '../src/telemetry/port.js';
import type { ObserveRequest, WorkloadTarget } from '../src/cluster/port.js';

/** Policies by id: written once to the store by `observe`, so that the other activities' inputs stay small. */
export interface Policies {
  remember(policyId: string, policy: AccountPolicy, at: EpochSeconds): Promise<void>;
  get(policyId: string): Promise<AccountPolicy>;
}

export function createPolicies(store: Store): Policies {
  const known = new Map<string, AccountPolicy>();
  return {
    async remember(policyId, policy, at) {
      known.set(policyId, policy);
      await store.putRecord({ kind: 'account', id: policyId, account: policy.account, at, body: policy });
    },
    async get(policyId) {
      const cached = known.get(policyId);
      if (cached !== undefined) return cached;
      const record = await store.getRecord('account', policyId);
      if (record === null) {
        throw new HeadroomError({
          kind: 'unavailable',
          component: 'activities/policies',
          action: `reading policy ${policyId}`,
          problem: 'the store does not have it',
          remedy: 'was the telemetry file replaced? the account sends its policy again with its next cycle',
        });
      }
      const policy = record.body as AccountPolicy;
      known.set(policyId, policy);
      return policy;
    },
  };
}

/** What account workflows know of their policies. */
export interface KnownPolicies {
  /** The policy that an account has now, with the id that it goes by; null where the account does not run. */
  policy(account: string): Promise<{ policyId: string; policy: AccountPolicy; at: EpochSeconds } | null>;
}

/**
 * An account sends a policy to the store with its next cycle: whoever is told its id before that asks the account, and keeps
 * what it answers, since it may set another one before it ever sent this.
 */
export function askingAccounts(policies: Policies, accounts: KnownPolicies): Policies {
  return {
    remember: policies.remember,
    async get(policyId) {
      try {
        return await policies.get(policyId);
      } catch (error) {
        if (!isHeadroomError(error) || error.kind !== 'unavailable') throw error;
        const known = await accounts.policy(policyId.slice(0, policyId.lastIndexOf('@')));
        if (known?.policyId !== policyId) throw error;
        await policies.remember(policyId, known.policy, known.at);
        return known.policy;
      }
    },
  };
}

/** Where a workload of a policy stands in its cluster. */
export function targetOf(policy: AccountPolicy, workload: string): WorkloadTarget {
  const found = policy.workloads.find((candidate) => candidate.name === workload);
  if (found === undefined) {
    throw new HeadroomError({
      kind: 'not-found',
      component: 'activities/policies',
      action: `finding workload ${workload} of ${policy.account}`,
      problem: 'the policy does not name it',
      remedy: 'was it removed by a policy update while a change was running?',
    });
  }
  const { kind, namespace, name, selector } = found.target;
  const labels = { ...policy.labels, ...selector };
  const actions = actionsOf(found);
  return {
    workload,
    kind,
    namespace: namespace ?? policy.namespace ?? policy.account,
    name: name ?? workload,
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
    ...(selector === undefined ? {} : { anyName: true }),
    ...(actions.length === 0 ? {} : { actions }),
    ...(found.autoscaler?.target === undefined ? {} : { mostTarget: found.autoscaler.target.max }),
    ...(found.takeOwnership ? { takeOwnership: true } : {}),
    resize: found.resize ?? 'in-place',
  };
}

export const targetsOf = (policy: AccountPolicy): WorkloadTarget[] =>
  policy.workloads.map((workload) => targetOf(policy, workload.name));

/** What is looked at in a policy's cluster; `fresh`: fields whose objects are read at the source, past any cache. */
export function observeRequest(policy: AccountPolicy, fresh: readonly FieldTarget[] = []): ObserveRequest {
  const selected = policy.pools.flatMap(({ name, nodeSelector }) =>
    nodeSelector === undefined ? [] : [[name, nodeSelector] as const],
  );
  const touched = new Set(fresh.flatMap((target) => ('workload' in target ? [target.workload] : [])));
  return {
    account: policy.account,
    workloads: targetsOf(policy),
    pools: policy.pools.map((pool) => pool.name),
    ...(selected.length === 0 ? {} : { nodeSelectors: Object.fromEntries(selected) }),
    ...(touched.size === 0 ? {} : { fresh: [...touched] }),
    ...provisionRequest(policy),
  };
}
