import Table from 'cli-table3';
import type { QuantileForecast } from '../domain/forecast.js';
import { formatDuration, isoTime } from '../domain/time.js';
import type { Terminal } from './command.js';
import { readable } from './readable.js';

/** What sample paths say of a horizon as a whole, at the levels asked. */
export interface Joint {
  /** The capacity that covers every bin of that share of the paths. */
  covering: number[];
  /** Of the mean over the horizon. */
  mean: number[];
  /** Past forecasts that tell how its bins hang together. */
  rows: number;
}

/** Rows that a person is shown; laying out more takes longer than the forecast. */
const MOST_ROWS = 2016;

/** A forecast as a person reads it: one row a bin, one column a level. */
export function forecastTable(one: QuantileForecast, joint: Joint | undefined, { color }: Terminal): string {
  const rows = new Table({
    head: ['bin', ...one.levels.map((level) => `p${+(level * 100).toFixed(3)}`)],
    style: { head: [], border: [] },
    colAligns: ['left', ...one.levels.map(() => 'right' as const)],
  });
  one.quantiles.slice(0, MOST_ROWS).forEach((values, index) => {
    rows.push([isoTime(one.origin + (index + 1) * one.step), ...values.map((value) => readable(value))]);
  });
  if (joint !== undefined) {
    rows.push(['mean of all bins', ...joint.mean.map(readable)]);
    rows.push(['covers all bins', ...joint.covering.map(readable)]);
  }
  const weights = Object.entries(one.weights)
    .filter(([, weight]) => weight >= 0.005)
    .sort(([, a], [, b]) => b - a)
    .map(([model, weight]) => `${model} ${(weight * 100).toFixed(0)} %`);
  const more = one.quantiles.length - MOST_ROWS;
  return [
    `${color.bold('origin')} ${isoTime(one.origin)}, the last bin known; bins of ${formatDuration(one.step)}`,
    rows.toString(),
    ...(more > 0 ? [color.yellow(`${more} more bins are not shown; --json writes all ${one.quantiles.length}`)] : []),
    color.dim(`models: ${weights.join(', ')}`),
  ].join('\n');
}
