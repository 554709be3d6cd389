import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { connectSimulatedCluster } from '../../src/cluster/simulated/client.js';
import { isAlive, readRuntimeFile } from '../../src/temporal/home.js';
import {
  accountFile,
  because,
  environment,
  headroom,
  NO_SERVER,
  startHeadroomDev,
  steadyScenario,
  temporaryFolder,
  until,
  within,
  type DevProcess,
  type Folder,
} from '../cli/headroom.js';

const SPEED = 200;

const statusSchema = z.object({
  cycle: z.number(),
  phase: z.string(),
  now: z.number(),
  nextCycleAt: z.number().nullable(),
  revision: z.number(),
  verdict: z.object({ kind: z.string(), reason: z.string().optional() }).nullable(),
  holds: z.record(z.string(), z.number()),
  results: z.record(z.string(), z.number()),
});

describe.skipIf(NO_SERVER !== null)(`headroom dev is killed, and its telemetry goes${because(NO_SERVER)}`, () => {
  let folder: Folder;
  let home: string;
  let env: NodeJS.ProcessEnv;
  let scenario: string;
  let dev: DevProcess;

  beforeAll(async () => {
    folder = await temporaryFolder();
    home = join(folder.path, 'home');
    env = environment(home);
    scenario = await folder.write('scenario.json', steadyScenario(['alive'], { mode: 'held' }));
    const file = await folder.write('alive.yaml', accountFile('alive', { mode: 'auto', raised: false, min: 1 }));
    dev = await startHeadroomDev(env, '--scenario', scenario, '--speed', String(SPEED));
    expect(await headroom(env, 'start', 'alive', '-f', file)).toMatchObject({ code: 0 });
  });
  afterAll(async () => {
    await dev?.stop();
    await folder?.remove();
  });

  const status = async () => {
    const ran = await within(env, 'status', 'alive', '--json');
    if (ran.code !== 0) throw new Error(ran.err);
    return statusSchema.parse(JSON.parse(ran.out));
  };
  const cluster = async () => {
    const runtime = await readRuntimeFile(home);
    return connectSimulatedCluster({ url: runtime?.clusterUrl ?? '', token: runtime?.clusterToken ?? '' });
  };
  const replicas = async (): Promise<number> => {
    const { workloads } = await (
      await cluster()
    ).observe(
      {
        account: 'alive',
        workloads: [{ workload: 'web', kind: 'Deployment', namespace: 'a', name: 'web' }],
        pools: [],
      },
      AbortSignal.timeout(60_000),
    );
    return workloads[0]?.replicas ?? Number.NaN;
  };
  const server = async (): Promise<number> =>
    z.object({ pid: z.number() }).parse(JSON.parse(await readFile(join(home, 'temporal.db.server.json'), 'utf8'))).pid;

  it('after SIGKILL the next start ends the server that was left, and everything goes on', async () => {
    const orphan = await server();
    const clock = await (await cluster()).now();
    // Between two cycles: an activity that dies with its worker is taken up again when its time is over, in minutes.
    const before = await until('the account sleeps after three cycles', async () => {
      const seen = await status();
      return seen.cycle >= 3 && seen.phase === 'sleeping' && (seen.nextCycleAt ?? 0) - seen.now > 0.75 * SPEED && seen;
    });
    await dev.kill();
    expect(isAlive(orphan)).toBe(true);
    // Nobody answers now; that is said, with what to do, and not taken for an answer.
    expect(await headroom(env, 'history', 'alive')).toMatchObject({ code: 5, out: '' });

    dev = await startHeadroomDev(env, '--scenario', scenario, '--speed', '50');
    expect(dev.said()).toContain(`the simulated clock runs already, at speed ${SPEED}`);
    expect(isAlive(orphan)).toBe(false);
    expect(await server()).not.toBe(orphan);
    expect(await (await cluster()).now()).toBeGreaterThan(clock);
    const after = await until('the account goes on', async () => {
      const seen = await status().catch(() => null);
      return seen !== null && seen.cycle > before.cycle + 1 && seen;
    });
    expect(after.revision).toBe(before.revision);
    expect(after.results).toMatchObject({ failed: 0 });
    expect((await headroom(env, 'list')).out).toContain('alive');
  });

  it('telemetry that goes for twelve cycles is a hold, never a zero: nothing is lowered, and it comes back', async () => {
    const running = await replicas();
    const simulation = await cluster();
    const from = await simulation.now();
    await simulation.inject({ kind: 'metrics-outage', from, to: from + 12 * 300 });
    const before = await status();
    const blind = await until(
      'ten cycles later',
      async () => {
        const seen = await status();
        expect(await replicas()).toBeGreaterThanOrEqual(running);
        return seen.cycle >= before.cycle + 10 && seen;
      },
      { every: 500 },
    );
    expect((blind.holds['stale-data'] ?? 0) + (blind.holds['missing-data'] ?? 0)).toBeGreaterThan(
      (before.holds['stale-data'] ?? 0) + (before.holds['missing-data'] ?? 0),
    );
    await until(
      'it sees again',
      async () => {
        const reason = (await status()).verdict?.reason;
        return reason !== 'stale-data' && reason !== 'missing-data' && (await simulation.now()) > from + 13 * 300;
      },
      { every: 500 },
    );
    expect(await replicas()).toBeGreaterThanOrEqual(running);
  });
});
