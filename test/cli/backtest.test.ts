import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pc from 'picocolors';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { main } from '../../src/cli/main.js';

const TRACE = new URL('../../../shared/traces/nab/asg_grok.csv', import.meta.url).pathname;

let folder: string;
let csv: string;
const start = Date.parse('2026-01-05T00:00:00Z') / 1000;
/** Three weeks of half hours with a daily cycle and a gap of a day. */
const demandAt = (bin: number): number | null =>
  bin >= 700 && bin < 748 ? null : 10 + 6 * Math.sin((2 * Math.PI * bin) / 48) + ((bin * 7919) % 13) / 6;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headroom-backtest-'));
  csv = join(folder, 'web.csv');
  const rows = Array.from({ length: 21 * 48 }, (_, bin) => `${start + bin * 1800},${demandAt(bin) ?? ''},x`);
  await writeFile(csv, `timestamp,cpu,host\n${rows.join('\n')}\n`);
});
afterAll(() => rm(folder, { recursive: true }));
afterEach(() => {
  // The command sets it; vitest would end with it.
  process.exitCode = undefined;
});

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const code = await main(['backtest', ...argv], {
    out: (text) => void (out += `${text}\n`),
    err: (text) => void (err += `${text}\n`),
    color: pc.createColors(false),
    interactive: false,
    env: {},
    cwd: folder,
  });
  return { code, out, err };
}

const reportSchema = z.strictObject({
  step: z.number(),
  lead: z.number(),
  level: z.number(),
  bins: z.number(),
  policies: z.array(
    z.strictObject({
      name: z.string(),
      cost: z.number(),
      violations: z.number(),
      depth: z.number(),
      slack: z.number(),
      changes: z.number(),
    }),
  ),
});
const reportOf = (text: string) => reportSchema.parse(JSON.parse(text));

