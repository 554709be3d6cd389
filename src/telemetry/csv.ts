import { stat } from 'node:fs/promises';
import type { Component } from '../domain/component.js';
import { binSamples, type Sample, type Series } from '../domain/series.js';
import { binStart, formatDuration } from '../domain/time.js';
import { dropWrongUnits } from './amounts.js';
import { csvError } from './csv-cells.js';
import { censoringColumns, censoringOf, type CsvCensoring } from './csv-censoring.js';
import { readCsvColumns, type CsvColumns } from './csv-rows.js';
import type { MetricQuery, UsageQuery, UsageSource, UsageWindow } from './port.js';
import { MOST_BINS } from './window.js';

export { censoringColumns, type CsvCensoring } from './csv-censoring.js';
export { readCsvColumns, type CsvColumns } from './csv-rows.js';

/**
 * Samples of one column in increasing time, `size` at a time; empty cells are left out.
 * @param censoring what says which are lower bounds; without it no sample says anything of that.
 */
export function* csvSamples(
  file: CsvColumns,
  column: string,
  size = 10_000,
  censoring?: CsvCensoring,
): Generator<Sample[]> {
  const cells = columnOf(file, column);
  const isBound = censoring === undefined ? null : censoringOf(file, cells, censoring);
  let batch: Sample[] = [];
  for (let row = 0; row < cells.length; row++) {
    const value = cells[row] ?? Number.NaN;
    if (Number.isNaN(value)) continue;
    const at = file.times[row] ?? Number.NaN;
    batch.push(isBound === null ? { at, value } : { at, value, censored: isBound(row) });
    if (batch.length === size) {
      yield batch;
      batch = [];
    }
  }
  if (batch.length > 0) yield batch;
}

/** Gaps so near the median one are the interval, jittered; the others are holes. */
const USUAL_GAP = { least: 0.5, most: 1.5 };

/** Seconds between the filled cells of a column, holes left out; null where there are fewer than two. */
export function csvInterval(file: CsvColumns, column: string): number | null {
  const cells = columnOf(file, column);
  const gaps: number[] = [];
  let previous: number | null = null;
  for (let row = 0; row < cells.length; row++) {
    if (Number.isNaN(cells[row])) continue;
    const time = file.times[row] ?? Number.NaN;
    if (previous !== null) gaps.push(time - previous);
    previous = time;
  }
  const ascending = Float64Array.from(gaps).sort();
  const median = ascending[(ascending.length - 1) >> 1];
  if (median === undefined) return null;
  // Clocks jitter to either side: the mean of the gaps is steadier than any one of them.
  const usual = gaps.filter((gap) => gap >= USUAL_GAP.least * median && gap <= USUAL_GAP.most * median);
  return usual.reduce((sum, gap) => sum + gap, 0) / usual.length;
}

/**
 * Puts a column on the grid of {@link binSamples}: from the bin of the file's first row to that of its last one.
 * @throws HeadroomError `invalid-input` where the step is finer than its interval.
 */
export function csvSeries(
  file: CsvColumns,
  options: { column: string; step: number; range?: { from: number; to: number }; censoring?: CsvCensoring },
): Series {
  const { column, step, censoring } = options;
  if (!(step > 0) || !Number.isFinite(step)) {
    throw csvError(file.path, 'putting on a grid', `a step of ${step}s is no step`, 'give one above 0, as 5m');
  }
  const cells = columnOf(file, column);
  const interval = csvInterval(file, column);
  // Clocks jitter: a step within a hundredth of the interval is the interval.
  if (interval !== null && step < interval * 0.99) {
    throw csvError(
      file.path,
      `reading column "${column}" of`,
      `a step of ${formatDuration(step)} is finer than the file's interval of ${formatDuration(interval)}`,
      `ask for ${formatDuration(Math.ceil(interval))} or coarser`,
    );
  }
  const first = binStart(file.times[0] ?? 0, step);
  const range = options.range ?? { from: first, to: binStart(file.times.at(-1) ?? 0, step) + step };
  const bins = (range.to - range.from) / step;
  if (bins > MOST_BINS) {
    throw csvError(
      file.path,
      `reading column "${column}" of`,
      `rows ${file.lines[0]} to ${file.lines.at(-1)} span ${Math.round(bins)} bins of ${formatDuration(step)}`,
      'mend the time that is far off, or take a coarser step',
    );
  }
  const isBound = censoring === undefined ? () => false : censoringOf(file, cells, censoring);
  const samples: Sample[] = [];
  for (let row = 0; row < cells.length; row++) {
    samples.push({ at: file.times[row] ?? Number.NaN, value: cells[row] ?? Number.NaN, censored: isBound(row) });
  }
  return binSamples(samples, step, range);
}

