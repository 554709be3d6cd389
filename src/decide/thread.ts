import { parentPort } from 'node:worker_threads';
import type { AccountPolicy } from '../domain/account.js';
import { plainError } from '../domain/plain-error.js';
import { createEngine } from './engine.js';
import type { Answer, Call, PolicyMention } from './pool.js';
import type { AllocationRequest, Decider, ForecastRequest } from './port.js';

const port = parentPort;
if (port === null) throw new Error('decide/thread runs as a worker thread alone');
const engine = createEngine();

/** Policies by number, in the order in which they came; the oldest are of accounts that have others by now. */
const policies = new Map<number, AccountPolicy>();
const POLICIES_KEPT = 20_000;

port.on('message', (call: Call) => {
  void answer(call).then((message) => port.postMessage(message));
});

async function answer(call: Call): Promise<Answer> {
  try {
    return { id: call.id, ok: true, value: await run(await engine, call) };
  } catch (error) {
    return { id: call.id, ok: false, error: plainError(error) };
  }
}

/** The pool's own typed methods are the only callers: arguments are what they put in. */
function run(decider: Decider, { method, args, policy: mention }: Call): Promise<unknown> {
  switch (method) {
    case 'wanted':
      return decider.wanted(args[0] as string, policyOf(mention), args[1] as number);
    case 'forecast':
      return decider.forecast({ ...(args[0] as Omit<ForecastRequest, 'policy'>), policy: policyOf(mention) });
    case 'allocate':
      return decider.allocate({ ...(args[0] as Omit<AllocationRequest, 'policy'>), policy: policyOf(mention) });
    case 'forget':
      return decider.forget(args[0] as string);
  }
}

function policyOf(mention: PolicyMention | undefined): AccountPolicy {
  if (mention === undefined) throw new TypeError('the call names no policy');
  if (mention.value !== undefined) {
    policies.set(mention.number, mention.value);
    const oldest = policies.keys().next().value;
    if (policies.size > POLICIES_KEPT && oldest !== undefined) policies.delete(oldest);
  }
  const policy = policies.get(mention.number);
  if (policy === undefined) throw new TypeError(`policy ${mention.number} was never sent`);
  return policy;
}
