import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { openLibrary } from '../../src/cli/models.js';
import { trainGlobalBooster } from '../../src/forecast/booster/global-booster.js';
import { CELL_SCOPE } from '../../src/models/library.js';
import { promote } from '../../src/models/reign.js';
import { createEmbeddedStore } from '../../src/telemetry/embedded/store.js';
import { cardOf, wave } from '../unit/models-fixtures.js';
import { environment, within } from './headroom.js';

/* What a person may bring to a forecast of a file besides its values: models by name, trained models, and what was throttled. */

const TRACE = new URL('../../../shared/traces/nab/nyc_taxi.csv', import.meta.url).pathname;
const START = Date.parse('2026-03-02T00:00:00Z') / 1000;
const STEP = 1800;
const DAY = 48;
const BINS = 18 * DAY;
const noise = (k: number): number => {
  const x = Math.sin((k + 1) * 12.9898) * 43_758.5453;
  return 2 * (x - Math.floor(x)) - 1;
};
const demand = (k: number): number => 20 + 10 * Math.sin((2 * Math.PI * k) / DAY) + noise(k);
const time = (k: number): number => START + k * STEP;

let folder: string;
let env: NodeJS.ProcessEnv;
let csv: string;
const file = async (name: string, header: string, row: (k: number) => string): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, `${[header, ...Array.from({ length: BINS }, (_, k) => row(k))].join('\n')}\n`);
  return path;
};
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headroom-forecast-models-'));
  env = environment(join(folder, 'home'));
  csv = await file('web.csv', 'timestamp,cpu', (k) => `${time(k)},${demand(k)}`);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const answer = z.object({
  champions: z
    .array(z.object({ kind: z.string(), id: z.string(), name: z.string(), trainedTo: z.string() }))
    .optional(),
  forecasts: z.array(
    z.object({
      origin: z.string(),
      quantiles: z.array(z.array(z.number())),
      weights: z.record(z.string(), z.number()),
    }),
  ),
});
async function forecast(path: string, ...argv: string[]) {
  const ran = await within(env, 'forecast', '--csv', path, '--step', '30m', '--horizon', '1d', '--json', ...argv);
  expect(ran).toMatchObject({ code: 0 });
  return { ...answer.parse(JSON.parse(ran.out)), err: ran.err };
}
const sum = (weights: Record<string, number> = {}): number => Object.values(weights).reduce((a, b) => a + b, 0);

describe('forecast --models', () => {
  it('takes trees that learn from the file alone, by name, and says how much each is listened to', async () => {
    const { forecasts } = await forecast(csv, '--models', 'booster,random-forest');
    const weights = forecasts[0]?.weights ?? {};
    expect(Object.keys(weights)).toEqual(['persistence', 'booster', 'random-forest']);
    expect(sum(weights)).toBeCloseTo(1, 9);
    expect((weights['booster'] ?? 0) + (weights['random-forest'] ?? 0)).toBeGreaterThan(0.5);
    forecasts[0]?.quantiles.forEach((row, k) => {
      expect(Math.abs((row[1] ?? 0) - (20 + 10 * Math.sin((2 * Math.PI * (BINS + k)) / DAY)))).toBeLessThan(3);
    });
  });

  it('sets them beside the default ones', async () => {
    const { forecasts } = await forecast(csv, '--models', 'default,booster');
    expect(Object.keys(forecasts[0]?.weights ?? {})).toEqual(expect.arrayContaining(['mstl-ets', 'booster']));
  });

  it('trains them on nothing after an origin: a poisoned future changes no forecast', async () => {
    const cut = Math.floor(0.7 * BINS);
    const poisoned = await file('poisoned.csv', 'timestamp,cpu', (k) => `${time(k)},${k > cut ? 1e6 : demand(k)}`);
    const rolling = ['--rolling', '2', '--models', 'booster,random-forest'];
    const [clean, tainted] = [await forecast(csv, ...rolling), await forecast(poisoned, ...rolling)];
    expect(tainted.forecasts[0]).toEqual(clean.forecasts[0]);
    expect(tainted.forecasts[1]).not.toEqual(clean.forecasts[1]);
  });

  it.skipIf(!existsSync(TRACE))(
    `nor on a real trace, from any of several origins${existsSync(TRACE) ? '' : ' (skipped: no traces here)'}`,
    async () => {
      const [header = '', ...rows] = (await readFile(TRACE, 'utf8')).trim().split('\n').slice(0, 1100);
      const column = header.split(',')[1] ?? '';
      const write = async (name: string, lines: readonly string[]): Promise<string> => {
        const path = join(folder, name);
        await writeFile(path, `${[header, ...lines].join('\n')}\n`);
        return path;
      };
      const whole = await write('taxi.csv', rows);
      const argv = ['--column', column, '--models', 'default,booster', '--rolling', '3'];
      const { forecasts } = await forecast(whole, ...argv);
      const second = Date.parse(forecasts[1]?.origin ?? '') / 1000;
      const tainted = rows.map((row) => (Number(row.split(',')[0]) > second ? `${row.split(',')[0]},1` : row));
      const again = (await forecast(await write('taxi-tainted.csv', tainted), ...argv)).forecasts;
      expect(again.slice(0, 2)).toEqual(forecasts.slice(0, 2));
      expect(again[2]).not.toEqual(forecasts[2]);
    },
  );

  it('goes on without trees where there is too little to train them on, and says so', async () => {
    const path = join(folder, 'young.csv');
    await writeFile(path, `timestamp,cpu\n${Array.from({ length: 20 }, (_, k) => `${time(k)},${k}`).join('\n')}\n`);
    const { forecasts, err } = await forecast(path, '--models', 'booster');
    expect(forecasts[0]?.weights).toEqual({ persistence: 1 });
    expect(err).toContain('booster is left out: 20 bins are too few');
  });

  it('names what there is where a name is none', async () => {
    const { code, err } = await within(env, 'forecast', '--csv', csv, '--models', 'boster');
    expect(code).toBe(2);
    expect(err).toContain('"boster" is no model');
    expect(err).toContain('random-forest');
  });
});

