import { createAdaptorServer } from '@hono/node-server';
import { Hono, type Context } from 'hono';
import { bearerAuth } from 'hono/bearer-auth';
import { bodyLimit } from 'hono/body-limit';
import { z } from 'zod';
import { HeadroomError, isHeadroomError } from '../domain/errors.js';
import type { StoreErasure } from './erasure.js';
import type { BehaviorStore } from './events/port.js';
import type { Store, UsageCatalogue, UsageWindow } from './port.js';
import type { RecordFeed } from './record-feed.js';
import { bodies, decodeMetrics, decodeUsage, encodeWindow, errorBody, STATUS } from './wire.js';

const COMPONENT = 'telemetry/service';
/** A body larger than this is refused; a client splits what it writes well below. */
export const MOST_BODY_BYTES = 16 * 1024 * 1024;
/** A request that takes longer is given up, so that one bad query cannot hold a connection for ever. */
const TIMEOUT_MS = 60_000;

export interface StoreService {
  /** `http://127.0.0.1:PORT`, as processes of this machine reach it. */
  url: string;
  /** Ends open connections and stops listening; the store itself stays open. */
  close(): Promise<void>;
}

const failure = (action: string, problem: string, remedy: string, kind: HeadroomError['kind'] = 'invalid-input') =>
  new HeadroomError({ kind, component: COMPONENT, action, problem, remedy });

async function json<Schema extends z.ZodType>(context: Context, schema: Schema): Promise<z.output<Schema>> {
  const text = await context.req.text();
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw failure(`reading ${context.req.path}`, 'the body is not JSON', 'send one JSON document');
  }
  const parsed = schema.safeParse(body);
  if (!parsed.success) {
    throw failure(`reading ${context.req.path}`, z.prettifyError(parsed.error), 'send what the port asks for');
  }
  return parsed.data;
}

async function frame<T>(context: Context, decode: (body: ArrayBuffer) => T): Promise<T> {
  const body = await context.req.arrayBuffer();
  try {
    return decode(body);
  } catch (error) {
    const problem = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
    throw failure(`reading ${context.req.path}`, problem, 'send a whole frame');
  }
}

/** A window piece by piece, so that it is never in memory twice. */
function windowResponse(window: UsageWindow): Response {
  const pieces = encodeWindow(window);
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      const next = pieces.shift();
      if (next === undefined) controller.close();
      else if (next.length > 0) controller.enqueue(next);
      else return this.pull?.(controller);
    },
  });
  return new Response(stream, { headers: { 'content-type': 'application/octet-stream' } });
}

/** Ends with the client's connection, or with the time limit. */
const signalOf = (context: Context): AbortSignal =>
  AbortSignal.any([context.req.raw.signal, AbortSignal.timeout(TIMEOUT_MS)]);

function behaviorOf({ writeBehavior, readEvents }: Served): BehaviorStore {
  if (writeBehavior !== undefined && readEvents !== undefined) return { writeBehavior, readEvents };
  throw failure('serving behaviour', 'this store keeps none', 'use the embedded store');
}

function erasureOf({ holdings, eraseAccount, scrubLabels, behaviorAccounts }: Served): StoreErasure {
  const has = holdings !== undefined && eraseAccount !== undefined;
  if (has && scrubLabels !== undefined && behaviorAccounts !== undefined) {
    return { holdings, eraseAccount, scrubLabels, behaviorAccounts };
  }
  throw failure('erasing', 'this store cannot', 'use the embedded store');
}

function catalogueOf({ usageSeries }: Served): UsageCatalogue {
  if (usageSeries !== undefined) return { usageSeries };
  throw failure('listing usage', 'this store cannot', 'use the embedded store');
}

/** What is served: a store, behaviour where it keeps that too, and news of its records where it has a feed. */
type Served = Store & Partial<BehaviorStore> & Partial<StoreErasure> & Partial<UsageCatalogue> & Partial<RecordFeed>;

/** A wait for a record is answered with nothing after so long; the client asks again. */
const PATIENCE_MS = 30_000;

async function nextRecord(context: Context, { nextRecord: next }: Served) {
  const { kind, account, seen } = await json(context, bodies.nextRecord);
  if (next === undefined) throw failure('waiting for a record', 'this store has no feed', 'serve it withRecordFeed');
  const patience = AbortSignal.timeout(PATIENCE_MS);
  const signal = AbortSignal.any([context.req.raw.signal, patience]);
  try {
    return await next(kind, account, seen, signal);
  } catch (error) {
    if (patience.aborted) return null;
    throw error;
  }
}

