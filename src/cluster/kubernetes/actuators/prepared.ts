import { workloadPlace } from '../../port.js';
import { HEADROOM } from '../../fence.js';
import { ApiRefusal } from '../calls.js';
import { readMark } from '../marks.js';
import { actionJobName, actionLabels, prepullJob, warmUpJob, type ActionRun } from '../provision/action-jobs.js';
import { fits, isOpen } from '../provision/node-match.js';
import type { Actuator, ActuatorContext } from './actuator.js';

/**
 * That a workload was prepared for a time of need: a Job is made where the action is one, and the time is written on the
 * workload itself, so that it is known whoever asks next. A hook has been called by then (activities/hooks.ts).
 */
export const prepared: Actuator<'prepared'> = {
  field: 'prepared',
  async open(field, place, context) {
    const at = workloadPlace(place);
    const { provision } = context.api;
    const object = await provision.readWorkload(at, context.signal);
    if (object === null) return { kind: 'missing', detail: `there is no ${at.kind} ${at.namespace}/${at.name}` };
    const action = at.actions?.find((one) => one.action === field.action);
    const { annotations, resourceVersion, uid } = object.metadata ?? {};
    const mark = readMark(annotations, field);
    const value = mark?.value ?? 0;
    const owner = value === 0 ? null : HEADROOM;
    const run: ActionRun = {
      account: context.account,
      at,
      action: field.action,
      needed: field.value,
      dataSets: context.dataSets ?? [],
    };
    return {
      kind: 'open',
      now: { value, owner, reportedOwner: owner, mark },
      stored: field.value,
      refusal:
        action === undefined && context.purpose === 'apply' ? `the account file has no action ${field.action}` : null,
      write: async (annotation) => {
        const forward = context.purpose === 'apply';
        if (forward && action?.kind === 'prepull') {
          const template = object.spec?.template ?? {};
          const nodes = (await provision.listNodes(context.signal)).filter(
            (node) => isOpen(node) && fits(template.spec, node),
          );
          // Nowhere to pull to: there will be nothing to wait for, either.
          if (nodes.length > 0) await make(run, prepullJob(run, action.prepull, template, nodes.length), context);
        }
        if (forward && action?.kind === 'warm-up') await make(run, warmUpJob(run, action.warmUp), context);
        if (!forward) await clear({ ...run, needed: value }, context);
        // Its own annotation alone: nothing else of the workload is Headroom's by this.
        const metadata = { resourceVersion, uid, annotations: annotation };
        await provision.annotateWorkload(at, metadata, HEADROOM, context.signal);
      },
    };
  },
};

/** One Job a time of need: its name tells, so that a repeat makes no second one. */
async function make(
  run: ActionRun,
  job: ReturnType<typeof warmUpJob>,
  { api, signal }: ActuatorContext,
): Promise<void> {
  const at = { namespace: run.at.namespace, name: actionJobName(run) };
  try {
    await api.provision.createJob(at, job, HEADROOM, signal);
  } catch (error) {
    if (!(error instanceof ApiRefusal && error.kind === 'conflict')) throw error;
    const other = await api.provision.readJob(at, signal);
    // Someone else's of that name: not to be taken for ours.
    const labels = Object.entries(actionLabels(run));
    if (other !== null && !labels.every(([name, value]) => other.metadata?.labels?.[name] === value)) throw error;
  }
}

/** What was made for a time that is taken back. */
async function clear(run: ActionRun, { api, signal }: ActuatorContext): Promise<void> {
  await api.provision.deleteJob({ namespace: run.at.namespace, name: actionJobName(run) }, undefined, signal);
}
