import type { AccountPolicy } from '../domain/account.js';
import { occurrences } from '../domain/occurrences.js';
import type { EpochSeconds } from '../domain/time.js';

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
