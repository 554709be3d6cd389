import { DOUBLE, VARCHAR } from '@duckdb/node-api';
import { RECORD_KINDS, type RecordKind } from '../port.js';
import { compactBehavior } from './behavior.js';
import type { SeriesRegistry } from './series-registry.js';
import type { Session } from './session.js';
import type { WriteQueue } from './write-queue.js';

const DAY = 86_400;

export interface Compaction {
  samplesRemoved: number;
  recordsRemoved: number;
}

/**
 * How long a record is kept beside the samples: what every cycle writes goes first; what tells an account's story stays,
 * since it outlives Temporal's own retention.
 */
const RECORD_DAYS: Record<RecordKind, (retentionDays: number) => number> = {
  forecast: (days) => Math.min(days, 14),
  plan: (days) => Math.min(days, 14),
  contingency: (days) => days,
  answers: (days) => Math.min(days, 14),
  outcome: (days) => days,
  history: () => Number.POSITIVE_INFINITY,
  account: () => Number.POSITIVE_INFINITY,
  // One an account, written over: it forgets by itself.
  profile: (days) => days,
  // As long as the samples that it explains.
  event: (days) => days,
  fleet: (days) => days,
  'fleet-plan': (days) => Math.min(days, 14),
  // What one cycle hands to its next step.
  'fleet-work': (days) => Math.min(days, 1),
  grant: (days) => Math.min(days, 14),
  // Each has the hours since the one before: a term of a year is judged by half a year of them.
  commitment: () => Number.POSITIVE_INFINITY,
  migration: () => Number.POSITIVE_INFINITY,
  // As long as a move may take; what they hold is the account's own.
  manifests: (days) => Math.min(days, 7),
};

/** Since when each account's samples are kept; older bins read as missing, and a snapshot that has them is gone. */
export interface Retained {
  load(session: Session): Promise<void>;
  since(account: string): number;
  /** The account was erased: nothing is known of it any more. */
  forget(account: string): void;
  /**
   * Drops what is past retention and gives the space back for reuse. An account's clock is its own newest sample where
   * that is behind `now`, so that an imported history of other years is not old the moment it arrives.
   */
  compact(now: number, retentionDays: number): Promise<Compaction>;
}

export function createRetained(registry: SeriesRegistry, queue: () => WriteQueue): Retained {
  const known = new Map<string, number>();

  return {
    async load(session) {
      known.clear();
      for (const [account, since] of await session.rows('SELECT account, since FROM retained')) {
        known.set(String(account), Number(since));
      }
    },
    since: (account) => known.get(account) ?? Number.NEGATIVE_INFINITY,
    forget: (account) => void known.delete(account),

    async compact(now, retentionDays) {
      const removed = await queue().run('compacting', async ({ session, onCommit }) => {
        const accounts: string[] = [];
        const cutoffs: number[] = [];
        for (const account of registry.accounts()) {
          const newest = Math.max(...registry.ofAccount(account).map((series) => series.newest));
          const cutoff = Math.min(now, newest) - retentionDays * DAY;
          if (!Number.isFinite(cutoff) || cutoff <= (known.get(account) ?? Number.NEGATIVE_INFINITY)) continue;
          accounts.push(account);
          cutoffs.push(cutoff);
        }
        await session.query('CREATE TEMP TABLE IF NOT EXISTS cutoff (account VARCHAR, since DOUBLE)');
        await session.query('DELETE FROM cutoff');
        await session.append('cutoff', [VARCHAR, DOUBLE], [accounts, cutoffs]);
        const { rowsChanged: samplesRemoved } = await session.query(
          `DELETE FROM samples USING series, cutoff
           WHERE samples.series = series.id AND series.account = cutoff.account AND samples.ts < cutoff.since`,
        );
        await session.query(
          `INSERT INTO retained SELECT account, since FROM cutoff
           ON CONFLICT (account) DO UPDATE SET since = excluded.since`,
        );
        let recordsRemoved = 0;
        for (const kind of RECORD_KINDS) {
          const seconds = RECORD_DAYS[kind](retentionDays) * DAY;
          if (!Number.isFinite(seconds)) continue;
          const { rowsChanged } = await session.query(
            `DELETE FROM records USING (SELECT account, max(ts) AS newest FROM records WHERE kind = $1 GROUP BY account) last
             WHERE records.kind = $1 AND records.account = last.account AND records.ts < least(last.newest, $2) - $3`,
            [kind, now, seconds],
          );
          recordsRemoved += rowsChanged;
        }
        await compactBehavior(session, now, retentionDays);
        onCommit(() => accounts.forEach((account, index) => known.set(account, cutoffs[index] ?? 0)));
        return { samplesRemoved, recordsRemoved };
      });
      await queue().between('compacting', (session) => session.query('CHECKPOINT'));
      return removed;
    },
  };
}
