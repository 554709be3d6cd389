import { Cron } from 'croner';
import { HeadroomError } from './errors.js';
import type { EpochSeconds } from './time.js';

/** A cron line that fires each minute for a month: beyond this it is no schedule that a plan could use. */
const MOST = 5000;

/**
 * When a schedule begins within [from, to), in the account's time zone (daylight saving included).
 * @throws HeadroomError `invalid-input` where the line is not a schedule.
 */
export function occurrences(cron: string, timeZone: string, from: EpochSeconds, to: EpochSeconds): EpochSeconds[] {
  const found: EpochSeconds[] = [];
  let schedule: Cron;
  try {
    schedule = new Cron(cron, { timezone: timeZone, paused: true });
  } catch (cause) {
    throw new HeadroomError({
      kind: 'invalid-input',
      component: 'domain/occurrences',
      action: `reading the schedule "${cron}"`,
      problem: cause instanceof Error ? cause.message : String(cause),
      remedy: 'write five fields, as "30 2 * * *"',
      cause,
    });
  }
  let next = schedule.nextRun(new Date((from - 1) * 1000));
  while (next !== null && next.getTime() / 1000 < to && found.length < MOST) {
    found.push(next.getTime() / 1000);
    next = schedule.nextRun(next);
  }
  return found;
}
