import { Cron } from 'croner';
import type { AccountPolicy } from '../domain/account.js';
import { HeadroomError } from '../domain/errors.js';
import type { EpochSeconds } from '../domain/time.js';

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
      component: 'allocate/occurrences',
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

/** The blackout that holds at a moment, or null. */
export function blackoutAt(
  policy: AccountPolicy,
  at: EpochSeconds,
): { name: string; reason: string; until: EpochSeconds } | null {
  for (const blackout of policy.blackouts) {
    if (blackout.from !== undefined && blackout.to !== undefined) {
      if (blackout.from <= at && at < blackout.to) {
        return { name: blackout.name, reason: blackout.reason, until: blackout.to };
      }
    } else if (blackout.cron !== undefined && blackout.duration !== undefined) {
      const start = occurrences(blackout.cron, policy.timeZone, at - blackout.duration + 1, at + 1).at(-1);
      if (start !== undefined)
        return { name: blackout.name, reason: blackout.reason, until: start + blackout.duration };
    }
  }
  return null;
}
