/** As much of the snapshot API as Headroom writes and reads; no driver is there. https://kubernetes-csi.github.io/docs/ */
const crd = (kind: string, scope: 'Namespaced' | 'Cluster', properties: object) => {
  const singular = kind.toLowerCase();
  const plural = singular.endsWith('s') ? `${singular}es` : `${singular}s`;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${plural}.snapshot.storage.k8s.io`,
      annotations: { 'api-approved.kubernetes.io': 'https://github.com/kubernetes-csi/external-snapshotter/pull/814' },
    },
    spec: {
      group: 'snapshot.storage.k8s.io',
      scope,
      names: { plural, singular, kind, listKind: `${kind}List` },
      versions: [
        { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', properties } } },
      ],
    },
  };
};
const text = { type: 'string' };

export const snapshotCrds = [
  crd('VolumeSnapshot', 'Namespaced', {
    spec: {
      type: 'object',
      required: ['source'],
      properties: {
        volumeSnapshotClassName: text,
        source: {
          type: 'object',
          properties: { persistentVolumeClaimName: text, volumeSnapshotContentName: text },
        },
      },
    },
    status: { type: 'object', properties: { readyToUse: { type: 'boolean' } } },
  }),
  crd('VolumeSnapshotClass', 'Cluster', { driver: text, deletionPolicy: text }),
];
