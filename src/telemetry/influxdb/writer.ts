import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { isHeadroomError, type HeadroomError } from '../../domain/errors.js';
import { influxError, WriteFailure, type InfluxConnection } from './connection.js';

const optionsSchema = z.strictObject({
  bucket: z.string().min(1),
  precision: z.enum(['ms', 'ns']).default('ms'),
  batchLines: z.int().min(1).default(10_000),
  mostQueued: z.int().min(1).default(50_000),
  patience: z.number().positive().default(120),
  firstPause: z.number().positive().default(0.5),
  longestPause: z.number().positive().default(30),
  skipRejected: z.boolean().default(false),
});

export interface InfluxWriterOptions {
  bucket: string;
  /** Of the lines' times; default `ms`. */
  precision?: 'ms' | 'ns';
  /** Lines in one request; default 10,000, some 0.7 MB. */
  batchLines?: number;
  /** Lines that wait for their request; a writer that is faster waits. Default 50,000. */
  mostQueued?: number;
  /** Seconds that one request is repeated for before it is given up; default 120, Infinity: until it is closed. */
  patience?: number;
  /** Seconds before the first repeat, doubled each time; default 0.5. */
  firstPause?: number;
  /** Seconds between repeats at most, but for what the server asks for; default 30. */
  longestPause?: number;
  /** Goes on after points that the server will never take, instead of failing. Default false. */
  skipRejected?: boolean;
}

export interface WriterOutside {
  /** In [0, 1). */
  random?: () => number;
  /** Waits seconds; rejects with the signal's reason when it is aborted. */
  sleep?: (seconds: number, signal: AbortSignal) => Promise<void>;
  /** Told of each repeat, and of points that the server will never take. */
  say?: (line: string) => void;
}

export interface InfluxWriter {
  /**
   * Puts lines in the queue, in this order; resolves when all are in, which waits while the queue is full.
   * @throws HeadroomError what ended an earlier request for good; everything after that is refused.
   */
  write(lines: Iterable<string>): Promise<void>;
  /** Resolves when everything queued so far was taken by the server. @throws HeadroomError as `write`. */
  flush(): Promise<void>;
  /** Requests taken, requests repeated, and requests in which the server refused points for good. */
  stats(): { lines: number; requests: number; repeats: number; rejected: number };
  /** Ends without waiting: what is queued is given up. Flush first. */
  close(): void;
}

/** Beyond it the doubling only overflows. */
const MOST_EXPONENT = 16;

/**
 * Writes points in batches, one request at a time, so that their order is that of the calls. A request that fails for
 * now is repeated with bounded exponential pauses, jittered, and never before the server's Retry-After; the queue is
 * bounded, and nothing is dropped from it.
 */
export function createInfluxWriter(
  connection: InfluxConnection,
  options: InfluxWriterOptions,
  outside: WriterOutside = {},
): InfluxWriter {
  // Infinity is a patience too, which zod takes for no number.
  const { patience: given, ...rest } = options;
  const parsed = optionsSchema.parse({ ...rest, ...(given === Number.POSITIVE_INFINITY ? {} : { patience: given }) });
  const patience = given === Number.POSITIVE_INFINITY ? given : parsed.patience;
  const { bucket, precision, batchLines, mostQueued, firstPause, longestPause, skipRejected } = parsed;
  const { random = Math.random, say = () => undefined } = outside;
  const sleep =
    outside.sleep ?? ((seconds: number, signal: AbortSignal) => delay(seconds * 1000, undefined, { signal }));
  const ended = new AbortController();
  const counts = { lines: 0, requests: 0, repeats: 0, rejected: 0 };
  const queue: string[] = [];
  let failure: HeadroomError | null = null;
  let running: Promise<void> | null = null;
  let waiting: (() => void)[] = [];

  const wake = (): void => {
    const all = waiting;
    waiting = [];
    for (const one of all) one();
  };
  const assertWhole = (): void => {
    if (failure !== null) throw failure;
    if (ended.signal.aborted) {
      throw influxError('unavailable', `writing to bucket ${bucket}`, 'the writer is closed', 'open another one');
    }
  };

  /** One request, until it is taken or there is no use in another try. */
  const send = async (lines: readonly string[]): Promise<void> => {
    const body = lines.join('\n');
    let waited = 0;
    for (let tried = 0; ; tried++) {
      try {
        await connection.write(bucket, body, precision, ended.signal);
        counts.requests += 1;
        counts.lines += lines.length;
        return;
      } catch (cause) {
        if (!(cause instanceof WriteFailure)) throw cause;
        if (cause.verdict === 'rejected') {
          counts.rejected += 1;
          if (!skipRejected) throw cause.error;
          say(`${cause.message}; the other points of the batch were written`);
          return;
        }
        // A token or a bucket can be put right while a patient writer waits.
        if (cause.verdict === 'refused' && Number.isFinite(patience)) throw cause.error;
        const ceiling =
          cause.verdict === 'refused'
            ? longestPause
            : Math.min(longestPause, firstPause * 2 ** Math.min(tried, MOST_EXPONENT));
        // Half of it is fixed: with full jitter a crowd of writers may come back at once after all.
        const pause = Math.max((cause.retryAfterMs ?? 0) / 1000, ceiling * (0.5 + 0.5 * random()));
        waited += pause;
        if (waited > patience) throw cause.error;
        counts.repeats += 1;
        say(`${cause.message}; the next try in ${pause.toFixed(1)}s`);
        await sleep(pause, ended.signal);
      }
    }
  };

  const loop = async (): Promise<void> => {
    try {
      while (queue.length > 0) {
        const batch = queue.slice(0, batchLines);
        await send(batch);
        // Only what was taken leaves the queue, which is why it is a bound on memory too; more has come meanwhile.
        queue.splice(0, batch.length);
        wake();
      }
    } catch (cause) {
      if (!ended.signal.aborted) failure = toError(cause, bucket);
      queue.length = 0;
    } finally {
      running = null;
      wake();
    }
  };

  return {
    async write(lines) {
      assertWhole();
      for (const line of lines) {
        while (queue.length >= mostQueued) {
          await new Promise<void>((resolve) => waiting.push(resolve));
          assertWhole();
        }
        queue.push(line);
        if (queue.length >= batchLines) running ??= loop();
      }
      running ??= queue.length > 0 ? loop() : null;
    },
    async flush() {
      while (running !== null) await running;
      assertWhole();
    },
    stats: () => ({ ...counts }),
    close() {
      ended.abort(new Error('the writer is closed'));
      queue.length = 0;
      wake();
    },
  };
}

const toError = (cause: unknown, bucket: string): HeadroomError =>
  isHeadroomError(cause)
    ? cause
    : influxError('unavailable', `writing to bucket ${bucket}`, String(cause), 'try again', cause);
