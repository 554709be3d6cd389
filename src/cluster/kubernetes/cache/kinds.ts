import { disruptionRecord, limitRangeRecord, quotaRecord } from './limit-records.js';
import { nodeRecord, podRecord } from './placement-records.js';
import type { CacheRecord } from './store.js';
import { autoscalerRecord, scaledObjectRecord, workloadRecord } from './workload-records.js';

/** One kind of object that is watched. A new one is an entry of {@link KINDS}. */
export interface Kind<R extends CacheRecord> {
  /** As RBAC and kubectl name it. */
  resource: string;
  /** `/apis/apps/v1`. */
  group: string;
  plural: string;
  namespaced: boolean;
  /** Without it an account cannot be observed at all; of the others, what is not seen is said and left out. */
  required: boolean;
  /** A custom resource: that the server does not have it is no fault. */
  custom: boolean;
  slim(object: unknown): R;
}

const kind = <R extends CacheRecord>(
  resource: string,
  group: string,
  slim: (object: unknown) => R,
  more: Partial<Pick<Kind<R>, 'namespaced' | 'required' | 'custom'>> = {},
): Kind<R> => ({
  resource,
  group,
  plural: resource.split('.')[0] ?? resource,
  namespaced: true,
  required: false,
  custom: false,
  slim,
  ...more,
});

/** What Headroom reads of a cluster; docs/kubernetes.md has the roles for it. */
export const KINDS = {
  deployments: kind('deployments.apps', '/apis/apps/v1', workloadRecord, { required: true }),
  statefulSets: kind('statefulsets.apps', '/apis/apps/v1', workloadRecord, { required: true }),
  autoscalers: kind('horizontalpodautoscalers.autoscaling', '/apis/autoscaling/v2', autoscalerRecord, {
    required: true,
  }),
  scaledObjects: kind('scaledobjects.keda.sh', '/apis/keda.sh/v1alpha1', scaledObjectRecord, { custom: true }),
  disruptions: kind('poddisruptionbudgets.policy', '/apis/policy/v1', disruptionRecord),
  quotas: kind('resourcequotas', '/api/v1', quotaRecord),
  limitRanges: kind('limitranges', '/api/v1', limitRangeRecord),
  pods: kind('pods', '/api/v1', podRecord),
  nodes: kind('nodes', '/api/v1', nodeRecord, { namespaced: false }),
} as const;

export type KindName = keyof typeof KINDS;
export type RecordOf<K extends KindName> = ReturnType<(typeof KINDS)[K]['slim']>;

export const pathOf = (of: Kind<CacheRecord>, namespace: string | null): string =>
  namespace === null
    ? `${of.group}/${of.plural}`
    : `${of.group}/namespaces/${encodeURIComponent(namespace)}/${of.plural}`;