describe('forecast --with-champions', () => {
  it('refuses where no trained model serves', async () => {
    const ran = await within(env, 'forecast', '--csv', csv, '--with-champions');
    expect(ran).toMatchObject({ code: 3, out: '' });
    expect(ran.err).toContain('no trained model serves');
    expect(ran.err).toContain('headroom retrain start');
  });

  describe('where one does', () => {
    let id: string;
    const card = { ...cardOf(), kind: 'booster', levels: [0.1, 0.5, 0.9] };
    beforeAll(async () => {
      const library = openLibrary(env);
      const weights = trainGlobalBooster([wave('a', 20), wave('b', 20, 3600, 2)], {
        levels: card.levels,
        rows: 2000,
        trees: { rounds: 20, leaves: 8, minLeaf: 20 },
      });
      id = (await library.store.put(card, weights)).id;
      await library.champions.change(CELL_SCOPE, 'booster', (state) =>
        promote(state, id, { at: 1_760_000_000, by: 'retrain', reason: 'the first' }),
      );
    });

    it('takes it in, and names it with its weight', async () => {
      const { champions, forecasts, err } = await forecast(csv, '--with-champions');
      expect(champions).toMatchObject([{ kind: 'booster', id, name: 'global-booster' }]);
      expect(forecasts[0]?.weights['global-booster']).toBeGreaterThan(0);
      expect(sum(forecasts[0]?.weights)).toBeCloseTo(1, 9);
      expect(err).toBe('');
    });

    it('says where it was trained on what came after the origin', async () => {
      const old = await file('old.csv', 'timestamp,cpu', (k) => `${card.data.to - (BINS - k) * STEP},${demand(k)}`);
      const { err } = await forecast(old, '--with-champions', '--rolling', '2');
      expect(err).toContain(`booster ${id.slice(0, 12)} was trained on data up to`);
    });

    it('is there for a backtest, too', async () => {
      const argv = [
        '--csv',
        csv,
        '--step',
        '30m',
        '--lead',
        '30m',
        '--policies',
        'headroom',
        '--with-champions',
        '--json',
      ];
      const { code, out } = await within(env, 'backtest', ...argv, '--models', 'persistence,seasonal-naive-day');
      expect(code).toBe(0);
      expect(JSON.parse(out)).toMatchObject({
        champions: [{ id }],
        weights: { persistence: expect.any(Number) as number, 'global-booster': expect.any(Number) as number },
        policies: [{ name: 'headroom' }],
      });
    });
  });
});

