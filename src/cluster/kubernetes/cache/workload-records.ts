import { z } from 'zod';
import type { FieldOwner } from '../../../domain/cluster.js';
import { COMPONENTS, parseQuantity, type Resources } from '../../../domain/component.js';
import { reportedOwner } from '../../fence.js';
import type { Scalable } from '../api.js';
import { fieldOwner } from '../managed-fields.js';
import { preparedMarks } from '../marks.js';
import { inPlaceRequests, mainContainer, requestOwners, RESOURCE_NAMES, type PodTemplate } from '../requests.js';
import { cpuTarget, shareOf, targetOwner, userTarget } from '../hpa-metrics.js';
import { floorOf, replicasOf, userFloor } from '../state.js';
import {
  base,
  conditions,
  labels,
  owned,
  podAmounts,
  podSpecSchema,
  selectorSchema,
  shortWords,
  type Amounts,
  type PodSpec,
  type Selector,
} from './schemas.js';
import type { CacheRecord } from './store.js';

/* What is kept of Deployments, StatefulSets, and what scales them: a few hundred bytes each. */

export interface ContainerSize {
  name: string;
  requests: Amounts;
  limits: Amounts;
}

export interface WorkloadRecord extends CacheRecord {
  labels: Readonly<Record<string, string>>;
  replicas: number;
  readyReplicas: number;
  /** Replicas of the present template, by the controller's count. */
  updatedReplicas: number;
  /** The controller has seen the present spec. */
  observed: boolean;
  selector: Selector;
  /** Of one replica. */
  requests: Amounts;
  limits: Amounts;
  containers: ContainerSize[];
  /** The container that is sized. */
  main: string;
  /** Its pods were given another size than the template's, in place. */
  sizedInPlace: boolean;
  podLabels: Readonly<Record<string, string>>;
  priorityClass: string;
  /** Pods of this template end by themselves (activeDeadlineSeconds): `Terminating`, as quotas have it. */
  ends: boolean;
  owners: { replicas: FieldOwner; request: FieldOwner };
  /** The times of need that it was prepared for, by annotation. */
  prepared: Readonly<Record<string, number>>;
  /** What the controller complains of: pods that it may not create, a rollout that does not go on. */
  complaints: { reason: string; words: string }[];
}

const workloadSchema = z.object({
  metadata: owned.extend({ annotations: labels }),
  spec: z.object({
    replicas: z.number().optional(),
    selector: selectorSchema,
    template: z.object({
      metadata: z.object({ labels, annotations: labels }).prefault({}),
      spec: podSpecSchema.prefault({}),
    }),
  }),
  status: z
    .object({
      observedGeneration: z.number().default(0),
      readyReplicas: z.number().default(0),
      updatedReplicas: z.number().default(0),
      conditions,
    })
    .prefault({}),
});

export function workloadRecord(object: unknown): WorkloadRecord {
  const parsed = workloadSchema.parse(object);
  const { metadata, spec, status } = parsed;
  const { template } = spec;
  // The same reading as the writers': what is reported here is what their fence compares with. The client's types want
  // quantities as text.
  const asText = (amounts: Amounts): Record<string, string> =>
    Object.fromEntries(Object.entries(amounts).map(([name, amount]) => [name, String(amount)]));
  const scalable: Scalable = {
    metadata: { managedFields: metadata.managedFields },
    spec: {
      ...(spec.replicas === undefined ? {} : { replicas: spec.replicas }),
      selector: spec.selector,
      template: {
        metadata: template.metadata,
        spec: {
          containers: template.spec.containers.map(({ name, resources }) => ({
            name,
            resources: { requests: asText(resources.requests) },
          })),
        },
      },
    },
  };
  const sized = withSizes(template.spec, scalable.spec?.template, metadata.annotations);
  return {
    ...base(metadata),
    labels: metadata.labels,
    replicas: replicasOf(scalable),
    readyReplicas: status.readyReplicas,
    updatedReplicas: status.updatedReplicas,
    observed: status.observedGeneration >= metadata.generation,
    selector: spec.selector,
    requests: podAmounts(sized, 'requests'),
    limits: podAmounts(sized, 'limits'),
    containers: sized.containers.map(({ name, resources }) => ({ name, ...resources })),
    main: mainContainer(scalable.spec?.template)?.name ?? '',
    sizedInPlace: sized !== template.spec,
    podLabels: template.metadata.labels,
    priorityClass: template.spec.priorityClassName,
    ends: template.spec.activeDeadlineSeconds !== undefined,
    owners: {
      replicas: fieldOwner(metadata.managedFields, ['spec', 'replicas']),
      request: reportedOwner(requestOwners(metadata, scalable.spec?.template)),
    },
    prepared: preparedMarks(metadata.annotations),
    complaints: status.conditions
      .filter(
        ({ type, status: is }) =>
          (type === 'ReplicaFailure' && is === 'True') || (type === 'Progressing' && is === 'False'),
      )
      .map(({ reason, message }) => ({ reason, words: shortWords(message) })),
  };
}

