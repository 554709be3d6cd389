import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createTerminal } from '../../src/cli/command.js';
import { openLibrary } from '../../src/cli/models.js';
import { withSession } from '../../src/cli/session.js';
import { modelsOf } from '../../src/cli/trained-status.js';
import { startDevServer, type DevServer } from '../../src/temporal/server.js';
import { wave } from '../unit/models-fixtures.js';
import {
  because,
  environment,
  headroom,
  json,
  NO_SERVER,
  temporaryFolder,
  until,
  within,
  type Folder,
} from './headroom.js';

/*
 * Training as its users start it: two cells, each a worker process with a store of its own, on one Temporal server. What
 * is lost where this fails: a federation or a retraining that works in parts and not from the command line.
 */

const BIN = fileURLToPath(new URL('../../bin/headroom', import.meta.url));
const DAY = 86_400;
const DAYS = 24;
const CELLS = ['eu', 'us'] as const;

interface WorkerProcess {
  child: ChildProcess;
  said(): string;
  stop(): Promise<void>;
}

async function startWorker(env: NodeJS.ProcessEnv, ...argv: string[]): Promise<WorkerProcess> {
  const child = spawn(process.execPath, [BIN, 'worker', '--metrics-port', '0', ...argv], {
    env,
    cwd: tmpdir(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ended = once(child, 'exit');
  await until('a worker serves', () => {
    if (child.exitCode !== null) throw new Error(`the worker ended with ${child.exitCode}: ${said}`);
    return said.includes('metrics at');
  });
  return {
    child,
    said: () => said,
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** A wave that ends now, as a file. */
function csv(seed: number): string {
  const from = Math.floor(Date.now() / 3_600_000) * 3600 - DAYS * DAY;
  const { values, step } = wave('any', DAYS, 3600, seed, from);
  return ['timestamp,cores', ...[...values].map((value, k) => `${from + k * step},${value}`)].join('\n');
}

describe.skipIf(NO_SERVER !== null)(`training from the command line${because(NO_SERVER)}`, () => {
  let folder: Folder;
  let server: DevServer;
  const workers: WorkerProcess[] = [];
  const envs: Record<string, NodeJS.ProcessEnv> = {};
  const env = (cell: string): NodeJS.ProcessEnv => envs[cell] ?? {};

  beforeAll(async () => {
    folder = await temporaryFolder();
    server = await startDevServer({ databaseFile: join(folder.path, 'temporal.db'), env: environment(folder.path) });
    for (const [index, cell] of CELLS.entries()) {
      const home = join(folder.path, cell);
      await mkdir(home);
      envs[cell] = environment(home, { TEMPORAL_ADDRESS: server.address, HEADROOM_MODELS: join(home, 'models') });
      const file = await folder.write(`${cell}.csv`, csv(index + 1));
      const argv = ['import', 'csv', file, '--account', `${cell}-shop`, '--workload', 'web', '--column', 'cpu=cores'];
      expect(await within(env(cell), ...argv)).toMatchObject({ code: 0 });
    }
    // The first also trains on its own: two cells never share a queue of fits.
    for (const [cell, roles] of [
      ['eu', 'light,compute'],
      ['us', 'light'],
    ] as const) {
      workers.push(await startWorker(env(cell), '--cell', cell, '--roles', roles));
    }
  });
  afterAll(async () => {
    await Promise.all(workers.map((worker) => worker.stop()));
    await server?.close();
    await folder?.remove();
  });

  it('two cells, each its own process and store, end with one model, which serves where it is promoted', async () => {
    const result = await json(
      env('us'),
      z.object({
        artifacts: z.record(z.string(), z.object({ id: z.string(), wql: z.number().nullable() })),
        rounds: z.array(z.object({ cells: z.number(), loss: z.number() })),
      }),
      ...['federate', '--cells', CELLS.join(','), '--rounds', '2', '--steps', '2', '--days', '14'],
    );
    expect(result.rounds.map(({ cells }) => cells)).toEqual([2, 2]);
    expect(Object.keys(result.artifacts).sort()).toEqual(['eu', 'us']);
    const [id, ...others] = new Set(Object.values(result.artifacts).map((one) => one.id));
    expect(others).toEqual([]);
    for (const cell of CELLS) {
      expect(result.artifacts[cell]?.wql).toBeGreaterThan(0);
      expect(await within(env(cell), 'models', 'promote', (id ?? '').slice(0, 12))).toMatchObject({ code: 0 });
      expect((await openLibrary(env(cell)).champions.read('main', 'neural-tcn')).champion?.id).toBe(id);
    }
  });

  it('federate: cells that nobody serves, and settings that are none, are refused before anything begins', async () => {
    const refused = async (code: number, says: string, ...argv: string[]): Promise<void> => {
      const ran = await within(env('eu'), ...argv);
      expect({ argv, code: ran.code, says: ran.err.includes(says) ? says : ran.err }).toEqual({ argv, code, says });
    };
    const some = ['federate', '--cells', 'eu,us'];
    await refused(5, 'no worker serves cell mars', 'federate', '--cells', 'eu,mars');
    await refused(2, 'no whole number from 1', ...some, '--rounds', '-1');
    await refused(2, 'no number above 0', ...some, '--clip', '0');
    await refused(2, 'there are 2 cells', ...some, '--least', '3');
    await refused(2, 'known are tcn, gru', ...some, '--network', 'lstm');
    await refused(2, 'names two or more', 'federate', '--cells', 'eu,eu');
    await refused(2, 'no name of a cell', 'worker', '--cell', 'EU 1');
  });

  it('retrain: what is wrong or unknown is refused, and nothing begins', async () => {
    const refused = async (code: number, says: string, ...argv: string[]): Promise<void> => {
      const ran = await within(env('eu'), 'retrain', ...argv);
      expect({ argv, code: ran.code, says: ran.err.includes(says) ? says : ran.err }).toEqual({ argv, code, says });
    };
    await refused(2, 'no whole number from 1 to 3650', 'start', '--days', '-3');
    await refused(2, 'no whole number from 1 to 3650', 'start', '--days', '2.5');
    await refused(2, 'no whole number from 1', 'start', '--most-series', '0');
    await refused(2, 'no whole number from 0', 'start', '--fits', 'many');
    await refused(2, 'must be above 0', 'start', '--every', '0s');
    await refused(2, 'leaves nothing of --days 2', 'start', '--days', '2', '--hold-out', '2d');
    await refused(3, 'this build knows', 'start', '--kinds', 'oracle');
    await refused(3, 'knows no account nobody', 'start', '--account', 'nobody');
    await refused(3, 'it is not running', 'cancel');
    await refused(3, 'it is not running', 'status');
  });

  it('retrain: trains what was imported, after a search; settings that are not repeated stay; cancel says what it did', async () => {
    const statusSchema = z.object({
      ...{ run: z.number(), phase: z.string(), attention: z.string().nullable().optional() },
      settings: z.object({ kinds: z.array(z.string()), days: z.number(), fits: z.number(), every: z.number() }),
      log: z.array(z.object({ text: z.string() })),
    });
    const status = async () => {
      const ran = await within(env('eu'), 'retrain', 'status', '--json');
      if (ran.code !== 0) throw new Error(ran.err);
      return statusSchema.parse(JSON.parse(ran.out));
    };
    const begun = await within(env('eu'), 'retrain', 'start', '--kinds', 'booster', '--days', '20', '--fits', '1');
    expect(begun).toMatchObject({ code: 0 });
    expect(begun.out).toContain('retraining begins with booster');
    const ended = async () => {
      const { phase, run, log, attention } = await status();
      return run === 1 && phase === 'waiting' ? { texts: log.map(({ text }) => text), attention } : false;
    };
    const { texts, attention } = await until('the first run is over', ended);
    expect(attention ?? null).toBeNull();
    expect(texts.join('\n')).toContain('1 series of 1 accounts go in');
    expect(texts.join('\n')).toMatch(/search: 1 of 1 fits/);
    const library = openLibrary(env('eu'));
    const listed = (await library.store.list()).flatMap(({ card }) => (card?.kind === 'booster' ? [card] : []));
    expect(listed[0]?.search?.trials).toHaveLength(1);
    // What was searched and trained can be repeated, from a store without any policy.
    const booster = (await library.store.list()).find(({ card }) => card?.kind === 'booster');
    expect(await headroom(env('eu'), 'models', 'refit', booster?.id ?? '')).toMatchObject({
      code: 0,
      out: expect.stringContaining('bit for bit the same on js') as string,
    });

    // What cannot be trained is said to who looks at an account, too.
    expect(await within(env('eu'), 'retrain', 'start', '--hold-out', '19d')).toMatchObject({ code: 0 });
    expect(await within(env('eu'), 'retrain', 'now')).toMatchObject({ code: 0 });
    await until('a run that trains nothing', async () => {
      const { run, phase, attention: asks } = await status();
      return run === 2 && phase === 'waiting' && typeof asks === 'string';
    });
    const terminal = { ...createTerminal(), env: env('eu') };
    const { troubles } = await withSession(terminal, (session) => modelsOf(session, env('eu'), 'eu-shop'));
    expect(troubles.join()).toMatch(/retraining main: the last run trained nothing: no kind was trained \(booster: /);

    const cancelled = await within(env('eu'), 'retrain', 'cancel');
    expect(cancelled).toMatchObject({ code: 4 });
    expect(cancelled.err).toContain('no run is under way, nothing was cancelled; the next run is at');
    const again = await within(env('eu'), 'retrain', 'start', '--every', '3d');
    expect(again.out).toContain('what was not repeated stays');
    await until('the settings are taken', async () => (await status()).settings.every === 3 * DAY);
    expect((await status()).settings).toMatchObject({ kinds: ['booster'], days: 20, fits: 1 });
    expect((await within(env('eu'), 'retrain', 'start')).out).toContain('nothing was changed');
    expect(await within(env('eu'), 'retrain', 'stop')).toMatchObject({ code: 0 });
  });
});
