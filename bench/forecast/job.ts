import { z } from 'zod';
import type { Series } from '../../src/domain/series.js';
import { readDoubles } from './cache.js';

/** What one process is asked to forecast, as it stands in its job file. */
export const jobSchema = z.object({
  method: z.enum(['headroom', 'headroom alone', 'persistence', 'seasonal naive']),
  /** The series: where its values stand (float64), and its grid. */
  values: z.string(),
  start: z.number(),
  step: z.number().positive(),
  origins: z.array(z.number().int()),
  aheads: z.number().int().positive(),
  levels: z.array(z.number()),
  /** Artifacts of trained global models, by file. */
  globals: z.array(z.string()),
  /** Where the quantiles go, [origin][ahead][level] in float64, and beside it their cost. */
  out: z.string(),
});
export type Job = z.infer<typeof jobSchema>;

export function seriesOf(job: Pick<Job, 'values' | 'start' | 'step'>): Series {
  const values = readDoubles(job.values);
  return { start: job.start, step: job.step, values, censored: new Uint8Array(values.length) };
}
