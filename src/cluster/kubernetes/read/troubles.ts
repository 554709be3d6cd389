import type { PodTrouble } from '../../../domain/cluster.js';
import type { PodRecord } from '../cache/placement-records.js';
import type { WorkloadRecord } from '../cache/workload-records.js';

/** Kinds of trouble told of one workload: a history has no room for more. */
const MOST = 3;

/** Why replicas are not ready: what the controller complains of, then its pods by reason, the most frequent first. */
export function troublesOf(workload: WorkloadRecord, pods: readonly PodRecord[]): PodTrouble[] {
  const found = new Map<string, PodTrouble>();
  for (const { trouble, leaving } of pods) {
    if (trouble === null || leaving) continue;
    const known = found.get(trouble.reason);
    if (known === undefined) found.set(trouble.reason, { reason: trouble.reason, pods: 1, words: trouble.words });
    else known.pods++;
  }
  const complaints = workload.complaints
    .filter(({ reason }) => reason !== 'ProgressDeadlineExceeded')
    .map(({ words }): PodTrouble => ({
      reason: 'not-created',
      pods: Math.max(0, workload.replicas - pods.filter(({ leaving }) => !leaving).length),
      words,
    }));
  return [...complaints, ...[...found.values()].sort((a, b) => b.pods - a.pods)].slice(0, MOST);
}

/** What of a rollout is still ahead, in words; null where the controller has seen the spec and all replicas follow it. */
export function rolloutOf({ observed, updatedReplicas, replicas }: WorkloadRecord): string | null {
  if (!observed) return 'its controller has not seen the change yet';
  return updatedReplicas >= replicas ? null : `${updatedReplicas} of ${replicas} replicas run the present template`;
}
