import { announced } from '../domain/announced.js';
import type { AccountPolicy, WorkloadPolicy } from '../domain/account.js';
import type { Component } from '../domain/component.js';
import { COMPONENTS } from '../domain/component.js';
import { reaches, type AnnouncedEvent, type Override } from '../domain/control.js';
import type { AccountForecast, QuantileForecast, SeriesForecast, WindowLevel } from '../domain/forecast.js';
import { probit } from '../domain/normal.js';
import { levelOf } from '../domain/policy-rules.js';
import type { EpochSeconds } from '../domain/time.js';
import { occurrences } from '../domain/occurrences.js';
import type { Block, DemandBlocks } from './problem.js';
import { atLevel } from './quantile.js';

/** Above the level that is asked for: what it would take to be surer, shown as a rejected alternative. */
const FAR_LEVEL = 0.999;
export const LOWER_LEVEL = 0.1;

export interface DemandInput {
  forecast: AccountForecast;
  policy: AccountPolicy;
  blocks: readonly Block[];
  /** Announced to the running account, besides those of the account file. */
  events?: readonly AnnouncedEvent[];
  /** Live ones; those of a level apply here, the others in the allocation. */
  overrides?: readonly Override[];
  /** This level for each bin, instead of what policy and overrides ask for. */
  level?: number;
}

/**
 * What capacity has to cover: for each workload, component and block the highest of its bins, at the level that the
 * operator asked for. The finest resolution that reaches a block answers for it. Events and tasks that cannot be
 * moved are known inputs; a series without a forecast is left out (never zero), and the allocation holds on it.
 */
export function demandBlocks(input: DemandInput): DemandBlocks[] {
  const { policy, forecast } = input;
  const events = [...policy.events.map(announced), ...(input.events ?? [])];
  const result: DemandBlocks[] = [];
  const first = input.blocks[0];
  const last = input.blocks.at(-1);
  if (first === undefined || last === undefined) return [];
  for (const workload of policy.workloads) {
    const own = events.filter((event) => event.workloads === undefined || event.workloads.includes(workload.name));
    for (const component of COMPONENTS) {
      if (workload.components[component] === undefined) continue;
      const series = forecast.series.find((one) => one.workload === workload.name && one.component === component);
      if (series === undefined || series.resolutions.length === 0) continue;
      const tasks = fixedTasks(policy, workload.name, component, first.from, last.to);
      const level = input.level ?? binLevel(policy, workload, component, input.overrides ?? [], series.window);
      const farLevel = Math.max(FAR_LEVEL, (1 + level) / 2);
      const blocks: DemandBlocks['blocks'] = [];
      for (const block of input.blocks) {
        const bins = binsOf(series, block);
        // Beyond the forecast the last block that it reaches goes on: unknown is not zero.
        const before = blocks.at(-1);
        if (bins.length === 0 && before !== undefined) {
          blocks.push(before);
          continue;
        }
        const high = (at: number): number =>
          bins.reduce((top, bin) => Math.max(top, bin.value(at, own, component) + tasks(bin.from, bin.to)), 0);
        blocks.push({ lower: high(LOWER_LEVEL), median: high(0.5), atLevel: high(level), far: high(farLevel) });
      }
      result.push({ workload: workload.name, component, level, blocks, farLevel });
    }
  }
  return result;
}

/**
 * The level of one bin. Over a window, what was learnt of how its misses come together; where that is not known (yet),
 * each of n bins may miss with at most 1/n of the allowed probability (Bonferroni): safe whatever the correlation.
 */
function binLevel(
  policy: AccountPolicy,
  workload: WorkloadPolicy,
  component: Component,
  overrides: readonly Override[],
  learnt: WindowLevel | undefined,
): number {
  let level = levelOf(policy, workload, component);
  let own = false;
  for (const { target } of overrides) {
    if (target.field !== 'level') continue;
    if (target.workload === workload.name) {
      level = target.value;
      own = true;
    } else if (target.workload === undefined && !own) {
      level = target.value;
    }
  }
  const bins = workload.window === undefined ? 1 : Math.max(1, Math.ceil(workload.window / policy.step));
  const allowed = 1 - level;
  // Misses of bins and of windows are rare together: half of the one goes with half of the other.
  const perBin =
    bins > 1 && learnt !== undefined && learnt.length === workload.window && learnt.level < 1
      ? Math.min(allowed, (allowed * (1 - learnt.binLevel)) / (1 - learnt.level))
      : allowed / bins;
  return Math.min(0.9999, 1 - perBin);
}

