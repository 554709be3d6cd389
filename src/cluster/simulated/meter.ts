import type { EpochSeconds } from '../../domain/time.js';
import { touches, within, type Fault } from './faults.js';
import { serve } from './queueing.js';
import type { WorkloadRecord } from './recorder.js';
import type { RunningWorkload } from './workload.js';

/** Components whose shortage makes requests wait; the others (memory, storage) make them fail. */
const QUEUEING = new Set(['cpu', 'io', 'network', 'gpu']);

/**
 * Meters one tick of a workload. Load is shared evenly over ready pods; each serves at most its request, so that usage is
 * what the pods can serve of it and demand beyond is lost, not queued up. Latency follows the scarcest component that
 * requests wait for.
 */
export function createMeter(faults: readonly Fault[]) {
  /** Load goes on as it was where the trace has a hole. */
  const lastDemand = new Map<RunningWorkload, number[]>();

  return (run: RunningWorkload, record: WorkloadRecord, at: EpochSeconds): void => {
    const { account, workload, components, service } = run.model;
    let surge = 1;
    let measured = true;
    for (const fault of faults) {
      if (fault.kind === 'surge' && within(fault, at) && touches(fault, account, workload)) surge *= fault.factor;
      if (fault.kind === 'metrics-outage' && within(fault, at) && touches(fault, account, workload)) measured = false;
    }
    const kinds = run.readyKinds(at);
    const ready = kinds.reduce((sum, { count }) => sum + count, 0);
    const slowdown = run.bad?.effect === 'slow' ? 1 / run.bad.severity : 1;
    const held = lastDemand.get(run) ?? [];
    let utilisation = 0;
    let saturation = 0;
    let lost = 0;
    components.forEach(({ component, demand }, index) => {
      const known = demand(at) * surge;
      if (Number.isNaN(known)) measured = false;
      else held[index] = known;
      const load = (held[index] ?? 0) * (QUEUEING.has(component) ? slowdown : 1);
      let capacity = 0;
      let usage = 0;
      let limited = ready === 0 && load > 0;
      for (const { count, request } of kinds) {
        const limit = request[component] ?? 0;
        const share = load / ready;
        capacity += count * limit;
        usage += count * Math.min(share, limit);
        if (share >= limit) limited = true;
      }
      const entry = record.components[index];
      entry?.demand.add(known);
      entry?.capacity.add(capacity);
      entry?.usage.add(usage);
      entry?.censored.add(limited ? 1 : 0);
      run.usage[index] = usage;
      if (load > 0) {
        const ratio = capacity > 0 ? load / capacity : Number.POSITIVE_INFINITY;
        saturation = Math.max(saturation, Math.min(1, ratio));
        if (QUEUEING.has(component)) utilisation = Math.max(utilisation, ratio);
        else lost = Math.max(lost, 1 - usage / load);
      }
    });
    lastDemand.set(run, held);
    const served = serve(service, ready, utilisation);
    const broken = run.bad?.effect === 'errors' ? run.bad.severity : 0;
    record.replicas.add(run.replicas.value);
    record.ready.add(ready);
    record.latency.add(served.latencyP99);
    record.errors.add(1 - (1 - served.errorRate) * (1 - lost) * (1 - broken));
    record.saturation.add(saturation);
    record.unmeasured.add(measured ? 0 : 1);
  };
}
