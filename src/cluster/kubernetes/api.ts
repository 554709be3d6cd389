import {
  ApiException,
  AppsV1Api,
  AutoscalingV2Api,
  CoreV1Api,
  Observable,
  PatchStrategy,
  setHeaderOptions,
  type ConfigurationOptions,
  type KubeConfig,
  type ObservableMiddleware,
  type V1Deployment,
  type V1Node,
  type V1StatefulSet,
  type V2HorizontalPodAutoscaler,
} from '@kubernetes/client-node';
import { z } from 'zod';
import { HeadroomError } from '../../domain/errors.js';
import type { WorkloadTarget } from '../port.js';

export type Scalable = V1Deployment | V1StatefulSet;

/** What the API server said no to; `conflict`: the object is newer than what was read. */
export class ApiRefusal extends Error {
  constructor(
    readonly kind: 'not-found' | 'forbidden' | 'invalid' | 'conflict',
    message: string,
  ) {
    super(message);
  }
}

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

const statusSchema = z.object({ message: z.string() });

export function createKubernetesApi(kubeConfig: KubeConfig): KubernetesApi {
  const apps = kubeConfig.makeApiClient(AppsV1Api);
  const autoscaling = kubeConfig.makeApiClient(AutoscalingV2Api);
  const core = kubeConfig.makeApiClient(CoreV1Api);
  const server = kubeConfig.getCurrentCluster()?.server ?? 'the API server';

  const cancelledBy = (signal: AbortSignal): ObservableMiddleware => ({
    pre: (request) => {
      request.setSignal(signal);
      return new Observable(Promise.resolve(request));
    },
    post: (response) => new Observable(Promise.resolve(response)),
  });

  type Options = ConfigurationOptions<ObservableMiddleware>;
  const plain = (signal: AbortSignal): Options => ({
    middleware: [cancelledBy(signal)],
    middlewareMergeStrategy: 'append',
  });
  const patching = (strategy: PatchStrategy, signal: AbortSignal): Options =>
    setHeaderOptions('Content-Type', strategy, plain(signal));

  /** Tells refusals from an API server that is out of reach. */
  const call = async <T>(verb: keyof KubernetesApi, signal: AbortSignal, work: () => Promise<T>): Promise<T> => {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      const unavailable = (problem: string) =>
        new HeadroomError({
          kind: 'unavailable',
          component: 'cluster/kubernetes',
          action: `asking ${server} for ${VERBS[verb]}`,
          problem,
          remedy: 'try again; repeating a write with its key is safe',
          cause: error,
        });
      if (!(error instanceof ApiException)) {
        throw unavailable(error instanceof Error ? error.message : String(error));
      }
      const said = messageOf(error);
      switch (error.code) {
        case 404:
          throw new ApiRefusal('not-found', said);
        case 409:
          throw new ApiRefusal('conflict', said);
        case 400:
        case 405:
        case 413:
        case 415:
        case 422:
          throw new ApiRefusal('invalid', said);
        case 401:
          throw new ApiRefusal('forbidden', `${said}; renew the credentials of the kubeconfig`);
        case 403:
          throw new ApiRefusal('forbidden', `${said}; where the role lacks it, grant ${VERBS[verb]}`);
        default:
          throw unavailable(`it answers ${error.code}: ${said}`);
      }
    }
  };

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

/** The server's own words, out of the Status that it answers with. */
function messageOf(error: ApiException<unknown>): string {
  const { body } = error;
  let value: unknown = body;
  if (typeof body === 'string') {
    try {
      value = JSON.parse(body);
    } catch {
      return body;
    }
  }
  const status = statusSchema.safeParse(value);
  return status.success ? status.data.message : `status ${error.code}`;
}
