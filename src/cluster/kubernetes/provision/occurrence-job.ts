import type { V1CronJob, V1Job, V1ObjectReference } from '@kubernetes/client-node';
import { Cron } from 'croner';
import type { EpochSeconds } from '../../../domain/time.js';
import { madeFor, RAN_BEFORE, SCHEDULED, START_AT, TASK } from './labels.js';

/*
 * One occurrence of a CronJob, moved. What the CronJob is told to do stays as it is: its controller names the Job of an
 * occurrence after the CronJob and the scheduled minute, so the Job that Headroom makes under that very name is the
 * occurrence, and the API server lets there be one of them, whoever comes first. Until its time comes it is suspended.
 * The controller leaves the bookkeeping to whoever made the Job ("assume it has updated the cronjob status
 * accordingly"): `lastScheduleTime` and `active` of the CronJob's status are set as it would have done, so that it goes on
 * with the next occurrence, and Forbid and Replace hold for this one, too.
 *
 * Looked at and left: editing the schedule (an occurrence that was run early is run again as missed when the old line
 * comes back, and a process that dies in between leaves the line changed for good); suspending the CronJob (which takes
 * away all later occurrences, too, for as long as nobody comes back to lift it); the name alone, without the status (the
 * controller of 1.36 looks for the Job in no namespace, fails, and tries until the next occurrence: a Job that is cleared
 * away before that is made again).
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
  return spec.suspend === true ? 'it is suspended' : null;
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
  // Its controller goes by the last run alone: one in between would be left out.
  if (nextRun(cronJob, now) !== scheduled) return 'the run before it is still to come';
  const deadline = spec.startingDeadlineSeconds;
  if (deadline !== undefined && deadline !== null && start - scheduled > deadline) {
    return `its startingDeadlineSeconds of ${deadline} would have passed`;
  }
  return null;
}

/** So close to its time the controller may be at it. */
const SETTLED = 10;

/** The first occurrence that the controller has yet to make (epoch seconds); null where there is none. */
export function nextRun(cronJob: V1CronJob, now: EpochSeconds): EpochSeconds | null {
  const schedule = new Cron(cronJob.spec?.schedule ?? '', { timezone: zoneOf(cronJob), paused: true });
  const last = cronJob.status?.lastScheduleTime?.getTime() ?? 0;
  const made = cronJob.metadata?.creationTimestamp?.getTime() ?? 0;
  // What it has missed for long it makes up for once, and by now.
  const recent = Math.max(last, made, (now - MAKES_UP_WITHIN) * 1000);
  const next = schedule.nextRun(new Date(recent))?.getTime();
  return next === undefined ? null : next / 1000;
}

/** Seconds in which the controller has an occurrence made that is due. */
const MAKES_UP_WITHIN = 30;

export function occurrenceJob(
  cronJob: V1CronJob,
  occurrence: { account: string; task: string; scheduled: EpochSeconds; start: EpochSeconds },
  annotations: Record<string, string>,
): V1Job {
  const { account, task, scheduled, start } = occurrence;
  const { name = '', namespace, uid = '' } = cronJob.metadata ?? {};
  const template = cronJob.spec?.jobTemplate;
  const last = cronJob.status?.lastScheduleTime;
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
        [RAN_BEFORE]: last === undefined ? '' : String(last.getTime() / 1000),
      },
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'CronJob', name, uid, controller: true }],
    },
    spec: {
      template: { spec: { containers: [] } },
      ...template?.spec,
      suspend: true,
    },
  };
}

interface Status {
  metadata: { resourceVersion?: string | undefined };
  status: { lastScheduleTime: string | null; active: V1ObjectReference[] };
}

const activeBut = (cronJob: V1CronJob, job: V1Job): V1ObjectReference[] =>
  (cronJob.status?.active ?? []).filter(({ uid }) => uid !== job.metadata?.uid);

/** The books of the controller once the occurrence is made; null where they say so already. */
export function statusWith(cronJob: V1CronJob, job: V1Job, scheduled: EpochSeconds): Status | null {
  const { name = '', namespace = '', uid = '', resourceVersion = '' } = job.metadata ?? {};
  if ((cronJob.status?.lastScheduleTime?.getTime() ?? 0) >= scheduled * 1000) return null;
  return {
    metadata: { resourceVersion: cronJob.metadata?.resourceVersion },
    status: {
      lastScheduleTime: asDate(scheduled).toISOString().replace('.000', ''),
      active: [
        ...activeBut(cronJob, job),
        { apiVersion: 'batch/v1', kind: 'Job', name, namespace, uid, resourceVersion },
      ],
    },
  };
}

/** The books as they were before; null where the controller has gone on since, or they are so already. */
export function statusWithout(cronJob: V1CronJob, job: V1Job, scheduled: EpochSeconds): Status | null {
  if (cronJob.status?.lastScheduleTime?.getTime() !== scheduled * 1000) return null;
  const before = job.metadata?.annotations?.[RAN_BEFORE] ?? '';
  return {
    metadata: { resourceVersion: cronJob.metadata?.resourceVersion },
    status: {
      lastScheduleTime: before === '' ? null : asDate(Number(before)).toISOString().replace('.000', ''),
      active: activeBut(cronJob, job),
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