describe('bins that were throttled', () => {
  const limit = Array.from({ length: BINS }, (_, k) => demand(k)).sort((a, b) => a - b)[Math.floor(0.8 * BINS)] ?? 0;
  let cut: string;
  beforeAll(async () => {
    cut = await file('cut.csv', 'timestamp,cpu,limit,throttled', (k) => {
      const isCut = demand(k) >= limit;
      return `${time(k)},${Math.min(demand(k), limit)},${limit},${isCut ? 'true' : ''}`;
    });
  });
  const peak = async (...argv: string[]): Promise<number[]> => {
    const { forecasts } = await forecast(cut, '--levels', '0.5,0.95', ...argv);
    return [0, 1].map((l) => Math.max(...(forecasts[0]?.quantiles ?? []).map((row) => row[l] ?? 0)));
  };

  it.each([
    { name: 'a column says so', argv: ['--censored', 'throttled'] },
    { name: 'they stand at a limit', argv: ['--limit', String(limit)] },
    { name: 'they stand at the limit of a column', argv: ['--limit', 'limit'] },
  ])('are forecast with their true peak, within 10 %, where $name', async ({ argv }) => {
    for (const found of await peak(...argv)) expect(Math.abs(found / 30 - 1)).toBeLessThan(0.1);
  });

  it('hide it where nobody says so', async () => {
    for (const found of await peak()) expect(found).toBeLessThan(0.97 * 30);
  });

  it('are counted for the reader', async () => {
    const { err } = await forecast(cut, '--censored', 'throttled');
    expect(err).toMatch(/173 of 864 bins were throttled/);
    expect((await forecast(cut, '--limit', '1000')).err).toContain('no bin was throttled');
  });

  it('are lower bounds to a backtest, which says that they are', async () => {
    const argv = ['--csv', cut, '--step', '30m', '--lead', '30m', '--level', '0.95', '--policies', 'headroom'];
    const cost = async (...more: string[]): Promise<number> => {
      const { out } = await within(env, 'backtest', ...argv, '--json', ...more);
      return z.object({ policies: z.tuple([z.object({ cost: z.number() })]) }).parse(JSON.parse(out)).policies[0].cost;
    };
    expect(await cost('--limit', 'limit')).toBeGreaterThan(await cost());
    expect((await within(env, 'backtest', ...argv, '--limit', 'limit')).out).toContain('usage was throttled');
  });

  it('are imported as such, by component', async () => {
    // What stands within a hundredth of the limit stands at it.
    const near = Array.from({ length: BINS }, (_, k) => (demand(k) >= 0.99 * limit ? 1 : 0));
    const named = ['--account', 'acme', '--workload', 'web', '--column', 'cpu=cpu'];
    const ran = await within(env, 'import', 'csv', cut, ...named, '--limit', 'cpu=limit', '--scale', 'cpu=2', '--json');
    expect(JSON.parse(ran.out)).toMatchObject({
      components: [{ component: 'cpu', rows: BINS, bounds: near.filter((one) => one === 1).length }],
    });
    const store = await createEmbeddedStore({ path: join(folder, 'home', 'telemetry.duckdb') });
    const query = { account: 'acme', series: [{ workload: 'web', component: 'cpu' as const }], step: STEP };
    const window = await store.readUsage({ ...query, from: START, to: time(BINS) }, new AbortController().signal);
    await store.close();
    expect([...(window.series[0]?.series.censored ?? [])]).toEqual(near);
  });

  it.each([
    { name: 'a limit that is none', argv: ['--limit', '0'], code: 2, says: 'is no limit' },
    { name: 'a column that is not there', argv: ['--censored', 'cut'], code: 3, says: 'no column "cut"' },
    { name: 'a limit column that is not there', argv: ['--limit', 'most'], code: 3, says: 'no column "most"' },
    { name: 'a flag that is none', argv: ['--censored', 'host'], code: 2, says: 'neither yes nor no' },
  ])('are not guessed: $name', async ({ argv, code, says }) => {
    const path = await file('host.csv', 'timestamp,cpu,host', (k) => `${time(k)},${demand(k)},web-1`);
    const ran = await within(env, 'forecast', '--csv', path, ...argv);
    expect(ran).toMatchObject({ code, out: '' });
    expect(ran.err).toContain(says);
  });
});
