import type { ContingencySet } from '../src/domain/contingency.js';
import type { Triggers } from '../src/domain/symptoms.js';
import type { Store } from '../src/telemetry/port.js';

export interface Watched {
  /** Null where the store has no such set (any more). */
  of(account: string, setId: string): Promise<Triggers | null>;
}

/** Accounts whose triggers are remembered; of others they are read again. */
const KEPT = 5000;

/** The triggers of each account's set, read once: every cycle asks. */
export function createTriggers(store: Pick<Store, 'getRecord'>): Watched {
  const known = new Map<string, Triggers & { id: string }>();
  return {
    async of(account, setId) {
      const kept = known.get(account);
      if (kept?.id === setId) return kept;
      const record = await store.getRecord('answers', setId);
      if (record === null || record.account !== account) return null;
      const { id, answers, watched } = record.body as ContingencySet;
      // Without the answers themselves, of which hardly any is ever needed.
      const bare = answers.map(({ key, trigger, for: lasting }) => ({ key, trigger, for: lasting }));
      const triggers = { id, answers: bare, watched };
      known.delete(account);
      known.set(account, triggers);
      const oldest = known.keys().next().value;
      if (known.size > KEPT && oldest !== undefined) known.delete(oldest);
      return triggers;
    },
  };
}
