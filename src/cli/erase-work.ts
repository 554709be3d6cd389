import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

/** What training has of an account on its way: lists of what to train on, and fits that were interrupted. */
export interface ErasedWork {
  lists: number;
  checkpoints: number;
}

const listSchema = z.array(z.looseObject({ account: z.string() }));

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch {
    return [];
  }
}

/**
 * Removes lists that name the account, and checkpoints: half-trained weights, of which nobody can tell whose series went
 * in. A fit that loses its checkpoint begins anew and comes to the same; a run whose list is gone ends, and the next
 * gathers anew.
 * @param had whether there were series of the account to train on.
 * @param dry says what would be removed.
 */
export async function eraseWork(work: string, account: string, had: boolean, dry: boolean): Promise<ErasedWork> {
  const doomed: string[] = [];
  const names = await namesIn(work);
  for (const name of names.filter((one) => /^data-[0-9a-f]+\.json$/.test(one))) {
    const path = join(work, name);
    const parsed = listSchema.safeParse(await readJson(path));
    if (parsed.data?.some((one) => one.account === account) === true) doomed.push(path);
  }
  const lists = doomed.length;
  if (had || lists > 0) {
    doomed.push(...names.filter((name) => name.endsWith('.checkpoint')).map((name) => join(work, name)));
  }
  if (!dry) for (const path of doomed) await rm(path, { force: true });
  return { lists, checkpoints: doomed.length - lists };
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as unknown;
  } catch {
    return null;
  }
}
