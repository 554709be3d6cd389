import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { accountFile, environment, temporaryFolder, within, type Folder } from './headroom.js';

/* What a user may feed to a command by mistake: each ends in words and an exit code, never in a stack or a guess. */

const START = 1_780_000_200;
const STEP = 300;
const at = (row: number): number => START + STEP * row;

const series = (rows: number, value: (row: number) => string | number): string[] =>
  Array.from({ length: rows }, (_, row) => `${at(row)},${value(row)}`);
/** A file of twelve good rows, of which row 7 (the header is row 1) is replaced. */
const withRow = (line: string): string[] => [...series(5, () => 2), line, ...series(12, () => 3).slice(6)];
const csv = (rows: readonly string[], header = 'timestamp,cpu'): string => `${[header, ...rows].join('\n')}\n`;

let folder: Folder;
let env: NodeJS.ProcessEnv;
beforeAll(async () => {
  folder = await temporaryFolder();
  env = environment(folder.path);
});
afterAll(() => folder.remove());

const COMMANDS = {
  forecast: (file: string) => ['forecast', '--csv', file, '--column', 'cpu', '--json'],
  backtest: (file: string) => ['backtest', '--csv', file, '--column', 'cpu', '--policies', 'hpa:0.7', '--json'],
  import: (file: string) => [
    ...['import', 'csv', file, '--account', 'acme', '--workload', 'web', '--column', 'cpu=cpu', '--json'],
  ],
};

const BAD = [
  { name: 'an empty file', text: '', says: ['is empty', 'timestamp'] },
  { name: 'a header alone', text: csv([]), says: ['no row below the header'] },
  {
    name: 'no header',
    text: csv(
      series(3, () => 1),
      '1780000200,1',
    ),
    says: ['no column "timestamp"'],
  },
  { name: 'not text at all', text: '\u0000\u0001\u0002\u0003', says: ['no column "timestamp"'] },
  { name: 'a word', text: csv(withRow(`${at(5)},much`)), says: ['row 7', 'column "cpu"', '"much" is not a number'] },
  { name: 'NaN', text: csv(withRow(`${at(5)},NaN`)), says: ['row 7', 'column "cpu"', 'leave the cell empty'] },
  { name: 'a negative value', text: csv(withRow(`${at(5)},-1`)), says: ['row 7', 'column "cpu"', 'negative'] },
  { name: 'an infinite value', text: csv(withRow(`${at(5)},Infinity`)), says: ['row 7', 'column "cpu"', 'infinite'] },
  {
    name: 'a value too large to be',
    text: csv(withRow(`${at(5)},1e999`)),
    says: ['row 7', 'column "cpu"', 'infinite'],
  },
  { name: 'a time twice', text: csv(withRow(`${at(4)},3`)), says: ['rows 6 and 7', 'the same time'] },
  { name: 'a time that is none', text: csv(withRow('noon,3')), says: ['row 7', '"noon" is not a time'] },
  { name: 'a time that is NaN', text: csv(withRow('NaN,3')), says: ['row 7', 'is not a time'] },
  { name: 'an infinite time', text: csv(withRow('Infinity,3')), says: ['row 7', 'is not a time'] },
  { name: 'an empty time', text: csv(withRow(',3')), says: ['row 7', 'the time is empty'] },
  { name: 'a negative time', text: csv(withRow('-5,3')), says: ['row 7', 'before 1970'] },
  { name: 'milliseconds', text: csv(withRow(`${at(5)}000,3`)), says: ['row 7', 'milliseconds'] },
  { name: 'a cell too many', text: csv(withRow(`${at(5)},3,4`)), says: ['line 7', 'as many cells as the header'] },
  { name: 'a quote that is not closed', text: csv(withRow(`"${at(5)},3`)), says: ['Quote Not Closed'] },
];

describe('a bad CSV file', () => {
  it.each(BAD.flatMap((bad) => Object.keys(COMMANDS).map((command) => ({ ...bad, command }))))(
    '$name, to $command: exit code 2, the place in words, nothing on standard output',
    async ({ text, says, command }) => {
      const file = await folder.write('bad.csv', text);
      const argv = COMMANDS[command as keyof typeof COMMANDS](file);
      const { code, out, err } = await within(env, ...argv);
      expect({ code, out, missing: says.filter((words) => !err.includes(words)), err }).toMatchObject({
        code: 2,
        out: '',
        missing: [],
      });
      expect(err).toContain(file);
      expect(err).not.toMatch(/^\s+at .*:\d+/m);
    },
  );
});

const wave = (row: number): string => (2 + (row % 12) / 10).toFixed(2);
const ODD = [
  { name: 'a constant series', rows: series(600, () => 2.5), bins: 600, scored: 240 },
  { name: 'nothing but zeros', rows: series(600, () => 0), bins: 600, scored: 240 },
  {
    name: 'a gap of a day',
    rows: series(900, wave).filter((_, row) => row < 400 || row >= 688),
    bins: 900,
    scored: 212,
  },
  { name: 'three points', rows: series(3, (row) => row + 1), bins: 3, scored: 0 },
  { name: 'one point', rows: series(1, () => 4), bins: 1, scored: 0 },
];

