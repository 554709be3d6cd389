import { Cron } from 'croner';
import { COMPONENTS, formatQuantity, type Component } from '../../domain/component.js';
import type { PlanBlock } from '../../domain/plan.js';
import { report, type Check } from './facts.js';

/** Occurrences that one plan places at most: beyond these, some may be left to later plans. */
const MOST_PLACED = 24;

/** Demand is covered, or what is not is stated as shortfall; every task runs once, within its window. */
export function checkDemand(check: Check): void {
  const { facts, plan } = check;
  checkTasks(check);
  const { demand, blocks } = facts;
  if (demand === undefined || blocks === undefined) {
    check.unchecked.set('demand', 'the demand that the plan was made for');
    return;
  }
  check.checked.add('demand');
  const used = spans(blocks, plan.blocks);
  const policies = new Map(facts.policy.workloads.map((one) => [one.name, one]));
  for (const series of demand) {
    const utilization = policies.get(series.workload)?.components[series.component]?.utilization ?? 1;
    plan.blocks.forEach((block, index) => {
      const one = check.planned[index]?.get(series.workload);
      if (one === undefined) return;
      const asked = (used[index] ?? []).reduce((most, at) => {
        const span = blocks[at];
        const tasks = span === undefined ? 0 : tasksIn(check, series.workload, series.component, span);
        return Math.max(most, (series.blocks[at]?.atLevel ?? 0) + tasks);
      }, 0);
      const capacity = one.replicas * (one.request[series.component] ?? 0) * utilization;
      const short = Math.max(0, asked - capacity);
      const stated = one.shortfall[series.component] ?? 0;
      if (short > stated + 1e-4 * asked) {
        const words = `${formatQuantity(series.component, short)} of ${series.component} of ${series.workload} are not covered, ${stated === 0 ? 'and not said' : `${formatQuantity(series.component, stated)} are said`}`;
        report(check, 'demand', block, words);
      }
    });
  }
}

/** Of each block of the plan the blocks of the demand that it covers. */
const spans = (
  blocks: NonNullable<Check['facts']['blocks']>,
  planned: readonly PlanBlock[],
): (number[] | undefined)[] =>
  planned.map(({ from, to }) => blocks.flatMap((one, at) => (one.from < to && from < one.to ? [at] : [])));

/** What placed tasks ask for while a block lasts. */
function tasksIn(check: Check, workload: string, component: Component, block: { from: number; to: number }): number {
  let sum = 0;
  for (const { task: name, start } of check.plan.placements) {
    const task = check.facts.policy.tasks.find((one) => one.name === name);
    if (task === undefined || task.workload !== workload) continue;
    if (start < block.to && block.from < start + task.duration) sum += task.demand[component] ?? 0;
  }
  return sum;
}

function checkTasks(check: Check): void {
  const { facts, plan } = check;
  const first = plan.blocks[0];
  const last = plan.blocks.at(-1);
  if (first === undefined || last === undefined) return;
  check.checked.add('tasks');
  const seen = new Set<string>();
  for (const { task: name, scheduled, start } of plan.placements) {
    const task = facts.policy.tasks.find((one) => one.name === name);
    const key = `${name}/${scheduled}`;
    if (task === undefined) report(check, 'tasks', null, `task ${name} is not in the account file`);
    else if (start < scheduled - task.earlier || start > scheduled + task.later)
      report(check, 'tasks', null, `task ${name} is put outside of its window`);
    if (seen.has(key)) report(check, 'tasks', null, `task ${name} is placed twice`);
    seen.add(key);
  }
  if (plan.placements.length >= MOST_PLACED) return;
  for (const task of facts.policy.tasks) {
    if (task.earlier === 0 && task.later === 0) continue;
    const schedule = new Cron(task.cron, { timezone: facts.policy.timeZone, paused: true });
    let next = schedule.nextRun(new Date((first.from - 1) * 1000));
    while (next !== null && next.getTime() / 1000 < last.to) {
      const at = next.getTime() / 1000;
      const moved = facts.placements?.find((one) => one.task === task.name && one.scheduled === at);
      const gone = moved !== undefined && moved.start + task.duration <= first.from;
      if (!gone && !seen.has(`${task.name}/${at}`)) report(check, 'tasks', null, `task ${task.name} is left out`);
      next = schedule.nextRun(next);
    }
  }
}

/** Shortfall that a plan states where there is none, is a number that nobody can trust. */
export function checkStated(check: Check): void {
  for (const block of check.plan.blocks) {
    for (const one of block.workloads) {
      for (const component of COMPONENTS) {
        const stated = one.shortfall[component];
        if (stated !== undefined && !(stated >= 0 && Number.isFinite(stated)))
          report(check, 'demand', block, `${one.workload} states a shortfall of ${stated}`);
      }
    }
  }
}
