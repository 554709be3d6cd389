import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pc from 'picocolors';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EXIT, type Terminal } from '../../src/cli/command.js';
import { main } from '../../src/cli/main.js';
import { createEmbeddedStore, type EmbeddedStore } from '../../src/telemetry/embedded/store.js';
import { createStoreService, type StoreService } from '../../src/telemetry/service.js';

const T = 1_767_571_200;
const token = 'a-token-of-the-import-test';
const signal = new AbortController().signal;

interface Run {
  code: number;
  out: string;
  err: string;
}

describe('headroom import csv', () => {
  let home = '';
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'headroom-import-'));
  });
  afterEach(async () => {
    await rm(home, { recursive: true, force: true });
  });

  const run = async (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Run> => {
    let out = '';
    let err = '';
    const terminal: Terminal = {
      out: (text) => (out += `${text}\n`),
      err: (text) => (err += `${text}\n`),
      color: pc.createColors(false),
      interactive: false,
      env: { HEADROOM_HOME: home, ...env },
      cwd: home,
    };
    return { code: await main(['import', 'csv', ...args], terminal), out, err };
  };
  const file = async (text: string): Promise<string> => {
    const path = join(home, 'web.csv');
    await writeFile(path, text);
    return path;
  };
  const rows = (count: number): string =>
    ['timestamp,cpu_pct,mem', ...Array.from({ length: count }, (_, i) => `${T + i * 300},${i * 10},${i}`), ''].join(
      '\n',
    );
  const read = async (store: EmbeddedStore, account: string, workload: string, bins: number): Promise<number[][]> => {
    const window = await store.readUsage(
      {
        account,
        series: [
          { workload, component: 'cpu' },
          { workload, component: 'memory' },
        ],
        from: T,
        to: T + bins * 300,
        step: 300,
      },
      signal,
    );
    return window.series.map(({ series }) => [...series.values]);
  };

  it('loads columns as components, scaled; again, and nothing is written twice', async () => {
    const path = await file(rows(4).replace(`${T + 600},20,2`, `${T + 600},,2`));
    const args = [path, '--account', 'acme', '--workload', 'web', '--column', 'cpu=cpu_pct,memory=mem'];
    const first = await run([...args, '--scale', 'cpu=0.01,memory=1024']);
    expect(first).toMatchObject({ code: EXIT.ok, err: '' });
    expect(first.out).toContain('cpu of acme/web from column cpu_pct: 3 rows, 3 written, 0 skipped');
    expect(first.out).toContain('2026-01-05T00:00:00Z to 2026-01-05T00:15:00Z');

    const second = await run([...args, '--scale', 'cpu=0.01', '--scale', 'memory=1024', '--json']);
    expect(JSON.parse(second.out)).toMatchObject({
      account: 'acme',
      workload: 'web',
      components: [
        { component: 'cpu', rows: 3, written: 0, skipped: 3 },
        { component: 'memory', rows: 4, written: 0, skipped: 4 },
      ],
    });
    const store = await createEmbeddedStore({ path: join(home, 'telemetry.duckdb') });
    expect(await read(store, 'acme', 'web', 4)).toEqual([
      [0, 0.1, NaN, 0.3],
      [0, 1024, 2048, 3072],
    ]);
    await store.close();
  });

  it('two at once both arrive', async () => {
    const path = await file(rows(500));
    const one = (workload: string) =>
      run([path, '--account', 'acme', '--workload', workload, '--column', 'cpu=cpu_pct,memory=mem', '--json']);
    const both = await Promise.all([one('web'), one('api')]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    const store = await createEmbeddedStore({ path: join(home, 'telemetry.duckdb') });
    for (const workload of ['web', 'api']) {
      const [cpu] = await read(store, 'acme', workload, 500);
      expect(cpu?.filter(Number.isNaN)).toHaveLength(0);
    }
    await store.close();
  });

  describe('with an owner running', () => {
    let store: EmbeddedStore;
    let service: StoreService;
    beforeEach(async () => {
      store = await createEmbeddedStore({ path: join(home, 'telemetry.duckdb') });
      service = await createStoreService(store, { token });
    });
    afterEach(async () => {
      await service.close();
      await store.close();
    });

    it('goes through it', async () => {
      const path = await file(rows(3));
      const args = [path, '--account', 'acme', '--workload', 'web', '--column', 'cpu=cpu_pct'];
      const env = { HEADROOM_STORE_URL: service.url, HEADROOM_STORE_TOKEN: token };
      expect((await run(args, env)).out).toContain('3 rows, 3 written');
      expect((await read(store, 'acme', 'web', 3))[0]).toEqual([0, 10, 20]);
      const refused = await run(args, { ...env, HEADROOM_STORE_TOKEN: 'another' });
      expect(refused.code).toBe(EXIT.refused);
    });

    it('finds it by the runtime file', async () => {
      const runtime = {
        // Of another process that lives: one's own number is what a killed container leaves behind.
        pid: process.ppid,
        storeUrl: service.url,
        storeToken: token,
        temporalAddress: '',
        namespace: '',
        temporalUi: null,
        clusterUrl: null,
        clusterToken: null,
        scale: { wallEpochMs: 0, epoch: 0, factor: 1 },
        queues: { light: 'a', compute: 'b', cluster: 'c' },
      };
      await writeFile(join(home, 'run.json'), JSON.stringify(runtime));
      const path = await file(rows(3));
      const done = await run([path, '--account', 'acme', '--workload', 'web', '--column', 'cpu=cpu_pct', '--json']);
      expect(JSON.parse(done.out)).toMatchObject({ through: `process ${process.ppid}`, components: [{ written: 3 }] });
    });
  });

  const good = ['--account', 'acme', '--workload', 'web', '--column', 'cpu=cpu_pct'];
  it.each([
    [
      'a component that is none',
      rows(2),
      ['--account', 'a', '--workload', 'w', '--column', 'cpus=cpu_pct'],
      EXIT.usage,
      'no component',
    ],
    [
      'a pair without a column',
      rows(2),
      ['--account', 'a', '--workload', 'w', '--column', 'cpu='],
      EXIT.usage,
      'component=column',
    ],
    ['a component twice', rows(2), [...good, '--column', 'cpu=mem'], EXIT.usage, 'given twice'],
    [
      'a column that is not there',
      rows(2),
      ['--account', 'a', '--workload', 'w', '--column', 'cpu=cores'],
      EXIT.notFound,
      'cpu_pct',
    ],
    ['a negative factor', rows(2), [...good, '--scale', 'cpu=-1'], EXIT.usage, 'no factor above 0'],
    ['a factor of another component', rows(2), [...good, '--scale', 'io=2'], EXIT.usage, '--column does not'],
    [
      'an account that is no name',
      rows(2),
      ['--account', '../x', '--workload', 'w', '--column', 'cpu=cpu_pct'],
      EXIT.usage,
      'not a name',
    ],
    ['no account', rows(2), ['--workload', 'w', '--column', 'cpu=cpu_pct'], EXIT.usage, '--account'],
    [
      'a cell that is no number, in the last row',
      `${rows(2)}${T + 900},many,1\n`,
      good,
      EXIT.usage,
      'row 4, column "cpu_pct"',
    ],
    ['a time twice', `${rows(2)}${T},5,5\n`, good, EXIT.usage, 'have the same time'],
  ])('%s: exit code, reason, and nothing written', async (_, text, args, code, reason) => {
    const path = await file(text);
    const ended = await run([path, ...args]);
    expect(ended.code).toBe(code);
    expect(ended.err).toContain(reason);
    const store = await createEmbeddedStore({ path: join(home, 'telemetry.duckdb') });
    expect((await read(store, 'acme', 'web', 2))[0]).toEqual([NaN, NaN]);
    await store.close();
  });

  it('a file that is not there', async () => {
    const ended = await run([join(home, 'none.csv'), ...good]);
    expect(ended).toMatchObject({ code: EXIT.notFound, out: '' });
    expect(ended.err).toContain('there is no such file');
  });
});
