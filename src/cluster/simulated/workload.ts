import type { Component, Resources } from '../../domain/component.js';
import type { EpochSeconds } from '../../domain/time.js';
import { reportedOwner } from '../fence.js';
import type { Draws } from './draws.js';
import { touches, within, type Fault } from './faults.js';
import { HPA_PERIOD, hpaDesired, type HpaMemory } from './hpa.js';
import type { Field, Pod, WorkloadModel } from './model.js';
import type { Nodes } from './nodes.js';

/** A Deployment's defaults: a quarter more while a new template rolls out, and a quarter may be away. */
const SURGE = 0.25;

/** Pods that were made from one template. */
export interface PodKind {
  count: number;
  request: Resources;
}

/** A change that makes things worse until `field` has its old value again. */
export interface BadRelease {
  effect: 'slow' | 'errors' | 'crash';
  severity: number;
  field: Field;
  good: number;
}

/** A workload as it runs: its fields, its pods, its autoscaler. */
export interface RunningWorkload {
  readonly model: WorkloadModel;
  readonly replicas: Field;
  readonly floor: Field | null;
  /** The CPU utilisation that its autoscaler aims at; null where it has none, or looks at something else. */
  readonly target: Field | null;
  readonly requests: ReadonlyMap<Component, Field>;
  bad: BadRelease | null;
  /** Of all its pods, at the last tick; what the autoscaler and the metrics see. */
  usage: number[];
  pods: readonly Pod[];
  request(): Resources;
  requestOwner(): string | null;
  ready(at: EpochSeconds): number;
  /** Ready pods by request: a rollout has more than one kind. */
  readyKinds(at: EpochSeconds): readonly PodKind[];
  /** Pods whose node went away. */
  evict(node: object): void;
  /** Brings pods towards the spec: autoscaler first, then replicas and template, then nodes for what has none. */
  reconcile(at: EpochSeconds): void;
  /** Places the first pods, ready at once. */
  begin(at: EpochSeconds): void;
}

