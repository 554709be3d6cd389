import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { HeadroomError } from '../domain/errors.js';
import { REAL_TIME, type EpochSeconds, type TimeScale } from '../domain/time.js';

/*
 * A rehearsal: the real loop on a real cluster, in a time that runs faster than the wall's, so that an hour's lead can be
 * watched in half a minute. The clock stands in the home folder: a worker that is started again goes on with it, since
 * accounts carry theirs with them.
 */

const clockSchema = z.object({ wallEpochMs: z.number(), epoch: z.number(), factor: z.number().positive() });

const clockPath = (home: string): string => join(home, 'clock.json');

/**
 * The clock of this home: real time, unless a rehearsal was begun here or is begun now.
 * @param asked the speed and, where given, the time at which it begins; null where none is asked for.
 * @throws HeadroomError `invalid-input` for a speed that is none, `refused` where another rehearsal's clock runs here.
 */
export async function clockOf(
  home: string,
  asked: { speed: number; from: EpochSeconds | null } | null,
): Promise<TimeScale> {
  const path = clockPath(home);
  const fail = (kind: 'invalid-input' | 'refused', problem: string, remedy: string): HeadroomError =>
    new HeadroomError({ kind, component: 'temporal/rehearsal', action: 'setting the clock', problem, remedy });
  const known = existsSync(path) ? clockSchema.safeParse(JSON.parse(await readFile(path, 'utf8'))) : null;
  if (known !== null && !known.success) {
    throw fail('invalid-input', `${path} is not a clock: ${z.prettifyError(known.error)}`, 'delete the file');
  }
  if (asked === null) return known?.data ?? REAL_TIME;
  if (!(asked.speed > 0 && asked.speed <= 3600)) {
    throw fail('invalid-input', `a speed of ${asked.speed} is none`, 'give a number from 1 to 3600');
  }
  if (known !== null) {
    if (known.data.factor === asked.speed) return known.data;
    throw fail(
      'refused',
      `a rehearsal at speed ${known.data.factor} has its clock in ${path}`,
      'use another HEADROOM_HOME, or stop its accounts and delete the file',
    );
  }
  const wallEpochMs = Date.now();
  const clock: TimeScale = { wallEpochMs, epoch: asked.from ?? wallEpochMs / 1000, factor: asked.speed };
  await mkdir(home, { recursive: true });
  const draft = `${path}.${process.pid}`;
  try {
    await writeFile(draft, JSON.stringify(clock));
    await rename(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
  return clock;
}
