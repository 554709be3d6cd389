import type { WorkloadState } from '../../../domain/cluster.js';
import type { DisruptionRecord } from '../cache/limit-records.js';
import { selects } from '../cache/schemas.js';
import type { WorkloadRecord } from '../cache/workload-records.js';

/**
 * The replicas that a disruption budget wants available, of those that the workload has now. Shares are rounded up, as
 * the disruption controller does; of several budgets the strictest counts. Null where there is none.
 * https://kubernetes.io/docs/tasks/run-application/configure-pdb/
 *
 * A share of the replicas, or so many that may be missing, follow the number of replicas when it is lowered: they are
 * no floor under it, and are left out. What stands as a number of available pods is one.
 */
export function disruptionOf(
  workload: WorkloadRecord,
  budgets: Iterable<DisruptionRecord>,
): WorkloadState['disruption'] | null {
  let strictest: NonNullable<WorkloadState['disruption']> | null = null;
  for (const { name, selector, minAvailable } of budgets) {
    if (selector === null || typeof minAvailable !== 'number') continue;
    if (!selects(selector, workload.podLabels)) continue;
    if (strictest === null || minAvailable > strictest.minAvailable) strictest = { name, minAvailable };
  }
  return strictest;
}
