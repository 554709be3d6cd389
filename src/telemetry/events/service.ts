import { createHash } from 'node:crypto';
import { createAdaptorServer } from '@hono/node-server';
import { Hono, type Context } from 'hono';
import { z } from 'zod';
import type { EventInput } from '../../behavior/events.js';
import { isHeadroomError } from '../../domain/errors.js';
import { errorBody, STATUS } from '../wire.js';
import { BodyRefused, MOST_BODY_BYTES, readBody } from './body.js';
import type { Accepted, Door } from './door.js';
import { eventsError } from './errors.js';
import { CHAIN_START, marksOf } from './file-marks.js';
import { readLines, type EventRules } from './lines.js';
import { readOtlp } from './otlp.js';
import { decodeOtlp, encodeOtlpAnswer, encodeOtlpStatus, OTLP_TYPES, type OtlpType } from './otlp-wire.js';
import type { Sender } from './tokens.js';

/** Events that lie further in the future come from a clock that is wrong. */
const MOST_AHEAD = 300;
/** Bodies of so many bytes together may be on their way through this process. */
const MOST_IN_FLIGHT = 8 * MOST_BODY_BYTES;
const LINES_TYPES = ['application/x-ndjson', 'application/jsonl', 'application/json-lines'];
/** Of google.rpc.Code, where OTLP asks for one. */
const CODES = { 400: 3, 401: 16, 413: 3, 415: 3, 429: 8, 503: 14 } as const;

const eraseSchema = z.union([z.strictObject({ account: z.string() }), z.strictObject({ user: z.string() })]);

export interface EventService {
  url: string;
  /** Takes no more, lets what is under way end. */
  close(): Promise<void>;
}

export interface EventServiceOptions {
  door: Door;
  find(token: string): Promise<Sender | null>;
  /** Of this machine's own operator: history by `headroom events import`, and the status. */
  ownToken: string;
  host: string;
  /** 0 takes a free one. */
  port: number;
  /** Epoch seconds. */
  now(): number;
}

const bearer = (context: Context): string =>
  /^Bearer\s+(\S+)$/i.exec(context.req.header('authorization') ?? '')?.[1] ?? '';
