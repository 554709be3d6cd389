import { actionsOf } from '../domain/actions.js';
import { PREFETCH, type DataSetNeed, type NumberReason, type PlannedField } from '../domain/plan.js';
import { isoTime, type EpochSeconds } from '../domain/time.js';
import { totalOf, type Numbers } from './numbers.js';
import { placementsOf } from './reasons.js';
import type { Prepared, PreparedWorkload } from './prepare.js';

/* What is to be done before capacity is needed, and the occurrences of tasks that the plan has moved. */

/** When the plan first has more replicas of a workload than now; null where it never does. */
function needOf(prepared: Prepared, numbers: Numbers, workload: PreparedWorkload): EpochSeconds | null {
  const { at } = prepared.input;
  const running = Math.max(workload.now, workload.running);
  for (const [block, span] of prepared.blocks.entries()) {
    // What is written now serves when its lead time is over.
    if (totalOf(numbers, workload.index, block) > running) return Math.max(span.from, at + workload.policy.leadTime);
  }
  return null;
}

/**
 * Actions whose time has come: once a rise, and for those that asked for data sets once an hour in which some are likely
 * to be read. What was last done for a time that is still ahead, or that passed less than its own `ahead` ago, has been
 * done for this one, too: the moment of need wanders a little from plan to plan.
 */
export function preparedFields(prepared: Prepared, numbers: Numbers): PlannedField[] {
  const { at } = prepared.input;
  return prepared.workloads.flatMap((workload) => {
    const done = workload.state?.prepared;
    if (done === undefined || !workload.exists) return [];
    const actions = actionsOf(workload.policy);
    const rise = actions.length === 0 ? null : needOf(prepared, numbers, workload);
    return actions.flatMap(({ action, ahead }): PlannedField[] => {
      const last = done[action] ?? 0;
      const { name } = workload.policy;
      const told = needFor(prepared, name, action);
      const hour = told === null || told.from <= at ? null : told.from;
      const isDue = (need: number | null): need is number => need !== null && at >= need - ahead;
      const risen = isDue(rise) && last <= at - ahead ? rise : null;
      // Hours stand still: what was done for this very one, or a later time, is done.
      const need = risen ?? (isDue(hour) && last < hour ? hour : null);
      if (need === null) return [];
      const count = told?.dataSets.length ?? 0;
      const words = count === 0 ? '' : `${count} data ${count === 1 ? 'set' : 'sets'} likely to be read`;
      const reason = risen === null ? `${words} from ${isoTime(need)}` : `more replicas from ${isoTime(need)}`;
      return [
        {
          target: { field: 'prepared', workload: name, action, value: Math.round(need) },
          seen: { value: last, owner: last === 0 ? null : 'headroom' },
          reason: risen === null || count === 0 ? reason : `${reason}; ${words}`,
        },
      ];
    });
  });
}

/** What an action is told of data sets; null where it did not ask, or none is likely enough. */
function needFor(prepared: Prepared, workload: string, action: string): DataSetNeed | null {
  const found = prepared.input.dataSets?.find((one) => one.workload === workload && one.action === action);
  return found === undefined || found.dataSets.length === 0 ? null : found;
}

/** What of data sets goes with the fields of a plan. */
export const toldWith = (prepared: Prepared, fields: readonly PlannedField[]): DataSetNeed[] =>
  fields.flatMap(({ target }) =>
    target.field === 'prepared' ? (needFor(prepared, target.workload, target.action) ?? []) : [],
  );

const HOUR = 3600;
const percent = (share: number): string => `${Math.round(100 * share)} %`;

/** Why these data sets, and which is the next that was left out. */
export const dataSetReasons = (prepared: Prepared, told: readonly DataSetNeed[]): NumberReason[] =>
  told.map(({ workload, action, from, dataSets, next }) => {
    const policy = prepared.workloads.find((one) => one.policy.name === workload)?.policy;
    const asked = policy === undefined ? undefined : actionsOf(policy).find((one) => one.action === action)?.dataSets;
    const isFull = dataSets.length >= (asked?.most ?? Number.POSITIVE_INFINITY);
    const why = isFull ? `${dataSets.length} are enough (most)` : `below ${percent(asked?.atLeast ?? 1)} (atLeast)`;
    return {
      ...{ number: `${workload}.prepared.${action}`, from, to: from + HOUR, value: dataSets.length, unit: 'data sets' },
      binding: {
        constraint: PREFETCH,
        words: `likely to be read: ${dataSets.map((one) => `${one.dataSet} ${percent(one.probability)}`).join(', ')}`,
        ...{ pricePerHour: null, unit: 'data sets' },
      },
      rejected:
        next === null
          ? []
          : [{ alternative: next.dataSet, why: `${percent(next.probability)}, ${why}`, costPerHour: null }],
    };
  });

/** A move is carried out when it is so near: earlier, and each plan would move it again. */
const SETTLED_CYCLES = 3;

/** Starts of tasks that the cluster does not have yet, or has at another time. */
export function startFields(prepared: Prepared, numbers: Numbers, taken: string[]): PlannedField[] {
  const { at, policy, state } = prepared.input;
  const near = at + SETTLED_CYCLES * policy.cycle;
  return placementsOf(prepared, numbers).flatMap(({ task, scheduled, start, reason }): PlannedField[] => {
    const known = state.tasks?.find((one) => one.task === task);
    if (known === undefined || Math.min(scheduled, start) > near) return [];
    const moved = known.moved.find((one) => one.scheduled === scheduled);
    const seen = moved?.start ?? scheduled;
    if (moved?.begun === true || start === seen) return [];
    if (known.refusal !== null) {
      taken.push(`${task} stays as scheduled: ${known.refusal}`);
      return [];
    }
    // What has not been moved by its scheduled time runs as scheduled.
    if (moved === undefined && (scheduled <= at + MARGIN || scheduled !== known.next)) return [];
    const owner = moved === undefined ? null : 'headroom';
    return [{ target: { field: 'start', task, scheduled, value: start }, seen: { value: seen, owner }, reason }];
  });
}

/** Seconds that a change takes to its writes, generously. */
const MARGIN = 60;
