import type { TaskPolicy } from '../domain/account.js';
import type { EpochSeconds } from '../domain/time.js';
import { occurrences } from '../domain/occurrences.js';
import type { AllocationInput } from './problem.js';

/** Places tried for one occurrence: finer than this, neighbours are the same to a plan of blocks. */
const MOST_SLOTS = 16;
/** Occurrences of all tasks that one plan places; later ones are placed by later plans. */
const MOST_RUNS = 24;

/** One occurrence of a movable task, and where it may begin. */
export interface TaskRun {
  task: TaskPolicy;
  workload: number;
  scheduled: EpochSeconds;
  /** Ascending. A single one is where it has to be. */
  starts: EpochSeconds[];
  /** It is under way, or so near that moving it would come too late. */
  settled: boolean;
  /** As scheduled it runs past the end of the plan: a later plan, which sees all that it takes, may move it. */
  beyond?: true;
}

/**
 * The occurrences to place: those whose scheduled time is within the plan, and those that an earlier plan has moved.
 * Nothing is put before the first block that can be reached. Starts are weighed against each other where all that a run
 * takes is within the plan: what is past its end costs nothing there.
 */
export function taskRuns(input: AllocationInput): TaskRun[] {
  const first = input.blocks[0];
  const last = input.blocks.at(-1);
  if (first === undefined || last === undefined) return [];
  const runs: TaskRun[] = [];
  for (const task of input.policy.tasks) {
    if (task.earlier === 0 && task.later === 0) continue;
    const workload = input.policy.workloads.findIndex((one) => one.name === task.workload);
    if (workload === -1) continue;
    const placed = new Map(
      (input.placements ?? []).filter((one) => one.task === task.name).map((one) => [one.scheduled, one.start]),
    );
    const from = first.from - task.later - task.duration;
    for (const scheduled of occurrences(task.cron, input.policy.timeZone, from, last.to + task.earlier)) {
      const earlier = placed.get(scheduled);
      if (scheduled >= last.to && earlier === undefined) continue;
      const begun = earlier ?? scheduled;
      if (begun < first.from) {
        // It runs by now or has run: a known input for as long as it lasts.
        if (begun + task.duration > first.from)
          runs.push({ task, workload, scheduled, starts: [begun], settled: true });
        continue;
      }
      if (earlier !== undefined && earlier < first.to) {
        runs.push({ task, workload, scheduled, starts: [earlier], settled: true });
        continue;
      }
      if (scheduled + task.duration > last.to) {
        runs.push({ task, workload, scheduled, starts: [earlier ?? scheduled], settled: false, beyond: true });
        continue;
      }
      const starts = slots(task, scheduled, first.from, last.to, input.policy.step);
      if (starts.length > 0) runs.push({ task, workload, scheduled, starts, settled: false });
    }
  }
  return runs.sort((a, b) => a.scheduled - b.scheduled || (a.task.name < b.task.name ? -1 : 1)).slice(0, MOST_RUNS);
}

function slots(
  task: TaskPolicy,
  scheduled: EpochSeconds,
  from: EpochSeconds,
  to: EpochSeconds,
  step: number,
): EpochSeconds[] {
  const window = task.earlier + task.later;
  const spacing = Math.max(step, Math.ceil(window / (MOST_SLOTS - 1) / step) * step);
  const starts: EpochSeconds[] = [];
  const back = Math.floor(task.earlier / spacing);
  const forth = Math.floor(task.later / spacing);
  for (let move = -back; move <= forth; move++) {
    const start = scheduled + move * spacing;
    if (start >= from && start + task.duration <= to) starts.push(start);
  }
  return starts;
}

/** Whether a run that begins at `start` is under way within [from, to). */
export const runsWithin = (run: TaskRun, start: EpochSeconds, from: EpochSeconds, to: EpochSeconds): boolean =>
  start < to && from < start + run.task.duration;
