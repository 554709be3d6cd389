import { workloadPlace, type WorkloadTarget } from '../../port.js';
import {
  cpuTarget,
  METRICS_PATHS,
  percentOf,
  shareOf,
  targetOwner,
  USER_TARGET,
  userTarget,
  withCpuTarget,
} from '../hpa-metrics.js';
import { writeObject } from '../intent.js';
import { readMark } from '../marks.js';
import type { Actuator, ActuatorContext } from './actuator.js';
import { hpaOf } from './live-autoscaler.js';

/**
 * The CPU utilization in `spec.metrics` of the HPA that scales the workload. The list is one field to the API server: all of
 * it is written as it was read, with this one number changed, and all of it is given back. Whoever altered any metric
 * since owns the list, and the fence stops there.
 */
export const hpaTarget: Actuator<'target'> = {
  field: 'target',
  async open(field, place, { api, purpose, writeAs, signal }) {
    const at = workloadPlace(place);
    const hpa = await hpaOf(api, at, signal);
    if (hpa === null) {
      return {
        kind: 'missing',
        detail: `no HPA targets ${at.kind} ${at.namespace}/${at.name}: there is no target to raise`,
      };
    }
    const { ref, object, metrics } = hpa;
    const cpu = cpuTarget(metrics);
    if (cpu === null) {
      return {
        kind: 'missing',
        detail: `HPA ${hpa.name} has no metric, or more than one, of the utilization of CPU requests: there is no target to raise`,
      };
    }
    const owner = targetOwner(object.metadata.managedFields);
    const least = userTarget(object.metadata, cpu.percent);
    const percent = percentOf(field.value);
    return {
      kind: 'open',
      now: {
        value: shareOf(cpu.percent),
        owner,
        reportedOwner: owner,
        mark: readMark(object.metadata.annotations, field),
      },
      stored: shareOf(percent),
      consent: { given: at.mostTarget !== undefined, words: 'autoscaler.target.max' },
      refusal:
        hpa.madeBy === null
          ? refusalOf(percent, { now: cpu.percent, least, name: hpa.name }, at, purpose)
          : `HPA ${hpa.name} is KEDA's, made by ScaledObject ${hpa.madeBy}: its triggers are the targets`,
      write: (mark) => {
        const noted: Record<string, string> = least === null || !writeAs.ours ? {} : { [USER_TARGET]: String(least) };
        return writeObject(
          api,
          {
            ref,
            object,
            fields: { spec: { metrics: withCpuTarget(metrics, cpu, percent) } },
            paths: METRICS_PATHS,
            annotations: { ...mark, ...noted },
            writeAs,
          },
          signal,
        );
      },
    };
  },
};

/** The way down to the user's own target needs no consent: it only gives back. */
function refusalOf(
  percent: number,
  { now, least, name }: { now: number; least: number | null; name: string },
  { mostTarget }: WorkloadTarget,
  purpose: ActuatorContext['purpose'],
): string | null {
  if (percent < 1) return `${percent} % is no target`;
  if (percent <= now) {
    return least !== null && percent < least
      ? `${percent} % is below ${least} %, the target that the user of HPA ${name} set; Headroom only adds to it`
      : null;
  }
  // What stood before the change was agreed to then.
  if (purpose === 'restore') return null;
  if (mostTarget === undefined) {
    return `autoscaler.target.max in the account file would let Headroom raise it; HPA ${name} stays at ${now} %`;
  }
  const most = percentOf(mostTarget);
  return percent > most ? `${percent} % is above ${most} %, the most that the account file agrees to` : null;
}