/**
 * One column of a file on the grid of CONTRACTS.md: bins of `step` seconds aligned to the epoch, the mean of what falls
 * in, empty bins NaN.
 * @param options.onNote told what the reader should know and no error, as rows that were out of order.
 * @throws HeadroomError as {@link readCsvColumns}, and `invalid-input` where the column has no value at all.
 */
export async function readCsvSeries(
  path: string,
  options: { column: string; step: number; censoring?: CsvCensoring; onNote?: (note: string) => void },
): Promise<Series> {
  const { column, step, censoring } = options;
  const { columns, flags } = censoringColumns(censoring ?? {});
  const file = await readCsvColumns(path, { columns: [column, ...columns], flags });
  for (const note of file.notes) options.onNote?.(note);
  if (columnOf(file, column).every((cell) => Number.isNaN(cell))) {
    throw csvError(path, 'reading', `column "${column}" has no value at all`, 'choose another column');
  }
  const series = csvSeries(file, { column, step, ...(censoring === undefined ? {} : { censoring }) });
  if (censoring !== undefined) options.onNote?.(boundsNote(path, series));
  return series;
}

/** How much of a series is known from below alone. */
function boundsNote(path: string, { values, censored }: Series): string {
  const known = values.reduce((count, value) => (Number.isNaN(value) ? count : count + 1), 0);
  const bounds = censored.reduce((count, one) => count + one, 0);
  if (bounds === 0) return `${path}: no bin was throttled or at its limit; all ${known} are taken as demand`;
  const whole = bounds === known ? '; what demand is was never seen, and forecasts can only say that it is more' : '';
  return `${path}: ${bounds} of ${known} bins were throttled or at their limit: lower bounds of demand${whole}`;
}

function columnOf(file: CsvColumns, column: string): Float64Array {
  const cells = file.columns.get(column);
  if (cells === undefined) {
    const others = [...file.columns.keys()].join(', ');
    throw csvError(file.path, 'reading', `there is no column "${column}"`, `choose one of: ${others}`, 'not-found');
  }
  return cells;
}

export interface CsvUsageOptions {
  /** The account that the files belong to; a query for another one finds nothing. */
  account: string;
  workloads: readonly {
    workload: string;
    path: string;
    /** Column of the file by component. */
    components: Partial<Record<Component, string>>;
    /** Column of the file by metric name. */
    metrics?: Readonly<Record<string, string>>;
  }[];
}

/** Usage out of CSV files, one a workload. A file is read once, and again when it has changed. */
export function createCsvUsage(options: CsvUsageOptions): UsageSource {
  const files = new Map<string, { version: string; columns: Promise<CsvColumns> }>();

  const load = async (workload: CsvUsageOptions['workloads'][number]): Promise<CsvColumns> => {
    const { path } = workload;
    const version = await stat(path).then(
      (found) => `${found.mtimeMs}/${found.size}`,
      () => 'absent',
    );
    const known = files.get(path);
    if (known !== undefined && known.version === version) return known.columns;
    const wanted = [...new Set([...Object.values(workload.components), ...Object.values(workload.metrics ?? {})])];
    const columns = readCsvColumns(path, { columns: wanted });
    files.set(path, { version, columns });
    // A failed read is not kept: the file may be there next time.
    columns.catch(() => files.delete(path));
    return columns;
  };
  const entryOf = (account: string, workload: string) =>
    account === options.account ? options.workloads.find((entry) => entry.workload === workload) : undefined;

  return {
    name: 'csv',

    async readUsage(query: UsageQuery, signal: AbortSignal): Promise<UsageWindow> {
      const { account, step } = query;
      const from = binStart(query.from, step);
      const to = binStart(query.to, step);
      const series: UsageWindow['series'] = [];
      for (const { workload, component } of query.series) {
        signal.throwIfAborted();
        const entry = entryOf(account, workload);
        const column = entry?.components[component];
        series.push({
          workload,
          component,
          series:
            entry === undefined || column === undefined
              ? binSamples([], step, { from, to })
              : dropWrongUnits(component, csvSeries(await load(entry), { column, step, range: { from, to } })),
        });
      }
      return { account, from, to, step, series };
    },

    async readMetric(query: MetricQuery, signal: AbortSignal): Promise<number | null> {
      signal.throwIfAborted();
      const entry = entryOf(query.account, query.workload);
      const column = entry?.metrics?.[query.metric];
      if (entry === undefined || column === undefined) return null;
      const file = await load(entry);
      const cells = columnOf(file, column);
      let sum = 0;
      let count = 0;
      for (let row = 0; row < cells.length; row++) {
        const time = file.times[row] ?? Number.NaN;
        const value = cells[row] ?? Number.NaN;
        if (time < query.from || time >= query.to || Number.isNaN(value)) continue;
        sum += value;
        count += 1;
      }
      return count === 0 ? null : sum / count;
    },

    async close(): Promise<void> {
      files.clear();
    },
  };
}
