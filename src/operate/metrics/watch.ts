import type { Client } from '@temporalio/client';
import { statusQuery, type AccountStatus } from '../../../workflows/messages.js';
import type { Figures } from './figures.js';

/** What the watch asks; a Temporal client behind {@link watchedBy}. */
export interface Watched {
  /** Accounts that run, at most so many. */
  running(limit: number): Promise<string[]>;
  status(account: string): Promise<AccountStatus>;
}

export interface StatusWatch {
  /** Looks once; what cannot be asked stays as it was. */
  look(): Promise<void>;
  close(): Promise<void>;
}

/** Beyond what a worker keeps in memory, each question would be a replay. */
const MOST_ACCOUNTS = 500;
/** An account that sleeps is asked this seldom: signals may have changed it meanwhile. */
const ASLEEP_MS = 120_000;
const AT_ONCE = 4;

/**
 * Asks the accounts for what only their workflows know: holds, results, measured lead times, attention. Those counts
 * live as long as the account does, so that neither a repeated activity nor a restarted worker counts anything twice.
 */
export function watchAccounts(options: {
  watched: Watched;
  figures: Figures;
  /** Wall milliseconds between two looks; default 15 s. */
  everyMs?: number;
  /** Simulated or real seconds. */
  now(): number;
}): StatusWatch {
  const { watched, figures, now, everyMs = 15_000 } = options;
  const asked = new Map<string, { wallMs: number; next: number | null }>();
  let running: Promise<void> | null = null;

  const askOne = async (account: string): Promise<void> => {
    const before = asked.get(account);
    const asleep = before?.next !== null && before !== undefined && now() < before.next;
    if (asleep && Date.now() - before.wallMs < ASLEEP_MS) return;
    try {
      const status = await watched.status(account);
      figures.told(status);
      asked.set(account, { wallMs: Date.now(), next: status.nextCycleAt });
    } catch {
      // No worker answers, or it has just ended: the next look tells.
      asked.delete(account);
    }
  };

  const lookOnce = async (): Promise<void> => {
    const accounts = await watched.running(MOST_ACCOUNTS);
    const there = new Set(accounts);
    for (const account of asked.keys()) {
      if (there.has(account)) continue;
      asked.delete(account);
      figures.forget(account);
    }
    const queue = [...accounts];
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (let account = queue.pop(); account !== undefined; account = queue.pop()) await askOne(account);
      }),
    );
  };

  const look = (): Promise<void> => {
    running ??= lookOnce()
      .catch(() => undefined)
      .finally(() => (running = null));
    return running;
  };
  const timer = setInterval(() => void look(), everyMs);
  timer.unref();
  void look();
  return {
    look,
    async close() {
      clearInterval(timer);
      await running;
    },
  };
}

/** Patience with one account's worker. */
const PATIENCE_MS = 5000;
const PREFIX = 'account/';

export const watchedBy = (client: Client): Watched => ({
  async running(limit) {
    const accounts: string[] = [];
    const query = "WorkflowType = 'account' AND ExecutionStatus = 'Running'";
    for await (const { workflowId } of client.workflow.list({ query })) {
      if (workflowId.startsWith(PREFIX)) accounts.push(workflowId.slice(PREFIX.length));
      if (accounts.length >= limit) break;
    }
    return accounts;
  },
  status: (account) =>
    client.withDeadline(Date.now() + PATIENCE_MS, () =>
      client.workflow.getHandle(`${PREFIX}${account}`).query(statusQuery),
    ),
});
