import { execFileSync } from 'node:child_process';
import { appendFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { startInflux, type InfluxServer } from '../../infra/servers/index.js';
import { isAlive } from '../../src/temporal/home.js';
import { startDevServer, type DevServer } from '../../src/temporal/server.js';
import { explained } from './diagnosis.js';
import { eventually } from './real.js';
import { openWorld, type World, type WorldOptions } from './world.js';

/*
 * The disk under one of the stores is full while an override asks for more replicas. Nothing may be lost of what was
 * acknowledged, and nothing may stay half made: once there is room again (and who gave up is started again), the override
 * stands. Each store gets a small file system of its own.
 */

const ACCOUNT = 'full';
const MiB = 2 ** 20;
/** Seconds; what is late is not lost. */
const PATIENCE = 600;

/** A file system of its own can be had by root alone. */
const REASON = ((): string | null => {
  if (process.getuid?.() !== 0) return 'mounting a small file system needs root';
  try {
    execFileSync('mount', ['--version'], { stdio: 'ignore' });
    return null;
  } catch {
    return 'there is no mount command';
  }
})();

interface SmallDisk {
  path: string;
  fill(): Promise<void>;
  free(): Promise<void>;
  remove(): Promise<void>;
}

async function smallDisk(mebibytes: number): Promise<SmallDisk> {
  const path = await mkdtemp(join(tmpdir(), 'headroom-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', path]);
  const ballast = join(path, 'ballast');
  return {
    path,
    async fill() {
      // In smaller and smaller pieces, until not a page is left.
      for (const size of [MiB, 4096]) {
        for (;;) {
          try {
            await appendFile(ballast, Buffer.alloc(size));
          } catch {
            break;
          }
        }
      }
    },
    free: () => rm(ballast, { force: true }),
    async remove() {
      execFileSync('umount', ['-l', path]);
      await rm(path, { recursive: true, force: true });
    },
  };
}

interface Case {
  store: string;
  mebibytes: number;
  options(disk: string, influx: InfluxServer | null): Partial<WorldOptions>;
  /** Who gave up is started again, as a supervisor would. */
  revive(world: World, influx: InfluxServer | null, disk: string): Promise<DevServer | null>;
}

const nobody = (): Promise<null> => Promise.resolve(null);

const reviveWorker = async (world: World): Promise<null> => {
  if (!isAlive(world.worker.pid)) await world.restartWorker();
  return null;
};

/** The Temporal server that took the place of the one that gave up. */
let revivedServer: DevServer | null = null;

const cases: Case[] = [
  {
    store: 'the embedded store',
    mebibytes: 64,
    options: (disk) => ({ home: join(disk, 'home') }),
    revive: reviveWorker,
  },
  {
    store: 'InfluxDB',
    mebibytes: 96,
    options: (_, influx) => (influx === null ? {} : { influx }),
    async revive(_, influx) {
      await influx?.process.start();
      return null;
    },
  },
  {
    store: 'etcd',
    mebibytes: 320,
    options: (disk) => ({ planeFolder: join(disk, 'plane') }),
    async revive({ plane }) {
      if (plane.etcd.pid === null) {
        // An API server whose etcd died under it takes no more writes, now and then, when etcd is back (seen with kubectl
        // alone): it is started again with it, as the probes of a control plane do.
        await plane.apiServer.stop();
        await plane.etcd.start();
      }
      await plane.apiServer.start();
      await Promise.all([plane.controllerManager.start(), plane.scheduler.start(), plane.kwok.start()]);
      return null;
    },
  },
  {
    store: 'the Temporal server',
    mebibytes: 64,
    options: (disk) => ({ temporalFolder: disk }),
    async revive(world, _, disk) {
      const { temporal, env } = world.stand;
      const serving = revivedServer ?? temporal;
      if (serving.pid !== null && isAlive(serving.pid)) return nobody();
      const port = Number(temporal.address.split(':').at(-1));
      revivedServer = await startDevServer({ databaseFile: join(disk, 'temporal.db'), env, port });
      return revivedServer;
    },
  },
];

describe.skipIf(REASON !== null)(`a full disk${REASON === null ? '' : ` (skipped: ${REASON})`}`, () => {
  const closing: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  it.each(cases)(
    'under $store: old or new, and new once there is room',
    async ({ store, mebibytes, options, revive }) => {
      const disk = await smallDisk(mebibytes);
      closing.push(() => disk.remove());
      let influx: InfluxServer | null = null;
      if (store === 'InfluxDB') {
        await mkdir(join(disk.path, 'influx'));
        influx = await startInflux({ folder: join(disk.path, 'influx') });
        const { process: server } = influx;
        closing.push(() => server.stop());
      }
      const world = await openWorld({ accounts: [ACCOUNT], ...options(disk.path, influx) });
      closing.push(() => world.close());
      closing.push(() => disk.free());
      await eventually(async () => (await world.stand.status(ACCOUNT)).verdict?.kind === 'hold', PATIENCE);

      await disk.fill();
      const asked = await world.stand.headroom(
        ...['override', ACCOUNT, '--replicas', 'web=6', '--for', '30d', '--reason', 'a test'],
      );
      await delay(8000);
      await disk.free();
      // As a supervisor would, again and again: who ran out of room may give up a while after there is some.
      const supervise = async (): Promise<void> => {
        const revived = await revive(world, influx, disk.path);
        if (revived !== null) closing.push(() => revived.close());
      };
      await supervise();

      // What was not acknowledged is asked for again; what was stands.
      if (asked.code !== 0) {
        await eventually(async () => {
          await supervise();
          const again = await world.stand.headroom(
            ...['override', ACCOUNT, '--replicas', 'web=6', '--for', '30d', '--reason', 'a test'],
          );
          return again.code === 0;
        }, PATIENCE);
      }
      const stands = eventually(async () => {
        await supervise();
        return (await world.replicas(ACCOUNT)).join() === '6,3';
      }, PATIENCE);
      await explained(world, ACCOUNT, stands);
      const kept = eventually(async () => {
        const history = await world.stand.history(ACCOUNT);
        return history.changes.some(({ result }) => result === 'kept') && history;
      }, PATIENCE);
      const { changes } = await explained(world, ACCOUNT, kept);
      expect(changes.filter(({ restored }) => !restored)).toEqual([]);
    },
    4 * PATIENCE * 1000,
  );
});