function application(store: Served, token: string): Hono {
  const app = new Hono();
  // Before the token is asked for: probes have none, and learn nothing but that it answers.
  app.get('/healthz', (c) => c.text('ok'));
  app.use(bearerAuth({ token }));
  app.use(
    bodyLimit({
      maxSize: MOST_BODY_BYTES,
      onError: () => {
        throw failure('receiving a body', `it is larger than ${MOST_BODY_BYTES} bytes`, 'send it in parts');
      },
    }),
  );

  app.post('/v1/write-usage', async (c) => c.json(await store.writeUsage(await frame(c, decodeUsage))));
  app.post('/v1/write-metrics', async (c) => c.json(await store.writeMetrics(await frame(c, decodeMetrics))));
  app.post('/v1/read-usage', async (c) =>
    windowResponse(await store.readUsage(await json(c, bodies.usageQuery), signalOf(c))),
  );
  app.post('/v1/read-metric', async (c) =>
    c.json({ value: await store.readMetric(await json(c, bodies.metricQuery), signalOf(c)) }),
  );
  app.post('/v1/take-snapshot', async (c) => {
    const { query, takenAt } = await json(c, bodies.takeSnapshot);
    return c.json(await store.takeSnapshot(query, takenAt, signalOf(c)));
  });
  app.post('/v1/read-snapshot', async (c) => {
    const { id, since } = await json(c, bodies.readSnapshot);
    return windowResponse(await store.readSnapshot(id, signalOf(c), since));
  });
  app.post('/v1/put-record', async (c) => {
    await store.putRecord(await json(c, bodies.putRecord));
    return c.json({});
  });
  app.post('/v1/put-records', async (c) => {
    const { kind, records } = await json(c, bodies.putRecords);
    await store.putRecords(kind, records);
    return c.json({});
  });
  app.post('/v1/get-record', async (c) => {
    const { kind, id } = await json(c, bodies.getRecord);
    return c.json(await store.getRecord(kind, id));
  });
  app.post('/v1/get-records', async (c) => {
    const { kind, ids } = await json(c, bodies.getRecords);
    return c.json(await store.getRecords(kind, ids));
  });
  app.post('/v1/records-after', async (c) => {
    const { kind, account, after, limit } = await json(c, bodies.recordsAfter);
    return c.json(await store.recordsAfter(kind, account, after, limit));
  });
  app.post('/v1/newest-records', async (c) => {
    const { kind } = await json(c, bodies.newestRecords);
    return c.json(await store.newestRecords(kind));
  });
  app.post('/v1/list-records', async (c) => {
    const { kind, account, limit, before } = await json(c, bodies.listRecords);
    const options = before === undefined ? { limit } : { limit, before };
    return c.json(await store.listRecords(kind, account, options));
  });

  app.post('/v1/next-record', async (c) => c.json(await nextRecord(c, store)));

  app.post('/v1/write-behavior', async (c) => {
    const part = await json(c, bodies.behaviorPart);
    return c.json(await behaviorOf(store).writeBehavior(part));
  });
  app.post('/v1/read-events', async (c) => {
    const { kind, ...query } = await json(c, bodies.behaviorQuery);
    const asked = kind === undefined ? query : { ...query, kind };
    return c.json(await behaviorOf(store).readEvents(asked, signalOf(c)));
  });

  app.post('/v1/usage-series', async (c) => {
    const { account } = await json(c, bodies.accountOrAll);
    return c.json(await catalogueOf(store).usageSeries(account));
  });
  app.post('/v1/holdings', async (c) => {
    const { account } = await json(c, bodies.account);
    return c.json(await erasureOf(store).holdings(account));
  });
  app.post('/v1/erase-account', async (c) => {
    const { account } = await json(c, bodies.account);
    return c.json(await erasureOf(store).eraseAccount(account));
  });
  app.post('/v1/scrub-labels', async (c) => {
    const { id } = await json(c, bodies.scrubLabels);
    return c.json(await erasureOf(store).scrubLabels(id));
  });
  app.post('/v1/behavior-accounts', async (c) => c.json(await erasureOf(store).behaviorAccounts()));

  app.notFound((c) => {
    const error = failure(`serving ${c.req.method} ${c.req.path}`, 'there is no such call', 'use the same version');
    return c.json(errorBody(error), 404);
  });
  app.onError((error, c) => {
    if (isHeadroomError(error)) return c.json(errorBody(error), STATUS[error.kind]);
    if ('getResponse' in error && typeof error.getResponse === 'function') return error.getResponse();
    const late = error.name === 'TimeoutError';
    const problem = late ? `it took longer than ${TIMEOUT_MS / 1000}s` : error.message;
    const remedy = late ? 'ask for less at once' : 'try again; if it stays, look at the log of the owner';
    return c.json(errorBody(failure(`serving ${c.req.path}`, problem, remedy, 'unavailable')), 503);
  });
  return app;
}

/**
 * Serves a store to other processes, with a bearer token: on the loopback and a free port, unless told otherwise.
 * @param options.port 0, the default, takes a free one.
 * @param options.host another address serves other machines, in plain text: within a network that can be trusted.
 */
export async function createStoreService(
  store: Served,
  options: { token: string; port?: number; host?: string },
): Promise<StoreService> {
  const host = options.host ?? '127.0.0.1';
  if (options.token.length < 16) {
    throw failure('starting', 'its token is shorter than 16 characters', 'give a random one');
  }
  const app = application(store, options.token);
  const server = createAdaptorServer({ fetch: app.fetch, hostname: host });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, host, () => {
      server.off('error', reject);
      resolve();
    });
  }).catch((cause: unknown) => {
    throw new HeadroomError({
      kind: 'unavailable',
      component: COMPONENT,
      action: `listening on ${host}:${options.port ?? 0}`,
      problem: cause instanceof Error ? cause.message : String(cause),
      remedy: 'choose another port',
      cause,
    });
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('the server has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        if ('closeAllConnections' in server) server.closeAllConnections();
      }),
  };
}
