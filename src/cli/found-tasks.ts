import { stringify } from 'yaml';
import { occurrences } from '../domain/occurrences.js';
import type { FoundTask, WorkloadTask } from '../behavior/tasks/find.js';
import { formatDuration, isoTime, type EpochSeconds } from '../domain/time.js';
import type { BehaviorOf } from './behavior.js';

/* Tasks that usage and events show, in the words of the account file. */

/** Within a quarter of an hour: what a schedule starts begins to work a little later. */
export function isSame(cron: string, task: FoundTask, timeZone: string, at: EpochSeconds): boolean {
  if (task.cron === null) return false;
  const span = 14 * 86_400;
  const [one, other] = [cron, task.cron].map((line) => occurrences(line, timeZone, at - span, at));
  if (one === undefined || other === undefined || one.length === 0) return false;
  const near = one.filter((time) => other.some((candidate) => Math.abs(candidate - time) <= 900)).length;
  return near >= 0.8 * one.length && near >= 0.8 * other.length;
}

/**
 * Tasks found that the account file does not have yet, in its own words, and a line for each that is left out: as
 * comments of the file, and by itself.
 */
export function yamlOf(found: Pick<BehaviorOf, 'policy' | 'usageTasks' | 'eventTasks' | 'timeZone' | 'at'>): {
  yaml: string;
  left: string[];
} {
  const declared = found.policy?.tasks ?? [];
  const tasks: WorkloadTask[] = [];
  const left: string[] = [];
  // A label of an event stands in a line: nothing of it may end the comment.
  const leave = (line: string): void => void left.push(`left out: ${line.replaceAll(/\s+/g, ' ')}`);
  for (const task of found.usageTasks) {
    const same = declared.find(
      ({ workload, cron }) => workload === task.workload && isSame(cron, task, found.timeZone, found.at),
    );
    const why = same === undefined ? unsaid(task) : `the account file has it already, as ${same.name}`;
    if (why === null) tasks.push(task);
    else leave(`${task.workload}, ${scheduleOf(task)}: ${why}`);
  }
  for (const task of found.eventTasks) {
    leave(
      `operation ${task.operation}, ${scheduleOf(task)}: events do not say which workload it runs on, nor what it takes`,
    );
  }
  const names = new Set(declared.map(({ name }) => name));
  const written = tasks.map((task) => {
    const demand = Object.entries(task.footprints).map(([component, { most }]): [string, number] => [
      component,
      Number(most.toPrecision(3)),
    ]);
    return {
      name: nameOf(task, names),
      workload: task.workload,
      cron: task.cron,
      duration: formatDuration(Math.max(60, Math.ceil(task.duration.most / 60) * 60)),
      demand: Object.fromEntries<unknown>(demand),
    };
  });
  const notes = tasks.map(
    (task, index) =>
      `${written[index]?.name ?? ''}: ${task.runs} of ${task.due} runs seen, up to ${formatDuration(Math.round(task.jitter))} off`,
  );
  const comments = [
    written.length === 0
      ? 'no task was found that the account file can have and does not have'
      : `found in the last four weeks of usage, on the clock of ${found.timeZone}`,
    ...notes,
    ...left,
  ];
  const head = comments.map((line) => `# ${line}\n`).join('');
  return { yaml: `${head}${written.length === 0 ? '' : stringify({ tasks: written })}`, left };
}

/** Why a task cannot stand in an account file; null where it can. */
function unsaid(task: FoundTask): string | null {
  if (!task.active) return `it has not come since ${isoTime(task.last)}`;
  return task.cron === null ? 'no cron line of five fields says that period' : null;
}

/** A cron line, or a period where none says it. */
export const scheduleOf = (task: FoundTask): string =>
  task.cron ?? `every ${formatDuration(Math.max(60, Math.round(task.period / 60) * 60))}`;

function nameOf(task: WorkloadTask, taken: Set<string>): string {
  const time =
    task.period < 86_400 ? formatDuration(task.period) : new Date(task.phase * 1000).toISOString().slice(11, 16);
  const base = `${task.workload}-${time.replace(':', '')}`.slice(0, 55);
  let name = base;
  for (let number = 2; taken.has(name); number++) name = `${base}-${number}`;
  taken.add(name);
  return name;
}