/** The template's pods as they are meant to be: with the sizes that they were given in place. */
function withSizes(
  spec: PodSpec,
  template: PodTemplate | undefined,
  annotations: Readonly<Record<string, string>>,
): PodSpec {
  const given = inPlaceRequests(annotations, template);
  const main = mainContainer(template)?.name;
  const over: Amounts = {};
  for (const component of COMPONENTS) {
    const [resource, quantity] = [RESOURCE_NAMES[component], given[component]];
    if (resource !== undefined && quantity !== undefined) over[resource] = parseQuantity(quantity);
  }
  if (Object.keys(over).length === 0) return spec;
  const containers = spec.containers.map((container) =>
    container.name === main
      ? { ...container, resources: { ...container.resources, requests: { ...container.resources.requests, ...over } } }
      : container,
  );
  return { ...spec, containers };
}

/** Requests of one replica in the domain's components: its containers', as they are written and sized. */
export function componentsOf(containers: readonly ContainerSize[]): Resources {
  const total: Resources = {};
  for (const component of COMPONENTS) {
    const resource = RESOURCE_NAMES[component];
    if (resource === undefined) continue;
    for (const { requests } of containers) {
      const amount = requests[resource];
      if (amount !== undefined) total[component] = (total[component] ?? 0) + amount;
    }
  }
  return total;
}

const reference = z.object({
  apiVersion: z.string().optional(),
  kind: z.string().default('Deployment'),
  name: z.string(),
});

/** An HPA, or a ScaledObject of KEDA. */
export interface AutoscalerRecord extends CacheRecord {
  target: { kind: string; name: string };
  floor: number;
  ceiling: number;
  floorOwner: FieldOwner;
  /** What the user set it to, where Headroom is known to have raised it since. */
  userFloor: number | null;
  /** The CPU utilization that an HPA aims at, as a share of the request; null where no metric of it says so. */
  cpuTarget: { value: number; owner: FieldOwner; user: number | null } | null;
  /** The ScaledObject that made this HPA, where one did: the floor to be raised is its, not the HPA's. */
  madeBy: string | null;
}

const hpaSchema = z.object({
  metadata: owned.extend({ annotations: labels }),
  spec: z.object({
    scaleTargetRef: reference,
    minReplicas: z.number().optional(),
    maxReplicas: z.number().default(0),
    metrics: z.array(z.unknown()).default([]),
  }),
});

export function autoscalerRecord(object: unknown): AutoscalerRecord {
  const { metadata, spec } = hpaSchema.parse(object);
  return {
    ...base(metadata),
    target: { kind: spec.scaleTargetRef.kind, name: spec.scaleTargetRef.name },
    floor: floorOf({ spec }),
    ceiling: spec.maxReplicas,
    floorOwner: fieldOwner(metadata.managedFields, ['spec', 'minReplicas']),
    userFloor: userFloor(metadata, floorOf({ spec }), ['spec', 'minReplicas']),
    cpuTarget: cpuTargetRecord(metadata, spec.metrics),
    madeBy: metadata.ownerReferences.find(({ kind }) => kind === 'ScaledObject')?.name ?? null,
  };
}

function cpuTargetRecord(
  metadata: z.output<typeof hpaSchema>['metadata'],
  metrics: readonly unknown[],
): AutoscalerRecord['cpuTarget'] {
  const found = cpuTarget(metrics);
  if (found === null) return null;
  const user = userTarget(metadata, found.percent);
  return {
    value: shareOf(found.percent),
    owner: targetOwner(metadata.managedFields),
    user: user === null ? null : shareOf(user),
  };
}

/** KEDA's own defaults: 0 and 100. https://keda.sh/docs/latest/reference/scaledobject-spec/ */
const scaledObjectSchema = z.object({
  metadata: owned.extend({ annotations: labels }),
  spec: z.object({
    scaleTargetRef: reference,
    minReplicaCount: z.number().default(0),
    maxReplicaCount: z.number().default(100),
  }),
});

export function scaledObjectRecord(object: unknown): AutoscalerRecord {
  const { metadata, spec } = scaledObjectSchema.parse(object);
  return {
    ...base(metadata),
    target: { kind: spec.scaleTargetRef.kind, name: spec.scaleTargetRef.name },
    floor: spec.minReplicaCount,
    ceiling: spec.maxReplicaCount,
    floorOwner: fieldOwner(metadata.managedFields, ['spec', 'minReplicaCount']),
    userFloor: userFloor(metadata, spec.minReplicaCount, ['spec', 'minReplicaCount']),
    cpuTarget: null,
    madeBy: null,
  };
}
