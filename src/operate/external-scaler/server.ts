import {
  Server,
  ServerCredentials,
  status,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServerWritableStream,
} from '@grpc/grpc-js';
import { z } from 'zod';
import { HeadroomError, isHeadroomError, type ErrorKind } from '../../domain/errors.js';
import { type EpochSeconds } from '../../domain/time.js';
import { answerQuery, describeMetric } from './answer.js';
import {
  loadProtocol,
  wholeNumber,
  type GetMetricSpecResponse,
  type GetMetricsResponse,
  type IsActiveResponse,
  type ServingStatus,
} from './protocol.js';
import { COMPONENT, metricNameOf, readQuery, type ScalerQuery } from './query.js';
import { createScalerRecords, type ScalerStore } from './records.js';

export interface ScalerTls {
  /** PEM: the server's certificate with its chain, and its key. */
  certificate: Buffer;
  key: Buffer;
  /** PEM: clients must show a certificate that this authority signed (mTLS). */
  clientAuthority?: Buffer;
}

export interface ExternalScalerOptions {
  store: ScalerStore;
  /** Folder of the .proto files. */
  protocol: string;
  /** Default 127.0.0.1. Elsewhere plain text has to be asked for. */
  host?: string;
  /** 0 takes a free one. */
  port: number;
  tls?: ScalerTls;
  /** Plain text beyond the loopback: where the network itself is trusted, or a mesh encrypts. */
  plain?: boolean;
  /** The account's time, which in a simulation is not the wall's. */
  now(): EpochSeconds;
  /** Wall milliseconds until a moment of that time. */
  wallUntil?(at: EpochSeconds): number;
  say?(line: string): void;
}

export interface ExternalScaler {
  /** `127.0.0.1:6000` */
  address: string;
  /** Ends streams, lets running calls end, stops listening. */
  close(): Promise<void>;
}

const CODES: Record<ErrorKind, status> = {
  'invalid-input': status.INVALID_ARGUMENT,
  'not-found': status.NOT_FOUND,
  refused: status.FAILED_PRECONDITION,
  unavailable: status.UNAVAILABLE,
  conflict: status.ABORTED,
  full: status.RESOURCE_EXHAUSTED,
};

const LOOPBACK = ['127.0.0.1', '::1', 'localhost'];
const SERVICE = 'externalscaler.ExternalScaler';
/** Timers take no more than 2³¹ ms; a stream looks again at least this often. */
const LONGEST_WAIT_MS = 3_600_000;
/** So long may calls take to end when the server closes. */
const GRACE_MS = 2000;

const metricsRequest = z.object({ scaledObjectRef: z.unknown(), metricName: z.string() });

/**
 * KEDA's external scaler over gRPC: the planned replicas or the forecast demand of a workload as a metric. It reads the
 * store and nothing else: no cluster credentials, no write anywhere.
 * @throws HeadroomError `invalid-input`: plain text was not asked for beyond the loopback; `unavailable`: the port is taken.
 */
