import { z } from 'zod';
import type { AccountPolicy } from '../src/domain/account.js';
import { actionsOf } from '../src/domain/actions.js';
import type { Mutation } from '../src/domain/cluster.js';
import { isoTime } from '../src/domain/time.js';

/** A hook is told to begin; it is not waited for longer than that takes to say. */
const TIMEOUT_MS = 5000;
const ATTEMPTS = 2;
/** Of its answer, so much is kept in the change's history. */
const MOST_CHARACTERS = 200;

const failureSchema = z.object({ cause: z.instanceof(Error) });

/** What came of a call: `note` for the change's history; unanswered, the next cycle that still has time calls again. */
export interface HookCall {
  answered: boolean;
  value: number;
  note: string;
}

/**
 * POSTs to the hook behind a `prepared` field: `{ key, account, workload, hook, action, neededAt, reason, plan,
 * dataSets }` (the last where it asked and some are likely to be read, the likeliest first), with the change's key as `Idempotency-Key`, so that a repeat can be told. Null where no hook stands behind the field. It
 * never throws for what the hook does: capacity does not wait for a cache.
 */
export async function callHook(
  policy: AccountPolicy,
  mutation: Mutation,
  signal: AbortSignal,
): Promise<HookCall | null> {
  const { target, key, reason, account } = mutation;
  if (target.field !== 'prepared') return null;
  const workload = policy.workloads.find(({ name }) => name === target.workload);
  const action = workload === undefined ? undefined : actionsOf(workload).find((one) => one.action === target.action);
  if (action?.kind !== 'hook') return null;
  const body = JSON.stringify({
    key,
    account,
    workload: target.workload,
    hook: action.hook,
    action: action.action,
    neededAt: isoTime(target.value),
    reason,
    ...(mutation.planId === undefined ? {} : { plan: mutation.planId }),
    ...(mutation.dataSets === undefined ? {} : { dataSets: mutation.dataSets }),
  });
  let note = '';
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const began = performance.now();
    try {
      const response = await fetch(action.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': key, 'user-agent': 'headroom' },
        body,
        // A hook is one address: where it sends us is nobody the account file names.
        redirect: 'error',
        signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
      });
      const text = (await response.text()).slice(0, MOST_CHARACTERS);
      const took = Math.round(performance.now() - began);
      note = `${action.action}: ${response.status} in ${took} ms${text === '' ? '' : `: ${text}`}`;
      if (response.ok) return { answered: true, value: target.value, note };
      // Its own no is an answer; repeating the question would not change it.
      if (response.status < 500 && response.status !== 429) break;
    } catch (error) {
      signal.throwIfAborted();
      note = `${action.action}: ${problemOf(error)}`;
    }
  }
  return { answered: false, value: mutation.expect.value, note: `${note}; gone ahead without` };
}

function problemOf(error: unknown): string {
  const cause = failureSchema.safeParse(error);
  if (cause.success) return cause.data.cause.message;
  return error instanceof Error ? error.message : String(error);
}
