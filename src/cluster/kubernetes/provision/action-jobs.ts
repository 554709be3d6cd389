import { createHash } from 'node:crypto';
import type { V1Job, V1PodSpec, V1PodTemplateSpec } from '@kubernetes/client-node';
import { formatQuantity } from '../../../domain/component.js';
import type { PrepullPolicy, WarmUpPolicy } from '../../../domain/preparation.js';
import type { EpochSeconds } from '../../../domain/time.js';
import type { WorkloadTarget } from '../../port.js';
import { ACTION, madeFor, WORKLOAD } from './labels.js';

/* Jobs that are run for a workload before its capacity is needed. They end, and clear themselves away. */

/** A Job that has ended is kept so long for whoever looks. */
const KEPT_SECONDS = 600;

export interface ActionRun {
  account: string;
  at: WorkloadTarget;
  action: string;
  /** The time of need that it is for: one Job a time, however often it is asked for. */
  needed: EpochSeconds;
  /** Data sets that are likely to be read, the likeliest first. */
  dataSets?: readonly string[];
}

/** Names end in digits that tell them apart, and are cut where they would be too long for a pod's label. */
export function actionJobName({ account, at, action, needed }: ActionRun): string {
  const id = createHash('sha256')
    .update(JSON.stringify([account, at.namespace, at.workload, action, needed]))
    .digest('hex');
  const words = `headroom-${at.workload}-${action}`.replaceAll('.', '-').slice(0, 46);
  return `${words.replace(/-+$/, '')}-${id.slice(0, 10)}`;
}

export const actionLabels = ({ account, at, action }: ActionRun): Record<string, string> => ({
  ...madeFor(account),
  [WORKLOAD]: at.workload,
  [ACTION]: action,
});

const job = (run: ActionRun, spec: V1Job['spec'] & object): V1Job => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: {
    name: actionJobName(run),
    namespace: run.at.namespace,
    labels: actionLabels(run),
    annotations: { 'headroom.dev/needed-at': new Date(run.needed * 1000).toISOString() },
  },
  spec: { ttlSecondsAfterFinished: KEPT_SECONDS, ...spec },
});

/** Every image that a replica runs, once, with how it is pulled. */
export function imagesOf(pod: V1PodSpec | undefined): { image: string; pullPolicy: string | undefined }[] {
  const all = [...(pod?.initContainers ?? []), ...(pod?.containers ?? [])];
  const found = new Map<string, string | undefined>();
  for (const { image, imagePullPolicy } of all) {
    if (image !== undefined && image !== '' && !found.has(image)) found.set(image, imagePullPolicy);
  }
  return [...found].map(([image, pullPolicy]) => ({ image, pullPolicy }));
}

/**
 * One pod on each of so many nodes that mounts the workload's images as volumes: the kubelet pulls them, and nothing of
 * theirs is run, whatever they have for a shell. Needs image volumes (on by default from Kubernetes 1.35).
 * https://kubernetes.io/docs/concepts/storage/volumes/#image
 */
export function prepullJob(run: ActionRun, policy: PrepullPolicy, template: V1PodTemplateSpec, nodes: number): V1Job {
  const pod = template.spec;
  const labels = actionLabels(run);
  const images = imagesOf(pod);
  return job(run, {
    completions: nodes,
    parallelism: nodes,
    // A node that cannot pull shall not keep the others from it.
    backoffLimit: nodes,
    activeDeadlineSeconds: Math.ceil(policy.deadline),
    template: {
      metadata: { labels: { ...labels, 'headroom.dev/needed': String(Math.floor(run.needed)) } },
      spec: {
        restartPolicy: 'Never',
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        terminationGracePeriodSeconds: 0,
        ...(pod?.imagePullSecrets === undefined ? {} : { imagePullSecrets: pod.imagePullSecrets }),
        ...(pod?.nodeSelector === undefined ? {} : { nodeSelector: pod.nodeSelector }),
        ...(pod?.tolerations === undefined ? {} : { tolerations: pod.tolerations }),
        affinity: {
          ...(pod?.affinity?.nodeAffinity === undefined ? {} : { nodeAffinity: pod.affinity.nodeAffinity }),
          podAntiAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: [
              {
                topologyKey: 'kubernetes.io/hostname',
                labelSelector: {
                  matchLabels: { ...labels, 'headroom.dev/needed': String(Math.floor(run.needed)) },
                },
              },
            ],
          },
        },
        securityContext: { runAsNonRoot: true, runAsUser: 65535, seccompProfile: { type: 'RuntimeDefault' } },
        volumes: images.map(({ image, pullPolicy }, index) => ({
          name: `image-${index}`,
          image: { reference: image, ...(pullPolicy === undefined ? {} : { pullPolicy }) },
        })),
        containers: [
          {
            name: 'pull',
            image: policy.image,
            args: policy.arguments,
            // It asks for nothing, or it would push a placeholder off the very node that is to be kept warm.
            resources: { requests: { cpu: '0', memory: '0' }, limits: { cpu: '100m', memory: '32Mi' } },
            securityContext: {
              allowPrivilegeEscalation: false,
              readOnlyRootFilesystem: true,
              capabilities: { drop: ['ALL'] },
            },
            volumeMounts: images.map((_, index) => ({
              name: `image-${index}`,
              mountPath: `/images/${index}`,
              readOnly: true,
            })),
          },
        ],
      },
    },
  });
}

/** Bytes of a list in an environment variable: far below what a pod may have, enough for a hundred names. */
const MOST_BYTES = 16_384;

/**
 * Names as a JSON array in one line, the likeliest first, cut where it would be too long. Labels of events are whatever
 * their senders wrote: JSON escapes what would end a line, and a doubled dollar is what Kubernetes takes for one, where
 * `$(NAME)` would be another variable's value.
 * https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
 */
export function listed(dataSets: readonly string[]): string {
  const kept = dataSets.map((name) => JSON.stringify(name).replaceAll('$', '$$$$'));
  const text = (): string => `[${kept.join(',')}]`;
  while (Buffer.byteLength(text()) > MOST_BYTES) kept.pop();
  return text();
}

export function warmUpJob(run: ActionRun, policy: WarmUpPolicy): V1Job {
  const { cpu, memory } = policy.requests;
  const environment = {
    ...policy.environment,
    HEADROOM_ACCOUNT: run.account,
    HEADROOM_WORKLOAD: run.at.workload,
    HEADROOM_NEEDED_AT: new Date(run.needed * 1000).toISOString(),
    ...(policy.dataSets === undefined ? {} : { HEADROOM_DATA_SETS: listed(run.dataSets ?? []) }),
  };
  return job(run, {
    backoffLimit: policy.retries,
    activeDeadlineSeconds: Math.ceil(policy.deadline),
    template: {
      metadata: { labels: actionLabels(run) },
      spec: {
        restartPolicy: 'Never',
        ...(policy.serviceAccount === undefined
          ? { automountServiceAccountToken: false }
          : { serviceAccountName: policy.serviceAccount }),
        securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
        containers: [
          {
            name: 'warm-up',
            image: policy.image,
            ...(policy.command === undefined ? {} : { command: policy.command }),
            ...(policy.arguments === undefined ? {} : { args: policy.arguments }),
            env: Object.entries(environment).map(([name, value]) => ({ name, value })),
            resources: {
              requests: {
                ...(cpu === undefined ? {} : { cpu: formatQuantity('cpu', cpu) }),
                ...(memory === undefined ? {} : { memory: formatQuantity('memory', memory) }),
              },
            },
            securityContext: { allowPrivilegeEscalation: false },
          },
        ],
      },
    },
  });
}