export async function createExternalScaler(options: ExternalScalerOptions): Promise<ExternalScaler> {
  const { store, now, host = '127.0.0.1', tls, say = () => undefined } = options;
  if (tls === undefined && options.plain !== true && !LOOPBACK.includes(host)) {
    throw new HeadroomError({
      kind: 'invalid-input',
      component: COMPONENT,
      action: `listening on ${host}`,
      problem: 'it would speak plain text beyond this machine',
      remedy: 'give a certificate and its key, or ask for plain text',
    });
  }
  const protocol = loadProtocol(options.protocol);
  const records = createScalerRecords(store);
  const wallUntil = options.wallUntil ?? ((at) => (at - now()) * 1000);
  const ending = new AbortController();

  const statusOf = (error: unknown): { code: status; details: string } => {
    if (isHeadroomError(error)) return { code: CODES[error.kind], details: error.message };
    say(`${COMPONENT}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return { code: status.INTERNAL, details: `${COMPONENT}: an error of Headroom’s own; see its log` };
  };

  const unary =
    <Answer>(answer: (request: unknown) => Promise<Answer>) =>
    (call: ServerUnaryCall<unknown, Answer>, done: sendUnaryData<Answer>): void => {
      answer(call.request).then(
        (value) => done(null, value),
        (error: unknown) => done(statusOf(error)),
      );
    };

  /** A stream that ends with the client, with the server, or with an error; nothing of it is left behind. */
  const stream =
    <Answer>(run: (request: unknown, send: (answer: Answer) => void, signal: AbortSignal) => Promise<void>) =>
    (call: ServerWritableStream<unknown, Answer>): void => {
      const gone = new AbortController();
      const signal = AbortSignal.any([gone.signal, ending.signal]);
      call.on('cancelled', () => gone.abort());
      call.on('error', () => gone.abort());
      run(call.request, (answer) => call.write(answer), signal).then(
        () => call.end(),
        (error: unknown) => {
          if (gone.signal.aborted) return;
          if (ending.signal.aborted) call.emit('error', { code: status.UNAVAILABLE, details: 'the scaler is ending' });
          else call.emit('error', statusOf(error));
        },
      );
    };

  const specsOf = async (query: ScalerQuery): Promise<GetMetricSpecResponse> => {
    const { policy } = await records.read(query);
    const { metricName, target } = describeMetric(query, policy);
    return { metricSpecs: [{ metricName, targetSize: wholeNumber(target), targetSizeFloat: target }] };
  };
  const answerOf = async (query: ScalerQuery) => answerQuery(query, await records.read(query), now());

  const server = new Server();
  server.addService(protocol.scaler, {
    IsActive: unary<IsActiveResponse>(async (request) => ({ result: (await answerOf(readQuery(request))).active })),

    GetMetricSpec: unary(async (request) => specsOf(readQuery(request))),

    GetMetrics: unary<GetMetricsResponse>(async (request) => {
      const { scaledObjectRef, metricName } = metricsRequest.parse(request);
      const query = readQuery(scaledObjectRef ?? NO_REFERENCE);
      assertOwnMetric(query, metricName);
      const answer = await answerOf(query);
      const { value } = answer;
      return {
        metricValues: [{ metricName: answer.metricName, metricValue: wholeNumber(value), metricValueFloat: value }],
      };
    }),

    // Sent at once, then whenever it changes: by a new record, or because time went on. Between these it sleeps.
    StreamIsActive: stream<IsActiveResponse>(async (request, send, signal) => {
      const query = readQuery(request);
      let sent: boolean | null = null;
      for (;;) {
        const { records: known, seen } = await records.readNewest(query);
        signal.throwIfAborted();
        const { active, until } = answerQuery(query, known, now());
        if (active !== sent) send({ result: active });
        sent = active;
        const wait = new AbortController();
        const changed = records.changed(query, seen, AbortSignal.any([signal, wait.signal]));
        const slept = sleep(Math.max(1, Math.min(wallUntil(until), LONGEST_WAIT_MS)), wait.signal);
        try {
          await Promise.race([changed, slept]);
        } finally {
          wait.abort();
          changed.catch(() => undefined);
        }
      }
    }),

    StreamMetricSpec: stream<GetMetricSpecResponse>(async (request, send, signal) => {
      const query = readQuery(request);
      let sent: string | null = null;
      let seen: { id: string; at: number } | null = null;
      for (;;) {
        const { records: known } = await records.readNewest(query);
        signal.throwIfAborted();
        const { metricName, target } = describeMetric(query, known.policy);
        const text = JSON.stringify([metricName, target]);
        if (text !== sent) {
          send({ metricSpecs: [{ metricName, targetSize: wholeNumber(target), targetSizeFloat: target }] });
        }
        sent = text;
        const { id, at } = await store.nextRecord('account', query.account, seen, signal);
        seen = { id, at };
      }
    }),
  });

  const watchers = new Set<(status: ServingStatus) => void>();
  const servingOf = (request: unknown): ServingStatus => {
    const { service } = z.object({ service: z.string() }).parse(request);
    if (service !== '' && service !== SERVICE) return 'SERVICE_UNKNOWN';
    return ending.signal.aborted ? 'NOT_SERVING' : 'SERVING';
  };
  server.addService(protocol.health, {
    Check: (
      call: ServerUnaryCall<unknown, { status: ServingStatus }>,
      done: sendUnaryData<{ status: ServingStatus }>,
    ) => {
      const serving = servingOf(call.request);
      if (serving === 'SERVICE_UNKNOWN') done({ code: status.NOT_FOUND, details: 'unknown service' });
      else done(null, { status: serving });
    },
    Watch: (call: ServerWritableStream<unknown, { status: ServingStatus }>) => {
      const tell = (serving: ServingStatus): void => {
        call.write({ status: serving });
        if (serving === 'NOT_SERVING') call.end();
      };
      watchers.add(tell);
      const forget = () => watchers.delete(tell);
      call.on('cancelled', forget);
      call.on('error', forget);
      tell(servingOf(call.request));
    },
  });

  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(
      `${host.includes(':') ? `[${host}]` : host}:${options.port}`,
      credentialsOf(tls),
      (error, bound) => (error === null ? resolve(bound) : reject(error)),
    );
  }).catch((cause: unknown) => {
    throw new HeadroomError({
      kind: 'unavailable',
      component: COMPONENT,
      action: `listening on ${host}:${options.port}`,
      problem: cause instanceof Error ? cause.message : String(cause),
      remedy: 'choose another port',
      cause,
    });
  });

  return {
    address: `${host}:${port}`,
    async close() {
      ending.abort();
      for (const tell of watchers) tell('NOT_SERVING');
      await new Promise<void>((resolve) => {
        const late = setTimeout(() => {
          server.forceShutdown();
          resolve();
        }, GRACE_MS);
        server.tryShutdown(() => {
          clearTimeout(late);
          resolve();
        });
      });
    },
  };
}

const NO_REFERENCE = { name: '', namespace: '', scalerMetadata: {} };

/** KEDA asks for what GetMetricSpec named; some versions with their index before it, `s0-`. */
function assertOwnMetric(query: ScalerQuery, asked: string): void {
  const own = metricNameOf(query);
  if (asked === '' || asked.replace(/^s\d+-/, '').toLowerCase() === own) return;
  throw new HeadroomError({
    kind: 'not-found',
    component: COMPONENT,
    action: `answering metric ${asked}`,
    problem: `this trigger has ${own} alone`,
    remedy: 'ask for the name that GetMetricSpec gives',
  });
}

function credentialsOf(tls: ScalerTls | undefined): ServerCredentials {
  if (tls === undefined) return ServerCredentials.createInsecure();
  const pair = { cert_chain: tls.certificate, private_key: tls.key };
  try {
    return ServerCredentials.createSsl(tls.clientAuthority ?? null, [pair], tls.clientAuthority !== undefined);
  } catch (cause) {
    throw new HeadroomError({
      kind: 'invalid-input',
      component: COMPONENT,
      action: 'reading the certificate',
      problem: cause instanceof Error ? cause.message : String(cause),
      remedy: 'give PEM files that belong together',
      cause,
    });
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
