/** Where what is beyond the bound ends up. Account files cannot name an account or a workload so by accident alone. */
export const OTHER = 'other';

/**
 * Who gets series of his own. First come, first served, and for good: a series that came and went with every new account
 * would be worse than one that was never there.
 */
export interface Budget {
  account(account: string): string;
  /** A workload or pool of an account. */
  name(account: string, name: string): string;
  /** Series end with their accounts; the room is given to whoever comes next. */
  keep(accounts: ReadonlySet<string>): void;
  /** How many accounts and names have no series of their own. */
  folded(): { accounts: number; names: number };
}

/** @param limits accounts, and names over all of them. */
export function createBudget(limits: { accounts: number; names: number }): Budget {
  const own = new Map<string, Set<string>>();
  const foldedAccounts = new Set<string>();
  const foldedNames = new Set<string>();
  let names = 0;
  const admit = (account: string): Set<string> | null => {
    const known = own.get(account);
    if (known !== undefined) return known;
    if (own.size >= limits.accounts) {
      foldedAccounts.add(account);
      return null;
    }
    foldedAccounts.delete(account);
    const fresh = new Set<string>();
    own.set(account, fresh);
    return fresh;
  };
  return {
    account: (account) => (admit(account) === null ? OTHER : account),
    name(account, name) {
      const admitted = admit(account);
      if (admitted?.has(name) === true) return name;
      const key = JSON.stringify([account, name]);
      if (admitted === null || names >= limits.names) {
        foldedNames.add(key);
        return OTHER;
      }
      foldedNames.delete(key);
      admitted.add(name);
      names += 1;
      return name;
    },
    keep(accounts) {
      for (const [account, admitted] of own) {
        if (accounts.has(account)) continue;
        own.delete(account);
        names -= admitted.size;
      }
      // Counted anew by the scrape that follows.
      foldedAccounts.clear();
      foldedNames.clear();
    },
    folded: () => ({ accounts: foldedAccounts.size, names: foldedNames.size }),
  };
}