describe('headroom backtest', () => {
  const POLICIES = 'headroom,hpa:0.5,hpa:0.7,yesterday:1.2,clairvoyant';

  it('prints what CONTRACTS.md says, and a timeline that gives the same scores', async () => {
    const timeline = join(folder, 'out.csv');
    const { code, out } = await run(
      ...['--csv', csv, '--column', 'cpu', '--step', '30m', '--lead', '1h', '--level', '0.95', '--warmup', '60%'],
      ...['--policies', POLICIES, '--json', '--timeline', timeline],
    );
    expect(code).toBe(0);
    const report = reportOf(out);
    // 1008 bins, of which ⌊0.6 n⌋ = 604 are the warm-up and 48 are missing.
    expect(report).toMatchObject({ step: 1800, lead: 3600, level: 0.95, bins: 1008 - 604 - 48 });
    expect(report.policies.map(({ name }) => name)).toEqual(POLICIES.split(','));
    expect(report.policies.at(-1)).toMatchObject({ violations: 0, depth: 0, slack: 0 });
    const rows = (await readFile(timeline, 'utf8')).trim().split('\n');
    expect(rows[0]).toBe(`timestamp,demand,${POLICIES}`);
    expect(rows).toHaveLength(1 + 1008 - 604);
    expect(rows[1]).toMatch(new RegExp(`^${start + 604 * 1800},`));
    const cells = rows.slice(1).map((row) => row.split(','));
    expect(cells.filter((row) => row[1] === '')).toHaveLength(48);
    const known = cells.filter((row) => row[1] !== '').map((row) => row.map(Number));
    report.policies.forEach(({ cost, violations }, at) => {
      const sum = (column: number) => known.reduce((total, row) => total + (row[column] ?? Number.NaN), 0);
      expect(sum(at + 2) / sum(1)).toBeCloseTo(cost, 9);
      expect(known.filter((row) => (row[1] ?? 0) > (row[at + 2] ?? 0)).length / known.length).toBe(violations);
    });
  });

  it('is a table for people, with what the figures mean and how Headroom decided', async () => {
    const { code, out } = await run('--csv', csv, '--step', '30m', '--policies', 'headroom,clairvoyant');
    expect(code).toBe(0);
    for (const part of [
      'policy',
      'clairvoyant',
      '1.000',
      'level asked: 0.99',
      'decided by forecast',
      'headroom: at most 1 % of bins',
      'Wilson',
    ]) {
      expect(out).toContain(part);
    }
  });

  it('a series that never moves is served by a capacity that never moves, and the timeline shows as much', async () => {
    const flat = join(folder, 'flat.csv');
    const rows = Array.from({ length: 2880 }, (_, bin) => `${start + bin * 300},2.5`);
    await writeFile(flat, `timestamp,cpu\n${rows.join('\n')}\n`);
    const timeline = join(folder, 'flat-out.csv');
    const argv = ['--csv', flat, '--policies', 'headroom,headroom-floor', '--timeline', timeline, '--json'];
    const report = reportOf((await run(...argv)).out);
    const shown = (await readFile(timeline, 'utf8')).trim().split('\n').slice(1);
    for (const [at, { name, changes, violations }] of report.policies.entries()) {
      expect({ name, changes, violations }).toMatchObject({ changes: 0, violations: 0 });
      expect(new Set(shown.map((row) => row.split(',')[at + 2])).size, name).toBe(1);
    }
  });

  it('buys whole replicas where their size is given', async () => {
    const shared = ['--csv', csv, '--step', '30m', '--policies', 'clairvoyant', '--json'];
    const whole = reportOf((await run(...shared, '--replica-size', '500m')).out);
    const large = reportOf((await run(...shared, '--replica-size', '8')).out);
    expect(whole.policies[0]?.cost).toBeGreaterThan(1);
    expect(large.policies[0]?.cost).toBeGreaterThan(whole.policies[0]?.cost ?? 0);
    expect(large.policies[0]?.violations).toBe(0);
  });

  it.each([
    { name: 'unknown policy', argv: ['--policies', 'magic'], code: 2, says: ['"magic"', 'hpa:U', 'clairvoyant@V'] },
    { name: 'unknown column', argv: ['--column', 'gpu'], code: 3, says: ['no column "gpu"', 'choose one of'] },
    { name: 'no such file', argv: ['--csv', 'absent.csv'], code: 3, says: ['absent.csv', 'no such file'] },
    { name: 'step finer than the file', argv: ['--step', '5m'], code: 2, says: ['5m is finer', '30m'] },
    { name: 'step that is none', argv: ['--step', 'often'], code: 2, says: ["'--step <duration>'", '"often"', '90s'] },
    { name: 'step of zero', argv: ['--step', '0s'], code: 2, says: ['above 0'] },
    { name: 'lead that is none', argv: ['--lead', '-5m'], code: 2, says: ["'--lead <duration>'"] },
    { name: 'level in percent', argv: ['--level', '99'], code: 2, says: ['between 0 and 1', '0.99'] },
    { name: 'warm-up of everything', argv: ['--warmup', '100%'], code: 2, says: ['60%'] },
    { name: 'time zone that is none', argv: ['--time-zone', 'Mars/Base'], code: 2, says: ['Mars/Base'] },
    { name: 'replica of nothing', argv: ['--replica-size', '0'], code: 2, says: ['above 0'] },
    { name: 'unwritable timeline', argv: ['--timeline', '/dev/null/x.csv'], code: 5, says: ['--timeline'] },
    { name: 'unknown option', argv: ['--levle', '0.9'], code: 2, says: ['--level'] },
  ])('$name ends with $code and says what to do', async ({ argv, code, says }) => {
    const shared = ['--csv', csv, '--policies', 'hpa:0.5', ...(argv.includes('--step') ? [] : ['--step', '30m'])];
    const result = await run(...shared, ...argv);
    expect(result.code).toBe(code);
    for (const part of says) expect(result.err).toContain(part);
    expect(result.out).toBe('');
  });

  it('asks for the file', async () => {
    const { code, err } = await run('--column', 'cpu');
    expect(code).toBe(2);
    expect(err).toContain('--csv');
  });

  it('explains itself with examples and every policy', async () => {
    const { code, out } = await run('--help');
    expect(code).toBe(0);
    for (const part of ['$ headroom backtest --csv', 'headroom-floor', 'percentile:P', 'static:peak', '--censor']) {
      expect(out).toContain(part);
    }
  });

  it('says that rows were out of order, and reads them all the same', async () => {
    const mixed = join(folder, 'mixed.csv');
    const rows = Array.from({ length: 40 }, (_, bin) => `${start + ((bin * 7) % 40) * 300},${1 + ((bin * 7) % 40)}`);
    await writeFile(mixed, `timestamp,cpu\n${rows.join('\n')}\n`);
    const { code, err, out } = await run('--csv', mixed, '--policies', 'clairvoyant', '--json');
    expect(code).toBe(0);
    expect(err).toContain('time goes backwards at row');
    expect(reportOf(out).policies[0]?.cost).toBe(1);
  });

  const absent = !existsSync(TRACE);
  it.skipIf(absent)(
    `holds its level on a real trace${absent ? ' (skipped: ../shared/traces is not here)' : ''}`,
    async () => {
      const argv = ['--csv', TRACE, '--column', 'value', '--policies', 'headroom,hpa:0.5,clairvoyant@0.01', '--json'];
      const [headroom, hpa] = reportOf((await run(...argv)).out).policies;
      expect(headroom?.violations).toBeLessThan(0.02);
      expect(headroom?.violations).toBeLessThan(hpa?.violations ?? 0);
      expect(headroom?.cost).toBeLessThan(hpa?.cost ?? 0);
    },
  );
});
