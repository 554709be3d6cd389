import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isHeadroomError } from '../../src/domain/errors.js';
import { createEmbeddedStore, type EmbeddedStore } from '../../src/telemetry/embedded/store.js';

const T = 1_767_571_200;
const MIB = 1024 * 1024;
const key = { account: 'acme', workload: 'web', component: 'cpu' as const };
const signal = new AbortController().signal;

/** A file system of its own, of that size; null where this user may not mount one. */
function mountSmall(folder: string, mebibytes: number): string | null {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', folder], { stdio: 'pipe' });
    return null;
  } catch (error) {
    return `a small file system cannot be mounted here (${error instanceof Error ? error.message.split('\n')[0] : ''})`;
  }
}

describe('embedded store on a full disk: what was acknowledged is there, and it goes on with space', () => {
  let folder = '';
  let mounted = false;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'headroom-full-'));
  });
  afterEach(async () => {
    if (mounted) execFileSync('umount', ['-l', folder]);
    mounted = false;
    await rm(folder, { recursive: true, force: true });
  });

  /** Writes blocks of samples until one is refused; the number of blocks that were acknowledged. */
  const fill = async (
    store: EmbeddedStore,
    first: number,
    size: number,
  ): Promise<{ blocks: number; error: unknown }> => {
    for (let block = first; block < first + 2000; block++) {
      const samples = Array.from({ length: size }, (_, index) => ({
        at: T + block * size + index,
        // Values that do not compress.
        value: Math.abs(Math.sin(block * size + index)) * 1e6,
      }));
      try {
        expect(await store.writeUsage([{ key, samples }])).toEqual({ written: size });
      } catch (error) {
        return { blocks: block, error };
      }
    }
    return { blocks: first + 2000, error: null };
  };
  const count = async (store: EmbeddedStore, samples: number): Promise<number> => {
    let known = 0;
    for (let from = T; from < T + samples; from += 500_000) {
      const query = { account: 'acme', series: [{ workload: 'web', component: 'cpu' as const }], step: 1 };
      const to = Math.min(T + samples, from + 500_000);
      const window = await store.readUsage({ ...query, from, to }, signal);
      for (const value of window.series[0]?.series.values ?? []) if (!Number.isNaN(value)) known += 1;
    }
    return known;
  };

  it.for([
    // The log of the file meets the end of the disk.
    { name: 'while committing', disk: 4, ballast: 2, size: 2_000 },
    // The log fits, and moving it into the file does not: DuckDB then wants the file to be opened anew.
    { name: 'while checkpointing', disk: 24, ballast: 3, size: 20_000 },
  ])('$name', async ({ disk, ballast, size }, context) => {
    const reason = mountSmall(folder, disk);
    mounted = reason === null;
    if (reason !== null) return context.skip(reason);
    const filler = join(folder, 'ballast');
    await writeFile(filler, new Uint8Array(ballast * MIB));
    const path = join(folder, 'telemetry.duckdb');
    const store = await createEmbeddedStore({ path });
    const { blocks, error } = await fill(store, 0, size);
    expect(isHeadroomError(error) && error.kind).toBe('full');
    expect(blocks).toBeGreaterThan(0);
    expect(await count(store, blocks * size)).toBe(blocks * size);
    await expect(
      store.putRecord({ kind: 'plan', id: 'large', account: 'acme', at: T, body: 'x'.repeat(7 * MIB) }),
    ).rejects.toMatchObject({ kind: 'full' });

    await rm(filler);
    const late = { kind: 'plan' as const, id: 'p', account: 'acme', at: T, body: 'small' };
    await store.putRecord(late);
    const samples = [{ at: T + blocks * size, value: 1 }];
    // The refused block left nothing behind, or all of it where only the tidying after its commit had failed.
    expect(await store.writeUsage([{ key, samples }])).toEqual({ written: 1 });
    await store.close();

    const again = await createEmbeddedStore({ path });
    expect(await count(again, blocks * size)).toBe(blocks * size);
    expect(await again.getRecord('plan', 'p')).toEqual(late);
    await again.close();
  });
});
