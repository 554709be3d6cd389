import { parentPort, workerData } from 'node:worker_threads';
import { z } from 'zod';
import type { AccountPolicy } from '../domain/account.js';
import { plainError } from '../domain/plain-error.js';
import { codeVersion } from '../models/code-version.js';
import { createModelLibrary } from '../models/library.js';
import { TRAINERS } from '../models/trainers/index.js';
import { createEngine } from './engine.js';
import type { Answer, Call, PolicyMention, Remark } from './pool.js';
import type { AllocationRequest, Decider, ForecastRequest, PrepareRequest } from './port.js';
import { createServedModels } from './served.js';

const port = parentPort;
if (port === null) throw new Error('decide/thread runs as a worker thread alone');

/** What the pool gives its threads. */
const { models } = z
  .object({ models: z.object({ folder: z.string(), version: z.string() }).optional() })
  .parse(workerData ?? {});
const say = (line: string): void => port.postMessage({ remark: line } satisfies Remark);
const served =
  models === undefined
    ? undefined
    : createServedModels(
        createModelLibrary({ folder: models.folder, trainers: TRAINERS, code: codeVersion(models.version) }),
        say,
      );
const engine = createEngine(served);

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
    case 'prepare':
      return decider.prepare({ ...(args[0] as Omit<PrepareRequest, 'policy'>), policy: policyOf(mention) });
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
