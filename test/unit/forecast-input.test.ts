import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pc from 'picocolors';
import { afterAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { main } from '../../src/cli/main.js';

/* Whatever a file holds, a person gets a forecast to plan with, or the place and the remedy: never a number that lies. */

const folder = mkdtempSync(join(tmpdir(), 'headroom-input-'));
afterAll(() => rmSync(folder, { recursive: true }));

const START = Date.parse('2026-10-22T00:00:00Z') / 1000;
const BINS = 900;
const at = (k: number): number => START + 300 * k;
const service = (k: number): number => 10 + 4 * Math.sin((2 * Math.PI * k) / 288) + ((k * 7919) % 101) / 50;
const rowsOf = (value: (k: number) => number | string, bins = BINS, time: (k: number) => number | string = at) =>
  Array.from({ length: bins }, (_, k) => `${time(k)},${value(k)}`);
const usual = rowsOf((k) => service(k).toFixed(3));
const text = (rows: readonly string[], header = 'timestamp,cpu', end = '\n'): string =>
  [header, ...rows].join(end) + end;

const answer = z.object({
  forecasts: z.tuple([z.object({ origin: z.string(), quantiles: z.array(z.array(z.number())) })]),
});

let files = 0;
async function run(
  content: string,
  ...argv: string[]
): Promise<{ code: number; out: string; err: string; path: string }> {
  const path = join(folder, `${++files}.csv`);
  writeFileSync(path, content);
  let out = '';
  let err = '';
  const code = await main(['forecast', '--csv', path, '--json', ...argv], {
    out: (line) => void (out += `${line}\n`),
    err: (line) => void (err += `${line}\n`),
    color: pc.createColors(false),
    interactive: false,
    env: {},
    cwd: folder,
  });
  return { code, out, err, path };
}

async function quantiles(content: string, ...argv: string[]): Promise<{ rows: number[][]; err: string }> {
  const { code, out, err } = await run(content, ...argv);
  expect({ code, err }).toMatchObject({ code: 0 });
  const [{ quantiles: rows }] = answer.parse(JSON.parse(out)).forecasts;
  for (const row of rows) {
    expect(row.every((value) => Number.isFinite(value) && value >= 0)).toBe(true);
    expect([...row].sort((a, b) => a - b)).toEqual(row);
  }
  return { rows, err };
}

describe('an odd series is forecast finite, ordered, not negative, and as wide as it should be', () => {
  const twice = (k: number): number => service(k) * (k < BINS - 288 ? 1 : 5);
  /** `near`: where the median an hour ahead lies; `width`: of 10 to 99 % a day ahead (or at the end), by the median. */
  it.each([
    { name: 'constant', rows: rowsOf(() => 5, 1200), near: [4.99, 5.01], width: [0, 0.01] },
    { name: 'all zero', rows: rowsOf(() => 0), near: [0, 0], width: null },
    { name: 'three points', rows: rowsOf(service, 3), near: [5, 20], width: [1, 10] },
    { name: 'three equal points', rows: rowsOf(() => 5, 3), near: [4.9, 5.1], width: [1, 10] },
    { name: 'one point', rows: rowsOf(() => 5, 1), near: [4.9, 5.1], width: [1, 10] },
    { name: 'a hole of a day', rows: usual.filter((_, k) => k < 300 || k >= 588), near: [12, 18], width: [0.05, 1] },
    { name: 'a level shift yesterday', rows: rowsOf(twice), near: [60, 90], width: [0.2, 4] },
    {
      name: 'one spike of a thousand times',
      rows: rowsOf((k) => service(k) * (k === 700 ? 1000 : 1)),
      near: [12, 18],
      width: [0.05, 2],
    },
    {
      name: 'ended an hour ago',
      rows: rowsOf((k) => (k < BINS - 12 ? service(k) : '')),
      near: [12, 18],
      width: [0.05, 1],
    },
    {
      name: 'steps of a second',
      rows: rowsOf(service, 3000, (k) => START + k),
      argv: ['--step', '1s', '--horizon', '5m'],
      near: [8, 18],
      width: [0.05, 2],
    },
    {
      name: 'steps of a day',
      rows: rowsOf(
        (k) => service(40 * k),
        60,
        (k) => START + 86_400 * k,
      ),
      argv: ['--step', '1d', '--horizon', '7d'],
      near: [5, 18],
      width: [0.05, 2],
    },
    {
      name: 'times that jitter',
      rows: rowsOf(service, BINS, (k) => at(k) + 15 + ((k * 37) % 30)),
      near: [12, 18],
      width: [0.05, 1],
    },
    {
      name: 'the end of summer time',
      rows: usual,
      argv: ['--time-zone', 'Europe/Berlin'],
      near: [12, 18],
      width: [0.05, 1],
    },
    { name: 'as large as can be', rows: rowsOf((k) => service(k) * 1e28), near: [12e28, 18e28], width: [0.05, 1] },
    { name: 'very small', rows: rowsOf((k) => service(k) * 1e-9), near: [12e-9, 18e-9], width: [0.05, 1] },
  ])('$name', async ({ rows, argv = ['--horizon', '1d'], near, width }) => {
    const said = (await quantiles(text(rows), ...argv)).rows;
    const hour = said[Math.min(11, said.length - 1)]?.[1] ?? Number.NaN;
    expect(hour).toBeGreaterThanOrEqual(near[0] ?? 0);
    expect(hour).toBeLessThanOrEqual(near[1] ?? 0);
    const last = said.at(-1) ?? [];
    if (width === null) return;
    const spread = ((last[3] ?? 0) - (last[0] ?? 0)) / (last[1] ?? 1);
    expect(spread).toBeGreaterThanOrEqual(width[0] ?? 0);
    expect(spread).toBeLessThanOrEqual(width[1] ?? 0);
  });

  it('a shift of level a day ago: a day ahead no quantile but the highest leaves what was ever seen', async () => {
    const { rows } = await quantiles(text(rowsOf(twice)), '--horizon', '1d');
    for (const row of rows.slice(150)) expect(row[0]).toBeLessThan(90);
  });
});

describe('a value of a thousand times as much, a moment ago', () => {
  const noise = (k: number): number => {
    const x = Math.sin((k + 1) * 12.9898) * 43_758.5453;
    return 2 * (x - Math.floor(x)) - 1;
  };
  it.each([
    { back: 1, days: 4, from: 150, to: 280 },
    { back: 2, days: 14, from: 0, to: 280 },
    { back: 6, days: 14, from: 0, to: 280 },
  ])(
    '$back bins ago, after $days days: no median goes where only that one value was',
    async ({ back, days, from, to }) => {
      const bins = days * 288;
      const value = (k: number): number => 10 + 4 * Math.sin((2 * Math.PI * k) / 288) + noise(k);
      const spiked = rowsOf((k) => value(k) * (k === bins - back ? 1000 : 1), bins);
      const { rows } = await quantiles(text(spiked), '--horizon', '1d');
      for (const row of rows.slice(from, to)) expect(row[1]).toBeLessThan(days === 4 ? 150 : 40);
    },
  );
});

describe('a file that is written otherwise says the same', () => {
  const iso = (k: number, offset: number, zone: string): string =>
    new Date((at(k) + offset) * 1000).toISOString().replace('.000Z', zone);
  const zoned = (k: number): string => (k % 2 === 0 ? iso(k, 7200, '+02:00') : iso(k, 0, 'Z'));
  const cells = (separator: string) => usual.map((row) => row.replace(',', separator));
  it.each([
    { name: 'a byte order mark', content: `\uFEFF${text(usual)}` },
    { name: 'CRLF', content: text(usual, 'timestamp,cpu', '\r\n') },
    { name: 'CR', content: text(usual, 'timestamp,cpu', '\r') },
    { name: 'semicolons', content: text(cells(';'), 'timestamp;cpu') },
    { name: 'semicolons and a byte order mark', content: `\uFEFF${text(cells(';'), '"timestamp";"cpu"')}` },
    { name: 'tabs', content: text(cells('\t'), 'timestamp\tcpu') },
    {
      name: 'quotes',
      content: text(
        usual.map((row) => `"${row.replace(',', '","')}"`),
        '"timestamp","cpu"',
      ),
    },
    { name: 'blanks', content: text(cells(' , '), ' timestamp , cpu') },
    { name: 'several zones', content: text(rowsOf((k) => service(k).toFixed(3), BINS, zoned)) },
    { name: 'unsorted rows', content: text([...usual].reverse()), says: 'the rows were sorted by time' },
    {
      name: 'rows without a zone beside others',
      content: text(
        rowsOf(
          (k) => service(k).toFixed(3),
          BINS,
          (k) => (k === 5 ? iso(k, 0, '') : iso(k, 0, 'Z')),
        ),
      ),
      says: 'read as UTC',
    },
  ])('$name', async ({ content, says }) => {
    const plain = await quantiles(text(usual), '--horizon', '30m');
    const other = await quantiles(content, '--horizon', '30m');
    expect(other.rows).toEqual(plain.rows);
    if (says === undefined) expect(other.err).toBe('');
    else expect(other.err).toContain(says);
  });
});

describe('what cannot be meant is refused with its place and its remedy', () => {
  const withRow = (row: string, k = 500): string => text([...usual.slice(0, k), row, ...usual.slice(k + 1)]);
  const local = rowsOf(service, 400, (k) => {
    const berlin = at(k) + 3 * 86_400 + (at(k) + 3 * 86_400 < Date.parse('2026-10-25T01:00:00Z') / 1000 ? 7200 : 3600);
    return new Date(berlin * 1000).toISOString().slice(0, 19);
  });
  it.each([
    {
      name: 'NaN',
      content: withRow(`${at(500)},NaN`),
      says: ['row 502', '"NaN" is not a number', 'leave the cell empty'],
    },
    { name: 'infinite', content: withRow(`${at(500)},-inf`), says: ['row 502', 'infinite'] },
    { name: '1e308', content: withRow(`${at(500)},1e308`), says: ['row 502', '1e308', 'mend it'] },
    {
      name: 'a counter that was reset',
      content: withRow(`${at(500)},-12000`),
      says: ['row 502', '-12000 is negative'],
    },
    {
      name: 'two values for one time',
      content: withRow(`${at(499)},99`),
      says: ['rows 501 and 502', 'every time once'],
    },
    { name: 'an hour of local time twice', content: text(local), says: ['the same time', 'read as UTC'] },
    { name: 'a decimal comma', content: text(['1;2,5'], 'timestamp;cpu'), says: ['row 2', '"2,5"', 'with a point'] },
    {
      name: 'one row of 2057',
      content: text([...usual, '2751000000,3']),
      says: ['row 902', '2057-03-05', 'leave it out'],
    },
    {
      name: 'one row of 1990',
      content: text(['631152000,3', ...usual]),
      says: ['row 2', '1990-01-01', 'before all others'],
    },
    {
      name: 'three points and one of 2057',
      content: text([...usual.slice(0, 3), '2751000000,3']),
      says: ['row 5', '2057'],
    },
    { name: 'next to nothing', content: text(rowsOf((k) => service(k) * 1e-300)), says: ['smaller unit'] },
    { name: 'a header alone', content: text([]), says: ['no row below the header'] },
    { name: 'nothing', content: '', says: ['is empty'] },
    { name: 'no value at all', content: text(rowsOf(() => '', 5)), says: ['no value at all'] },
  ])('$name', async ({ content, says }) => {
    const { code, out, err, path } = await run(content);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    for (const part of [path, ...says]) expect(err).toContain(part);
  });

  it('a row that came back after two weeks is told, and forecast from', async () => {
    const { err } = await quantiles(text([...usual, `${at(BINS + 14 * 288)},12`]), '--horizon', '30m');
    expect(err).toContain('row 902');
    expect(err).toContain('what lies between is missing');
  });
});

describe('a horizon', () => {
  it('that ends within a bin is taken to its end, and said so', async () => {
    const { rows, err } = await quantiles(text(usual), '--horizon', '7m');
    expect(rows).toHaveLength(2);
    expect(err).toContain('2 bins of 5m');
  });

  it.each([
    { name: 'of years', argv: ['--horizon', '4000d'], says: '1152000 bins' },
    { name: 'of years of seconds', argv: ['--step', '5m', '--horizon', '520w'], says: 'shorter --horizon' },
    { name: 'long, from many origins', argv: ['--horizon', '60d', '--rolling', '20'], says: 'from each of 20 origins' },
    { name: 'long, jointly', argv: ['--horizon', '60d', '--joint'], says: '--joint' },
  ])('$name is refused before anything is read', async ({ argv, says }) => {
    const { code, err } = await run('', ...argv);
    expect(code).toBe(2);
    expect(err).toContain(says);
  });

  it('of months is forecast', async () => {
    expect((await quantiles(text(usual), '--horizon', '100d', '--levels', '0.9')).rows).toHaveLength(28_800);
  });
});
