import { KubeConfig } from '@kubernetes/client-node';
import { createKubernetesCluster } from '../cluster/kubernetes/adapter.js';
import type { Cluster } from '../cluster/port.js';
import { HeadroomError } from '../domain/errors.js';

/**
 * The environment's kubeconfig (KUBECONFIG, ~/.kube/config, or the pod's service account), at a context of it.
 * @throws HeadroomError `invalid-input`, or `not-found` with the contexts that there are.
 */
export function kubeConfigOfEnvironment(context?: string): KubeConfig {
  const kubeConfig = new KubeConfig();
  try {
    kubeConfig.loadFromDefault();
  } catch (error) {
    throw new HeadroomError({
      kind: 'invalid-input',
      component: 'cli',
      action: 'reading the kubeconfig',
      problem: error instanceof Error ? error.message : String(error),
      remedy: `set KUBECONFIG to a kubeconfig file (it is ${process.env['KUBECONFIG'] ?? 'not set'})`,
      cause: error,
    });
  }
  if (context !== undefined) {
    if (kubeConfig.getContextObject(context) === null) {
      throw new HeadroomError({
        kind: 'not-found',
        component: 'cli',
        action: 'reading the kubeconfig',
        problem: `it has no context "${context}"`,
        remedy: `name one of ${
          kubeConfig
            .getContexts()
            .map((known) => known.name)
            .join(', ') || 'none'
        }`,
      });
    }
    kubeConfig.setCurrentContext(context);
  }
  return kubeConfig;
}

/** The cluster of the environment's kubeconfig. Its watches begin with the first look, and end with `close`. */
export function clusterOfEnvironment(name: string, say: (line: string) => void, context?: string): Cluster {
  const kubeConfig = kubeConfigOfEnvironment(context);
  return createKubernetesCluster({ kubeConfig, name, watches: { say: (line) => say(`cluster ${name}: ${line}`) } });
}
