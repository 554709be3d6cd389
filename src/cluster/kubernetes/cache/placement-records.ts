import { z } from 'zod';
import {
  base,
  conditions,
  metadataSchema,
  podAmounts,
  podSpecSchema,
  quantities,
  shortWords,
  type Amounts,
} from './schemas.js';
import type { CacheRecord } from './store.js';
import type { TroubleReason } from '../../../domain/cluster.js';

/* What is kept of pods and nodes: where a pod is, what it is charged, and why it is not ready. */

export interface PodRecord extends CacheRecord {
  labels: Readonly<Record<string, string>>;
  /** Empty while it has none. */
  node: string;
  /** It has ended, for good or bad, and holds nothing any more. */
  ended: boolean;
  leaving: boolean;
  ready: boolean;
  requests: Amounts;
  limits: Amounts;
  /** Why it is not ready; null where it is. */
  trouble: { reason: TroubleReason; words: string } | null;
}

const containerStatuses = z
  .array(
    z.object({
      name: z.string(),
      restartCount: z.number().default(0),
      state: z
        .object({ waiting: z.object({ reason: z.string().default(''), message: z.string().default('') }).optional() })
        .prefault({}),
    }),
  )
  .default([]);

const podSchema = z.object({
  metadata: metadataSchema,
  spec: podSpecSchema.prefault({}),
  status: z
    .object({
      phase: z.string().default('Pending'),
      reason: z.string().default(''),
      message: z.string().default(''),
      conditions,
      containerStatuses,
      initContainerStatuses: containerStatuses,
    })
    .prefault({}),
});
type Pod = z.output<typeof podSchema>;

export function podRecord(object: unknown): PodRecord {
  const pod = podSchema.parse(object);
  const { metadata, spec, status } = pod;
  const ready = status.conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True');
  return {
    ...base(metadata),
    labels: metadata.labels,
    node: spec.nodeName,
    ended: status.phase === 'Succeeded' || status.phase === 'Failed',
    leaving: metadata.deletionTimestamp !== undefined,
    ready,
    requests: podAmounts(spec, 'requests'),
    limits: podAmounts(spec, 'limits'),
    trouble: troubleOf(pod, ready),
  };
}

/** Waiting reasons of a container, as the kubelet gives them, by what they mean to a person. */
const WAITING: Readonly<Record<string, TroubleReason>> = {
  CrashLoopBackOff: 'crash-looping',
  ImagePullBackOff: 'image-pull',
  ErrImagePull: 'image-pull',
  InvalidImageName: 'image-pull',
  ErrImageNeverPull: 'image-pull',
  RegistryUnavailable: 'image-pull',
  CreateContainerConfigError: 'cannot-start',
  CreateContainerError: 'cannot-start',
  RunContainerError: 'cannot-start',
  PreCreateHookError: 'cannot-start',
  PostStartHookError: 'cannot-start',
};

function troubleOf({ status, spec }: Pod, ready: boolean): PodRecord['trouble'] {
  // A pod may be ready and have a resize that its node has no room for.
  const resize = status.conditions.find(({ type, status: is }) => type === 'PodResizePending' && is === 'True');
  if (ready) {
    if (resize === undefined) return null;
    return { reason: 'resize-pending', words: shortWords(`${resize.reason}: ${resize.message}`) };
  }
  for (const { name, state } of [...status.initContainerStatuses, ...status.containerStatuses]) {
    const reason = state.waiting === undefined ? undefined : WAITING[state.waiting.reason];
    if (reason === undefined || state.waiting === undefined) continue;
    const { message } = state.waiting;
    return { reason, words: shortWords(`container ${name}: ${message === '' ? state.waiting.reason : message}`) };
  }
  const scheduled = status.conditions.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status === 'False') {
    return {
      reason: 'unschedulable',
      words: shortWords(scheduled.message === '' ? scheduled.reason : scheduled.message),
    };
  }
  if (spec.nodeName === '') return { reason: 'starting', words: 'waits for a node' };
  if (status.phase === 'Pending') return { reason: 'starting', words: 'its containers are being started' };
  const unready = status.conditions.find(({ type }) => type === 'Ready');
  return { reason: 'not-ready', words: shortWords(unready?.message || 'its containers are not ready') };
}

export interface NodeRecord extends CacheRecord {
  labels: Readonly<Record<string, string>>;
  ready: boolean;
  cordoned: boolean;
  /** Being taken out of the cluster, by whom it is marked so. */
  leaving: boolean;
  allocatable: Amounts;
}

/** Taints by which autoscalers mark a node that they are about to remove. */
const LEAVING_TAINTS = new Set([
  'karpenter.sh/disrupted',
  'karpenter.sh/disruption',
  'ToBeDeletedByClusterAutoscaler',
  'DeletionCandidateOfClusterAutoscaler',
  'node.kubernetes.io/out-of-service',
]);
/** Only a wish so far: the node is there until a harder taint follows. */
const SOFT = 'PreferNoSchedule';

const nodeSchema = z.object({
  metadata: metadataSchema,
  spec: z
    .object({
      unschedulable: z.boolean().default(false),
      taints: z.array(z.object({ key: z.string(), effect: z.string().default('') })).default([]),
    })
    .prefault({}),
  status: z.object({ allocatable: quantities, conditions }).prefault({}),
});

export function nodeRecord(object: unknown): NodeRecord {
  const { metadata, spec, status } = nodeSchema.parse(object);
  return {
    ...base(metadata),
    labels: metadata.labels,
    ready: status.conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True'),
    cordoned: spec.unschedulable,
    leaving:
      metadata.deletionTimestamp !== undefined ||
      spec.taints.some(({ key, effect }) => LEAVING_TAINTS.has(key) && effect !== SOFT),
    allocatable: status.allocatable,
  };
}

export const carries = (wanted: Readonly<Record<string, string>>, has: Readonly<Record<string, string>>): boolean =>
  Object.entries(wanted).every(([key, value]) => has[key] === value);
