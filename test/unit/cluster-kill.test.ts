import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { spawnSimulatedCluster } from './cluster-spawn.js';
import type { ScenarioFile } from '../../src/cluster/simulated/scenario.js';
import { mutation, targetOf } from '../contract/cluster.js';

const server = fileURLToPath(new URL('../../dist/src/cluster/simulated/server.js', import.meta.url));
const never = () => new AbortController().signal;

// The process is the built one: `make test` builds first.
describe.skipIf(!existsSync(server))('the process itself (skipped where dist/ is not built)', () => {
  let folder: string;
  let scenario: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'headroom-kill-'));
    scenario = join(folder, 'scenario.json');
    const file: ScenarioFile = {
      version: 'headroom-scenario/v1',
      clock: { start: '2026-05-04T00:00:00Z', factor: 600 },
      accounts: [
        {
          name: 'acme',
          workloads: [
            {
              name: 'web',
              replicas: 3,
              owners: { replicas: 'kubectl' },
              components: { cpu: { request: 1, demand: 2 } },
            },
          ],
        },
      ],
    };
    writeFileSync(scenario, JSON.stringify(file));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test('SIGKILL after a write loses nothing: time has gone on, the write is there, its key is known', async () => {
    const state = join(folder, 'state.jsonl');
    const first = await spawnSimulatedCluster({ scenario, state, server });
    expect(await first.simulation.apply(mutation(), targetOf('web'), never())).toMatchObject({ kind: 'applied' });
    const scale = await first.simulation.scale();
    const at = await first.simulation.now();
    first.process.kill('SIGKILL');
    await new Promise((resolve) => first.process.once('exit', resolve));

    const second = await spawnSimulatedCluster({ scenario, state, server });
    expect(await second.simulation.scale()).toEqual(scale);
    expect(await second.simulation.now()).toBeGreaterThan(at);
    expect(await second.simulation.apply(mutation(), targetOf('web'), never())).toEqual({ kind: 'repeated', value: 5 });
    const ended = new Promise((resolve) => second.process.once('exit', resolve));
    await second.simulation.shutdown();
    expect(await ended).toBe(0);
  });

  test('it ends when its parent does', async () => {
    const child = spawn(process.execPath, [server, '--with-parent', '--scenario', scenario], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const ended = new Promise((resolve) => child.once('exit', resolve));
    // What the death of a parent looks like from the child.
    child.stdin.destroy();
    expect(await ended).toBe(0);
  });

  test('a scenario that is wrong is told on start, with the field', async () => {
    const wrong = join(folder, 'wrong.json');
    writeFileSync(wrong, '{"version":"headroom-scenario/v1","clock":{"start":"noon"},"accounts":[]}');
    await expect(spawnSimulatedCluster({ scenario: wrong, server })).rejects.toThrow(
      'clock.start: "noon" is not a time',
    );
  });
});
