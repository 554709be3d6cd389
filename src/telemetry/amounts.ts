import { isAmount, type Component } from '../domain/component.js';
import type { Series } from '../domain/series.js';

/**
 * Bins whose value cannot be an amount of the component in its unit (below zero, nanocores where cores are meant) become
 * missing, in place: a hold is the answer to a wrong unit, never a plan for a million machines.
 */
export function dropWrongUnits(component: Component, series: Series): Series {
  for (let bin = 0; bin < series.values.length; bin++) {
    if (!isAmount(component, series.values[bin] ?? Number.NaN)) series.values[bin] = Number.NaN;
  }
  return series;
}
