import { announced } from '../allocate/demand.js';
import type { AccountPolicy } from '../domain/account.js';
import type { Component } from '../domain/component.js';
import type { AnnouncedEvent } from '../domain/control.js';
import { binLabel, type Series } from '../domain/series.js';

/*
 * Anticipated events are known inputs: a plan multiplies the forecast by what was announced. So the models must see what
 * demand would have been without the event, or they would take a campaign for the new normal, and their own forecasts of
 * it for misses.
 */

/**
 * A series as the models learn from it: within an announced multiple, demand divided by it (where more came than was
 * announced, the rest stays, and the forecast rises by it); within an absolute announcement, missing.
 */
export function ordinary(
  series: Series,
  workload: string,
  component: Component,
  policy: AccountPolicy,
  events: readonly AnnouncedEvent[],
): Series {
  const own = [...policy.events.map(announced), ...events].filter(
    (event) => event.workloads === undefined || event.workloads.includes(workload),
  );
  if (own.length === 0) return series;
  let values: Float64Array | null = null;
  for (let index = 0; index < series.values.length; index++) {
    const from = binLabel(series, index);
    const over = own.filter((event) => event.from < from + series.step && event.to > from);
    if (over.length === 0) continue;
    values ??= series.values.slice();
    values[index] = over.reduce((value, { expect }) => without(value, expect, component), values[index] ?? Number.NaN);
  }
  return values === null ? series : { ...series, values };
}

function without(value: number, expect: AnnouncedEvent['expect'], component: Component): number {
  if ('demand' in expect) return expect.demand[component] === undefined ? value : Number.NaN;
  // Memory and storage follow load only in part: dividing them would teach a level that is too low.
  if (component === 'memory' || component === 'storage' || expect.multiplier <= 0) return Number.NaN;
  return value / expect.multiplier;
}
