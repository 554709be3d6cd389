import { Worker } from 'node:worker_threads';
import type { AccountPolicy } from '../domain/account.js';
import { HeadroomError } from '../domain/errors.js';
import { restoredError, type PlainError } from '../domain/plain-error.js';
import type { AllocationRequest, Decider, ForecastRequest, PrepareRequest } from './port.js';

/*
 * The decision in worker threads, so that a fit of seconds never stalls the thread that speaks with Temporal. An
 * account always goes to the same thread, where its models are.
 */

type Method = Exclude<keyof Decider, 'close'>;

/** A policy in a message: the first time with its value, after that by its number alone. */
export interface PolicyMention {
  number: number;
  value?: AccountPolicy;
}

/** `policy` stands for the policy that the method's argument holds, or is; there it is left out. */
export interface Call {
  id: number;
  method: Method;
  args: unknown[];
  policy?: PolicyMention;
}

/** What a thread has to say that is no answer. */
export interface Remark {
  remark: string;
}

export type Answer = { id: number; ok: true; value: unknown } | { id: number; ok: false; error: PlainError };

interface Thread {
  worker: Worker;
  /** Numbers of the policies that it has: they are most of a message, and hardly ever change. */
  policies: WeakMap<AccountPolicy, number>;
  waiting: Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>;
}

export interface PoolOptions {
  /** Trained models that join the forecasts: their folder, and the version of the package that loads them. */
  models?: { folder: string; version: string };
  /** Takes what the threads have to say. */
  say?: (line: string) => void;
}

/**
 * @param threads how many; with 2 cores 1 is right, since the Temporal server and this process's main thread share them.
 */
export function createDecisionPool(threads = 1, options: PoolOptions = {}): Decider {
  let next = 0;
  let closing = false;
  const pool: Thread[] = Array.from({ length: threads }, () => startThread());

  function startThread(): Thread {
    const worker = new Worker(new URL('./thread.js', import.meta.url), {
      workerData: options.models === undefined ? {} : { models: options.models },
    });
    const thread: Thread = { worker, waiting: new Map(), policies: new WeakMap() };
    worker.on('message', (answer: Answer | Remark) => {
      if ('remark' in answer) {
        options.say?.(answer.remark);
        return;
      }
      const caller = thread.waiting.get(answer.id);
      thread.waiting.delete(answer.id);
      if (answer.ok) caller?.resolve(answer.value);
      else caller?.reject(restoredError(answer.error));
    });
    // A thread that dies takes its models along; the next one fits them again from the store.
    worker.on('error', (error) => failAll(thread, error));
    worker.on('exit', (code) => {
      failAll(thread, new Error(`the decision thread ended with code ${code}`));
      const index = pool.indexOf(thread);
      if (!closing && index >= 0) pool[index] = startThread();
    });
    return thread;
  }

  function failAll(thread: Thread, error: Error): void {
    for (const caller of thread.waiting.values()) caller.reject(unavailable(error));
    thread.waiting.clear();
  }

  function threadOf(account: string): Thread {
    const thread = pool[hash(account) % pool.length];
    if (thread === undefined) throw new RangeError('a decision pool needs at least one thread');
    return thread;
  }

  function call<T>(thread: Thread, message: Omit<Call, 'id'>): Promise<T> {
    // A thread that was ended answers nobody: its caller would wait for ever.
    if (closing) return Promise.reject(unavailable(new Error('the pool is closed')));
    const id = next++;
    return new Promise<T>((resolve, reject) => {
      thread.waiting.set(id, { resolve: (value) => resolve(value as T), reject });
      thread.worker.postMessage({ ...message, id });
    });
  }

  function mention(thread: Thread, policy: AccountPolicy): PolicyMention {
    const known = thread.policies.get(policy);
    if (known !== undefined) return { number: known };
    const number = next++;
    thread.policies.set(policy, number);
    return { number, value: policy };
  }

  /** Calls a method whose request holds a policy. */
  function ask<T>(
    method: 'forecast' | 'allocate' | 'prepare',
    request: ForecastRequest | AllocationRequest | PrepareRequest,
  ): Promise<T> {
    const thread = threadOf(request.account);
    const { policy, ...rest } = request;
    return call(thread, { method, args: [rest], policy: mention(thread, policy) });
  }

  return {
    wanted(account, policy, at) {
      const thread = threadOf(account);
      return call(thread, { method: 'wanted', args: [account, at], policy: mention(thread, policy) });
    },
    forecast: (request) => ask('forecast', request),
    allocate: (request) => ask('allocate', request),
    prepare: (request) => ask('prepare', request),
    forget: (account) => call(threadOf(account), { method: 'forget', args: [account] }),
    async close() {
      closing = true;
      await Promise.all(pool.map((thread) => thread.worker.terminate()));
    },
  };
}

const unavailable = (error: Error): HeadroomError =>
  new HeadroomError({
    kind: 'unavailable',
    component: 'decide/pool',
    action: 'deciding',
    problem: error.message,
    remedy: 'it is tried again with models fitted anew',
    cause: error,
  });

/** FNV-1a: spreads account names evenly and the same way in every process. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193) >>> 0;
  }
  return value;
}
