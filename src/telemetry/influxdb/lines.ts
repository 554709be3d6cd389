import { COMPONENT_UNITS } from '../../domain/component.js';
import type { MetricBatch, UsageBatch } from '../port.js';
import { influxError } from './connection.js';
import { DEFAULT_MEASUREMENTS, FIELDS } from './layout.js';

/*
 * Line protocol. A point is its measurement, its tags and its time: the same point written again overwrites itself, so
 * that a repeat is harmless. Tags are sorted, and times come from the data, never from the clock.
 */

export type FieldValue = number | boolean | string;

/**
 * A tag's value as the protocol writes it. What it cannot carry is refused and not bent: two names must never become
 * one.
 * @throws HeadroomError `invalid-input`: an empty value, a line break, half a surrogate pair, a backslash at the end.
 */
function tagValue(name: string, value: string): string {
  if (value === '' || /[\n\r\0\p{Cs}]/u.test(value) || value.endsWith('\\')) {
    throw influxError(
      'invalid-input',
      `writing a point of ${name} ${JSON.stringify(value)}`,
      'InfluxDB cannot keep an empty name, one with a line break or half a character, or one that ends in a backslash',
      'name it otherwise',
    );
  }
  return value.replace(/[,= ]/g, '\\$&');
}

function fieldValue(value: FieldValue): string {
  if (typeof value === 'string') return `"${value.replace(/["\\]/g, '\\$&')}"`;
  return String(value);
}

/** The part before the fields; the same for all points of a series. */
export const seriesPrefix = (measurement: string, tags: Readonly<Record<string, string>>): string =>
  [
    measurement.replace(/[, ]/g, '\\$&'),
    ...Object.keys(tags)
      .sort()
      .map((name) => `${name}=${tagValue(name, tags[name] ?? '')}`),
  ].join(',');

/** One line. Fields that are not finite numbers are left out: what is not known is not written. @returns null without any. */
export function pointLine(
  prefix: string,
  fields: Readonly<Record<string, FieldValue | null | undefined>>,
  time: string,
): string | null {
  const parts: string[] = [];
  for (const [name, value] of Object.entries(fields)) {
    if (value === null || value === undefined) continue;
    if (typeof value === 'number' && !Number.isFinite(value)) continue;
    parts.push(`${name.replace(/[,= ]/g, '\\$&')}=${fieldValue(value)}`);
  }
  return parts.length === 0 ? null : `${prefix} ${parts.join(',')} ${time}`;
}

/** Milliseconds, as a whole number. */
export const milliseconds = (seconds: number): string => String(Math.round(seconds * 1000));

/**
 * Samples as points, in milliseconds. NaN is left out. `censored` is written where the sample says it, yes or no, so
 * that a correction overwrites both.
 */
export function* usageLines(
  { key, samples }: UsageBatch,
  measurement: string = DEFAULT_MEASUREMENTS.usageMeasurement,
): Generator<string> {
  const { account, workload, component } = key;
  const prefix = seriesPrefix(measurement, { account, workload, component, unit: COMPONENT_UNITS[component] });
  for (const { at, value, censored } of samples) {
    if (Number.isNaN(value)) continue;
    const limited = censored === undefined ? '' : `,${FIELDS.censored}=${censored}`;
    yield `${prefix} ${FIELDS.value}=${value}${limited} ${milliseconds(at)}`;
  }
}

export function* metricLines(
  { account, workload, metric, samples }: MetricBatch,
  measurement: string = DEFAULT_MEASUREMENTS.metricMeasurement,
): Generator<string> {
  const prefix = seriesPrefix(measurement, { account, workload, metric });
  for (const { at, value } of samples) {
    if (!Number.isNaN(value)) yield `${prefix} ${FIELDS.value}=${value} ${milliseconds(at)}`;
  }
}
