import { HeadroomError } from '../../domain/errors.js';
import type { ClusterState, QuotaState, WorkloadState } from '../../domain/cluster.js';
import type { ObserveRequest, WorkloadTarget } from '../port.js';
import type { KindName } from './cache/kinds.js';
import type { WorkloadRecord } from './cache/workload-records.js';
import type { Watches } from './cache/watches.js';
import { boundsOf } from './read/bounds.js';
import { disruptionOf } from './read/disruption.js';
import { isOfPool, placedOn, poolStateOf, requestsByNode } from './read/pools.js';
import { quotasOf, type Counted } from './read/quotas.js';
import { rolloutOf, troublesOf } from './read/troubles.js';
import { absentState, findTarget, podsByWorkload, presentState, scalingOf, type Found } from './read/workloads.js';

/* What an account asks for, out of the caches. Whether they are present is settled before (watches, presence.ts). */

/** The kinds that a request needs. */
export function kindsFor({ workloads, pools }: ObserveRequest): KindName[] {
  const kinds: KindName[] = [];
  if (workloads.some(({ kind }) => kind === 'Deployment')) kinds.push('deployments');
  if (workloads.some(({ kind }) => kind === 'StatefulSet')) kinds.push('statefulSets');
  if (workloads.length > 0) {
    kinds.push('autoscalers', 'scaledObjects', 'disruptions', 'quotas', 'limitRanges', 'pods');
  }
  if (pools.length > 0) kinds.push('nodes');
  return kinds;
}

export const namespacesOf = ({ workloads }: ObserveRequest): string[] => [
  ...new Set(workloads.map(({ namespace }) => namespace)),
];

export const objectsOf = (watches: Watches, { kind, namespace }: WorkloadTarget): Iterable<WorkloadRecord> =>
  (kind === 'Deployment' ? watches.deployments : watches.statefulSets).inNamespace(namespace);

/** The state of what is asked for; `unseen`: kinds that may not be read. */
export function stateOf(
  watches: Watches,
  request: ObserveRequest,
  unseen: ReadonlySet<KindName>,
  at: number,
): ClusterState {
  const taken = new Map<WorkloadRecord, string>();
  const found = request.workloads.map((target): { target: WorkloadTarget; found: Found } => {
    const one = findTarget(target, objectsOf(watches, target));
    if ('absent' in one) return { target, found: one };
    const other = taken.get(one.record);
    if (other !== undefined) {
      const absent = `${target.kind} ${target.namespace}/${one.record.name} is the account’s workload ${other} already`;
      return { target, found: { absent } };
    }
    taken.set(one.record, target.workload);
    return { target, found: one };
  });
  const poolOf = poolsByNode(watches, request, unseen);
  const states = new Map<string, WorkloadState>();
  const quotas: QuotaState[] = [];
  for (const namespace of namespacesOf(request)) {
    const here = found.filter(({ target }) => target.namespace === namespace);
    const records = here.flatMap(({ found: one }) => ('record' in one ? [one.record] : []));
    const pods = unseen.has('pods') ? null : podsByWorkload(records, watches.pods.inNamespace(namespace));
    const counted: Counted[] = [];
    for (const { target, found: one } of here) {
      if ('absent' in one) {
        states.set(target.workload, absentState(target, one.absent));
        continue;
      }
      const { record } = one;
      const own = pods?.get(record) ?? [];
      counted.push({ workload: target.workload, record, pods: own });
      const scaling = scalingOf(
        target.kind,
        record.name,
        watches.autoscalers.inNamespace(namespace),
        watches.scaledObjects.inNamespace(namespace),
      );
      if (
        scaling.autoscaler?.kind === 'scaledobject' &&
        watches.scaledObjects.get(namespace, scaling.autoscaler.name) === undefined
      ) {
        watches.scaledObjects.look();
      }
      const troubles = pods === null ? [] : troublesOf(record, own);
      const rollout = rolloutOf(record);
      const disruption = disruptionOf(record, watches.disruptions.inNamespace(namespace));
      const bounds = boundsOf(record, watches.limitRanges.inNamespace(namespace));
      states.set(target.workload, {
        ...presentState(target, record, scaling),
        ...(rollout === null ? {} : { rollout }),
        ...(troubles.length === 0 ? {} : { troubles }),
        ...(poolOf === null || pods === null ? {} : { placed: placedOn(poolOf, own) }),
        ...(disruption === null ? {} : { disruption }),
        ...(Object.keys(bounds).length === 0 ? {} : { bounds }),
      });
    }
    // Whose use of a quota is not seen cannot be told from the others': what is left is then not known.
    if (pods !== null) quotas.push(...quotasOf(namespace, watches.quotas.inNamespace(namespace), counted));
  }
  return {
    at,
    workloads: request.workloads.flatMap(({ workload }) => states.get(workload) ?? []),
    pools: unseen.has('nodes') ? [] : poolsOf(watches, request, unseen),
    ...(quotas.length === 0 ? {} : { quotas }),
    ...(unseen.size === 0 ? {} : { unseen: [...unseen] }),
  };
}

/** The pool of each node; null where nodes are not seen, or all pools are one. */
function poolsByNode(
  watches: Watches,
  { pools, nodeSelectors = {} }: ObserveRequest,
  unseen: ReadonlySet<KindName>,
): ReadonlyMap<string, string> | null {
  if (pools.length < 2 || unseen.has('nodes')) return null;
  const found = new Map<string, string>();
  for (const node of watches.nodes.everywhere() ?? []) {
    const pool = pools.find((name) => isOfPool(node, name, nodeSelectors[name]));
    if (pool !== undefined) found.set(node.name, pool);
  }
  return found;
}

function poolsOf(watches: Watches, { pools, nodeSelectors = {} }: ObserveRequest, unseen: ReadonlySet<KindName>) {
  if (pools.length === 0) return [];
  const nodes = [...(watches.nodes.everywhere() ?? [])];
  const pods = unseen.has('pods') ? null : watches.pods.everywhere();
  const requested = pods === null ? null : requestsByNode(pods);
  return pools.map((pool) => poolStateOf(pool, nodeSelectors[pool], nodes, requested));
}

export const unavailable = (action: string, problem: string, cause?: unknown): HeadroomError =>
  new HeadroomError({
    kind: 'unavailable',
    component: 'cluster/kubernetes',
    action,
    problem,
    remedy: 'what the cluster was is not shown as what it is; try again',
    cause,
  });
