import {
  CoreV1Api,
  PatchStrategy,
  type KubeConfig,
  type V1Deployment,
  type V1LimitRange,
  type V1Pod,
  type V1ResourceQuota,
  type V1StatefulSet,
} from '@kubernetes/client-node';
import { createCaller, patching, plain } from './calls.js';
import { createObjectApi, type JsonObject, type ObjectApi } from './objects.js';
import { createProvisionApi, type ProvisionApi } from './provision/api.js';

export { ApiRefusal } from './calls.js';

export type Scalable = V1Deployment | V1StatefulSet;

/** What the writers ask of an API server. Each throws ApiRefusal, or HeadroomError `unavailable`. */
export interface KubernetesApi extends ObjectApi {
  /** `selector` as kubectl takes it: `app=web,tier in (a,b)`. */
  listPods(namespace: string, selector: string, signal: AbortSignal): Promise<V1Pod[]>;
  /** In place, through the subresource `resize`: strategic merge patch of the containers' resources. */
  resizePod(
    at: { namespace: string; name: string },
    body: JsonObject,
    manager: string,
    signal: AbortSignal,
  ): Promise<V1Pod>;
  listQuotas(namespace: string, signal: AbortSignal): Promise<V1ResourceQuota[]>;
  listLimitRanges(namespace: string, signal: AbortSignal): Promise<V1LimitRange[]>;
  /** What stands behind pools, tasks and the Jobs that prepare a workload. */
  readonly provision: ProvisionApi;
}

export function createKubernetesApi(kubeConfig: KubeConfig): KubernetesApi {
  const core = kubeConfig.makeApiClient(CoreV1Api);
  const call = createCaller(kubeConfig);
  return {
    ...createObjectApi(kubeConfig, call),
    provision: createProvisionApi(kubeConfig),
    listPods: (namespace, labelSelector, signal) =>
      call(
        'list on pods',
        signal,
        async () => (await core.listNamespacedPod({ namespace, labelSelector }, plain(signal))).items,
      ),
    resizePod: (at, body, fieldManager, signal) =>
      call('patch on pods/resize', signal, () =>
        core.patchNamespacedPodResize(
          { ...at, body, fieldManager },
          patching(PatchStrategy.StrategicMergePatch, signal),
        ),
      ),
    listQuotas: (namespace, signal) =>
      call(
        'list on resourcequotas',
        signal,
        async () => (await core.listNamespacedResourceQuota({ namespace }, plain(signal))).items,
      ),
    listLimitRanges: (namespace, signal) =>
      call(
        'list on limitranges',
        signal,
        async () => (await core.listNamespacedLimitRange({ namespace }, plain(signal))).items,
      ),
  };
}
