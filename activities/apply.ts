import type { AccountPolicy } from '../src/domain/account.js';
import { actionsOf } from '../src/domain/actions.js';
import { fieldName } from '../src/domain/change.js';
import type { ClusterState, FieldTarget, Mutation } from '../src/domain/cluster.js';
import { FLEET_ACCOUNT } from '../src/domain/fleet-names.js';
import { SHARED_REMEDY } from '../src/allocate/neighbours.js';
import { toldOf } from './data-sets.js';
import type { Dependencies } from './dependencies.js';
import { translated } from './failures.js';
import { callHook } from './hooks.js';
import { keepForOthers, withKept } from './kept-nodes.js';
import { createNeighbours } from './neighbours.js';
import { placeOf, poolPlaces } from './places.js';
import { observeRequest, targetsOf, type Policies } from './policies.js';
import type { Activities } from './types.js';
import { seenValue } from '../src/domain/seen.js';

/** Before anything is touched: is what the plan saw still so? */
export function createRevalidate(deps: Dependencies, policies: Policies): Pick<Activities, 'revalidate'> {
  return {
    revalidate: (input) =>
      translated(async (signal) => {
        const freeze = await deps.fence.read(0);
        if (freeze !== null) return { kind: 'frozen', detail: `frozen by ${freeze.author}: ${freeze.reason}` };
        const policy = await policies.get(input.policyId);
        const state = await deps.cluster(policy.cluster).observe(
          observeRequest(
            policy,
            input.mutations.map(({ target }) => target),
          ),
          signal,
        );
        for (const { target, expect, key } of input.mutations) {
          const seen = seenValue(state, target);
          if (seen === null) return { kind: 'stale', detail: `${fieldName(target)}: the object is gone` };
          // A repeat of this very change (a worker died in between) finds its own values: apply will tell them apart.
          if (seen.value === target.value) continue;
          if (seen.value !== expect.value) {
            return {
              kind: 'stale',
              detail: `${fieldName(target)} is ${seen.value}, set by ${seen.owner ?? 'nobody known'}${sizerOf(state, target, policy.account)}; the plan (${key}) saw ${expect.value}`,
            };
          }
        }
        return { kind: 'fresh' };
      }),
  };
}

/** ` for account other …`, where two accounts size one pool. */
function sizerOf({ pools }: ClusterState, target: FieldTarget, account: string): string {
  const by = target.field === 'nodes' ? pools.find(({ pool }) => pool === target.pool)?.sizedBy : undefined;
  return by === undefined || by === account || by === FLEET_ACCOUNT ? '' : ` for account ${by} (${SHARED_REMEDY})`;
}

/** One write. The fence is read right before it, and the cluster's own fence (value and owner) guards the write itself. */
export function createApply(deps: Dependencies, policies: Policies): Pick<Activities, 'apply'> {
  return {
    apply: (input) =>
      translated(async (signal) => {
        if (input.fenced) {
          const freeze = await deps.fence.read(0);
          if (freeze !== null) return { kind: 'frozen', detail: `frozen by ${freeze.author}: ${freeze.reason}` };
        }
        const policy = await policies.get(input.policyId);
        const place = placeOf(policy, input.mutation.target);
        const mutation = await withDataSets(deps, policy, input.mutation);
        const called = await callHook(policy, mutation, signal);
        if (called !== null && !called.answered) return { kind: 'applied', value: called.value, note: called.note };
        const result = await deps.cluster(policy.cluster).apply(mutation, place, signal);
        return called !== null && result.kind === 'applied' ? { ...result, note: called.note } : result;
      }),
  };
}

/** What the plan tells the action behind the field: its record has the names, the workflow's history does not. */
async function withDataSets(deps: Dependencies, policy: AccountPolicy, mutation: Mutation): Promise<Mutation> {
  const { target, planId } = mutation;
  if (target.field !== 'prepared' || planId === undefined) return mutation;
  const { workload, action } = target;
  const actions = policy.workloads.filter(({ name }) => name === workload).flatMap(actionsOf);
  if (!actions.some((one) => one.action === action && one.dataSets !== undefined)) return mutation;
  const record = await deps.store.getRecord('plan', planId);
  const dataSets = toldOf(record?.body, workload, action);
  return dataSets.length === 0 ? mutation : { ...mutation, dataSets };
}

/**
 * The way back of one field; allowed under pause and freeze, never over a person's edit, and never with nodes that another
 * account of the pool needs: they stay, and the answer says for whom.
 */
export function createRollback(deps: Dependencies, policies: Policies): Pick<Activities, 'rollback'> {
  const withNeighbours = createNeighbours(deps.store);
  return {
    rollback: (input) =>
      translated(async (signal) => {
        const policy = await policies.get(input.policyId);
        const cluster = deps.cluster(policy.cluster);
        const kept = await keepForOthers({ cluster, withNeighbours }, policy, input.step.target, signal);
        const result = await cluster.restore(
          {
            key: `change/${input.changeId}#back-${input.index}`,
            changeKeys: input.changeKeys,
            account: input.account,
            target: kept.target,
            owner: input.step.owner,
            reason: input.reason,
          },
          placeOf(policy, input.step.target),
          signal,
        );
        return withKept(result, kept);
      }),
  };
}

/** An account that ends gives up its claims, so that another may have the objects; every value stays as it is. */
export function createRelease(deps: Dependencies, policies: Policies): Pick<Activities, 'release'> {
  return {
    release: (input) =>
      translated(async (signal) => {
        const policy = await policies.get(input.policyId);
        const places = [...targetsOf(policy), ...poolPlaces(policy)];
        const released = await deps.cluster(policy.cluster).release(input.account, places, signal);
        return {
          problems: released.flatMap(({ object, problem }) => (problem === null ? [] : [`${object}: ${problem}`])),
        };
      }),
  };
}

/** Is the last known good really back? Reads; believes nothing. */
export function createConfirm(deps: Dependencies, policies: Policies): Pick<Activities, 'confirm'> {
  return {
    confirm: (input) =>
      translated(async (signal) => {
        const policy = await policies.get(input.policyId);
        const state = await deps.cluster(policy.cluster).observe(
          observeRequest(
            policy,
            input.steps.map(({ target }) => target),
          ),
          signal,
        );
        const wrong = input.steps.filter(({ target }) => {
          const seen = seenValue(state, target);
          return seen === null || Math.abs(seen.value - target.value) > 1e-9 * Math.max(1, Math.abs(target.value));
        });
        return {
          restored: wrong.length === 0,
          detail: wrong
            .map(
              ({ target }) =>
                `${fieldName(target)} is ${seenValue(state, target)?.value ?? 'gone'}, not ${target.value}`,
            )
            .join('; '),
        };
      }),
  };
}
