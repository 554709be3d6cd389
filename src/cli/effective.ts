import { settingsOf } from '../allocate/settings.js';
import type { AccountPolicy } from '../domain/account.js';

/** What `migrations` is where nobody says. */
const MIGRATIONS = 'propose';

/** A policy with the defaults that its reader leaves open, since a strategy or the way an account is run would decide them. */
export function effectivePolicy(policy: AccountPolicy): AccountPolicy {
  const { spotMarketMaxShare, surviveZone, weights } = settingsOf(policy);
  return { migrations: MIGRATIONS, ...policy, spotMarketMaxShare, surviveZone, weights };
}
