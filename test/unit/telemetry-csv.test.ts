import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isHeadroomError } from '../../src/domain/errors.js';
import { binSamples } from '../../src/domain/series.js';
import { createCsvUsage, csvSamples, readCsvColumns, readCsvSeries } from '../../src/telemetry/csv.js';

let folder: string;
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headroom-csv-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function file(text: string): Promise<string> {
  const path = join(folder, `${count++}.csv`);
  await writeFile(path, text);
  return path;
}

const failureOf = async (work: Promise<unknown>) => {
  const error: unknown = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!isHeadroomError(error)) throw new Error(`expected a HeadroomError, got ${String(error)}`);
  return error;
};

describe('bad input is named by row and column, so that its author can mend it', () => {
  it.each([
    { name: 'malformed number', rows: '0,1\n300,12x\n', says: ['row 3', 'column "cpu"', '"12x" is not a number'] },
    {
      name: 'NaN as text',
      rows: '0,NaN\n',
      says: ['row 2', 'column "cpu"', '"NaN" is not a number', 'leave the cell'],
    },
    { name: 'negative', rows: '0,-0.5\n', says: ['row 2', 'column "cpu"', 'negative'] },
    { name: 'infinite in words', rows: '0,1\n300,-Infinity\n', says: ['row 3', 'infinite'] },
    { name: 'infinite by size', rows: '0,1e999\n', says: ['row 2', 'infinite'] },
    { name: 'hexadecimal', rows: '0,0x10\n', says: ['row 2', 'not a number'] },
    { name: 'no time', rows: ',1\n', says: ['row 2', 'column "timestamp"', 'empty'] },
    { name: 'a time in words', rows: 'noon,1\n', says: ['row 2', 'column "timestamp"', '"noon" is not a time'] },
    { name: 'milliseconds', rows: '1700000000000,1\n', says: ['row 2', 'milliseconds'] },
    { name: 'duplicate time', rows: '0,1\n300,2\n300,2\n', says: ['rows 3 and 4', '1970-01-01T00:05:00Z'] },
    { name: 'duplicate after sorting', rows: '300,1\n0,2\n300,3\n', says: ['rows 2 and 4'] },
    { name: 'the same time in two notations', rows: '300,1\n1970-01-01T00:05:00Z,2\n', says: ['rows 2 and 3'] },
    { name: 'a row after an empty line', rows: '0,1\n\n300,x\n', says: ['row 4'] },
    { name: 'a row with too few cells', rows: '0,1\n300\n', says: ['line 3'] },
    { name: 'a header alone', rows: '', says: ['no row below the header'] },
    { name: 'nothing but gaps', rows: '0,\n300,\n', says: ['column "cpu" has no value at all'] },
    { name: 'a time far off', rows: '0,1\n300,1\n600,1\n99000000000,1\n', says: ['rows 2 to 5', 'span'] },
  ])('$name', async ({ rows, says }) => {
    const path = await file(`timestamp,cpu\n${rows}`);
    const error = await failureOf(readCsvSeries(path, { column: 'cpu', step: 300 }));
    expect(error.kind).toBe('invalid-input');
    for (const part of [path, ...says]) expect(error.message).toContain(part);
  });

  it.each([
    { name: 'an empty file', text: '', kind: 'invalid-input', says: 'empty' },
    { name: 'no timestamp', text: 'time,cpu\n0,1\n', kind: 'invalid-input', says: 'no column "timestamp"' },
    {
      name: 'another column',
      text: 'timestamp,memory,io\n0,1,1\n',
      kind: 'not-found',
      says: 'choose one of: memory, io',
    },
    { name: 'a column twice', text: 'timestamp,cpu,cpu\n0,1,2\n', kind: 'invalid-input', says: '"cpu" is named twice' },
  ])('$name', async ({ text, kind, says }) => {
    const error = await failureOf(readCsvSeries(await file(text), { column: 'cpu', step: 300 }));
    expect(error).toMatchObject({ kind });
    expect(error.message).toContain(says);
  });

  it('a file that is not there', async () => {
    const error = await failureOf(readCsvSeries(join(folder, 'absent.csv'), { column: 'cpu', step: 300 }));
    expect(error.kind).toBe('not-found');
  });
});

