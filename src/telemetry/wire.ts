import { z } from 'zod';
import { behaviorRowSchema, ROW_KINDS } from '../behavior/events.js';
import { COMPONENTS } from '../domain/component.js';
import type { ErrorKind, HeadroomError } from '../domain/errors.js';
import type { Sample } from '../domain/series.js';
import { holdingsSchema, scrubbedSchema } from './erasure.js';
import { RECORD_KINDS, type MetricBatch, type UsageBatch, type UsageWindow } from './port.js';

/*
 * What travels between the owner of the store and its clients. Series go as packed numbers behind a JSON header: NaN
 * survives (JSON has none), and a window costs 9 bytes a bin. A frame says its own length, so that one that was cut off
 * is an error and never a shorter series.
 *
 *   "HRF1" | length of header (uint32, little endian) | header, JSON | padding to 8 | float64 … | uint8 …
 */

const MAGIC = 0x31465248;

/** Pieces of a frame, in order; written one after the other without being joined in memory. */
export function encodeFrame(
  header: unknown,
  floats: readonly Float64Array[],
  bytes: readonly Uint8Array[],
): Uint8Array[] {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const head = new Uint8Array(8 + Math.ceil(text.length / 8) * 8);
  const view = new DataView(head.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, text.length, true);
  head.set(text, 8);
  return [head, ...floats.map((part) => new Uint8Array(part.buffer, part.byteOffset, part.byteLength)), ...bytes];
}

/** Reads a frame; `take…` hand out its numbers in order, and `end` insists that there is nothing else. */
export function decodeFrame(body: ArrayBuffer): {
  header: unknown;
  takeFloats(count: number): Float64Array;
  takeBytes(count: number): Uint8Array;
  end(): void;
} {
  const view = new DataView(body);
  if (body.byteLength < 8 || view.getUint32(0, true) !== MAGIC) throw new RangeError('it is no frame');
  const length = view.getUint32(4, true);
  let offset = 8 + Math.ceil(length / 8) * 8;
  const reserve = (size: number): number => {
    const start = offset;
    offset += size;
    if (!(size >= 0) || offset > body.byteLength) throw new RangeError('it was cut off');
    return start;
  };
  reserve(0);
  const header: unknown = JSON.parse(new TextDecoder().decode(new Uint8Array(body, 8, length)));
  return {
    header,
    takeFloats: (count) => new Float64Array(body.slice(reserve(count * 8), offset)),
    takeBytes: (count) => new Uint8Array(body.slice(reserve(count), offset)),
    end() {
      if (offset !== body.byteLength) throw new RangeError('it is longer than it says');
    },
  };
}

const text = z.string().min(1).max(512);
const time = z.number();
const component = z.enum(COMPONENTS);
const wanted = z.array(z.strictObject({ workload: text, component })).max(30_000);

export const bodies = {
  usageQuery: z.strictObject({ account: text, series: wanted, from: time, to: time, step: z.number().positive() }),
  metricQuery: z.strictObject({ account: text, workload: text, metric: text, from: time, to: time }),
  takeSnapshot: z.strictObject({
    query: z.strictObject({ account: text, series: wanted, from: time, to: time, step: z.number().positive() }),
    takenAt: time,
  }),
  readSnapshot: z.strictObject({ id: text, since: time.optional() }),
  putRecord: z.strictObject({ kind: z.enum(RECORD_KINDS), id: text, account: text, at: time, body: z.unknown() }),
  putRecords: z.strictObject({
    kind: z.enum(RECORD_KINDS),
    records: z.array(z.strictObject({ id: text, account: text, at: time, body: z.unknown() })).max(100_000),
  }),
  getRecord: z.strictObject({ kind: z.enum(RECORD_KINDS), id: text }),
  getRecords: z.strictObject({ kind: z.enum(RECORD_KINDS), ids: z.array(text).max(1000) }),
  recordsAfter: z.strictObject({
    kind: z.enum(RECORD_KINDS),
    account: text,
    after: z.strictObject({ at: time, id: z.string().max(512) }).nullable(),
    limit: z.int().min(1).max(10_000),
  }),
  newestRecords: z.strictObject({ kind: z.enum(RECORD_KINDS) }),
  listRecords: z.strictObject({
    kind: z.enum(RECORD_KINDS),
    account: text,
    limit: z.int().min(1).max(10_000),
    before: time.optional(),
  }),
  nextRecord: z.strictObject({
    kind: z.enum(RECORD_KINDS),
    account: text,
    seen: z.strictObject({ id: text, at: time }).nullable(),
  }),
  account: z.strictObject({ account: text }),
  accountOrAll: z.strictObject({ account: text.nullable() }),
  scrubLabels: z.strictObject({ id: text }),
  behaviorPart: z.strictObject({ id: text, account: text, at: time, rows: z.array(behaviorRowSchema) }),
  behaviorQuery: z.strictObject({
    account: text,
    from: time,
    to: time,
    kind: z.enum(ROW_KINDS).optional(),
    limit: z.int().min(1).max(200_000),
  }),
};

