import type { FieldTarget } from '../../domain/cluster.js';
import { reportedOwner, type FieldNow } from '../fence.js';
import type { WorkloadTarget } from '../port.js';
import type { KubernetesApi } from './api.js';
import { readMark } from './marks.js';
import { mainContainer, mainRequest, requestsOf, RESOURCE_NAMES } from './requests.js';
import { autoscalerOf, floorOf, floorOwner, nameOf, replicasOf, replicasOwner, requestOwners } from './state.js';

export type WorkloadField = Exclude<FieldTarget, { field: 'nodes' }>;

export interface OpenField {
  kind: 'open';
  now: FieldNow;
  /** What the value will read as, once the API has rounded it. */
  stored: number;
  /** Why the value cannot be written whatever the fence says; null where it can. */
  refusal: string | null;
  /** Writes value and mark at once, on condition that the object is still the one that was read. */
  write(mark: Record<string, string>): Promise<unknown>;
}

export type Opened = OpenField | { kind: 'missing'; detail: string };

/** Reads one field of one object, and prepares its write in the name of `writeAs`. */
export async function openField(
  api: KubernetesApi,
  field: WorkloadField,
  at: WorkloadTarget,
  writeAs: { manager: string; ours: boolean },
  signal: AbortSignal,
): Promise<Opened> {
  switch (field.field) {
    case 'floor':
      return openFloor(api, field, at, writeAs, signal);
    case 'replicas':
      return openReplicas(api, field, at, writeAs.manager, signal);
    case 'request':
      return openRequest(api, field, at, writeAs.manager, signal);
  }
}

async function openReplicas(
  api: KubernetesApi,
  field: Extract<WorkloadField, { field: 'replicas' }>,
  at: WorkloadTarget,
  manager: string,
  signal: AbortSignal,
): Promise<OpenField> {
  const [object, all] = await Promise.all([api.readWorkload(at, signal), api.listAutoscalers(at.namespace, signal)]);
  const autoscaler = autoscalerOf(all, at);
  const { annotations, resourceVersion } = object.metadata ?? {};
  const owner = replicasOwner(object, autoscaler);
  return {
    kind: 'open',
    now: { value: replicasOf(object), owner, reportedOwner: owner, mark: readMark(annotations, field) },
    stored: field.value,
    refusal:
      autoscaler === null
        ? null
        : `HPA ${nameOf(autoscaler)} scales it and would write over the number; set ownership to "floor", or remove the HPA`,
    write: (mark) =>
      api.patchWorkload(
        at,
        { metadata: { resourceVersion, annotations: mark }, spec: { replicas: field.value } },
        manager,
        signal,
      ),
  };
}

async function openRequest(
  api: KubernetesApi,
  field: Extract<WorkloadField, { field: 'request' }>,
  at: WorkloadTarget,
  manager: string,
  signal: AbortSignal,
): Promise<Opened> {
  const object = await api.readWorkload(at, signal);
  const template = object.spec?.template;
  const value = requestsOf(template)[field.component];
  if (value === undefined) {
    return { kind: 'missing', detail: `${at.kind} ${at.namespace}/${at.name} requests no ${field.component}` };
  }
  const owners = requestOwners(object);
  const { annotations, resourceVersion } = object.metadata ?? {};
  const wanted = mainRequest(template, field.component, field.value);
  const container = mainContainer(template);
  const resource = RESOURCE_NAMES[field.component];
  return {
    kind: 'open',
    now: {
      value,
      owner: owners.find(({ component }) => component === field.component)?.owner ?? null,
      reportedOwner: reportedOwner(owners.map(({ owner }) => owner)),
      mark: readMark(annotations, field),
    },
    stored: 'refused' in wanted ? field.value : wanted.value,
    refusal: 'refused' in wanted ? wanted.refused : null,
    write: async (mark) => {
      if ('refused' in wanted || container === undefined || resource === undefined) return;
      const sized = { name: container.name, resources: { requests: { [resource]: wanted.quantity } } };
      await api.patchWorkload(
        at,
        {
          metadata: { resourceVersion, annotations: mark },
          spec: { template: { spec: { containers: [sized] } } },
        },
        manager,
        signal,
      );
    },
  };
}

async function openFloor(
  api: KubernetesApi,
  field: Extract<WorkloadField, { field: 'floor' }>,
  at: WorkloadTarget,
  writeAs: { manager: string; ours: boolean },
  signal: AbortSignal,
): Promise<Opened> {
  const autoscaler = autoscalerOf(await api.listAutoscalers(at.namespace, signal), at);
  if (autoscaler === null) {
    return {
      kind: 'missing',
      detail: `no HPA targets ${at.kind} ${at.namespace}/${at.name}: there is no floor to raise`,
    };
  }
  const { annotations, resourceVersion } = autoscaler.metadata ?? {};
  const owner = floorOwner(autoscaler);
  const name = nameOf(autoscaler);
  const place = { namespace: at.namespace, name };
  return {
    kind: 'open',
    now: { value: floorOf(autoscaler), owner, reportedOwner: owner, mark: readMark(annotations, field) },
    stored: field.value,
    refusal: null,
    write: (mark) => {
      const intent = {
        apiVersion: 'autoscaling/v2',
        kind: 'HorizontalPodAutoscaler',
        metadata: { name, namespace: at.namespace, resourceVersion, annotations: mark },
        spec: { minReplicas: field.value },
      };
      // Given back, the field shall be the old owner's alone: an update in its name takes it from Headroom's intent,
      // whereas dropping it from the intent would reset it to the API's default first.
      return writeAs.ours
        ? api.applyAutoscaler(place, intent, writeAs.manager, signal)
        : api.patchAutoscaler(place, intent, writeAs.manager, signal);
    },
  };
}
