import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { z } from 'zod';
import { HeadroomError } from '../../src/domain/errors.js';
import type { Series } from '../../src/domain/series.js';
import { csvSeries, readCsvColumns } from '../../src/telemetry/csv.js';
import { CHOSEN, FINEST_STEP, LONGEST, stepsOf } from './setting.js';

/** One series of the bench, on its grid. */
export interface Trace {
  /** `dataset/series`, as INDEX.csv names it. */
  id: string;
  column: string;
  series: Series;
}

const indexSchema = z.array(
  z.object({ dataset: z.string(), series: z.string(), path: z.string(), interval_s: z.coerce.number().positive() }),
);

/** A trace of the index: its main column (the first), averaged to bins of five minutes or of its own, longer interval. */
export interface IndexedTrace {
  id: string;
  /** Whether its file is there. */
  isThere: boolean;
  read(): Promise<Trace>;
}

/** The traces of a folder with INDEX.csv, in its order; null where there is no index. */
export async function indexedTraces(folder: string): Promise<IndexedTrace[] | null> {
  const index = join(folder, 'INDEX.csv');
  if (!existsSync(index)) return null;
  const rows = indexSchema.parse(parse(await readFile(index, 'utf8'), { columns: true }));
  return rows.map(({ dataset, series: name, path, interval_s }) => {
    const id = `${dataset}/${name}`;
    const file = join(folder, path);
    return {
      id,
      isThere: existsSync(file),
      async read() {
        const column = (await readHeader(file))[1] ?? 'value';
        const step = Math.max(FINEST_STEP, interval_s);
        const series = csvSeries(await readCsvColumns(file, { columns: [column] }), { column, step });
        return { id, column, series };
      },
    };
  });
}

/**
 * The main column of each trace (its first), averaged to bins of five minutes or of the trace's own, longer interval.
 * @param share of each trace, from its beginning, that is looked at.
 * @returns the traces, and those that have no room for a day's forecast in their last 30 %, with the reason.
 * @throws HeadroomError `not-found` where there is no index, `invalid-input` where a file cannot be read.
 */
export async function readTraces(
  folder: string,
  share = 1,
): Promise<{ traces: Trace[]; skipped: { id: string; reason: string }[] }> {
  const indexed = await indexedTraces(folder);
  if (indexed === null) {
    throw new HeadroomError({
      kind: 'not-found',
      component: 'bench/forecast',
      action: 'reading the traces',
      problem: `${join(folder, 'INDEX.csv')} is not there`,
      remedy: 'name the folder of the traces: make bench-forecast TRACES=FOLDER',
    });
  }
  const traces: Trace[] = [];
  const skipped: { id: string; reason: string }[] = [];
  for (const one of indexed) {
    const { series: whole, ...rest } = await one.read();
    const series = { ...whole, values: whole.values.slice(0, Math.ceil(share * whole.values.length)) };
    const { id } = rest;
    const { step } = series;
    const bins = series.values.length;
    const room = bins - 1 - stepsOf(LONGEST, step) - Math.floor(CHOSEN * bins);
    if (room < 0) {
      skipped.push({ id, reason: `its ${bins} bins of ${step} s leave no day after the first 70 %` });
    } else traces.push({ ...rest, series });
  }
  return { traces, skipped };
}

async function readHeader(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8');
  return (text.slice(0, text.indexOf('\n')).split(',') ?? []).map((cell) => cell.trim());
}

/**
 * `n` evenly spaced origins among the known bins of the last 30 %, each with a whole day behind it and a day ahead; on
 * a series without holes those of `headroom forecast --rolling`.
 */
export function originsOf(series: Series, n: number): number[] {
  const bins = series.values.length;
  const known: number[] = [];
  for (let index = Math.floor(CHOSEN * bins); index <= bins - 1 - stepsOf(LONGEST, series.step); index++) {
    // An origin that is followed by a hole of its own has nothing to be scored against.
    if (!Number.isNaN(series.values[index]) && !Number.isNaN(series.values[index + 1])) known.push(index);
  }
  if (known.length <= n) return known;
  const origins = new Set<number>();
  for (let k = 0; k < n; k++) origins.add(known[Math.round(((known.length - 1) * k) / Math.max(1, n - 1))] ?? 0);
  return [...origins];
}
