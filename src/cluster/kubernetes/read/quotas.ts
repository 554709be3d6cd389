import type { QuotaState } from '../../../domain/cluster.js';
import { COMPONENTS, type Component } from '../../../domain/component.js';
import type { QuotaRecord } from '../cache/limit-records.js';
import type { PodRecord } from '../cache/placement-records.js';
import type { Amounts } from '../cache/schemas.js';
import type { WorkloadRecord } from '../cache/workload-records.js';
import { RESOURCE_NAMES } from '../requests.js';

/** A workload of the account with the pods that it has now. */
export interface Counted {
  workload: string;
  record: WorkloadRecord;
  pods: readonly PodRecord[];
}

/**
 * What the quotas of a namespace leave to these workloads: the hard limit, less what is used, plus what they themselves
 * use of it. A quota that counts none of them is left out.
 * https://kubernetes.io/docs/concepts/policy/resource-quotas/
 */
export function quotasOf(
  namespace: string,
  quotas: Iterable<QuotaRecord>,
  workloads: readonly Counted[],
): QuotaState[] {
  const found: QuotaState[] = [];
  for (const quota of quotas) {
    const counted = workloads.filter(({ record }) => quota.scopes.every((scope) => holds(scope, record)));
    if (counted.length === 0) continue;
    for (const [resource, hard] of Object.entries(quota.hard)) {
      const rule = ruleOf(resource);
      if (rule === null) continue;
      const used = quota.used[resource] ?? 0;
      let own = 0;
      const each: Record<string, number> = {};
      for (const { workload, record, pods } of counted) {
        each[workload] = rule.of(record);
        for (const pod of pods) if (!pod.ended) own += rule.of(pod);
      }
      // Where no replica counts (none has a limit, say) there is nothing to bound.
      if (rule.component === null && Object.values(each).every((one) => one === 0)) continue;
      found.push({
        quota: `${namespace}/${quota.name} ${resource}`,
        ...(rule.component === null ? {} : { component: rule.component }),
        each,
        room: Math.max(0, hard - Math.max(0, used - own)),
      });
    }
  }
  return found;
}

interface Rule {
  /** Whose request the plan may choose; null where a replica counts what it counts. */
  component: Component | null;
  of(object: { requests: Amounts; limits: Amounts }): number;
}

/** How a quota's resource counts a pod; null for what no pod is counted by (services, claims, secrets). */
function ruleOf(resource: string): Rule | null {
  if (resource === 'pods' || resource === 'count/pods') return { component: null, of: () => 1 };
  if (resource.startsWith('limits.')) {
    const name = resource.slice('limits.'.length);
    return { component: null, of: ({ limits }) => limits[name] ?? 0 };
  }
  // `cpu` and `memory` are short for their requests.
  const name = resource.startsWith('requests.') ? resource.slice('requests.'.length) : resource;
  const component = COMPONENTS.find((candidate) => RESOURCE_NAMES[candidate] === name);
  return component === undefined ? null : { component, of: ({ requests }) => requests[name] ?? 0 };
}

function holds(
  { scope, operator, values }: QuotaRecord['scopes'][number],
  { requests, limits, ends, priorityClass }: WorkloadRecord,
): boolean {
  const bestEffort = [requests, limits].every(
    (amounts) => (amounts['cpu'] ?? 0) === 0 && (amounts['memory'] ?? 0) === 0,
  );
  switch (scope) {
    case 'BestEffort':
      return bestEffort;
    case 'NotBestEffort':
      return !bestEffort;
    case 'Terminating':
      return ends;
    case 'NotTerminating':
      return !ends;
    case 'PriorityClass':
      switch (operator) {
        case 'In':
          return values.includes(priorityClass);
        case 'NotIn':
          return !values.includes(priorityClass);
        case 'Exists':
          return priorityClass !== '';
        default:
          return priorityClass === '';
      }
    default:
      // A scope that is not known here (CrossNamespacePodAffinity): counted, rather than overrun.
      return true;
  }
}
