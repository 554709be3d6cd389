import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectClient, resolveTarget } from '../../src/temporal/connection.js';
import { commandLine, readLeftBehind, writeRuntimeFile, type RuntimeFile } from '../../src/temporal/home.js';

/* A `dev` that was killed. Where this fails, an operator looks for a server at an address that nobody ever gave. */

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'headroom-left-'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

const runtimeOf = (pid: number, startedBy?: string): RuntimeFile => ({
  ...{
    pid,
    storeUrl: 'http://127.0.0.1:1',
    storeToken: 's3cret',
    temporalAddress: '127.0.0.1:1',
    namespace: 'default',
  },
  ...{ temporalUi: null, clusterUrl: null, clusterToken: null, scale: { wallEpochMs: 0, epoch: 0, factor: 1 } },
  queues: { light: 'a', compute: 'b', cluster: 'c' },
  ...(startedBy === undefined ? {} : { startedBy }),
});

/** The id of a process that has ended, and whose parent knows. */
async function goneProcess(): Promise<number> {
  const child = spawn(process.execPath, ['-e', '0']);
  await once(child, 'exit');
  return child.pid ?? 0;
}

const environment = (): NodeJS.ProcessEnv => ({ HEADROOM_HOME: home, HOME: home });
/** What a command is told that finds nobody: the connection is to a port where nobody can listen. */
async function told(): Promise<string> {
  const { runtime: _, ...target } = await resolveTarget(environment());
  const nobody = { ...target, options: { ...target.options, address: '127.0.0.1:1' } };
  return connectClient(nobody, 2000).then(
    () => 'connected',
    (error: unknown) => String(error),
  );
}

describe('a headroom that was killed', () => {
  test('is said to be gone, with how it was started', async () => {
    const pid = await goneProcess();
    await writeRuntimeFile(home, runtimeOf(pid, 'headroom dev --speed 60'));
    const words = await told();
    for (const part of [`process ${pid} is gone`, 'start it again: `headroom dev --speed 60`', home])
      expect(words).toContain(part);
    expect(words).not.toContain('127.0.0.1');
    expect(words).not.toContain('s3cret');
  });

  test('by an earlier release is started by its plain command', async () => {
    await writeRuntimeFile(home, runtimeOf(await goneProcess()));
    expect(await told()).toContain('start it again: `headroom dev`');
  });

  test('where none ever ran, the address is what there is to say', async () => {
    expect(await told()).toContain('connecting to Temporal at 127.0.0.1:1');
    expect(await readLeftBehind(home)).toBeNull();
  });

  test('one that runs is not gone', async () => {
    await writeRuntimeFile(home, runtimeOf(process.ppid));
    expect(await readLeftBehind(home)).toBeNull();
    expect(await resolveTarget(environment())).not.toHaveProperty('gone');
  });

  test('a server that the environment names is not looked for anywhere else', async () => {
    await writeRuntimeFile(home, runtimeOf(await goneProcess()));
    expect(await resolveTarget({ ...environment(), TEMPORAL_ADDRESS: '127.0.0.1:1' })).not.toHaveProperty('gone');
  });
});

test.each([
  [['node', 'headroom', 'dev', '--speed', '60'], 'headroom dev --speed 60'],
  [['node', 'headroom', 'dev', '--scenario', 'my shop.yaml'], 'headroom dev --scenario "my shop.yaml"'],
  [['node', 'headroom'], 'headroom'],
])('%j is typed as %s', (argv, words) => {
  expect(commandLine(argv)).toBe(words);
});