const typeOf = (context: Context): string =>
  (context.req.header('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? '';

function application({ door, find, ownToken, now }: EventServiceOptions): Hono {
  const app = new Hono();
  let inFlight = 0;

  /** The rules for what one sender may say at this moment. */
  const rulesOf = ({ accounts }: Sender, at: number): EventRules => ({
    accounts,
    from: at - door.maxAge,
    to: at + MOST_AHEAD,
    ...(accounts?.length === 1 && accounts[0] !== undefined ? { account: accounts[0] } : {}),
  });

  /** Runs with room for the body reserved; null where there is none. */
  const withRoom = async <T>(context: Context, work: () => Promise<T>): Promise<T | null> => {
    const length = Number(context.req.header('content-length') ?? Number.NaN);
    const packed = context.req.header('content-encoding') !== undefined;
    // What is packed, or does not say how long it is, may turn out as large as is allowed.
    const room = Number.isFinite(length) && !packed ? Math.min(length, MOST_BODY_BYTES) : MOST_BODY_BYTES;
    if (inFlight + room > MOST_IN_FLIGHT) return null;
    inFlight += room;
    try {
      return await work();
    } finally {
      inFlight -= room;
    }
  };

  /** A whole body under one name: what was sent before under the same name, with the same content, is a repeat. */
  const take = (events: readonly EventInput[], name: string, at: number): Promise<Accepted> =>
    door.accept(events, {
      marks: [{ after: events.length, name }],
      forget: at + door.maxAge + 2 * 86_400,
      now: at,
    });
  const nameOf = (context: Context, sender: Sender, body: Uint8Array): string => {
    const hash = createHash('sha256').update(body).digest('base64');
    return JSON.stringify(['http', sender.id, context.req.header('idempotency-key') ?? '', hash]);
  };

  const busy = (context: Context, retryAfter: number) => {
    context.header('retry-after', String(retryAfter));
    const error = eventsError('unavailable', 'taking events', 'too much is waiting', `try again in ${retryAfter}s`);
    return context.json(errorBody(error), 429);
  };
  const unknown = (context: Context) => {
    context.header('www-authenticate', 'Bearer');
    const error = eventsError(
      'refused',
      'taking events',
      'the token is not known',
      '`headroom events token` makes one',
    );
    return context.json(errorBody(error), 401);
  };

  app.get('/healthz', (c) => c.json({ ok: true }));

  app.get('/v1/status', async (c) => (bearer(c) === ownToken ? c.json(await door.status()) : unknown(c)));

  app.post('/v1/erase', async (c) => {
    if (bearer(c) !== ownToken) return unknown(c);
    const asked = eraseSchema.parse(JSON.parse(new TextDecoder().decode(await readBody(c.req.raw))));
    return c.json('account' in asked ? await door.forgetAccount(asked.account) : await door.forgetUser(asked.user));
  });

  app.post('/v1/events', async (c) => {
    const sender = await find(bearer(c));
    if (sender === null) return unknown(c);
    if (!LINES_TYPES.includes(typeOf(c))) throw new BodyRefused(415, `send JSON lines, as ${LINES_TYPES.join(', ')}`);
    const taken = await withRoom(c, async () => {
      const body = await readBody(c.req.raw);
      const at = now();
      const events = readLines(new TextDecoder().decode(body), 'taking events', rulesOf(sender, at));
      return take(events, nameOf(c, sender, body), at);
    });
    if (taken === null) return busy(c, 1);
    if (taken.kind === 'busy') return busy(c, taken.retryAfter);
    return c.json({ accepted: taken.accepted, repeated: taken.repeated }, 202);
  });

  app.post('/v1/import', async (c) => {
    if (bearer(c) !== ownToken) return unknown(c);
    const chain = c.req.header('x-headroom-chain') ?? CHAIN_START;
    const taken = await withRoom(c, async () => {
      const text = new TextDecoder().decode(await readBody(c.req.raw));
      const at = now();
      const events = readLines(text, 'taking history', { accounts: null, from: 0, to: at + MOST_AHEAD });
      return door.accept(events, { marks: marksOf(chain, text.split('\n')), forget: null, now: at });
    });
    if (taken === null) return busy(c, 1);
    if (taken.kind === 'busy') return busy(c, taken.retryAfter);
    return c.json(taken, 202);
  });

  app.post('/v1/logs', async (c) => {
    const type = OTLP_TYPES.find((one) => one === typeOf(c));
    if (type === undefined)
      return otlp(encodeOtlpStatus(3, `send ${OTLP_TYPES.join(' or ')}`, 'application/json'), 415, 'application/json');
    const refuse = (status: keyof typeof CODES, message: string, retryAfter?: number) =>
      otlp(encodeOtlpStatus(CODES[status], message, type), status, type, retryAfter);
    const sender = await find(bearer(c));
    if (sender === null) return refuse(401, 'the token is not known; `headroom events token` makes one');
    try {
      const answer = await withRoom(c, async () => {
        const body = await readBody(c.req.raw);
        const at = now();
        const { events, rejected, problems } = readOtlp(decode(body, type), rulesOf(sender, at));
        const taken = await take(events, nameOf(c, sender, body), at);
        const words = problems.map(
          ({ line, field, problem }) => `record ${line}: ${field === null ? '' : `${field} `}${problem}`,
        );
        return { taken, rejected, message: words.join('; ') };
      });
      if (answer === null) return refuse(429, 'too much is on its way', 1);
      if (answer.taken.kind === 'busy') return refuse(429, 'too much is waiting', answer.taken.retryAfter);
      return otlp(encodeOtlpAnswer(answer.rejected, answer.message, type), 200, type);
    } catch (error) {
      if (error instanceof BodyRefused) return refuse(error.status, error.message);
      // Of the statuses that a sender tries again after: the disk may have room by then.
      if (isHeadroomError(error)) return refuse(503, error.message, 10);
      throw error;
    }
  });

  app.notFound((c) => {
    const remedy = 'POST /v1/events takes JSON lines, POST /v1/logs OTLP';
    return c.json(errorBody(eventsError('not-found', 'serving', 'there is no such address', remedy)), 404);
  });
  app.onError((error, c) => {
    if (error instanceof BodyRefused) {
      return c.json(
        errorBody(eventsError('invalid-input', 'taking events', error.message, 'nothing was taken in')),
        error.status,
      );
    }
    if (isHeadroomError(error)) {
      if (error.kind === 'full' || error.kind === 'unavailable') c.header('retry-after', '10');
      return c.json(errorBody(error), error.kind === 'full' ? 503 : STATUS[error.kind]);
    }
    // Not its words: they may repeat what was sent.
    const words = `${error.name} in the door`;
    c.header('retry-after', '10');
    return c.json(errorBody(eventsError('unavailable', 'taking events', words, 'try again')), 503);
  });
  return app;
}

function decode(body: Uint8Array, type: OtlpType) {
  try {
    return decodeOtlp(body, type);
  } catch {
    throw new BodyRefused(400, 'the body is not an OTLP logs request in the format of its content type');
  }
}

function otlp(body: Uint8Array<ArrayBuffer>, status: number, type: OtlpType, retryAfter?: number): Response {
  const retry: Record<string, string> = retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) };
  return new Response(body, { status, headers: { 'content-type': type, ...retry } });
}

/**
 * Where events come in by HTTP: `POST /v1/events` (JSON lines) and `POST /v1/logs` (OTLP, JSON or protobuf), plain or by
 * gzip. A batch is answered once it is on disk.
 * @throws HeadroomError `unavailable` where the port is taken.
 */
export async function createEventService(options: EventServiceOptions): Promise<EventService> {
  const { host, port } = options;
  const server = createAdaptorServer({ fetch: application(options).fetch, hostname: host });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  }).catch((cause: unknown) => {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw eventsError('unavailable', `listening on ${host}:${port}`, problem, 'choose another port', cause);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('the server has no port');
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        if ('closeIdleConnections' in server) server.closeIdleConnections();
      }),
  };
}
