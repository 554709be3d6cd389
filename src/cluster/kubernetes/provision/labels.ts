/* The names that Headroom gives to what it makes. */

export const MANAGED_BY = 'app.kubernetes.io/managed-by';
/** Whose it is: no other account writes it. */
export const ACCOUNT = 'headroom.dev/account';
export const WARM_POOL = 'headroom.dev/warm-pool';
export const TASK = 'headroom.dev/task';
export const WORKLOAD = 'headroom.dev/workload';
export const ACTION = 'headroom.dev/action';

/** On the Job of an occurrence: when its schedule has it, and when it shall begin (epoch seconds). */
export const SCHEDULED = 'headroom.dev/scheduled';
export const START_AT = 'headroom.dev/start-at';

/** What its CronJob had last run before (epoch seconds), to be put back; empty where it had never run. */
export const RAN_BEFORE = 'headroom.dev/ran-before';

export const madeFor = (account: string): Record<string, string> => ({ [MANAGED_BY]: 'headroom', [ACCOUNT]: account });

/** Says no, in words, where an object belongs to somebody else; null where it is this account's. */
export function claimedBy(
  labels: Record<string, string> | undefined,
  account: string,
): { other: string | null; words: string } | null {
  const other = labels?.[ACCOUNT] ?? null;
  if (other === account) return null;
  return {
    other,
    words: other === null ? 'nobody’s: it carries no label headroom.dev/account' : `account ${other}’s`,
  };
}
