import { createHash } from 'node:crypto';
import { z } from 'zod';
import { COMPONENTS } from '../../domain/component.js';
import { binStart } from '../../domain/time.js';
import type { UsageQuery, UsageWindow } from '../port.js';
import { storeError } from './errors.js';
import type { RowVisitor } from './sample-log.js';
import { MOST_BINS } from '../window.js';

/*
 * Windows on a grid, and the names of snapshots. A snapshot is not stored: its id says which series (by the hash of
 * their list), which window and up to which place of the ingest sequence, and the log, which only grows, gives the same
 * bytes for it ever after. Taking one costs no write, and the same content has the same id.
 */

export interface Grid {
  from: number;
  to: number;
  step: number;
  bins: number;
}

/** @throws HeadroomError `invalid-input` where the window is none. */
export function gridOf(query: { from: number; to: number; step: number }, series: number, action: string): Grid {
  const { step } = query;
  if (!(step > 0) || !Number.isFinite(step)) {
    throw storeError('invalid-input', action, `a step of ${step}s is no step`, 'give one above 0, as 300');
  }
  const from = binStart(query.from, step);
  const to = binStart(query.to, step);
  const bins = Math.round((to - from) / step);
  if (!Number.isFinite(bins) || bins < 0) {
    throw storeError('invalid-input', action, `${query.from} to ${query.to} is no window`, 'give a from before its to');
  }
  if (bins * Math.max(1, series) > MOST_BINS) {
    throw storeError(
      'invalid-input',
      action,
      `${bins} bins of ${series} series are too many`,
      'ask for a shorter window, fewer series or a coarser step',
    );
  }
  return { from, to, step, bins };
}

/** Puts rows, in any number of series, on the grid: the mean of a bin, censored where any sample is, NaN where none. */
export function createBinning(
  query: Pick<UsageQuery, 'account' | 'series'>,
  ids: readonly (number | undefined)[],
  grid: Grid,
): { visit: RowVisitor; finish(): UsageWindow } {
  const sums = query.series.map(() => new Float64Array(grid.bins));
  const counts = query.series.map(() => new Uint32Array(grid.bins));
  const limited = query.series.map(() => new Uint8Array(grid.bins));
  const places = new Map<number, number[]>();
  ids.forEach((id, place) => {
    if (id !== undefined) places.set(id, [...(places.get(id) ?? []), place]);
  });

  return {
    visit(series, time, value, censored) {
      const bin = Math.floor((time - grid.from) / grid.step);
      if (bin < 0 || bin >= grid.bins) return;
      for (const place of places.get(series) ?? []) {
        const sum = sums[place];
        const count = counts[place];
        const limit = limited[place];
        if (sum === undefined || count === undefined || limit === undefined) continue;
        sum[bin] = (sum[bin] ?? 0) + value;
        count[bin] = (count[bin] ?? 0) + 1;
        if (censored) limit[bin] = 1;
      }
    },
    finish() {
      const series = query.series.map(({ workload, component }, place) => {
        const values = sums[place] ?? new Float64Array(0);
        const count = counts[place] ?? new Uint32Array(0);
        for (let bin = 0; bin < values.length; bin++) {
          const samples = count[bin] ?? 0;
          values[bin] = samples === 0 ? Number.NaN : (values[bin] ?? 0) / samples;
        }
        const censored = limited[place] ?? new Uint8Array(0);
        return { workload, component, series: { start: grid.from, step: grid.step, values, censored } };
      });
      return { account: query.account, from: grid.from, to: grid.to, step: grid.step, series };
    },
  };
}

/** What a snapshot is of, apart from its window. */
export const snapshotSetSchema = z.strictObject({
  account: z.string(),
  step: z.number().positive(),
  series: z.array(z.strictObject({ workload: z.string(), component: z.enum(COMPONENTS) })),
});
export type SnapshotSet = z.output<typeof snapshotSetSchema>;

export const snapshotSetId = (set: SnapshotSet): string =>
  createHash('sha256')
    .update(JSON.stringify([set.account, set.step, set.series.map(({ workload, component }) => [workload, component])]))
    .digest('hex')
    .slice(0, 24);

export interface SnapshotName {
  set: string;
  from: number;
  to: number;
  /** Older bins were past retention when it was taken: they are missing in it. */
  dataFrom: number;
  watermark: number;
}

export const snapshotId = (name: SnapshotName): string =>
  ['snap', name.set, name.from, name.to, name.dataFrom, name.watermark].join('_');

export function parseSnapshotId(id: string): SnapshotName | null {
  const match = /^snap_([0-9a-f]{24})_(-?[\d.]+)_(-?[\d.]+)_(-?[\d.]+)_(\d+)$/.exec(id);
  if (match === null) return null;
  const [from, to, dataFrom, watermark] = match.slice(2).map(Number);
  if (from === undefined || to === undefined || dataFrom === undefined || watermark === undefined) return null;
  if (![from, to, dataFrom, watermark].every(Number.isFinite)) return null;
  return { set: match[1] ?? '', from, to, dataFrom, watermark };
}
