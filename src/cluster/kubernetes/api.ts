import {
  AppsV1Api,
  AutoscalingV2Api,
  CoreV1Api,
  PatchStrategy,
  type KubeConfig,
  type V1Deployment,
  type V1Node,
  type V1StatefulSet,
  type V2HorizontalPodAutoscaler,
} from '@kubernetes/client-node';
import type { WorkloadTarget } from '../port.js';
import { createCaller, patching, plain } from './calls.js';

export { ApiRefusal } from './calls.js';

export type Scalable = V1Deployment | V1StatefulSet;

/** The few verbs that Headroom needs. Each throws {@link ApiRefusal}, or HeadroomError `unavailable`. */
export interface KubernetesApi {
  readWorkload(target: WorkloadTarget, signal: AbortSignal): Promise<Scalable>;
  /** Strategic merge patch: containers are told apart by name. */
  patchWorkload(target: WorkloadTarget, body: unknown, manager: string, signal: AbortSignal): Promise<Scalable>;
  listAutoscalers(namespace: string, signal: AbortSignal): Promise<V2HorizontalPodAutoscaler[]>;
  /** Server-Side Apply: the manager's whole intent, taking what others own (the caller has fenced). */
  applyAutoscaler(
    at: { namespace: string; name: string },
    body: unknown,
    manager: string,
    signal: AbortSignal,
  ): Promise<V2HorizontalPodAutoscaler>;
  /** A plain update of some fields in the name of another manager. */
  patchAutoscaler(
    at: { namespace: string; name: string },
    body: unknown,
    manager: string,
    signal: AbortSignal,
  ): Promise<V2HorizontalPodAutoscaler>;
  listNodes(selector: string, signal: AbortSignal): Promise<V1Node[]>;
}

/** What a person has to grant, by call. */
const VERBS: Record<keyof KubernetesApi, string> = {
  readWorkload: 'get on deployments.apps and statefulsets.apps',
  patchWorkload: 'patch on deployments.apps and statefulsets.apps',
  listAutoscalers: 'list on horizontalpodautoscalers.autoscaling',
  applyAutoscaler: 'patch on horizontalpodautoscalers.autoscaling',
  patchAutoscaler: 'patch on horizontalpodautoscalers.autoscaling',
  listNodes: 'list on nodes',
};

export function createKubernetesApi(kubeConfig: KubeConfig): KubernetesApi {
  const apps = kubeConfig.makeApiClient(AppsV1Api);
  const autoscaling = kubeConfig.makeApiClient(AutoscalingV2Api);
  const core = kubeConfig.makeApiClient(CoreV1Api);
  const ask = createCaller(kubeConfig);
  const call = <T>(verb: keyof KubernetesApi, signal: AbortSignal, work: () => Promise<T>): Promise<T> =>
    ask(VERBS[verb], signal, work);

  return {
    readWorkload: ({ kind, namespace, name }, signal) =>
      call('readWorkload', signal, () =>
        kind === 'Deployment'
          ? apps.readNamespacedDeployment({ namespace, name }, plain(signal))
          : apps.readNamespacedStatefulSet({ namespace, name }, plain(signal)),
      ),
    patchWorkload: ({ kind, namespace, name }, body, fieldManager, signal) =>
      call('patchWorkload', signal, () => {
        const options = patching(PatchStrategy.StrategicMergePatch, signal);
        const request = { namespace, name, body, fieldManager };
        return kind === 'Deployment'
          ? apps.patchNamespacedDeployment(request, options)
          : apps.patchNamespacedStatefulSet(request, options);
      }),
    listAutoscalers: (namespace, signal) =>
      call('listAutoscalers', signal, async () => {
        const list = await autoscaling.listNamespacedHorizontalPodAutoscaler({ namespace }, plain(signal));
        return list.items;
      }),
    applyAutoscaler: (at, body, fieldManager, signal) =>
      call('applyAutoscaler', signal, () =>
        autoscaling.patchNamespacedHorizontalPodAutoscaler(
          { ...at, body, fieldManager, force: true },
          patching(PatchStrategy.ServerSideApply, signal),
        ),
      ),
    patchAutoscaler: (at, body, fieldManager, signal) =>
      call('patchAutoscaler', signal, () =>
        autoscaling.patchNamespacedHorizontalPodAutoscaler(
          { ...at, body, fieldManager },
          patching(PatchStrategy.MergePatch, signal),
        ),
      ),
    listNodes: (labelSelector, signal) =>
      call('listNodes', signal, async () => (await core.listNode({ labelSelector }, plain(signal))).items),
  };
}
