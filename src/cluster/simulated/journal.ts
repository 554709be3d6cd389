import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { z } from 'zod';
import { HeadroomError } from '../../domain/errors.js';
import type { Journal, JournalEntry } from './host.js';
import { commandSchema } from './wire.js';

const headSchema = z.strictObject({ journal: z.literal('headroom-simulated/v1'), scenario: z.string() });
const entrySchema = z.strictObject({ at: z.number(), command: commandSchema }) satisfies z.ZodType<JournalEntry>;

const fail = (
  kind: 'refused' | 'invalid-input' | 'full',
  file: string,
  problem: string,
  remedy: string,
  cause?: unknown,
) =>
  new HeadroomError({ kind, component: 'cluster/simulated', action: `opening state ${file}`, problem, remedy, cause });

/** Locks that this process holds. */
const held = new Set<string>();

/**
 * A journal in a file, one JSON line an entry, on disk before `append` returns. A last line that a kill cut off was
 * never answered: it is dropped. One process at a time: the file `FILE.lock` names it.
 * @throws HeadroomError `refused` where another process has it, or it belongs to another scenario.
 */
export function openJournal(file: string, scenario: string): Journal {
  const lock = `${file}.lock`;
  takeLock(lock, file);
  try {
    const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    const lines = whole.split('\n').filter((line) => line !== '');
    const entries = readLines(lines, file, scenario);
    const handle = openSync(file, 'a');
    if (whole.length < text.length) ftruncateSync(handle, Buffer.byteLength(whole));
    const writeLine = (value: unknown) => {
      try {
        writeSync(handle, `${JSON.stringify(value)}\n`);
        fsyncSync(handle);
      } catch (error) {
        throw fail('full', file, error instanceof Error ? error.message : String(error), 'make room for it', error);
      }
    };
    if (lines.length === 0) writeLine({ journal: 'headroom-simulated/v1', scenario });
    return {
      entries: () => entries,
      append: (entry) => writeLine(entry),
      close() {
        closeSync(handle);
        releaseLock(lock);
      },
    };
  } catch (error) {
    releaseLock(lock);
    throw error;
  }
}

function readLines(lines: readonly string[], file: string, scenario: string): JournalEntry[] {
  const entries: JournalEntry[] = [];
  lines.forEach((line, index) => {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (error) {
      throw fail('invalid-input', file, `line ${index + 1} is not JSON`, 'move it away to start anew', error);
    }
    if (index === 0) {
      const head = headSchema.safeParse(value);
      if (!head.success) throw fail('invalid-input', file, 'it is no journal of a simulated cluster', 'name another');
      if (head.data.scenario === scenario) return;
      throw fail('refused', file, 'it belongs to another scenario', 'name another file, or move it away to start anew');
    }
    const entry = entrySchema.safeParse(value);
    if (!entry.success) throw fail('invalid-input', file, `line ${index + 1} cannot be read`, 'move it away');
    entries.push(entry.data);
  });
  return entries;
}

function takeLock(lock: string, file: string): void {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      held.add(lock);
      return;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) {
        const detail = error instanceof Error ? error.message : String(error);
        throw fail('invalid-input', file, detail, 'name a file in a folder that can be written', error);
      }
      const holder = Number(readFileSync(lock, 'utf8'));
      if (isAlive(holder, lock))
        throw fail('refused', file, `process ${holder} has it`, 'end that one or name another file');
      rmSync(lock, { force: true });
    }
  }
  throw fail('refused', file, 'another process takes it at this moment', 'try again');
}

function releaseLock(lock: string): void {
  held.delete(lock);
  rmSync(lock, { force: true });
}

/** A killed process leaves its lock behind; a process that may not be signalled is alive all the same. */
function isAlive(pid: number, lock: string): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  // A restarted container reuses its process ids: our own id in a lock that we do not hold is a dead process's.
  if (pid === process.pid) return held.has(lock);
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
