import type { V1Pod } from '@kubernetes/client-node';
import { setTimeout as delay } from 'node:timers/promises';
import { parseQuantity } from '../../../domain/component.js';
import { HEADROOM } from '../../fence.js';
import type { KubernetesApi } from '../api.js';
import { ApiRefusal } from '../calls.js';
import { selectorText, type LiveWorkload } from './live-workload.js';

/*
 * Resizing the pods of a workload without restarting them (Kubernetes 1.33 and later), by the subresource `resize`.
 * https://kubernetes.io/docs/tasks/configure-pod-container/resize-container-resources/
 */

/** Pods that are asked at once. */
const ABREAST = 16;
/** How often the kubelets' answers are looked for. */
const LOOK_MS = 500;

export interface Sizing {
  container: string;
  resource: string;
  quantity: string;
}

/**
 * Gives all pods of a workload the size, and waits for the kubelets that say something about it.
 * @param patience milliseconds that a node may say that it has no room for now; 0: does not wait.
 * @returns why it cannot be done in place, in words; null where it is done or being done.
 */
export async function resizePods(
  api: KubernetesApi,
  workload: LiveWorkload,
  sizing: Sizing,
  patience: number,
  signal: AbortSignal,
): Promise<string | null> {
  const namespace = workload.ref.namespace ?? '';
  const list = async () => (await api.listPods(namespace, selectorText(workload), signal)).filter(isServing);
  const others = (await list()).filter((pod) => !hasSize(pod, sizing));
  for (let from = 0; from < others.length; from += ABREAST) {
    const answers = await Promise.all(
      others.slice(from, from + ABREAST).map((pod) => resize(api, pod, sizing, signal)),
    );
    const refused = answers.find((answer) => answer !== null);
    if (refused !== undefined) return refused;
  }
  if (others.length === 0) return null;
  const until = Date.now() + patience;
  for (;;) {
    const pods = await list();
    const impossible = pods.map((pod) => pending(pod, 'Infeasible')).find((words) => words !== null);
    if (impossible !== undefined) return impossible;
    const deferred = pods.map((pod) => pending(pod, 'Deferred')).find((words) => words !== null);
    // A pod of whose resources no kubelet says anything is not waited for.
    if (deferred === undefined && pods.every((pod) => hasSize(pod, sizing) && actual(pod, sizing) !== false))
      return null;
    if (Date.now() >= until) return deferred ?? null;
    await delay(LOOK_MS, undefined, { signal });
  }
}

const nameOf = ({ metadata }: V1Pod): string => metadata?.name ?? '';

const isServing = ({ metadata, status }: V1Pod): boolean =>
  metadata?.deletionTimestamp === undefined && status?.phase !== 'Succeeded' && status?.phase !== 'Failed';

const same = (a: string | undefined, b: string): boolean => a !== undefined && parseQuantity(a) === parseQuantity(b);

const hasSize = ({ spec }: V1Pod, { container, resource, quantity }: Sizing): boolean =>
  same(spec?.containers.find(({ name }) => name === container)?.resources?.requests?.[resource], quantity);

/** Whether the kubelet has done it; null where it says nothing. */
function actual({ status }: V1Pod, { container, resource, quantity }: Sizing): boolean | null {
  const requests = status?.containerStatuses?.find(({ name }) => name === container)?.resources?.requests;
  return requests === undefined ? null : same(requests[resource], quantity);
}

function pending(pod: V1Pod, reason: 'Infeasible' | 'Deferred'): string | null {
  const condition = pod.status?.conditions?.find(
    ({ type, status }) => type === 'PodResizePending' && status === 'True',
  );
  if (condition === undefined || condition.reason !== reason) return null;
  return `pod ${nameOf(pod)}: ${condition.message ?? reason}`;
}

async function resize(
  api: KubernetesApi,
  pod: V1Pod,
  { container, resource, quantity }: Sizing,
  signal: AbortSignal,
): Promise<string | null> {
  const name = nameOf(pod);
  const body = { spec: { containers: [{ name: container, resources: { requests: { [resource]: quantity } } }] } };
  try {
    await api.resizePod({ namespace: pod.metadata?.namespace ?? '', name }, body, HEADROOM, signal);
    return null;
  } catch (error) {
    if (!(error instanceof ApiRefusal)) throw error;
    // The pod ended meanwhile, or the server has no such subresource: in the latter case no pod gets its size.
    if (error.kind === 'not-found') return error.message.includes(`"${name}"`) ? null : error.message;
    // Its status moved in between.
    if (error.kind === 'conflict') return resize(api, pod, { container, resource, quantity }, signal);
    return `pod ${name}: ${error.message}`;
  }
}
