import type { FieldOwner, WorkloadState } from '../../../domain/cluster.js';
import type { WorkloadTarget } from '../../port.js';
import { carries, type PodRecord } from '../cache/placement-records.js';
import { selects } from '../cache/schemas.js';
import { componentsOf, type AutoscalerRecord, type WorkloadRecord } from '../cache/workload-records.js';
import { markName } from '../marks.js';
import { HPA_CONTROLLER } from '../state.js';

/** The one object that a target means, or why there is none, in words. */
export type Found = { record: WorkloadRecord } | { absent: string };

/** Names of objects that match where one should, in a message. */
const MOST_NAMES = 4;

/**
 * Finds a target among the objects of its namespace: by its name, or by labels alone. Labels that the account asks for
 * have to be there in both cases: what does not carry them is not the account's.
 */
export function findTarget(target: WorkloadTarget, objects: Iterable<WorkloadRecord>): Found {
  const { kind, namespace, name, labels = {}, anyName = false } = target;
  const said = Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
  const named: WorkloadRecord[] = [];
  for (const object of objects) if (anyName || object.name === name) named.push(object);
  const matching = named.filter((object) => carries(labels, object.labels));
  const [only, ...more] = matching;
  if (only === undefined) {
    if (anyName) return { absent: `no ${kind} in namespace ${namespace} has the labels ${said}` };
    if (named.length > 0) return { absent: `${kind} ${namespace}/${name} does not have the account’s labels ${said}` };
    return { absent: `there is no ${kind} ${namespace}/${name}` };
  }
  if (more.length > 0) {
    const names = matching.map((object) => object.name).sort();
    const some = names.slice(0, MOST_NAMES).join(', ') + (names.length > MOST_NAMES ? ', …' : '');
    return {
      absent: `${names.length} ${kind}s in namespace ${namespace} have the labels ${said} (${some}): one is wanted; add a label that tells them apart`,
    };
  }
  return { record: only };
}

export function absentState({ workload }: WorkloadTarget, absent: string): WorkloadState {
  return {
    workload,
    exists: false,
    replicas: 0,
    readyReplicas: 0,
    request: {},
    autoscaler: null,
    owners: { replicas: null, request: null, floor: null },
    absent,
  };
}

/** What scales a workload: a ScaledObject before the HPA that KEDA makes from it, for that one only follows. */
export interface Scaling {
  autoscaler: WorkloadState['autoscaler'];
  floorOwner: FieldOwner;
  /** Of the CPU target; undefined where there is none that could be written. */
  targetOwner?: FieldOwner;
  /** The HPA that writes the replicas, KEDA's own included. */
  hpa: string | null;
}

export function scalingOf(
  kind: WorkloadTarget['kind'],
  name: string,
  hpas: Iterable<AutoscalerRecord>,
  scaledObjects: Iterable<AutoscalerRecord>,
): Scaling {
  const scales = ({ target }: AutoscalerRecord) => target.kind === kind && target.name === name;
  const hpa = [...hpas].find(scales) ?? null;
  const scaled = [...scaledObjects].find(scales) ?? null;
  if (scaled !== null) {
    const { name: called, floor, ceiling, floorOwner } = scaled;
    const autoscaler = { kind: 'scaledobject' as const, name: called, floor, ceiling, ...boundOf(scaled) };
    return { autoscaler, floorOwner, hpa: hpa?.name ?? null };
  }
  if (hpa === null) return { autoscaler: null, floorOwner: null, hpa: null };
  const { floor, ceiling, madeBy } = hpa;
  // Not to be seen here, and still there: its HPA must not be taken for one of its own.
  if (madeBy !== null) {
    return { autoscaler: { kind: 'scaledobject', name: madeBy, floor, ceiling }, floorOwner: null, hpa: hpa.name };
  }
  const { cpuTarget: target } = hpa;
  const aim =
    target === null ? {} : { target: target.value, ...(target.user === null ? {} : { userTarget: target.user }) };
  const autoscaler = { kind: 'hpa' as const, name: hpa.name, floor, ceiling, ...boundOf(hpa), ...aim };
  const owner = target === null ? {} : { targetOwner: target.owner };
  return { autoscaler, floorOwner: hpa.floorOwner, ...owner, hpa: hpa.name };
}

const boundOf = ({ userFloor }: AutoscalerRecord) => (userFloor === null ? {} : { userFloor });

export function presentState(target: WorkloadTarget, record: WorkloadRecord, scaling: Scaling): WorkloadState {
  const { workload, actions = [] } = target;
  const { replicas } = record.owners;
  const prepared = actions.flatMap(({ action }) => {
    const value = record.prepared[markName({ field: 'prepared', workload, action, value: 0 })];
    return value === undefined || value === 0 ? [] : [[action, value] as const];
  });
  return {
    workload,
    exists: true,
    replicas: record.replicas,
    readyReplicas: record.readyReplicas,
    request: componentsOf(record.containers),
    autoscaler: scaling.autoscaler,
    owners: {
      replicas: replicas === HPA_CONTROLLER && scaling.hpa !== null ? `hpa/${scaling.hpa}` : replicas,
      request: record.owners.request,
      floor: scaling.floorOwner,
      ...(scaling.targetOwner === undefined ? {} : { target: scaling.targetOwner }),
    },
    ...(actions.length === 0 ? {} : { prepared: Object.fromEntries(prepared) }),
  };
}

/** The pods of each of these workloads: by their selectors, which may not overlap within a namespace. */
export function podsByWorkload(
  records: readonly WorkloadRecord[],
  pods: Iterable<PodRecord>,
): Map<WorkloadRecord, PodRecord[]> {
  const found = new Map<WorkloadRecord, PodRecord[]>(records.map((record) => [record, []]));
  for (const pod of pods) {
    if (pod.ended) continue;
    const own = records.find(({ selector }) => selects(selector, pod.labels));
    if (own !== undefined) found.get(own)?.push(pod);
  }
  return found;
}
