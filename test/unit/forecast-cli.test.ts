import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pc from 'picocolors';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Terminal } from '../../src/cli/command.js';
import { main } from '../../src/cli/main.js';

const folder = mkdtempSync(join(tmpdir(), 'headroom-forecast-'));
afterAll(() => rmSync(folder, { recursive: true }));

const START = Date.parse('2026-01-05T00:00:00Z') / 1000;
const BINS = 900;
const row = (k: number, value: number): string => `${START + k * 300},${value}`;
const service = (k: number): number => 10 + 4 * Math.sin((2 * Math.PI * k) / 288) + ((k * 7919) % 101) / 50;
const file = (name: string, rows: readonly string[]): string => {
  const path = join(folder, name);
  writeFileSync(path, ['timestamp,cpu', ...rows].join('\n') + '\n');
  return path;
};

const output = z.strictObject({
  forecasts: z.array(
    z.strictObject({
      origin: z.iso.datetime(),
      step: z.number(),
      levels: z.array(z.number()),
      quantiles: z.array(z.array(z.number().min(0))),
      weights: z.record(z.string(), z.number()),
    }),
  ),
});

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const terminal: Terminal = {
    out: (text) => void (out += `${text}\n`),
    err: (text) => void (err += `${text}\n`),
    color: pc.createColors(false),
    interactive: false,
    env: {},
    cwd: folder,
  };
  const code = await main(['forecast', ...argv], terminal);
  return { code, out, err };
}
const forecasts = async (...argv: string[]): Promise<z.output<typeof output>['forecasts']> => {
  const { code, out, err } = await run(...argv, '--json');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return output.parse(JSON.parse(out)).forecasts;
};

let csv = '';
beforeAll(() => {
  csv = file(
    'web.csv',
    Array.from({ length: BINS }, (_, k) => row(k, service(k))),
  );
});

describe('headroom forecast', () => {
  it('prints what the contract says', async () => {
    const [one, ...others] = await forecasts('--csv', csv, '--levels', '0.99,0.1,0.5', '--horizon', '1h');
    expect(others).toEqual([]);
    expect(one).toMatchObject({ origin: '2026-01-08T02:55:00Z', step: 300, levels: [0.1, 0.5, 0.99] });
    expect(one?.quantiles).toHaveLength(12);
    expect(Object.values(one?.weights ?? {}).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9);
    // The sawtooth of the test's noise spans 2: a forecast that knows the day stays within it.
    one?.quantiles.forEach((values, k) => {
      expect(Math.abs((values[1] ?? 0) - (10 + 4 * Math.sin((2 * Math.PI * (BINS + k)) / 288) + 1))).toBeLessThan(2);
    });
  });

  it('takes origins from the last 30 % with room for the horizon', async () => {
    const all = await forecasts('--csv', csv, '--rolling', '4', '--horizon', '2h');
    expect(all.map(({ origin }) => (Date.parse(origin) / 1000 - START) / 300)).toEqual([630, 712, 793, 875]);
    expect(all.every(({ quantiles }) => quantiles.length === 24)).toBe(true);
  });

  it('uses nothing after an origin: a poisoned future changes no forecast', async () => {
    const cut = 650;
    const poisoned = file(
      'poisoned.csv',
      Array.from({ length: BINS }, (_, k) => row(k, k > cut ? 1e9 : service(k))),
    );
    const at = new Date((START + (cut + 1) * 300) * 1000).toISOString();
    expect(await forecasts('--csv', poisoned, '--at', at)).toEqual(await forecasts('--csv', csv, '--at', at));
    const rolling = async (path: string) => (await forecasts('--csv', path, '--rolling', '12'))[0];
    expect(await rolling(poisoned)).toEqual(await rolling(csv));
  });

  it('takes a bin as known at its label + step', async () => {
    const [one] = await forecasts('--csv', csv, '--at', '2026-01-06T00:04:59Z');
    expect(one?.origin).toBe('2026-01-05T23:55:00Z');
  });

  it('a person gets a table, the origin and the models', async () => {
    const { code, out } = await run('--csv', csv, '--horizon', '10m', '--levels', '0.5,0.999');
    expect(code).toBe(0);
    expect(out).toContain('origin 2026-01-08T02:55:00Z');
    expect(out).toMatch(/bin\s+│\s+p50\s+│\s+p99\.9/);
    expect(out).toContain('2026-01-08T03:05:00Z');
    expect(out).toMatch(/models: .*\d %/);
  });

  it.each([
    { name: 'no file', args: ['--csv', 'none.csv'], code: 3, says: 'none.csv' },
    { name: 'two kinds of origin', args: ['--at', '2026-01-07', '--rolling', '3'], code: 2, says: '--rolling' },
    { name: 'a level of 1', args: ['--levels', '0.5,1'], code: 2, says: '"1" is not a level' },
    { name: 'half an origin', args: ['--rolling', '0.5'], code: 2, says: 'whole number' },
    { name: 'a step of nothing', args: ['--step', '0s'], code: 2, says: 'above 0' },
    { name: 'a horizon within a step', args: ['--horizon', '1m'], code: 2, says: 'longer --horizon' },
    { name: 'a time before the file', args: ['--at', '2020-01-01'], code: 2, says: 'give a later time' },
    { name: 'a zone that is none', args: ['--time-zone', 'Mars/Olympus'], code: 2, says: 'Mars/Olympus' },
    { name: 'no room to roll', args: ['--rolling', '3', '--horizon', '2d'], code: 2, says: 'shorter --horizon' },
  ])('says what is wrong with $name', async ({ args, code, says }) => {
    const result = await run('--csv', csv, ...args);
    expect(result.code).toBe(code);
    expect(result.err).toContain(says);
    expect(result.out).toBe('');
  });

  it('names the row of a negative value', async () => {
    const bad = file('negative.csv', [row(0, 1), row(1, -2), row(2, 3)]);
    const { code, err } = await run('--csv', bad);
    expect(code).toBe(2);
    expect(err).toMatch(/-2/);
  });
});
