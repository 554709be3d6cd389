import type { EpochSeconds } from '../../domain/time.js';
import { touches, within, type Fault } from './faults.js';
import { serve } from './queueing.js';
import type { WorkloadRecord } from './recorder.js';
import type { RunningWorkload } from './workload.js';

/** Components whose shortage makes requests wait; the others (memory, storage) make them fail. */
const QUEUEING = new Set(['cpu', 'io', 'network', 'gpu']);

/** Pods that serve one workload, and the share of its load that is led to them. */
export interface Part {
  run: RunningWorkload;
  share: number;
}

/**
 * Meters one tick of a workload. Load is shared evenly over the ready pods of a part; each serves at most its request, so
 * that usage is what the pods can serve of it and demand beyond is lost, not queued up. Latency follows the scarcest
 * component that requests wait for. While a workload migrates it has two parts; what is led to one that has no ready pod is
 * lost.
 */
export function createMeter(faults: readonly Fault[]) {
  /** Load goes on as it was where the trace has a hole. */
  const lastDemand = new Map<WorkloadRecord, number[]>();

  return (parts: readonly [Part, ...Part[]], record: WorkloadRecord, at: EpochSeconds): void => {
    const [{ run: first }] = parts;
    const { account, workload, components, service } = first.model;
    let surge = 1;
    let measured = true;
    for (const fault of faults) {
      if (fault.kind === 'surge' && within(fault, at) && touches(fault, account, workload)) surge *= fault.factor;
      if (fault.kind === 'metrics-outage' && within(fault, at) && touches(fault, account, workload)) measured = false;
    }
    const seen = parts.map(({ run, share }) => {
      const kinds = run.readyKinds(at);
      const slowdown = run.bad?.effect === 'slow' ? 1 / run.bad.severity : 1;
      return {
        ...{ run, share, kinds, slowdown },
        ready: kinds.reduce((sum, { count }) => sum + count, 0),
        utilisation: 0,
        lost: 0,
      };
    });
    const held = lastDemand.get(record) ?? [];
    let saturation = 0;
    components.forEach(({ component, demand }, index) => {
      const known = demand(at) * surge;
      if (Number.isNaN(known)) measured = false;
      else held[index] = known;
      const total = { capacity: 0, usage: 0, limited: false };
      for (const part of seen) {
        const load = (held[index] ?? 0) * part.share * (QUEUEING.has(component) ? part.slowdown : 1);
        let capacity = 0;
        let usage = 0;
        if (part.ready === 0 && load > 0) total.limited = true;
        for (const { count, request } of part.kinds) {
          const limit = request[component] ?? 0;
          const share = load / part.ready;
          capacity += count * limit;
          usage += count * Math.min(share, limit);
          if (share >= limit) total.limited = true;
        }
        total.capacity += capacity;
        total.usage += usage;
        part.run.usage[index] = usage;
        if (!(load > 0)) continue;
        const ratio = capacity > 0 ? load / capacity : Number.POSITIVE_INFINITY;
        saturation = Math.max(saturation, Math.min(1, ratio));
        if (QUEUEING.has(component)) part.utilisation = Math.max(part.utilisation, ratio);
        else part.lost = Math.max(part.lost, 1 - usage / load);
      }
      const entry = record.components[index];
      entry?.demand.add(known);
      entry?.capacity.add(total.capacity);
      entry?.usage.add(total.usage);
      entry?.censored.add(total.limited ? 1 : 0);
    });
    lastDemand.set(record, held);
    let latency = 0;
    let errors = 0;
    for (const part of seen) {
      if (part.share <= 0) continue;
      const served = serve(service, part.ready, part.utilisation);
      const broken = part.run.bad?.effect === 'errors' ? part.run.bad.severity : 0;
      latency = Math.max(latency, served.latencyP99);
      errors += part.share * (1 - (1 - served.errorRate) * (1 - part.lost) * (1 - broken));
    }
    record.replicas.add(seen.reduce((sum, { run }) => sum + run.replicas.value, 0));
    record.ready.add(seen.reduce((sum, { ready }) => sum + ready, 0));
    record.latency.add(latency);
    record.errors.add(errors);
    record.saturation.add(saturation);
    record.unmeasured.add(measured ? 0 : 1);
  };
}
