import type { Component } from '../../domain/component.js';

/** PromQL of one component. */
export interface UsageTemplate {
  /**
   * One series by label `workload`: the mean over the range `{{step}}` that ends at the evaluation, in the component's
   * unit. No sample in the range, no value.
   */
  query: string;
  /** One series by label `workload`: above 0 where usage stood at its limit within the range. */
  censored?: string;
}

/** How a pod is known to be a workload's: by kube-state-metrics, or by the pattern of its name. */
export type Owners = 'kube-state-metrics' | 'pod-name';

/* What pods report. Pause containers and the sums over a pod's cgroup carry no container name, and are left out. */
const ofContainers = (metric: string, more = ''): string =>
  `${metric}{namespace={{namespace}},container!="",container!="POD"${more}}`;
const ofPods = (metric: string, more = ''): string => `${metric}{namespace={{namespace}},pod!=""${more}}`;

/** Of pods to workloads; what is not a pod of an asked workload falls out. */
const byWorkload = (pods: string): string =>
  `sum by (workload) (${pods} * on (namespace, pod) group_left (workload) {{pods}})`;

/**
 * A pod that ran through the whole bin and was not seen at all makes the bin missing, not smaller: that is a node that
 * nobody could scrape.
 */
const whole = (value: string, seen: string): string =>
  `(${value}) unless on (workload) ({{running}} unless on (namespace, pod) ${seen})`;

/** The mean rate of counters. A pod that lived for a part of the bin counts for that part. */
function ofCounters(...selectors: string[]): string {
  const perPod = selectors.map((selector) => `sum by (namespace, pod) (rate(${selector}[{{step}}]))`).join(' + ');
  return whole(byWorkload(`(${perPod})`), `(${perPod})`);
}

/**
 * The mean over time of the sum over pods, looked at every `{{resolution}}`. An instant selector alone would carry the
 * last value for five minutes: what has no sample within `{{lookback}}` is not there.
 */
function ofGauges(selector: string, factor = ''): string {
  const fresh = `sum by (namespace, pod) (${selector} and count_over_time(${selector}[{{lookback}}]))${factor}`;
  return whole(
    `avg_over_time((${byWorkload(`(${fresh})`)})[{{step}}:{{resolution}}])`,
    `count_over_time(${selector}[{{step}}])`,
  );
}

const cpu = ofContainers('container_cpu_usage_seconds_total');
const memory = ofContainers('container_memory_working_set_bytes');
const periods = ofContainers('container_cpu_cfs_periods_total');
const throttled = ofContainers('container_cpu_cfs_throttled_periods_total');
const increase = (selector: string): string => byWorkload(`sum by (namespace, pod) (increase(${selector}[{{step}}]))`);
const perContainer = (expression: string): string => `max by (namespace, pod, container) (${expression})`;

/** A claim belongs to the workload whose pods mount it; one that several of them share counts once. */
const volumes = `sum by (workload) (
  max by (namespace, persistentvolumeclaim) (avg_over_time(kubelet_volume_stats_used_bytes{namespace={{namespace}}}[{{step}}]))
  * on (namespace, persistentvolumeclaim) group_right ()
  max by (namespace, persistentvolumeclaim, workload) (
    last_over_time(kube_pod_spec_volumes_persistentvolumeclaims_info{namespace={{namespace}}}[{{recent}}])
    * on (namespace, pod) group_left (workload) {{pods}}
  )
)`;

/** What works out of the box with cAdvisor, the kubelet, kube-state-metrics and NVIDIA's DCGM exporter. */
export const USAGE_TEMPLATES: Record<Component, UsageTemplate> = {
  cpu: {
    query: ofCounters(cpu),
    // Nothing divides by zero: a container without a limit has no periods.
    censored: `(${increase(throttled)} / (${increase(periods)} > 0)) > bool {{throttledShare}}`,
  },
  memory: {
    query: ofGauges(memory),
    censored: `max by (workload) (
  (${perContainer(`max_over_time(${memory}[{{step}}])`)}
    / (${perContainer(`last_over_time(${ofContainers('container_spec_memory_limit_bytes')}[{{recent}}])`)} > 0))
  * on (namespace, pod) group_left (workload) {{pods}}
) > bool {{limitShare}}`,
  },
  storage: { query: volumes },
  io: {
    query: ofCounters(ofContainers('container_fs_reads_bytes_total'), ofContainers('container_fs_writes_bytes_total')),
  },
  network: {
    query: ofCounters(
      ofPods('container_network_receive_bytes_total'),
      ofPods('container_network_transmit_bytes_total'),
    ),
  },
  // Per cent of each device; the sum over devices of their shares is devices in use.
  gpu: { query: ofGauges(ofPods('DCGM_FI_DEV_GPU_UTIL'), ' / 100') },
};

