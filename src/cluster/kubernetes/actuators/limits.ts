import { formatQuantity, type Component } from '../../../domain/component.js';
import type { WorkloadTarget } from '../../port.js';
import type { KubernetesApi } from '../api.js';
import { disruptionRecord, limitRangeRecord, quotaRecord } from '../cache/limit-records.js';
import { podRecord } from '../cache/placement-records.js';
import { selects } from '../cache/schemas.js';
import { workloadRecord, type WorkloadRecord } from '../cache/workload-records.js';
import { ApiRefusal } from '../calls.js';
import { DISRUPTION_BUDGET, type LiveObject } from '../objects.js';
import { boundsOf } from '../read/bounds.js';
import { disruptionOf } from '../read/disruption.js';
import { quotasOf } from '../read/quotas.js';

/*
 * What a namespace would not let a write come to, read at the API server right before it: the plan was made to fit, and
 * may be minutes old. The server itself takes more replicas than a quota admits, and fewer than a budget promises.
 */

export interface Limits {
  /** Why there should not be so many replicas instead of `now`, in words; null where nothing speaks against it. */
  replicas(now: number, wanted: number): string | null;
  /** The same for what one replica asks for of a component. */
  request(component: Component, now: number, wanted: number): string | null;
}

export async function readLimits(
  api: KubernetesApi,
  at: Pick<WorkloadTarget, 'workload'>,
  workload: { object: LiveObject },
  signal: AbortSignal,
): Promise<Limits> {
  const record = workloadRecord(workload.object);
  const { namespace } = record;
  const [budgets, quotas, ranges, pods] = await Promise.all([
    seen(api.list(DISRUPTION_BUDGET, namespace, signal)),
    seen(api.listQuotas(namespace, signal)),
    seen(api.listLimitRanges(namespace, signal)),
    seen(api.listPods(namespace, '', signal)),
  ]);
  const own = pods.map((pod) => podRecord(asJson(pod))).filter(({ labels }) => selects(record.selector, labels));
  const rooms = quotasOf(
    namespace,
    quotas.map((quota) => quotaRecord(asJson(quota))),
    [{ workload: at.workload, record, pods: own }],
  );
  return {
    replicas(now, wanted) {
      if (wanted < now) return disrupted(record, budgets.map(disruptionRecord), wanted);
      for (const { quota, each, room } of rooms) {
        const one = each[at.workload] ?? 0;
        if (one * wanted <= room * (1 + 1e-9)) continue;
        const fit = Math.floor(room / one + 1e-9);
        return `ResourceQuota ${quota} leaves room for ${fit} replicas of ${at.workload}: of ${wanted} the rest would never be admitted`;
      }
      return null;
    },
    request(component, now, wanted) {
      const bound = boundsOf(
        record,
        ranges.map((range) => limitRangeRecord(asJson(range))),
      )[component];
      if (bound !== undefined && ((bound.min ?? 0) > wanted || (bound.max ?? Number.POSITIVE_INFINITY) < wanted)) {
        return `${formatQuantity(component, wanted)} of ${component} would not be admitted: ${bound.words}`;
      }
      if (wanted <= now) return null;
      for (const { quota, component: counted, room } of rooms) {
        if (counted !== component || wanted * record.replicas <= room * (1 + 1e-9)) continue;
        return `ResourceQuota ${quota} leaves ${formatQuantity(component, room)}, and ${record.replicas} replicas would ask for ${formatQuantity(component, wanted * record.replicas)}`;
      }
      return null;
    },
  };
}

function disrupted(record: WorkloadRecord, budgets: Parameters<typeof disruptionOf>[1], wanted: number): string | null {
  const budget = disruptionOf(record, budgets);
  if (budget === null || budget === undefined || wanted >= budget.minAvailable) return null;
  return `PodDisruptionBudget ${budget.name} wants ${budget.minAvailable} available, and ${wanted} would be fewer`;
}

/** What may not be read does not hold a write up; docs/kubernetes.md says what goes unseen then. */
const seen = async <T>(list: Promise<T[]>): Promise<T[]> =>
  list.catch((error: unknown) => {
    if (error instanceof ApiRefusal && (error.kind === 'forbidden' || error.kind === 'not-found')) return [];
    throw error;
  });

/** The typed client has times as Dates; the records are read from what the API says. */
const asJson = (object: object): unknown => JSON.parse(JSON.stringify(object));
