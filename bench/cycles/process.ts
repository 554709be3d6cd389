import { readFileSync } from 'node:fs';

/** Linux counts processor time in hundredths of a second for every reader of /proc. */
const TICKS_PER_SECOND = 100;

/** Processor seconds (user and system) that a process has used so far; null where /proc does not tell (not Linux). */
export function processorSeconds(pid: number): number | null {
  const text = readProc(pid, 'stat');
  if (text === null) return null;
  // The command's name stands in brackets and may hold blanks: count from its end. Fields 14 and 15 of proc(5).
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  return Number.isFinite(ticks) ? ticks / TICKS_PER_SECOND : null;
}

/** Resident memory of a process and its peak, bytes; null where /proc does not tell. */
export function residentMemory(pid: number): { now: number; peak: number } | null {
  const text = readProc(pid, 'status');
  const kibibytes = (name: string): number => Number(text?.match(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm'))?.[1]);
  const [now, peak] = [kibibytes('VmRSS'), kibibytes('VmHWM')];
  return Number.isFinite(now) && Number.isFinite(peak) ? { now: now * 1024, peak: peak * 1024 } : null;
}

function readProc(pid: number, file: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return null;
  }
}
