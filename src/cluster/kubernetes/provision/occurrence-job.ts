import type { V1CronJob, V1Job } from '@kubernetes/client-node';
import { Cron } from 'croner';
import type { EpochSeconds } from '../../../domain/time.js';
import { madeFor, SCHEDULED, START_AT, TASK } from './labels.js';

/*
 * One occurrence of a CronJob, moved. The CronJob itself is not touched: its controller names the Job of an occurrence
 * after the CronJob and the scheduled minute, and takes a Job of that name, owned by the CronJob, for one that it made
 * before a crash. So the Job that Headroom makes under that very name is the occurrence: the API server lets there be one
 * of them, whoever comes first. Until its time comes it is suspended.
 *
 * Looked at and left: editing the schedule (an occurrence that was run early is run again as missed when the old line
 * comes back, and a process that dies in between leaves the line changed for good), and suspending the CronJob (which
 * takes away all later occurrences, too, for as long as nobody comes back to lift it).
 */

/** The controller's own name for it: the CronJob's, and the scheduled time in minutes. */
export const occurrenceName = (cronJob: string, scheduled: EpochSeconds): string =>
  `${cronJob}-${Math.floor(scheduled / 60)}`;

/** A CronJob without a zone goes by the controller manager's, which is UTC but where somebody set it otherwise. */
export const zoneOf = (cronJob: V1CronJob): string => cronJob.spec?.timeZone ?? 'UTC';

const asDate = (at: EpochSeconds): Date => new Date(at * 1000);

/** Why occurrences of the CronJob cannot be moved, whichever they are; null where they can. */
export function immovable(cronJob: V1CronJob): string | null {
  const { spec } = cronJob;
  if (spec === undefined) return 'it has no spec';
  if (spec.suspend === true) return 'it is suspended';
  if (spec.successfulJobsHistoryLimit === 0 || spec.failedJobsHistoryLimit === 0) {
    return 'a history limit of 0 forgets a run at once, and the controller would run it again; allow 1';
  }
  return null;
}

/** Why this occurrence cannot begin then; null where it can. `now` in epoch seconds. */
export function cannotMove(
  cronJob: V1CronJob,
  { scheduled, start }: { scheduled: EpochSeconds; start: EpochSeconds },
  now: EpochSeconds,
): string | null {
  const { spec, status } = cronJob;
  const never = immovable(cronJob);
  if (spec === undefined || never !== null) return never;
  const schedule = new Cron(spec.schedule, { timezone: zoneOf(cronJob), paused: true });
  const said = schedule.nextRun(asDate(scheduled - 1))?.getTime();
  if (said !== scheduled * 1000) {
    return `its schedule "${spec.schedule}" (${zoneOf(cronJob)}) has no run at ${asDate(scheduled).toISOString()}; let the task's cron say the same`;
  }
  if ((status?.lastScheduleTime?.getTime() ?? 0) >= scheduled * 1000) return 'it has run already';
  if (now >= scheduled - SETTLED) return 'it is about to run, or has run, as scheduled';
  const next = schedule.nextRun(asDate(scheduled))?.getTime();
  if (next !== undefined && start * 1000 >= next) return 'it would be put off beyond the next run';
  const before = schedule.previousRuns(1, asDate(scheduled))[0]?.getTime();
  if (before !== undefined && start * 1000 <= before) return 'it would come before the run before it';
  const deadline = spec.startingDeadlineSeconds;
  if (deadline !== undefined && deadline !== null && start - scheduled > deadline) {
    return `its startingDeadlineSeconds of ${deadline} would have passed`;
  }
  return null;
}

/** So close to its time the controller may be at it. */
const SETTLED = 10;
/** A run that was moved forward is remembered for so long past its scheduled time, whatever its template says. */
const REMEMBERED = 3600;

export function occurrenceJob(
  cronJob: V1CronJob,
  occurrence: { account: string; task: string; scheduled: EpochSeconds; start: EpochSeconds },
  annotations: Record<string, string>,
): V1Job {
  const { account, task, scheduled, start } = occurrence;
  const { name = '', namespace, uid = '' } = cronJob.metadata ?? {};
  const template = cronJob.spec?.jobTemplate;
  const kept = template?.spec?.ttlSecondsAfterFinished;
  const least = scheduled - start + REMEMBERED;
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: occurrenceName(name, scheduled),
      ...(namespace === undefined ? {} : { namespace }),
      labels: { ...template?.metadata?.labels, ...madeFor(account), [TASK]: task },
      annotations: {
        ...template?.metadata?.annotations,
        ...annotations,
        'batch.kubernetes.io/cronjob-scheduled-timestamp': asDate(scheduled).toISOString(),
        [SCHEDULED]: String(scheduled),
        [START_AT]: String(start),
      },
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'CronJob', name, uid, controller: true }],
    },
    spec: {
      template: { spec: { containers: [] } },
      ...template?.spec,
      suspend: true,
      // Gone before its scheduled time, it would be run again.
      ...(kept === undefined || kept === null ? {} : { ttlSecondsAfterFinished: Math.max(kept, Math.ceil(least)) }),
    },
  };
}

/** A moved occurrence as its Job tells; null where the Job is none of Headroom's. */
export function movedOccurrence(job: V1Job): { scheduled: EpochSeconds; start: EpochSeconds; begun: boolean } | null {
  const scheduled = Number(job.metadata?.annotations?.[SCHEDULED]);
  const start = Number(job.metadata?.annotations?.[START_AT]);
  if (!Number.isFinite(scheduled) || !Number.isFinite(start)) return null;
  return { scheduled, start, begun: job.spec?.suspend !== true };
}
