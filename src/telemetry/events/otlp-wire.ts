import protobuf from 'protobufjs/light.js';
import { z } from 'zod';

/*
 * OTLP logs as they travel (opentelemetry.io/docs/specs/otlp, version 1). Of the messages only the fields are named
 * that events are made from: both formats ask receivers to skip the others.
 */

const repeated = (type: string, id: number) => ({ rule: 'repeated', type, id });
const oneof = (...names: string[]) => ({ oneof: names });

const root = protobuf.Root.fromJSON({
  nested: {
    ExportLogsServiceRequest: { fields: { resourceLogs: repeated('ResourceLogs', 1) } },
    ResourceLogs: { fields: { resource: { type: 'Resource', id: 1 }, scopeLogs: repeated('ScopeLogs', 2) } },
    Resource: { fields: { attributes: repeated('KeyValue', 1) } },
    ScopeLogs: { fields: { logRecords: repeated('LogRecord', 2) } },
    LogRecord: {
      fields: {
        timeUnixNano: { type: 'fixed64', id: 1 },
        attributes: repeated('KeyValue', 6),
        observedTimeUnixNano: { type: 'fixed64', id: 11 },
        eventName: { type: 'string', id: 12 },
      },
    },
    KeyValue: { fields: { key: { type: 'string', id: 1 }, value: { type: 'AnyValue', id: 2 } } },
    AnyValue: {
      oneofs: { value: oneof('stringValue', 'boolValue', 'intValue', 'doubleValue') },
      fields: {
        stringValue: { type: 'string', id: 1 },
        boolValue: { type: 'bool', id: 2 },
        intValue: { type: 'int64', id: 3 },
        doubleValue: { type: 'double', id: 4 },
      },
    },
    ExportLogsServiceResponse: { fields: { partialSuccess: { type: 'ExportLogsPartialSuccess', id: 1 } } },
    ExportLogsPartialSuccess: {
      fields: { rejectedLogRecords: { type: 'int64', id: 1 }, errorMessage: { type: 'string', id: 2 } },
    },
    // google.rpc.Status, the body of every refusal.
    Status: { fields: { code: { type: 'int32', id: 1 }, message: { type: 'string', id: 2 } } },
  },
});

/** 64-bit numbers are text in JSON, and may be text here; a nanosecond more or less does not matter to a bin. */
const big = z.union([z.string().regex(/^-?\d{1,20}$/), z.number()]).transform(Number);
const valueSchema = z.object({
  stringValue: z.string().optional(),
  boolValue: z.boolean().optional(),
  intValue: big.optional(),
  doubleValue: z.union([z.number(), z.string().transform(Number)]).optional(),
});
const attributesSchema = z
  .array(z.object({ key: z.string().default(''), value: valueSchema.nullish() }))
  .nullish()
  .transform((all) => all ?? []);
const recordSchema = z.object({
  timeUnixNano: big.nullish(),
  observedTimeUnixNano: big.nullish(),
  eventName: z.string().nullish(),
  attributes: attributesSchema,
});
const list = <Schema extends z.ZodType>(schema: Schema) =>
  z
    .array(schema)
    .nullish()
    .transform((all) => all ?? []);
const requestSchema = z.object({
  resourceLogs: list(
    z.object({
      resource: z.object({ attributes: attributesSchema }).nullish(),
      scopeLogs: list(z.object({ logRecords: list(recordSchema) })),
    }),
  ),
});

export type OtlpRequest = z.output<typeof requestSchema>;
export type OtlpRecord = z.output<typeof recordSchema>;
export type OtlpAttributes = z.output<typeof attributesSchema>;

export const OTLP_TYPES = ['application/x-protobuf', 'application/json'] as const;
export type OtlpType = (typeof OTLP_TYPES)[number];

/** @throws Error where the body is not an export request; its message may repeat the body, and is not to be shown. */
export function decodeOtlp(body: Uint8Array, type: OtlpType): OtlpRequest {
  if (type === 'application/json') return requestSchema.parse(JSON.parse(new TextDecoder().decode(body)));
  const message = root.lookupType('ExportLogsServiceRequest');
  return requestSchema.parse(message.toObject(message.decode(body), { longs: String, defaults: false }));
}

const encode = (name: string, value: object, type: OtlpType): Uint8Array<ArrayBuffer> => {
  if (type === 'application/json') return new TextEncoder().encode(JSON.stringify(value));
  const message = root.lookupType(name);
  return Uint8Array.from(message.encode(message.fromObject(value)).finish());
};

/** The answer to a request; of a full success it is empty, as the specification asks. */
export const encodeOtlpAnswer = (rejected: number, message: string, type: OtlpType): Uint8Array<ArrayBuffer> =>
  encode(
    'ExportLogsServiceResponse',
    rejected === 0 ? {} : { partialSuccess: { rejectedLogRecords: String(rejected), errorMessage: message } },
    type,
  );

/** @param code of google.rpc.Code. */
export const encodeOtlpStatus = (code: number, message: string, type: OtlpType): Uint8Array<ArrayBuffer> =>
  encode('Status', { code, message }, type);
