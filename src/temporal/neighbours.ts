import { readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isAlive } from './home.js';

/*
 * Who serves from a home folder. Several workers may, each with queues of its own; two with the same queues share the
 * work and one's store, which is seldom what was meant: the second is told. One file a process (`workers/<pid>.json`);
 * what a killed one left counts for nothing.
 */

const neighbourSchema = z.object({
  pid: z.int(),
  /** When the process began, as the kernel counts it; null where it does not tell: a number is used again some day. */
  began: z.string().nullable(),
  queues: z.array(z.string()),
});
export type Neighbour = z.infer<typeof neighbourSchema>;

export interface Presence {
  /** The others that are alive, with the queues that they share with this one. */
  sharing: Neighbour[];
  leave(): Promise<void>;
}

export async function announceWorker(home: string, queues: readonly string[]): Promise<Presence> {
  const folder = join(home, 'workers');
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${process.pid}.json`);
  const draft = `${path}.draft`;
  const own: Neighbour = { pid: process.pid, began: beginOf(process.pid), queues: [...queues] };
  // Announced before it looks: of two that begin at once, one sees the other.
  await writeFile(draft, JSON.stringify(own), { mode: 0o600 });
  await rename(draft, path);
  const sharing: Neighbour[] = [];
  for (const name of await readdir(folder)) {
    const file = join(folder, name);
    if (!name.endsWith('.json') || file === path) continue;
    const other = await readNeighbour(file);
    if (other === null || !isAlive(other.pid) || beginOf(other.pid) !== other.began) {
      await rm(file, { force: true });
      continue;
    }
    const shared = other.queues.filter((queue) => queues.includes(queue));
    if (shared.length > 0) sharing.push({ ...other, queues: shared });
  }
  return { sharing, leave: () => rm(path, { force: true }) };
}

/** Null for one that is gone, or unreadable: a process writes it whole, so nobody stands behind half of one. */
async function readNeighbour(file: string): Promise<Neighbour | null> {
  try {
    const parsed = neighbourSchema.safeParse(JSON.parse(await readFile(file, 'utf8')));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

/** Field 22 of Linux' /proc/<pid>/stat; the name before it may hold anything, brackets too. */
function beginOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

/** What the second one is told. */
export const sharingWords = ({ pid, queues }: Neighbour, home: string): string =>
  `process ${pid} serves ${queues.join(', ')} from ${home}, too: both share its work and one store, which ends with ` +
  'whoever opened it; where that was not meant, end one of them, or give it a HEADROOM_HOME of its own';
