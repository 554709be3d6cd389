import type { PrepareRequest } from '../src/decide/port.js';
import {
  basisOf,
  digestOf,
  hasMoved,
  PREPARE_EVERY,
  type ContingencyDigest,
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

/** Accounts whose last basis is remembered; of others it is read again. */
const KEPT = 20_000;

export function createPreparations(deps: Pick<Dependencies, 'store' | 'decider'>): Preparations {
  const bases = new Map<string, { id: string; basis: Record<string, number> }>();

  const basisOfLast = async (account: string, id: string): Promise<Record<string, number> | null> => {
    const known = bases.get(account);
    if (known?.id === id) return known.basis;
    const record = await deps.store.getRecord('answers', id);
    return record === null ? null : (record.body as ContingencySet).basis;
  };

  const remember = ({ account, id, basis }: ContingencySet): void => {
    bases.delete(account);
    bases.set(account, { id, basis });
    const oldest = bases.keys().next().value;
    if (bases.size > KEPT && oldest !== undefined) bases.delete(oldest);
  };

  const isDue = async ({ account, plan, at }: PrepareRequest, last: ContingencyDigest | null): Promise<boolean> => {
    if (last === null || at - last.preparedAt >= PREPARE_EVERY) return true;
    const basis = await basisOfLast(account, last.id);
    return basis === null || hasMoved(basis, basisOf(plan));
  };

  return {
    async after(request, last) {
      if (last === undefined || !(await isDue(request, last))) return null;
      const set = await deps.decider.prepare(request);
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