describe('the grid', () => {
  it('is aligned to the epoch, means what falls in, and leaves gaps missing', async () => {
    const path = await file('timestamp,name,cpu\n604,a,1\n664,b,3\n724,c,\n1501,d,7\n1561,e,9\n1621,f,\n1681,g,8\n');
    const series = await readCsvSeries(path, { column: 'cpu', step: 300 });
    expect(series.start).toBe(600);
    expect([...series.values]).toEqual([2, Number.NaN, Number.NaN, 8]);
  });

  it.each([
    { name: 'epoch seconds', cell: '1767225600' },
    { name: 'ISO-8601 with Z', cell: '2026-01-01T00:00:00Z' },
    { name: 'ISO-8601 with an offset', cell: '2026-01-01T01:00:00+01:00' },
    { name: 'ISO-8601 without a zone, which is UTC in a CSV file', cell: '2026-01-01 00:00:00' },
    { name: 'fractions of a second', cell: '1767225600.250' },
  ])('reads $name', async ({ cell }) => {
    const series = await readCsvSeries(await file(`timestamp,cpu\n${cell},4\n`), { column: 'cpu', step: 60 });
    expect(series).toMatchObject({ start: 1767225600, step: 60 });
    expect([...series.values]).toEqual([4]);
  });

  it.each([
    { name: 'finer than the interval', step: 60, refused: true },
    { name: 'the interval', step: 300, refused: false },
    { name: 'coarser', step: 3600, refused: false },
  ])('a step $name', async ({ step, refused }) => {
    const path = await file('timestamp,cpu\n0,1\n301,1\n601,1\n900,1\n1200,1\n5000,1\n');
    const outcome = readCsvSeries(path, { column: 'cpu', step });
    if (refused) expect((await failureOf(outcome)).message).toMatch(/1m is finer than the file's interval of 5m/);
    else expect((await outcome).step).toBe(step);
  });

  it('sorts rows that go backwards in time, and says so', async () => {
    const notes: string[] = [];
    const path = await file('timestamp,cpu\n600,3\n0,1\n300,2\n');
    const series = await readCsvSeries(path, { column: 'cpu', step: 300, onNote: (note) => notes.push(note) });
    expect([...series.values]).toEqual([1, 2, 3]);
    expect(notes.join()).toContain('row 3');
  });

  it('is that of binSamples for whatever samples, in whatever order', async () => {
    const cell = fc.option(fc.float({ min: 0, max: 1e6, noNaN: true }).map(Math.abs), { nil: Number.NaN });
    const rows = fc.uniqueArray(fc.tuple(fc.integer({ min: 0, max: 90_000 }), cell), {
      selector: ([at]) => at,
      minLength: 2,
      maxLength: 40,
    });
    await fc.assert(
      fc.asyncProperty(rows, async (cells) => {
        fc.pre(cells.some(([, value]) => !Number.isNaN(value)));
        const text = cells.map(([at, value]) => `${at},${Number.isNaN(value) ? '' : value}`).join('\n');
        const series = await readCsvSeries(await file(`timestamp,cpu\n${text}\n`), { column: 'cpu', step: 90_000 });
        const samples = cells.map(([at, value]) => ({ at, value })).sort((a, b) => a.at - b.at);
        expect([...series.values]).toEqual([...binSamples(samples, 90_000).values]);
      }),
      { numRuns: 40 },
    );
  });
});

describe('columns for an import', () => {
  it('takes every numeric column, ignores names, and leaves empty cells out', async () => {
    const path = await file('timestamp,host,cpu,memory,empty\n0,a,1,,\n300,b,2,20,\n600,c,,30,\n');
    const columns = await readCsvColumns(path);
    expect([...columns.columns.keys()]).toEqual(['cpu', 'memory']);
    expect([...csvSamples(columns, 'memory')].flat()).toEqual([
      { at: 300, value: 20 },
      { at: 600, value: 30 },
    ]);
  });

  it('hands a large file out in batches', async () => {
    const rows = Array.from({ length: 2500 }, (_, row) => `${row * 60},${row % 7}`).join('\r\n');
    const columns = await readCsvColumns(await file(`\uFEFFtimestamp,cpu\r\n${rows}`));
    const sizes = [...csvSamples(columns, 'cpu', 1000)].map((batch) => batch.length);
    expect(sizes).toEqual([1000, 1000, 500]);
  });
});

describe('as a usage source', () => {
  const open = new AbortController().signal;
  const source = async () => {
    const path = await file('timestamp,cpu,p99\n0,1,0.1\n300,2,0.3\n900,4,\n');
    const components = { cpu: 'cpu' } as const;
    return createCsvUsage({
      account: 'acme',
      workloads: [{ workload: 'web', path, components, metrics: { latency_p99: 'p99' } }],
    });
  };
  const query = { from: 0, to: 1500, step: 300 };
  const nothing = Array.from({ length: 5 }, () => Number.NaN);

  it.each([
    { name: 'the window asked for', account: 'acme', workload: 'web', values: [1, 2, Number.NaN, 4, Number.NaN] },
    {
      name: 'a workload that it does not have is missing, not zero',
      account: 'acme',
      workload: 'api',
      values: nothing,
    },
    { name: 'another account reads nothing of it', account: 'acme2', workload: 'web', values: nothing },
  ])('$name', async ({ account, workload, values }) => {
    const usage = await source();
    const window = await usage.readUsage({ account, series: [{ workload, component: 'cpu' }], ...query }, open);
    expect([...(window.series[0]?.series.values ?? [])]).toEqual(values);
  });

  it('means a metric over what is known, and is null where nothing is', async () => {
    const usage = await source();
    const metric = { account: 'acme', workload: 'web', metric: 'latency_p99' };
    expect(await usage.readMetric({ ...metric, from: 0, to: 1500 }, open)).toBeCloseTo(0.2);
    expect(await usage.readMetric({ ...metric, from: 900, to: 1500 }, open)).toBeNull();
    expect(await usage.readMetric({ ...metric, metric: 'error_rate', from: 0, to: 1500 }, open)).toBeNull();
  });

  it('reads a file again when it has changed', async () => {
    const path = await file('timestamp,cpu\n0,1\n300,1\n');
    const usage = createCsvUsage({
      account: 'acme',
      workloads: [{ workload: 'web', path, components: { cpu: 'cpu' } }],
    });
    const first = {
      account: 'acme',
      series: [{ workload: 'web', component: 'cpu' as const }],
      from: 0,
      to: 600,
      step: 300,
    };
    await usage.readUsage(first, open);
    await writeFile(path, 'timestamp,cpu\n0,1\n300,1\n600,5\n');
    const window = await usage.readUsage({ ...first, from: 600, to: 900 }, open);
    expect([...(window.series[0]?.series.values ?? [])]).toEqual([5]);
  });
});
