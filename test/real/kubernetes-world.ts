import { KubeConfig } from '@kubernetes/client-node';

/** Objects as a user would apply them, for tests of reading. */

export interface DeploymentOptions {
  namespace: string;
  name: string;
  replicas?: number;
  labels?: Record<string, string>;
  requests?: Record<string, string>;
  limits?: Record<string, string>;
  nodeSelector?: Record<string, string>;
}

export const deployment = (options: DeploymentOptions) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: options.name, namespace: options.namespace, labels: options.labels ?? { app: options.name } },
  spec: {
    replicas: options.replicas ?? 2,
    selector: { matchLabels: { app: options.name } },
    template: {
      metadata: { labels: { app: options.name } },
      spec: {
        ...(options.nodeSelector === undefined ? {} : { nodeSelector: options.nodeSelector }),
        containers: [
          {
            name: 'main',
            image: 'registry.example/app:1',
            resources: { requests: options.requests ?? { cpu: '100m', memory: '64Mi' }, limits: options.limits ?? {} },
          },
        ],
      },
    },
  },
});

export const hpa = (namespace: string, name: string, min: number, max: number) => ({
  apiVersion: 'autoscaling/v2',
  kind: 'HorizontalPodAutoscaler',
  metadata: { name, namespace },
  spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name }, minReplicas: min, maxReplicas: max },
});

export function kubeConfigFile(path: string): KubeConfig {
  const config = new KubeConfig();
  config.loadFromFile(path);
  return config;
}
