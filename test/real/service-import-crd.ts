/** As much of the Multi-Cluster Services API's ServiceImport as stands in for one; nobody imports anything. */
export const serviceImportCrd = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'serviceimports.multicluster.x-k8s.io' },
  spec: {
    group: 'multicluster.x-k8s.io',
    scope: 'Namespaced',
    names: {
      plural: 'serviceimports',
      singular: 'serviceimport',
      kind: 'ServiceImport',
      listKind: 'ServiceImportList',
    },
    versions: [
      {
        name: 'v1alpha1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
};
