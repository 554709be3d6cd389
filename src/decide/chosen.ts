import type { AccountPolicy } from '../domain/account.js';
import { isTrainedName, type TrainedName } from '../domain/model-names.js';
import type { Served } from './served.js';

/* What of an account file's `models` each fit takes: models of the series itself, and trained ones that serve. */

export interface Chosen {
  /** Of the series itself; absent for the default ones. */
  own?: string[];
  /** Of what serves the account, what is to join. */
  served: Served;
  /** Named, and nothing of the kind serves. */
  absent: TrainedName[];
}

/**
 * Where no trained model is named all that serve join; else those alone. One that is named and does not serve is left out,
 * and named in `headroom status`; where nothing else is named the default models stand in for it.
 */
export function chosenOf({ models }: Pick<AccountPolicy, 'models'>, served: Served): Chosen {
  if (models === undefined) return { served, absent: [] };
  const trained = models.filter(isTrainedName);
  const own = models.filter((name) => !isTrainedName(name));
  if (trained.length === 0) return { own, served, absent: [] };
  const kinds = served.kinds ?? [];
  const absent = trained.filter((name) => !kinds.includes(name));
  const globals = served.globals.filter((_, index) => trained.some((name) => name === kinds[index]));
  const stands = own.length > 0 || globals.length > 0;
  return { ...(stands ? { own } : {}), served: { ...served, globals }, absent };
}
