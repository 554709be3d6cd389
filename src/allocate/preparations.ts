import { actionsOf } from '../domain/actions.js';
import type { PlannedField } from '../domain/plan.js';
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
 * Actions whose time has come: once a rise. What was last done for a time that is still ahead, or that passed less than
 * its own `ahead` ago, has been done for this one, too: the moment of need wanders a little from plan to plan.
 */
export function preparedFields(prepared: Prepared, numbers: Numbers): PlannedField[] {
  const { at } = prepared.input;
  return prepared.workloads.flatMap((workload) => {
    const done = workload.state?.prepared;
    if (done === undefined || !workload.exists) return [];
    const actions = actionsOf(workload.policy);
    const need = actions.length === 0 ? null : needOf(prepared, numbers, workload);
    if (need === null) return [];
    return actions.flatMap(({ action, ahead }): PlannedField[] => {
      const last = done[action] ?? 0;
      if (at < need - ahead || last > at - ahead) return [];
      const { name } = workload.policy;
      return [
        {
          target: { field: 'prepared', workload: name, action, value: Math.round(need) },
          seen: { value: last, owner: last === 0 ? null : 'headroom' },
          reason: `more replicas from ${isoTime(need)}`,
        },
      ];
    });
  });
}

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
