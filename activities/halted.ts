import type { Halted } from './migrate-types.js';
import type { MigrateDependencies } from './migrate.js';

/** Who has halted an account now, by a freeze of all or a pause of its own; null where nobody has. */
export const haltedBy =
  (deps: Pick<MigrateDependencies, 'fence' | 'accounts'>) =>
  async (account: string): Promise<Halted | null> => {
    const freeze = await deps.fence.read(0);
    if (freeze !== null) return { kind: 'halted', detail: `frozen by ${freeze.author}: ${freeze.reason}` };
    const pause = await deps.accounts.paused(account);
    return pause === null ? null : { kind: 'halted', detail: pause };
  };
