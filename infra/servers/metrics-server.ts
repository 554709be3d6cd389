/** What the API server has to know to hand `metrics.k8s.io` over to a metrics-server outside the cluster. */
export function metricsServerManifest(port: number): unknown {
  return {
    apiVersion: 'v1',
    kind: 'List',
    items: [
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'metrics-server', namespace: 'kube-system' },
        // An endpoint may not be on loopback; a name may.
        spec: { type: 'ExternalName', externalName: 'localhost', ports: [{ port, targetPort: port, protocol: 'TCP' }] },
      },
      {
        apiVersion: 'apiregistration.k8s.io/v1',
        kind: 'APIService',
        metadata: { name: 'v1beta1.metrics.k8s.io' },
        spec: {
          group: 'metrics.k8s.io',
          version: 'v1beta1',
          groupPriorityMinimum: 100,
          versionPriority: 100,
          insecureSkipTLSVerify: true,
          service: { name: 'metrics-server', namespace: 'kube-system', port },
        },
      },
    ],
  };
}