describe('a series that is odd, and no mistake', () => {
  const forecastSchema = z.object({
    forecasts: z.array(
      z.object({
        step: z.literal(STEP),
        levels: z.array(z.number()),
        quantiles: z.array(z.array(z.number().min(0))),
        weights: z.record(z.string(), z.number()),
      }),
    ),
  });

  it.each(ODD)('$name: forecast gives finite, ordered quantiles', async ({ rows }) => {
    const ran = await within(env, ...COMMANDS.forecast(await folder.write('odd.csv', csv(rows))));
    expect(ran).toMatchObject({ code: 0 });
    const [forecast] = forecastSchema.parse(JSON.parse(ran.out)).forecasts;
    expect(forecast?.quantiles).toHaveLength(24);
    for (const row of forecast?.quantiles ?? []) {
      expect([...row].sort((a, b) => a - b)).toEqual(row);
      expect(row).toHaveLength(forecast?.levels.length ?? 0);
    }
    expect(Object.values(forecast?.weights ?? {}).reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 6);
  });

  it.each(ODD)('$name: backtest scores it, or says what is too little', async ({ rows, bins, scored }) => {
    const ran = await within(env, ...COMMANDS.backtest(await folder.write('odd.csv', csv(rows))));
    if (scored === 0) {
      expect(ran).toMatchObject({ code: 2, out: '' });
      expect(ran.err).toContain(`of ${bins} bins none is left to score`);
      return;
    }
    expect(ran).toMatchObject({ code: 0 });
    // The last 40 %, without the bins that are missing: they are neither met nor missed.
    expect(JSON.parse(ran.out)).toMatchObject({ bins: scored });
  });

  it.each(ODD)('$name: import takes every row', async ({ name, rows }) => {
    const home = environment(`${folder.path}/${name.replaceAll(' ', '-')}`);
    const ran = await within(home, ...COMMANDS.import(await folder.write('odd.csv', csv(rows))));
    expect(ran).toMatchObject({ code: 0 });
    expect(JSON.parse(ran.out)).toMatchObject({ components: [{ rows: rows.length, written: rows.length }] });
  });

  it('a bad row at the end leaves nothing of the file behind', async () => {
    const home = environment(`${folder.path}/whole`);
    const bad = await folder.write('late.csv', csv([...series(500, wave), `${at(500)},much`]));
    expect(await within(home, ...COMMANDS.import(bad))).toMatchObject({ code: 2 });
    const good = await folder.write('late.csv', csv(series(500, wave)));
    const ran = await within(home, ...COMMANDS.import(good));
    expect(JSON.parse(ran.out)).toMatchObject({ components: [{ written: 500, skipped: 0 }] });
  });
});

describe('a bad account file', () => {
  const good = accountFile('shop', { mode: 'auto', raised: false });
  it.each([
    { name: 'nothing', text: '', says: [] },
    { name: 'not YAML', text: 'version: [headroom/v1\n', says: [':'] },
    { name: 'a list', text: '- a\n- b\n', says: [] },
    { name: 'a misspelt field', text: good.replace('coolDown', 'cooldown'), says: ['cooldown', 'coolDown'] },
    { name: 'an amount that is none', text: good.replace('500m', 'lots'), says: ['lots'] },
    { name: 'a duration that is none', text: good.replace('step: 5m', 'step: often'), says: ['"often"'] },
    { name: 'a level in percent', text: `${good}level: 99\n`, says: ['level'] },
    {
      name: 'a minimum above its maximum',
      text: good.replace('min: 2, max: 10', 'min: 11, max: 10'),
      says: ['11', '10'],
    },
    { name: 'a key twice', text: `${good}account: other\n`, says: ['account'] },
    { name: 'another version', text: good.replace('headroom/v1', 'headroom/v9'), says: ['headroom/v1'] },
    {
      name: 'a pool that is not defined',
      text: good.replace('name: web', 'name: web\n    pools: [gold]'),
      says: ['gold'],
    },
    { name: 'a cycle shorter than the step', text: good.replace('cycle: 5m', 'cycle: 1m'), says: ['cycle', 'step'] },
    { name: 'a budget below nothing', text: `${good}budget: { perHour: -1 }\n`, says: ['budget'] },
  ])('$name: exit code 2, with file, line and column', async ({ text, says }) => {
    const file = await folder.write('account.yaml', text);
    const { code, out, err } = await within(env, 'plan', '--effective', '-f', file);
    expect({ code, out, missing: says.filter((words) => !err.includes(words)), err }).toMatchObject({
      code: 2,
      out: '',
      missing: [],
    });
    expect(err).toMatch(/account\.yaml:\d+:\d+/);
    expect(err).not.toMatch(/^\s+at .*:\d+/m);
  });
});