interface Bin {
  from: EpochSeconds;
  to: EpochSeconds;
  value(level: number, events: readonly AnnouncedEvent[], component: Component): number;
}

function binsOf(series: SeriesForecast, block: Block): Bin[] {
  const reach = (one: QuantileForecast): number => one.origin + (one.quantiles.length + 1) * one.step;
  const whole = series.resolutions.find((one) => reach(one) >= block.to);
  const resolution = whole ?? series.resolutions.at(-1);
  if (resolution === undefined) return [];
  const { origin, step, quantiles, levels } = resolution;
  const bins: Bin[] = [];
  // Bin i is labelled origin + (i+1)·step and lasts one step.
  const low = Math.max(0, Math.floor((block.from - origin) / step) - 1);
  for (let index = low; index < quantiles.length; index++) {
    const from = origin + (index + 1) * step;
    if (from >= block.to) break;
    const to = from + step;
    const values = quantiles[index];
    if (to <= block.from || values === undefined) continue;
    bins.push({
      from,
      to,
      value: (level, events, component) => underEvents(events, component, { from, to }, levels, values, level),
    });
  }
  return bins;
}

/** Demand of a bin at a level, under the events that touch it. */
export function underEvents(
  events: readonly AnnouncedEvent[],
  component: Component,
  bin: { from: EpochSeconds; to: EpochSeconds },
  levels: readonly number[],
  values: readonly number[],
  level: number,
): number {
  const touching = events.filter((event) => reaches(event, component) && touches(event, bin.from, bin.to));
  const plain = atLevel(levels, values, level);
  if (touching.length === 0) return Math.max(0, plain);
  return withEvents(touching, component, level, atLevel(levels, values, 0.5), plain);
}

/** A bin that an event only grazes counts as touched where demand rises, and only whole where it falls. */
const touches = (event: AnnouncedEvent, from: EpochSeconds, to: EpochSeconds): boolean => {
  const falls = 'multiplier' in event.expect && event.expect.multiplier < 1;
  return falls ? event.from <= from && to <= event.to : event.from < to && from < event.to;
};

/**
 * Demand under events: multipliers scale the forecast with its spread, an absolute demand replaces it. The event's own
 * uncertainty (a 90 % interval of ± its share, taken as normal) is added in quadrature, as independent errors are.
 */
function withEvents(
  events: readonly AnnouncedEvent[],
  component: Component,
  level: number,
  median: number,
  plain: number,
): number {
  const score = probit(level);
  const normal90 = probit(0.95);
  let centre = median;
  let variance = (plain - median) ** 2;
  for (const event of events) {
    if ('multiplier' in event.expect) {
      centre *= event.expect.multiplier;
      variance *= event.expect.multiplier ** 2;
    } else {
      const absolute = event.expect.demand[component];
      if (absolute === undefined) continue;
      centre = absolute;
      variance = 0;
    }
    variance += ((centre * event.uncertainty * score) / normal90) ** 2;
  }
  return Math.max(0, centre + Math.sign(score) * Math.sqrt(variance));
}

/** Demand of a workload's tasks that cannot be moved, over a stretch of time: all that overlap it, added up. */
export function fixedTasks(
  policy: AccountPolicy,
  workload: string,
  component: Component,
  from: EpochSeconds,
  to: EpochSeconds,
): (from: EpochSeconds, to: EpochSeconds) => number {
  const runs: { start: number; end: number; demand: number }[] = [];
  for (const task of policy.tasks) {
    const demand = task.demand[component];
    if (task.workload !== workload || task.earlier > 0 || task.later > 0 || demand === undefined) continue;
    for (const start of occurrences(task.cron, policy.timeZone, from - task.duration, to)) {
      runs.push({ start, end: start + task.duration, demand });
    }
  }
  return (binFrom, binTo) =>
    runs.reduce((sum, run) => (run.start < binTo && binFrom < run.end ? sum + run.demand : sum), 0);
}
