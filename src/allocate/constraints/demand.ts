import { COMPONENT_UNITS, amountText, type Component } from '../../domain/component.js';
import { isoTime, type EpochSeconds } from '../../domain/time.js';
import type { Entry, Group } from '../model.js';
import type { PreparedNeed, PreparedWorkload } from '../prepare.js';
import type { Build } from '../build.js';
import { runsWithin } from '../tasks.js';
import type { Constraint } from './constraint.js';

/**
 * Σ replicas · size · utilization + shortfall ≥ demand at its level + movable tasks under way, for each component,
 * counted in replicas of one size so that cores and bytes weigh the same to the solver.
 */
export const demand: Constraint = {
  name: 'demand',
  why: 'capacity covers the demand at the level that was asked for; what it does not cover is paid for by criticality',
  add(build) {
    const { prepared, builder } = build;
    for (const block of build.blocks) {
      const span = prepared.blocks[block];
      if (span === undefined) continue;
      for (const workload of build.workloads) {
        const reference = workload.options[workload.reference];
        if (build.hard === null && addFolded(build, workload, block)) continue;
        for (const need of workload.needs) {
          const size = (reference?.request[need.component] ?? 0) * need.utilization;
          if (!(size > 0)) continue;
          const entries: Entry[] = build.replicas(workload.index, block).map(({ column, option }) => ({
            column,
            value: ((workload.options[option]?.request[need.component] ?? 0) * need.utilization) / size,
          }));
          for (const [index, run] of prepared.tasks.entries()) {
            const extra = run.task.demand[need.component];
            if (run.workload !== workload.index || extra === undefined) continue;
            for (const [slot, column] of build.starts(index).entries()) {
              if (!runsWithin(run, run.starts[slot] ?? 0, span.from, span.to)) continue;
              entries.push({ column, value: -extra / size });
            }
          }
          const key = `${workload.policy.name}/${need.component}/${block}`;
          const target = need.target[block] ?? 0;
          const hard = build.hard?.has(key) === true;
          if (!hard) {
            const money = need.shortfallPrice * size * (prepared.hours[block] ?? 0);
            const shortfall = builder.column({ cost: build.cost(money) });
            build.demandRows.push({
              workload: workload.index,
              block,
              bound: target / size,
              entries: [...entries],
              shortfall,
            });
            entries.push({ column: shortfall, value: 1 });
          }
          const bound = target / size;
          const group = builder.group(demandGroup(workload, need, block, span.from));
          builder.row(entries, { lower: { bound, group } });
        }
      }
    }
  },
};

/**
 * Where a workload has its present size alone and no movable task, what is missing costs the same whichever component asks for
 * it: one row then stands for all of them, in fractions and in whole numbers (whole-numbers.ts has what those are). From
 * the most that any asks for down to nothing, what one more missing replica costs rises at each demand, and at each ⌈demand⌉:
 * so many priced stretches make the very cost that the rows of each component would, with a quarter of them.
 * @returns false where it is not so simple.
 */
function addFolded(build: Build, workload: PreparedWorkload, block: number): boolean {
  const { prepared, builder } = build;
  const columns = build.replicas(workload.index, block);
  if (build.unfit.has(workload.index) || columns.some(({ option }) => option !== workload.reference)) return false;
  if (prepared.tasks.some((run) => run.workload === workload.index)) return false;
  const request = workload.options[workload.reference]?.request ?? {};
  const hours = prepared.hours[block] ?? 0;
  const points: { at: number; money: number }[] = [];
  let top: PreparedNeed | null = null;
  let most = -1;
  for (const need of workload.needs) {
    const size = (request[need.component] ?? 0) * need.utilization;
    if (!(size > 0)) continue;
    const at = (need.target[block] ?? 0) / size;
    points.push({ at, money: need.shortfallPrice * size * hours });
    points.push({ at: Math.ceil(at - 1e-6), money: workload.missPrice * hours });
    if (at > most) [most, top] = [at, need];
  }
  if (top === null) return true;
  points.sort((a, b) => b.at - a.at);
  const bound = Math.max(0, points[0]?.at ?? 0);
  const missing: number[] = [];
  let money = 0;
  for (const [index, point] of points.entries()) {
    money += point.money;
    const next = points[index + 1];
    const length = next === undefined ? undefined : point.at - next.at;
    missing.push(builder.column({ cost: build.cost(money), ...(length === undefined ? {} : { upper: length }) }));
  }
  const span = prepared.blocks[block];
  const group = builder.group(demandGroup(workload, top, block, span?.from ?? 0));
  build.putTotal(workload.index, block);
  for (const column of missing) builder.put(column, 1);
  builder.row([], { lower: { bound, group } });
  build.folded.set(`${workload.index}/${block}`, { count: Math.round(bound), missing });
  return true;
}

/** Words only where somebody asks: there are thousands of these. */
const demandGroup = (workload: PreparedWorkload, need: PreparedNeed, block: number, from: EpochSeconds): Group => ({
  id: `demand/${workload.policy.name}/${need.component}/${block}`,
  constraint: 'demand',
  get words() {
    const amount = amountWords(need.component, need.target[block] ?? 0);
    return `demand of ${workload.policy.name}: ${amount} at level ${need.level} at ${isoTime(from)}`;
  },
});

/** `1.25 cores of cpu`, `16Gi of memory`, `47.7 MiB/s of network`. */
export function amountWords(component: Component, amount: number): string {
  if (component === 'cpu') return `${Number(amount.toPrecision(3))} cores of cpu`;
  return component === 'gpu'
    ? `${amountText(component, amount)} ${COMPONENT_UNITS[component]} of ${component}`
    : `${amountText(component, amount)} of ${component}`;
}
