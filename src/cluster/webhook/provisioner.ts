import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { MutationResult, PoolState } from '../../domain/cluster.js';
import { HeadroomError } from '../../domain/errors.js';
import type { PoolTarget } from '../port.js';
import type { Provisioner } from '../provision.js';
import { SIGNATURE_HEADER, signatureOf, TIMESTAMP_HEADER } from './sign.js';

/*
 * Pools that somebody else sizes: whoever answers one address, VMs included. Each request is signed and carries the key of
 * its mutation; the receiver keeps the fence, and answers as the cluster port does. docs/fleet.md has the contract.
 */

export interface WebhookOptions {
  url: string;
  /** Read when it is needed, so that a new secret needs no new worker; it is in no message and in no error. */
  secret: () => string | undefined;
  /** The variable that it is in, for messages. */
  secretFrom: string;
  /** Seconds that one answer may take. */
  timeout: number;
  /** Milliseconds before the second attempt; each further one waits twice as long. */
  pauseMs?: number;
  /** Epoch seconds, of the wall: what the receiver compares with its own. */
  now?: () => number;
}

const ATTEMPTS = 3;
const PAUSE_MS = 250;
/** Of an answer, so much is read; a pool's state is some hundred characters. */
const MOST_CHARACTERS = 64 * 1024;
const MOST_WORDS = 200;

const count = z.int().min(0);
const owner = z.string().max(256).nullable();
const words = z.string().max(4096);

const stateSchema = z.object({ nodes: count, readyNodes: count, owner: owner.default(null) });
const resultSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('applied'), value: count, note: words.exactOptional() }),
  z.object({ kind: z.literal('repeated'), value: count }),
  z.object({ kind: z.literal('moved'), value: count, owner }),
  z.object({ kind: z.literal('not-found'), detail: words }),
  z.object({ kind: z.literal('refused'), detail: words }),
]) satisfies z.ZodType<MutationResult>;

type Answered = { kind: 'answer'; body: unknown } | { kind: 'no'; status: number; said: string };

export function createWebhookProvisioner(options: WebhookOptions): Provisioner {
  const { url, secret, secretFrom, timeout, pauseMs = PAUSE_MS, now = () => Date.now() / 1000 } = options;
  const name = `webhook ${new URL(url).host}`;

  const failure = (kind: HeadroomError['kind'], action: string, problem: string, remedy: string, cause?: unknown) =>
    new HeadroomError({ kind, component: 'cluster/webhook', action, problem, remedy, cause });

  /** One signed request; its answer, or null where trying again may help, with why. */
  async function attempt(
    text: string,
    headers: Record<string, string>,
    key: string,
    signal: AbortSignal,
  ): Promise<Answered | { kind: 'again'; why: string; cause?: unknown }> {
    const timestamp = String(Math.floor(now()));
    let response: Response;
    let said: string;
    try {
      response = await fetch(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'user-agent': 'headroom',
          [TIMESTAMP_HEADER]: timestamp,
          [SIGNATURE_HEADER]: signatureOf(key, timestamp, text),
          ...headers,
        },
        body: text,
        // It is one address: where it sends us is nobody that the fleet file names.
        redirect: 'manual',
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeout * 1000)]),
      });
      said = await bounded(response);
    } catch (error) {
      signal.throwIfAborted();
      return { kind: 'again', why: problemOf(error), cause: error };
    }
    const { status } = response;
    if (status >= 500 || status === 429 || status === 408) {
      return { kind: 'again', why: `it answers ${status}: ${said.slice(0, MOST_WORDS)}` };
    }
    if (!response.ok) return { kind: 'no', status, said: said.slice(0, MOST_WORDS) };
    try {
      const body: unknown = JSON.parse(said);
      return { kind: 'answer', body };
    } catch (error) {
      return { kind: 'again', why: 'its answer is not JSON', cause: error };
    }
  }

  /** The same request until it is answered: its key makes a repeat harmless. */
  async function ask(action: string, body: object, key: string | null, signal: AbortSignal): Promise<Answered> {
    const held = secret();
    if (held === undefined || held === '') {
      const problem = `${secretFrom} is not set where this worker runs`;
      throw failure('invalid-input', action, problem, 'set it to the secret that the receiver has');
    }
    const text = JSON.stringify(body);
    const headers: Record<string, string> = key === null ? {} : { 'idempotency-key': key };
    let last: { why: string; cause?: unknown } = { why: 'it was not asked' };
    for (let turn = 0; turn < ATTEMPTS; turn++) {
      if (turn > 0) await delay(pauseMs * 2 ** (turn - 1), undefined, { signal });
      signal.throwIfAborted();
      const answered = await attempt(text, headers, held, signal);
      if (answered.kind !== 'again') return answered;
      last = answered;
    }
    const remedy = 'see that its receiver is well; repeating a write with its key is safe';
    throw failure('unavailable', action, `${url}: ${last.why}`, remedy, last.cause);
  }

  const noWords = ({ status, said }: Extract<Answered, { kind: 'no' }>): string => {
    if (status >= 300 && status < 400)
      return `it redirects (${status}), which is not followed; name the address itself`;
    if (status === 401 || status === 403) return `it refuses the signature (${status}): is ${secretFrom} its secret?`;
    return `it answers ${status}${said === '' ? '' : `: ${said}`}`;
  };

  async function write(action: string, body: object, key: string, signal: AbortSignal): Promise<MutationResult> {
    const answered = await ask(action, body, key, signal);
    if (answered.kind === 'no') {
      const detail = `${url}: ${noWords(answered)}`;
      return answered.status === 404 ? { kind: 'not-found', detail } : { kind: 'refused', detail };
    }
    const result = resultSchema.safeParse(answered.body);
    if (result.success) return result.data;
    throw failure('unavailable', action, `${url}: ${unreadable(result.error)}`, 'docs/fleet.md says what it answers');
  }

  const described = ({ pool }: PoolTarget): object => ({ version: 'headroom/v1', pool });

  return {
    name,
    async read(pool, signal): Promise<PoolState | null> {
      const action = `reading pool ${pool.pool}`;
      const answered = await ask(action, { ...described(pool), action: 'read' }, null, signal);
      if (answered.kind === 'no') {
        if (answered.status === 404) return null;
        throw failure('refused', action, `${url}: ${noWords(answered)}`, 'correct the fleet file or the receiver');
      }
      const state = stateSchema.safeParse(answered.body);
      if (state.success) return { pool: pool.pool, ...state.data };
      throw failure('unavailable', action, `${url}: ${unreadable(state.error)}`, 'docs/fleet.md says what it answers');
    },
    apply: ({ key, target, expect, reason }, pool, signal) =>
      write(
        `sizing pool ${pool.pool}`,
        { ...described(pool), action: 'apply', key, nodes: target.value, expect, reason },
        key,
        signal,
      ),
    restore: ({ key, changeKeys, target, owner: before, reason }, pool, signal) =>
      write(
        `putting pool ${pool.pool} back`,
        { ...described(pool), action: 'restore', key, changeKeys, nodes: target.value, owner: before, reason },
        key,
        signal,
      ),
  };
}

async function bounded(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  if (reader === undefined) return '';
  const decoder = new TextDecoder();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    text += decoder.decode(value, { stream: true });
    if (text.length > MOST_CHARACTERS) {
      await reader.cancel();
      throw new Error(`its answer is longer than ${MOST_CHARACTERS} characters`);
    }
  }
}

const unreadable = (error: z.ZodError): string =>
  `its answer is none: ${error.issues[0]?.path.join('.') ?? ''} ${error.issues[0]?.message ?? ''}`;

function problemOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
