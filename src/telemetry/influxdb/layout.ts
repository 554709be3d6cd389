/*
 * What stands where in InfluxDB. docs/telemetry.md shows the same to users; readers, writers and the down-sampling task
 * all take their names from here.
 */

export interface InfluxNames {
  /** Usage and metrics as they were sampled. */
  bucket: string;
  /** Sums and counts by hour, of the same series; outlives `bucket`. */
  hourlyBucket: string;
  /**
   * Tags account, workload, component, and where the writer says it, unit; fields `value` (float, in the component's
   * unit) and `censored` (boolean, absent means no).
   */
  usageMeasurement: string;
  /** Tags account, workload, metric; field `value` (float). */
  metricMeasurement: string;
}

export const FIELDS = { value: 'value', censored: 'censored', sum: 'sum', count: 'count' } as const;

export const DEFAULT_MEASUREMENTS = { usageMeasurement: 'usage', metricMeasurement: 'metric' } as const;

/** The bucket of the hourly means of a bucket. */
export const hourlyBucketOf = (bucket: string): string => `${bucket}_1h`;

/** The bucket of what the loop itself leaves behind: forecasts, plans, grants, outcomes. */
export const loopBucketOf = (bucket: string): string => `${bucket}_loop`;

export const HOUR = 3600;
