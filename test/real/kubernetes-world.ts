import { KubeConfig } from '@kubernetes/client-node';
import { applyObjects, kubectl, real, uniqueName } from './real.js';

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

/** A service account with these rules, in its namespace alone or in the whole cluster; as a kubeconfig of its own. */
export async function serviceAccount(options: {
  namespace: string;
  rules: readonly unknown[];
  cluster: boolean;
  name?: string;
}): Promise<KubeConfig> {
  const { namespace, rules, cluster } = options;
  const name = options.name ?? uniqueName('reader');
  const subjects = [{ kind: 'ServiceAccount', name, namespace }];
  const kind = cluster ? 'ClusterRole' : 'Role';
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind, name };
  const metadata = { name, ...(cluster ? {} : { namespace }) };
  await applyObjects(
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } },
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind, metadata, rules },
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: `${kind}Binding`, metadata, subjects, roleRef },
  );
  const token = (await kubectl(['-n', namespace, 'create', 'token', name])).trim();
  const config = kubeConfigFile(real.cluster.kubeconfig);
  const at = config.getCurrentCluster();
  if (at === null) throw new Error('the kubeconfig has no cluster');
  config.loadFromClusterAndUser(at, { name, token });
  return config;
}
