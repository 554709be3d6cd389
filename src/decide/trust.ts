import type { AllocationInput } from '../allocate/problem.js';
import type { WorkloadPolicy } from '../domain/account.js';
import type { CoveredDemand } from './demand.js';
import type { AllocationRequest } from './port.js';

/*
 * Whether a plan acts on the forecast of a workload as it is. Only then may its autoscaler react less than its user wants:
 * the plan has covered what the forecast asks for.
 */

/** Of the workloads whose file agrees to a raised target; nothing where there are none. */
export function trustIn(request: AllocationRequest, covered: CoveredDemand): Pick<AllocationInput, 'trust'> {
  const trust = request.policy.workloads.flatMap((workload) =>
    workload.autoscaler?.target === undefined
      ? []
      : [{ workload: workload.name, distrust: distrustOf(request, covered, workload) }],
  );
  return trust.length === 0 ? {} : { trust };
}

function distrustOf(request: AllocationRequest, { guarded }: CoveredDemand, workload: WorkloadPolicy): string | null {
  const { name } = workload;
  if (request.raiseOnly.includes(name)) return 'its telemetry is stale or missing';
  if (request.forecast === null) return 'there is no forecast';
  const guard = guarded.find((one) => one.workload === name);
  if (guard !== undefined) return `the guard decides: ${guard.reason}`;
  for (const component of Object.keys(workload.components)) {
    const same = (one: { workload: string; component: string }) => one.workload === name && one.component === component;
    const series = request.forecast.series.find(same);
    if (series === undefined) return `there is no forecast of ${component}`;
    if (series.data === 'cold') return `too little is known of ${component} for more than a wide guess`;
    if (!series.gate.open) {
      return `the gate of ${component} is closed: ${series.gate.reason ?? 'its coverage is off'}`;
    }
    const recent = request.recent.find(same)?.series.values ?? [];
    if (!recent.some((value) => !Number.isNaN(value))) return `no recent usage of ${component} is known`;
  }
  return null;
}