export function createWorkload(
  model: WorkloadModel,
  nodes: Nodes,
  draws: Draws,
  faults: readonly Fault[],
  /** Of a copy: its own name, so that its pods have luck of their own. */
  instance: string = model.workload,
): RunningWorkload {
  const key = `${model.account}/${instance}`;
  const field = (value: number, owner: string | null): Field => ({ value, owner, mark: null });
  const requests = new Map(
    model.components.map(({ component, request }) => [component, field(request, model.owners.request)]),
  );
  const replicas = field(model.replicas, model.owners.replicas);
  const floor = model.hpa === null ? null : field(model.hpa.floor, model.owners.floor);
  const target =
    model.hpa === null || model.hpa.component !== 'cpu' ? null : field(model.hpa.target, model.owners.floor);
  const memory: HpaMemory = { lastLook: Number.NEGATIVE_INFINITY, recommendations: [] };
  const hpaComponent = model.components.findIndex(({ component }) => component === model.hpa?.component);

  /** Templates so far; one that comes back is the same one, so that its pods are not replaced. */
  const templates: Resources[] = [];
  let pods: Pod[] = [];
  let serial = 0;
  let neverReady = new Map<Fault, number>();

  const request = (): Resources => {
    const resources: Resources = {};
    for (const [component, { value }] of requests) resources[component] = value;
    return resources;
  };

  const isCurrent = (template: Resources | undefined): boolean => {
    for (const [component, { value }] of requests) if (template?.[component] !== value) return false;
    return true;
  };

  const currentTemplate = (): number => {
    const same = templates.findIndex(isCurrent);
    return same >= 0 ? same : templates.push(request()) - 1;
  };

  /** Ready pods by template, until a pod comes, goes or gets ready: most ticks see the same. */
  let census: { until: EpochSeconds; from: EpochSeconds; kinds: PodKind[]; ready: number } | null = null;
  const countPods = (at: EpochSeconds) => {
    if (census !== null && at >= census.from && at < census.until) return census;
    const counts = new Map<number, number>();
    let until = Number.POSITIVE_INFINITY;
    let ready = 0;
    for (const pod of pods) {
      if (pod.readyAt > at) until = Math.min(until, pod.readyAt);
      else {
        counts.set(pod.generation, (counts.get(pod.generation) ?? 0) + 1);
        ready++;
      }
    }
    const kinds = [...counts].map(([generation, count]) => ({ count, request: templates[generation] ?? {} }));
    census = { from: at, until, kinds, ready };
    return census;
  };
  /** The spec that pods were last found to be as many and as new as. */
  let calm: { replicas: number; generation: number } | null = null;
  const isCalm = () =>
    calm !== null &&
    calm.replicas === replicas.value &&
    pods.length === replicas.value &&
    isCurrent(templates[calm.generation]);

  const templateOf = (pod: Pod): Resources => templates[pod.generation] ?? {};

  /** When a pod that has its node from `from` on gets ready. */
  const readyFrom = (pod: Pod, from: EpochSeconds): EpochSeconds => {
    if (workload.bad?.effect === 'crash') return Number.POSITIVE_INFINITY;
    let factor = 1;
    for (const fault of faults) {
      if (fault.kind === 'slow-start' && within(fault, from) && touches(fault, model.account, model.workload)) {
        factor *= fault.factor;
      }
      if (fault.kind === 'pod-never-ready' && within(fault, from) && touches(fault, model.account, model.workload)) {
        const used = neverReady.get(fault) ?? 0;
        if (used >= fault.count) continue;
        neverReady = neverReady.set(fault, used + 1);
        return fault.to;
      }
    }
    const { median, spread } = model.podStart;
    return from + factor * draws.logNormal(`pod ${key} ${pod.serial}`, median, spread);
  };

  const find = (pod: Pod, at: EpochSeconds, atOnce: boolean) => {
    const { node, placed } = nodes.place(templateOf(pod), model.pools, at, atOnce);
    if (!placed) return;
    pod.node = node;
    pod.readyAt = atOnce ? at : readyFrom(pod, Math.max(at, node?.readyAt ?? at));
    census = null;
    // Without pools a pod has no node and yet its place.
    waiting.delete(pod);
  };
  const waiting = new Set<Pod>();

  const create = (generation: number, at: EpochSeconds, atOnce = false) => {
    const pod: Pod = { serial: serial++, generation, node: null, readyAt: Number.POSITIVE_INFINITY };
    pods.push(pod);
    census = null;
    waiting.add(pod);
    find(pod, at, atOnce);
  };

  const remove = (victims: readonly Pod[], at: EpochSeconds) => {
    if (victims.length === 0) return;
    const gone = new Set(victims);
    for (const pod of victims) {
      nodes.release(pod, templateOf(pod), at);
      waiting.delete(pod);
    }
    pods = pods.filter((pod) => !gone.has(pod));
    census = null;
  };

  /** In the order in which pods are given up: those that are not ready, then the newest. */
  const expendable = (candidates: readonly Pod[], at: EpochSeconds): Pod[] =>
    [...candidates].sort((a, b) => Number(a.readyAt <= at) - Number(b.readyAt <= at) || b.serial - a.serial);

  const autoscale = (at: EpochSeconds) => {
    // Taking the replicas over puts the autoscaler to rest; giving them back wakes it.
    if (model.hpa === null || floor === null || replicas.owner === 'headroom') return;
    if (at - memory.lastLook < HPA_PERIOD) return;
    const desired = hpaDesired(memory, {
      at,
      replicas: replicas.value,
      readyReplicas: workload.ready(at),
      usage: workload.usage[hpaComponent] ?? Number.NaN,
      request: requests.get(model.hpa.component)?.value ?? 0,
      target: target?.value ?? model.hpa.target,
      floor: floor.value,
      ceiling: model.hpa.ceiling,
    });
    if (desired === replicas.value) return;
    replicas.value = desired;
    replicas.owner = `hpa/${model.hpa.name}`;
  };

  const rollOut = (at: EpochSeconds) => {
    if (isCalm()) return;
    const desired = replicas.value;
    const generation = currentTemplate();
    const old = pods.filter((pod) => pod.generation !== generation);
    const current = pods.filter((pod) => pod.generation === generation);
    if (current.length > desired) remove(expendable(current, at).slice(0, current.length - desired), at);
    const room = old.length === 0 ? Number.POSITIVE_INFINITY : desired + Math.ceil(SURGE * desired) - pods.length;
    const missing = Math.min(desired - current.length, room);
    for (let made = 0; made < missing; made++) create(generation, at);
    if (old.length === 0) {
      calm = { replicas: desired, generation };
      return;
    }
    calm = null;
    const idle = old.filter((pod) => pod.readyAt > at);
    remove(idle, at);
    const spare = workload.ready(at) - (desired - Math.floor(SURGE * desired));
    const serving = old.filter((pod) => pod.readyAt <= at);
    remove(expendable(serving, at).slice(0, Math.max(0, spare)), at);
  };

  /** A release that was put right lets its stuck pods start after all. */
  const unstick = (at: EpochSeconds) => {
    for (const pod of pods) {
      if (pod.readyAt === Number.POSITIVE_INFINITY && !waiting.has(pod)) pod.readyAt = readyFrom(pod, at);
    }
    census = null;
  };
  let wasCrashing = false;

  const workload: RunningWorkload = {
    model,
    replicas,
    floor,
    target,
    requests,
    bad: null,
    usage: model.components.map(() => Number.NaN),
    get pods() {
      return pods;
    },
    request,
    requestOwner: () => reportedOwner([...requests.values()].map(({ owner }) => owner)),
    ready: (at) => countPods(at).ready,
    readyKinds: (at) => countPods(at).kinds,
    evict(node) {
      for (const pod of pods) {
        if (pod.node === node) waiting.delete(pod);
      }
      pods = pods.filter((pod) => pod.node !== node);
      census = null;
    },
    reconcile(at) {
      const crashing = workload.bad?.effect === 'crash';
      if (wasCrashing && !crashing) unstick(at);
      wasCrashing = crashing;
      autoscale(at);
      rollOut(at);
      for (const pod of [...waiting]) find(pod, at, false);
    },
    begin(at) {
      const generation = currentTemplate();
      while (pods.length < replicas.value) create(generation, at, true);
    },
  };
  return workload;
}
