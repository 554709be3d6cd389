import type { AccountPolicy } from '../src/domain/account.js';
import type { FieldTarget } from '../src/domain/cluster.js';
import type { FieldPlace, ObserveRequest, PoolTarget, TaskTarget } from '../src/cluster/port.js';
import { targetOf } from './policies.js';

/* Where the fields of a policy stand in its cluster. */

/** The object behind a field; null where the policy no longer names one. */
export function placeOf(policy: AccountPolicy, target: FieldTarget): FieldPlace | null {
  if ('pool' in target) return poolTarget(policy, target.pool);
  if ('task' in target) return taskTargets(policy).find(({ task }) => task === target.task) ?? null;
  return targetOf(policy, target.workload);
}

/** What of a request goes beyond workloads and the sizes of pools; absent where the policy asks for none of it. */
export function provisionRequest(policy: AccountPolicy): Pick<ObserveRequest, 'provisioned' | 'tasks'> {
  const provisioned = poolPlaces(policy);
  const tasks = taskTargets(policy);
  return {
    ...(provisioned.length === 0 ? {} : { provisioned }),
    ...(tasks.length === 0 ? {} : { tasks }),
  };
}

/** The pools whose objects Headroom may write. */
export const poolPlaces = (policy: AccountPolicy): PoolTarget[] =>
  policy.pools.flatMap(({ name, provisioning }) => (provisioning === undefined ? [] : [poolTarget(policy, name)]));

const homeOf = (policy: AccountPolicy): string => policy.namespace ?? policy.account;

function poolTarget(policy: AccountPolicy, pool: string): PoolTarget {
  const found = policy.pools.find(({ name }) => name === pool);
  const { placeholders, karpenter } = found?.provisioning ?? {};
  const nodePool = karpenter?.nodePool ?? pool;
  return {
    kind: 'Pool',
    pool,
    // Karpenter's nodes carry its own label whether or not anybody gave them another.
    nodeSelector:
      found?.nodeSelector ??
      (karpenter === undefined ? { 'headroom.dev/pool': pool } : { 'karpenter.sh/nodepool': nodePool }),
    ...(placeholders === undefined
      ? {}
      : {
          placeholders: {
            ...placeholders,
            namespace: placeholders.namespace ?? homeOf(policy),
            node: found?.node ?? {},
          },
        }),
    ...(karpenter === undefined
      ? {}
      : {
          karpenter: {
            nodePool,
            weight: karpenter.weight,
            ...(karpenter.limit === undefined ? {} : { limit: karpenter.limit }),
          },
        }),
  };
}

/** Tasks whose CronJob the policy names: the others' moves are plans alone. */
const taskTargets = (policy: AccountPolicy): TaskTarget[] =>
  policy.tasks.flatMap(({ name, target, cron }) =>
    target === undefined
      ? []
      : [
          {
            kind: 'CronJob',
            task: name,
            namespace: target.namespace ?? homeOf(policy),
            name: target.cronJob ?? name,
            schedule: { cron, timeZone: policy.timeZone },
          },
        ],
  );
