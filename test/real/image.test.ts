import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../../infra/servers/locate.js';
import { carryOut, readIgnore, readRecipe, type Built, type Stage } from './image-recipe.js';

/*
 * There is no Docker here: the image itself is not built. What its recipe copies and runs is carried out in folders, and
 * what comes out of it is started.
 */

const RECIPE = join(ROOT, 'infra', 'image', 'Dockerfile');
const TOKEN = 'a-token-of-the-image-test';

describe('the recipe of the image', () => {
  let folder: string;
  let stages: Stage[];
  let image: Built;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'headroom-image-'));
    stages = await readRecipe(RECIPE);
    image = await carryOut(stages, { context: ROOT, folder, ignored: await readIgnore(`${RECIPE}.dockerignore`) });
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const start = (...args: string[]): { command: string; args: string[]; env: NodeJS.ProcessEnv } => ({
    // The image's PATH, in its folder; node from here.
    command: join(image.root, 'app', 'bin', image.entrypoint[0] ?? ''),
    args,
    env: { PATH: dirname(process.execPath), HEADROOM_HOME: join(folder, 'home'), HEADROOM_STORE_TOKEN: TOKEN },
  });
  const run = async (...args: string[]): Promise<string> => {
    const { command, env } = start();
    return (await promisify(execFile)(command, args, { env, cwd: '/' })).stdout;
  };

  it('runs as nobody in particular, and never as root', () => {
    expect(image.user).toBe('10001:10001');
    expect(image.env['PATH']?.split(':')).toContain(join(image.workdir, 'bin'));
  });

  it('the last stage removes and makes folders, and builds nothing', () => {
    const runs = stages.at(-1)?.steps.filter(({ instruction }) => instruction === 'RUN') ?? [];
    for (const { argument } of runs) {
      for (const command of argument.split('&&')) expect(command.trim()).toMatch(/^(rm -rf|install -d) /);
    }
    expect(runs[0]?.argument).toContain('/usr/local/lib/node_modules');
  });

  it('holds what runs, and neither sources, tests nor development packages', async () => {
    expect((await readdir(join(image.root, 'app'))).sort()).toEqual([
      ...['LICENSE', 'bin', 'dist', 'node_modules', 'package.json', 'src'],
    ]);
    expect((await readdir(join(image.root, 'app', 'dist'))).sort()).toEqual([
      ...['activities', 'src', 'workflow-bundle.js', 'workflows'],
    ]);
    const packages = await readdir(join(image.root, 'app', 'node_modules'));
    for (const name of ['typescript', 'vitest', 'eslint', 'prettier']) expect(packages).not.toContain(name);
  });

  it('says its version and helps', async () => {
    expect(await run('--version')).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(await run('worker', '--help')).toContain('--roles');
  });

  it('has the native parts of the Temporal worker, of DuckDB and the solver', async () => {
    const script = `
      await import('@temporalio/worker');
      const { DuckDBInstance } = await import('@duckdb/node-api');
      await (await DuckDBInstance.create(':memory:')).connect();
      await import('./dist/src/cli/serve.js');
      console.log('loaded');
    `;
    const args = ['--input-type=module', '-e', script];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: join(image.root, 'app') });
    expect(stdout).toBe('loaded\n');
  });

  it('serves the store, and the scaler that reads it', async () => {
    const running: ChildProcess[] = [];
    /** Starts a command and waits for the line that says where it listens. */
    const serve = async (env: NodeJS.ProcessEnv, ...args: string[]): Promise<string> => {
      const { command, env: own } = start();
      const child = spawn(command, args, { env: { ...own, ...env }, stdio: ['ignore', 'ignore', 'pipe'] });
      running.push(child);
      for await (const line of createInterface({ input: child.stderr })) {
        const address = / serves (\S+:\d+)/.exec(line)?.[1];
        if (address !== undefined) return address;
      }
      throw new Error(`${args.join(' ')} ended`);
    };
    try {
      const store = await serve({}, 'store', '--port', '0');
      expect((await fetch(`http://${store}/healthz`)).status).toBe(200);
      expect((await fetch(`http://${store}/v1/get-record`, { method: 'POST', body: '{}' })).status).toBe(401);
      await serve({ HEADROOM_STORE_URL: `http://${store}` }, 'scaler', '--port', '0');
    } finally {
      for (const child of running.reverse()) {
        child.kill('SIGTERM');
        if (child.exitCode === null) await once(child, 'exit');
        // Ended in order, not killed.
        expect(child.signalCode).toBeNull();
      }
    }
  });
});
