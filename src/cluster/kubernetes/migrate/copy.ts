import type { MoveRequest } from '../../migrating.js';
import { ACCOUNT } from '../provision/labels.js';
import { apiVersionOf, type JsonObject, type LiveObject } from '../objects.js';
import { CLAIMED, COPY, LEFT_BY, MADE_BY } from './kinds.js';
import type { Labels, SeenWorkload } from './seen.js';
import { copiedClaim } from './volumes.js';

/** Marks of the source that are none of the copy's: claims, revisions, what `kubectl apply` remembers of another object. */
const NOT_COPIED = [
  CLAIMED,
  MADE_BY,
  LEFT_BY,
  'deployment.kubernetes.io/revision',
  'kubectl.kubernetes.io/last-applied-configuration',
];

/** Annotations that go along: not Headroom's marks of changes, nor sizes given in place, which the copy has as its own. */
export const carried = (annotations: Labels | undefined): Labels =>
  Object.fromEntries(
    Object.entries(annotations ?? {}).filter(
      ([name]) =>
        !NOT_COPIED.includes(name) &&
        !name.startsWith('headroom.dev/change-') &&
        !name.startsWith('headroom.dev/in-place-request.'),
    ),
  );

/**
 * The copy of a Deployment or StatefulSet, whole but for what makes it another: its name, the labels that tell its pods from
 * the source's, the target's nodes and taints, its own claims. https://kubernetes.io/docs/concepts/workloads/
 */
export function copyOf(source: SeenWorkload, request: MoveRequest, changed: Labels, replicas: number): JsonObject {
  const { copy, id, account, at } = request;
  const { spec, object, ref } = source;
  const mark = { [COPY]: copy };
  const { metadata, spec: pod } = spec.template;
  const tolerations = [...(pod.tolerations ?? []), ...request.tolerations];
  return {
    ...{ apiVersion: apiVersionOf(ref), kind: ref.kind },
    metadata: {
      ...{ name: copy, namespace: at.namespace },
      labels: { ...turnedKnown(object.metadata.labels ?? {}, changed), [ACCOUNT]: account },
      annotations: { ...carried(object.metadata.annotations), [MADE_BY]: id },
    },
    spec: {
      ...spec,
      replicas,
      selector: {
        ...(spec.selector.matchExpressions.length === 0 ? {} : { matchExpressions: spec.selector.matchExpressions }),
        matchLabels: { ...turnedKnown(spec.selector.matchLabels, changed), ...mark },
      },
      template: {
        ...spec.template,
        metadata: { ...metadata, labels: { ...metadata.labels, ...changed, ...mark } },
        spec: {
          ...pod,
          nodeSelector: { ...pod.nodeSelector, ...request.nodeSelector },
          ...(tolerations.length === 0 ? {} : { tolerations }),
          ...(pod.volumes === undefined ? {} : { volumes: pod.volumes.map((volume) => repointed(volume, copy)) }),
        },
      },
    },
  };
}

const turnedKnown = (labels: Labels, changed: Labels): Labels =>
  Object.fromEntries(Object.entries(labels).map(([key, value]) => [key, changed[key] ?? value]));

function repointed(volume: JsonObject, copy: string): JsonObject {
  const claim = volume['persistentVolumeClaim'];
  if (typeof claim !== 'object' || claim === null || !('claimName' in claim)) return volume;
  return { ...volume, persistentVolumeClaim: { ...claim, claimName: copiedClaim(String(claim.claimName), copy) } };
}

/** Fields of a Service that are one's own, and may not be asked for by another. */
const OWN_TO_SERVICE = [
  'clusterIP',
  'clusterIPs',
  'externalIPs',
  'loadBalancerIP',
  'healthCheckNodePort',
  'loadBalancerClass',
];

/** The Service that leads to the copy's pods alone, for the time of the migration; inside the cluster, whatever the other is. */
export function copyService(service: LiveObject, name: string, request: MoveRequest): JsonObject {
  const spec = typeof service['spec'] === 'object' && service['spec'] !== null ? service['spec'] : {};
  const kept = Object.entries(spec).filter(([field]) => !OWN_TO_SERVICE.includes(field) && field !== 'type');
  const { ports, ...rest } = Object.fromEntries<unknown>(kept);
  return {
    ...{ apiVersion: 'v1', kind: 'Service' },
    metadata: {
      ...{ name, namespace: request.at.namespace, annotations: { [MADE_BY]: request.id } },
      labels: { ...service.metadata.labels, [ACCOUNT]: request.account },
    },
    spec: {
      ...rest,
      ...{ type: 'ClusterIP', selector: { [COPY]: request.copy } },
      externalTrafficPolicy: undefined,
      allocateLoadBalancerNodePorts: undefined,
      ports: Array.isArray(ports) ? ports.map(withoutNodePort) : [],
    },
  };
}

const withoutNodePort = (port: unknown): unknown =>
  typeof port === 'object' && port !== null ? { ...port, nodePort: undefined } : port;

export const serviceName = (service: string, copy: string): string => {
  const number = copy.slice(copy.lastIndexOf('-'));
  return `${service.slice(0, 63 - number.length)}${number}`;
};
