import type { V1Job } from '@kubernetes/client-node';
import { taskPlace } from '../../port.js';
import { HEADROOM } from '../../fence.js';
import { readMark } from '../marks.js';
import { claimedBy, START_AT } from '../provision/labels.js';
import {
  cannotMove,
  movedOccurrence,
  occurrenceJob,
  occurrenceName,
  statusWith,
  statusWithout,
} from '../provision/occurrence-job.js';
import type { Named } from '../provision/api.js';
import { ApiRefusal } from '../calls.js';
import type { Actuator, ActuatorContext } from './actuator.js';

/** As the API server's books would have the Job that the schedule itself made. */
const CONTROLLER = 'cronjob-controller';

/** When one occurrence of a CronJob begins; see provision/occurrence-job.ts for how, and why so. */
export const occurrence: Actuator<'start'> = {
  field: 'start',
  async open(field, place, context) {
    const { account, purpose, writeAs, signal } = context;
    const { provision } = context.api;
    const { namespace, name } = taskPlace(place);
    const { task, scheduled, value } = field;
    const cronJob = await provision.readCronJob({ namespace, name }, signal);
    if (cronJob === null) return { kind: 'missing', detail: `there is no CronJob ${namespace}/${name}` };
    const at = { namespace, name: occurrenceName(name, scheduled) };
    const job = await provision.readJob(at, signal);
    const now = provision.now();
    if (job === null) {
      return {
        kind: 'open',
        now: { value: scheduled, owner: null, reportedOwner: null, mark: null },
        stored: value,
        refusal: value === scheduled ? null : cannotMove(cronJob, { scheduled, start: value }, now),
        // The name is the lock: where the schedule's own Job was faster, the answer is a conflict, and this is read again.
        write: (mark) =>
          provision.createJob(
            at,
            occurrenceJob(cronJob, { account, task, scheduled, start: value }, mark),
            writeAs.manager,
            signal,
          ),
        finish: () => keepBooks(context, { namespace, name }, at, scheduled),
      };
    }
    const moved = claimedBy(job.metadata?.labels, account) === null ? movedOccurrence(job) : null;
    if (moved === null) {
      const began = (job.metadata?.creationTimestamp?.getTime() ?? 0) / 1000;
      const fields = { value: began, owner: CONTROLLER, reportedOwner: CONTROLLER, mark: null };
      return { kind: 'open', now: fields, stored: value, refusal: 'it runs already', write: () => Promise.resolve() };
    }
    if (moved.begun && purpose === 'restore') {
      return { kind: 'missing', detail: `Job ${namespace}/${at.name} has begun: there is nothing left to put back` };
    }
    const mark = readMark(job.metadata?.annotations, field);
    return {
      kind: 'open',
      now: { value: moved.start, owner: HEADROOM, reportedOwner: HEADROOM, mark },
      stored: value,
      refusal: moved.begun ? 'it has begun' : null,
      write: async (annotations) => {
        // Back to its schedule, while that lies ahead: without this Job the CronJob's controller makes its own.
        if (value === scheduled && now < scheduled) {
          const books = statusWithout(cronJob, job, scheduled);
          if (books !== null) await provision.patchCronJobStatus({ namespace, name }, books, HEADROOM, signal);
          await provision.deleteJob(at, job.metadata?.resourceVersion, signal);
          return;
        }
        await provision.patchJob(at, reset(job, value, annotations), writeAs.manager, signal);
      },
      ...(purpose === 'restore' || value === scheduled
        ? {}
        : { finish: () => keepBooks(context, { namespace, name }, at, scheduled) }),
    };
  },
};

/**
 * Tells the CronJob's controller that the occurrence is made. Where it may not be told, the Job goes again: the
 * controller would fail over it until the next occurrence.
 */
async function keepBooks(
  { api: { provision }, signal }: ActuatorContext,
  cronJob: Named,
  at: Named,
  scheduled: number,
): Promise<string | null> {
  const [owner, job] = await Promise.all([provision.readCronJob(cronJob, signal), provision.readJob(at, signal)]);
  if (owner === null || job === null || job.metadata?.deletionTimestamp !== undefined) return null;
  const books = statusWith(owner, job, scheduled);
  if (books === null) return null;
  try {
    await provision.patchCronJobStatus(cronJob, books, HEADROOM, signal);
    return null;
  } catch (error) {
    if (!(error instanceof ApiRefusal) || error.kind === 'conflict') throw error;
    await provision.deleteJob(at, undefined, signal);
    return error.message;
  }
}

/** Another time; where that has passed it begins as soon as the job is let go, which {@link release} does. */
const reset = (job: V1Job, start: number, annotations: Record<string, string>) => ({
  metadata: {
    resourceVersion: job.metadata?.resourceVersion,
    annotations: { ...annotations, [START_AT]: String(start) },
  },
});
