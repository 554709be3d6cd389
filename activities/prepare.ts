import type { PrepareRequest } from '../src/decide/port.js';
import {
  basisOf,
  digestOf,
  hasMoved,
  PREPARE_EVERY,
  type ContingencyDigest,
  withEarlier,
  type ContingencySet,
} from '../src/domain/contingency.js';
import type { Dependencies } from './dependencies.js';

/** When answers are prepared, and where they are kept. */
export interface Preparations {
  /**
   * Prepares answers to what may surprise a plan, where the last ones are not those for it any more.
   * @param last what the account has; undefined: it asks for none.
   * @returns null where the last ones go on.
   */
  after(request: PrepareRequest, last: ContingencyDigest | null | undefined): Promise<ContingencyDigest | null>;
}

type Last = Pick<ContingencySet, 'id' | 'basis' | 'watched'>;

/** Accounts whose last set is remembered, as far as the next one asks; of others it is read again. */
const KEPT = 5000;

export function createPreparations(deps: Pick<Dependencies, 'store' | 'decider'>): Preparations {
  const known = new Map<string, Last>();

  const lastOf = async (account: string, digest: ContingencyDigest | null): Promise<Last | null> => {
    if (digest === null) return null;
    const kept = known.get(account);
    if (kept?.id === digest.id) return kept;
    const record = await deps.store.getRecord('answers', digest.id);
    if (record === null || record.account !== account) return null;
    return remember(record.body as ContingencySet);
  };

  const remember = ({ account, id, basis, watched }: ContingencySet): Last => {
    const last = { id, basis, watched };
    known.delete(account);
    known.set(account, last);
    const oldest = known.keys().next().value;
    if (known.size > KEPT && oldest !== undefined) known.delete(oldest);
    return last;
  };

  return {
    async after(request, digest) {
      if (digest === undefined) return null;
      const last = await lastOf(request.account, digest);
      const young = digest !== null && request.at - digest.preparedAt < PREPARE_EVERY;
      if (young && last !== null && !hasMoved(last.basis, basisOf(request.plan))) return null;
      const made = await deps.decider.prepare(request);
      const set = { ...made, watched: withEarlier(made.watched, last?.watched ?? []) };
      // On record before the plan is handed over: answers come before anything is touched.
      await deps.store.putRecord({
        kind: 'answers',
        id: set.id,
        account: set.account,
        at: set.preparedAt,
        body: set,
      });
      remember(set);
      return digestOf(set);
    },
  };
}
