const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;

/**
 * A schedule as a cron line of five fields; null where none says it exactly (every ninety minutes).
 * @param task seconds; `days`: 0 is Monday.
 */
export function cronOf(task: { period: number; phase: number; days: readonly number[] | null }): string | null {
  const { period } = task;
  const phase = (Math.round(task.phase / MINUTE) * MINUTE) % period;
  const minute = (phase % HOUR) / MINUTE;
  if (period <= HOUR) {
    if (HOUR % period !== 0 || period % MINUTE !== 0) return null;
    const every = period / MINUTE;
    const first = minute % every;
    return `${every === 60 ? first : first === 0 ? `*/${every}` : `${first}-59/${every}`} * * * *`;
  }
  if (period < DAY) {
    if (DAY % period !== 0 || period % HOUR !== 0) return null;
    const every = period / HOUR;
    const first = Math.floor(phase / HOUR) % every;
    return `${minute} ${first === 0 ? `*/${every}` : `${first}-23/${every}`} * * *`;
  }
  if (period !== DAY) return null;
  const days = task.days === null ? '*' : daysField(task.days);
  return `${minute} ${Math.floor(phase / HOUR)} * * ${days}`;
}

/** Cron's week begins on Sunday, which is 0. */
function daysField(days: readonly number[]): string {
  if (String(days) === '0,1,2,3,4') return '1-5';
  return days
    .map((day) => (day + 1) % 7)
    .sort((a, b) => a - b)
    .join(',');
}
