import type { ObserveRequest } from '../src/cluster/port.js';
import { isOfCluster, type Triggers } from '../src/domain/symptoms.js';
import type { AccountPolicy } from '../src/domain/account.js';
import type { EpochSeconds } from '../src/domain/time.js';

/** What of one account is looked for between its cycles. */
export interface Watch {
  account: string;
  cluster: string;
  request: ObserveRequest;
  answers: Triggers['answers'];
  /** Keys that the account was told of. */
  told: Set<string>;
  /** Without another word from a cycle by then, nobody asks for it any more. */
  until: EpochSeconds;
}

/** Looks at clusters between the cycles. */
export interface Lookout {
  watch(watch: Watch): void;
  drop(account: string): void;
}

/** Cycles that may fail to say so before a watch ends. */
const CYCLES = 3;

/** From a cycle's triggers to what is looked for until the next; nothing where the cluster alone tells none of them. */
export function watchFor(
  lookout: Lookout | undefined,
  policy: AccountPolicy,
  request: ObserveRequest,
  found: { triggers: Triggers | null; answered: readonly string[]; at: EpochSeconds },
): void {
  if (lookout === undefined) return;
  const answers = (found.triggers?.answers ?? []).filter(
    (answer) => isOfCluster(answer) && !found.answered.includes(answer.key),
  );
  if (answers.length === 0) {
    lookout.drop(policy.account);
    return;
  }
  lookout.watch({
    account: policy.account,
    cluster: policy.cluster,
    request,
    answers,
    told: new Set(),
    until: found.at + CYCLES * policy.cycle,
  });
}