const requests = ofPods('http_requests_total');
const buckets = ofPods('http_request_duration_seconds_bucket');
const failed = ofPods('http_requests_total', ',code=~"5.."');
const total = (selector: string): string => byWorkload(`sum by (namespace, pod) (rate(${selector}[{{window}}]))`);

/** The name under which a template answers for every metric that has none of its own. */
export const ANY_METRIC = '*';

/** Each gives one value by label `workload` for the range `{{window}}` that ends at the evaluation. */
export const METRIC_TEMPLATES: Record<string, string> = {
  latency_p99: `histogram_quantile(0.99, sum by (workload, le) (
  sum by (namespace, pod, le) (rate(${buckets}[{{window}}])) * on (namespace, pod) group_left (workload) {{pods}}
))`,
  // Without any failure there is no series of failures; without any request there is no rate at all.
  error_rate: `(${total(failed)} or 0 * ${total(requests)}) / (${total(requests)} > 0)`,
  saturation: `${total(cpu)} / ${byWorkload(
    `sum by (namespace, pod) (avg_over_time(kube_pod_container_resource_limits{namespace={{namespace}},resource="cpu"}[{{window}}]))`,
  )}`,
  [ANY_METRIC]: `avg by (workload) (
  avg_over_time({__name__={{metric}},namespace={{namespace}},pod!=""}[{{window}}])
  * on (namespace, pod) group_left (workload) {{pods}}
)`,
};

/** Kinds of workload that a pod can be traced to. */
export type WorkloadKind = 'Deployment' | 'StatefulSet';

const MAX = 'max by (namespace, pod, workload)';

/** `{{pods}}`: 1 for each pod of the asked workloads, with labels namespace, pod and workload. */
export const POD_FRAGMENTS: Record<Owners, Record<WorkloadKind, string>> = {
  'kube-state-metrics': {
    Deployment: `${MAX} (
  label_replace(last_over_time(kube_pod_owner{namespace={{namespace}},owner_kind="ReplicaSet"}[{{recent}}]), "replicaset", "$1", "owner_name", "(.*)")
  * on (namespace, replicaset) group_left (workload)
  max by (namespace, replicaset, workload) (label_replace(
    last_over_time(kube_replicaset_owner{namespace={{namespace}},owner_kind="Deployment",owner_name=~{{workload}}}[{{recent}}]),
    "workload", "$1", "owner_name", "(.*)"))
)`,
    StatefulSet: `${MAX} (label_replace(
  last_over_time(kube_pod_owner{namespace={{namespace}},owner_kind="StatefulSet",owner_name=~{{workload}}}[{{recent}}]),
  "workload", "$1", "owner_name", "(.*)"))`,
  },
  'pod-name': (() => {
    const named = `${MAX} (label_replace(
  count_over_time(container_memory_working_set_bytes{namespace={{namespace}},pod=~{{pod}}}[{{recent}}]) > bool 0,
  "workload", "$1", "pod", {{pod}}))`;
    return { Deployment: named, StatefulSet: named };
  })(),
};

/** `{{running}}`: the same, for pods that ran at the beginning and at the end of the bin. Unknown by names alone. */
export const RUNNING_FRAGMENTS: Record<Owners, string> = {
  'kube-state-metrics': `({{pods}} and on (namespace, pod)
  (kube_pod_status_phase{namespace={{namespace}},phase="Running"} == 1) and on (namespace, pod)
  (kube_pod_status_phase{namespace={{namespace}},phase="Running"} offset {{step}} == 1))`,
  'pod-name': `(vector(0) > 1)`,
};

/** Kubernetes' alphabet of generated names. */
const SAFE = '[bcdfghjklmnpqrstvwxz2456789]';
/** What the controllers append to a workload's name for its pods. */
export const POD_NAME_SUFFIX: Record<WorkloadKind, string> = {
  Deployment: `-${SAFE}{1,10}-${SAFE}{5}`,
  StatefulSet: '-[0-9]+',
};