export const answers = {
  written: z.object({ written: z.int().min(0) }),
  metric: z.object({ value: z.number().nullable() }),
  snapshot: z.object({
    id: text,
    account: text,
    from: time,
    to: time,
    step: z.number(),
    series: wanted,
    watermark: z.number(),
    takenAt: time,
  }),
  record: bodies.putRecord.nullable(),
  records: z.array(bodies.putRecord),
  newest: z.array(z.object({ account: text, at: time, id: text })),
  done: z.object({}),
  behavior: z.array(behaviorRowSchema),
  holdings: holdingsSchema,
  scrubbed: scrubbedSchema,
  accounts: z.array(z.string()),
  usageSeries: z.array(z.object({ account: text, workload: text, component, interval: z.number().nullable() })),
};

const windowHeader = z.strictObject({
  account: text,
  from: time,
  to: time,
  step: z.number().positive(),
  series: z.array(z.strictObject({ workload: text, component, start: time, bins: z.int().min(0) })),
});

export function encodeWindow(window: UsageWindow): Uint8Array[] {
  const { account, from, to, step } = window;
  const header: z.input<typeof windowHeader> = {
    account,
    from,
    to,
    step,
    series: window.series.map(({ workload, component, series }) => ({
      workload,
      component,
      start: series.start,
      bins: series.values.length,
    })),
  };
  return encodeFrame(
    header,
    window.series.map(({ series }) => series.values),
    window.series.map(({ series }) => series.censored),
  );
}

export function decodeWindow(body: ArrayBuffer): UsageWindow {
  const frame = decodeFrame(body);
  const { series: heads, ...window } = windowHeader.parse(frame.header);
  const values = heads.map(({ bins }) => frame.takeFloats(bins));
  const censored = heads.map(({ bins }) => frame.takeBytes(bins));
  frame.end();
  return {
    ...window,
    series: heads.map(({ workload, component, start }, index) => ({
      workload,
      component,
      series: {
        start,
        step: window.step,
        values: values[index] ?? new Float64Array(0),
        censored: censored[index] ?? new Uint8Array(0),
      },
    })),
  };
}

const usageHeader = z.array(z.strictObject({ account: text, workload: text, component, samples: z.int().min(0) }));
const metricHeader = z.array(z.strictObject({ account: text, workload: text, metric: text, samples: z.int().min(0) }));

function encodeSamples(header: unknown, batches: readonly { samples: readonly Sample[] }[]): Uint8Array[] {
  const floats = batches.flatMap(({ samples }) => [
    Float64Array.from(samples, ({ at }) => at),
    Float64Array.from(samples, ({ value }) => value),
  ]);
  const limited = batches.map(({ samples }) => Uint8Array.from(samples, ({ censored }) => (censored === true ? 1 : 0)));
  return encodeFrame(header, floats, limited);
}

function decodeSamples(frame: ReturnType<typeof decodeFrame>, counts: readonly number[]): Sample[][] {
  const numbers = counts.map((count) => ({ times: frame.takeFloats(count), values: frame.takeFloats(count) }));
  const decoded = numbers.map(({ times, values }) => {
    const limited = frame.takeBytes(times.length);
    return Array.from(times, (at, index) => ({
      at,
      value: values[index] ?? Number.NaN,
      censored: limited[index] === 1,
    }));
  });
  frame.end();
  return decoded;
}

export const encodeUsage = (batches: readonly UsageBatch[]): Uint8Array[] =>
  encodeSamples(
    batches.map(({ key: { account, workload, component }, samples }) => ({
      account,
      workload,
      component,
      samples: samples.length,
    })),
    batches,
  );

export function decodeUsage(body: ArrayBuffer): UsageBatch[] {
  const frame = decodeFrame(body);
  const heads = usageHeader.parse(frame.header);
  const samples = decodeSamples(
    frame,
    heads.map((head) => head.samples),
  );
  return heads.map(({ account, workload, component }, index) => ({
    key: { account, workload, component },
    samples: samples[index] ?? [],
  }));
}

export const encodeMetrics = (batches: readonly MetricBatch[]): Uint8Array[] =>
  encodeSamples(
    batches.map(({ account, workload, metric, samples }) => ({ account, workload, metric, samples: samples.length })),
    batches,
  );

export function decodeMetrics(body: ArrayBuffer): MetricBatch[] {
  const frame = decodeFrame(body);
  const heads = metricHeader.parse(frame.header);
  const samples = decodeSamples(
    frame,
    heads.map((head) => head.samples),
  );
  return heads.map(({ account, workload, metric }, index) => ({
    account,
    workload,
    metric,
    samples: samples[index] ?? [],
  }));
}

const ERROR_KINDS = ['invalid-input', 'not-found', 'refused', 'unavailable', 'conflict', 'full'] as const;

export const errorSchema = z.object({
  kind: z.enum(ERROR_KINDS),
  component: z.string(),
  action: z.string(),
  problem: z.string(),
  remedy: z.string(),
});

export const STATUS = {
  'invalid-input': 400,
  refused: 403,
  'not-found': 404,
  conflict: 409,
  unavailable: 503,
  full: 507,
} as const satisfies Record<ErrorKind, number>;

/** An error as it travels; it becomes the same one on the other side. */
export function errorBody(error: HeadroomError): z.output<typeof errorSchema> {
  const { kind, component, action, remedy, message } = error;
  const head = `${component}: ${action}: `;
  const tail = `; ${remedy}`;
  const whole = message.startsWith(head) && message.endsWith(tail);
  const problem = whole ? message.slice(head.length, message.length - tail.length) : message;
  return { kind, component, action, problem, remedy };
}
