import type { ObjectKind } from '../objects.js';

/* Kinds that a migration reads and writes besides workloads. */

const core = (plural: string, kind: string): ObjectKind => ({ group: '', version: 'v1', plural, kind });

export const SERVICE = core('services', 'Service');
export const POD = core('pods', 'Pod');
export const CLAIM = core('persistentvolumeclaims', 'PersistentVolumeClaim');
export const ENDPOINT_SLICE: ObjectKind = {
  ...{ group: 'discovery.k8s.io', version: 'v1', plural: 'endpointslices', kind: 'EndpointSlice' },
};
/** Of the Gateway API. https://gateway-api.sigs.k8s.io/reference/spec/#httproute */
export const HTTP_ROUTE: ObjectKind = {
  ...{ group: 'gateway.networking.k8s.io', version: 'v1', plural: 'httproutes', kind: 'HTTPRoute' },
};
export const STORAGE_CLASS: ObjectKind = {
  ...{ group: 'storage.k8s.io', version: 'v1', plural: 'storageclasses', kind: 'StorageClass' },
};
export const CSI_DRIVER: ObjectKind = {
  ...{ group: 'storage.k8s.io', version: 'v1', plural: 'csidrivers', kind: 'CSIDriver' },
};
const snapshots = { group: 'snapshot.storage.k8s.io', version: 'v1' };
export const SNAPSHOT: ObjectKind = { ...snapshots, plural: 'volumesnapshots', kind: 'VolumeSnapshot' };
export const SNAPSHOT_CLASS: ObjectKind = {
  ...snapshots,
  plural: 'volumesnapshotclasses',
  kind: 'VolumeSnapshotClass',
};

export const CONFIG_MAP = core('configmaps', 'ConfigMap');
export const QUOTA = core('resourcequotas', 'ResourceQuota');
export const SERVICE_ACCOUNT = core('serviceaccounts', 'ServiceAccount');
export const NAMESPACE = core('namespaces', 'Namespace');
/** Of the Multi-Cluster Services API. https://multicluster.sigs.k8s.io/concepts/multicluster-services-api/ */
export const SERVICE_IMPORT: ObjectKind = {
  ...{ group: 'multicluster.x-k8s.io', version: 'v1alpha1', plural: 'serviceimports', kind: 'ServiceImport' },
};

/** On a workload that a move to another cluster has left without replicas: its id. A way back may start it again. */
export const LEFT_BY = 'headroom.dev/left-by-migration';
/** On the source: the migration that has claimed it. */
export const CLAIMED = 'headroom.dev/migrating';
/** On everything that a migration makes: its id, by which alone it is taken away again. */
export const MADE_BY = 'headroom.dev/made-by-migration';
/** On what leads traffic: the migration that has written it, and what it wrote. */
export const LED_BY = 'headroom.dev/led-by-migration';
/** On the copy's pods: which copy they belong to. */
export const COPY = 'headroom.dev/copy';
