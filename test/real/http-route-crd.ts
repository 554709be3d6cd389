/** As much of the Gateway API's HTTPRoute as Headroom writes and reads, with its defaults; no gateway is there. */
export const httpRouteCrd = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: {
    name: 'httproutes.gateway.networking.k8s.io',
    annotations: { 'api-approved.kubernetes.io': 'https://github.com/kubernetes-sigs/gateway-api/pull/2466' },
  },
  spec: {
    group: 'gateway.networking.k8s.io',
    scope: 'Namespaced',
    names: { plural: 'httproutes', singular: 'httproute', kind: 'HTTPRoute', listKind: 'HTTPRouteList' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                properties: {
                  hostnames: { type: 'array', items: { type: 'string' } },
                  parentRefs: {
                    type: 'array',
                    items: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
                  },
                  rules: {
                    type: 'array',
                    'x-kubernetes-list-type': 'atomic',
                    items: {
                      type: 'object',
                      properties: {
                        matches: {
                          type: 'array',
                          default: [{ path: { type: 'PathPrefix', value: '/' } }],
                          items: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
                        },
                        backendRefs: {
                          type: 'array',
                          'x-kubernetes-list-type': 'atomic',
                          items: {
                            type: 'object',
                            required: ['name'],
                            properties: {
                              group: { type: 'string', default: '' },
                              kind: { type: 'string', default: 'Service' },
                              name: { type: 'string' },
                              namespace: { type: 'string' },
                              port: { type: 'integer' },
                              weight: { type: 'integer', minimum: 0, maximum: 1_000_000, default: 1 },
                            },
                          },
                        },
                      },
                    },
                  },
                },
              },
            },
          },
        },
      },
    ],
  },
};
