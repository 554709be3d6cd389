import { join } from 'node:path';
import { Client, credentials, status, type ChannelCredentials, type ServiceError } from '@grpc/grpc-js';
import { loadSync, type MethodDefinition } from '@grpc/proto-loader';
import { z } from 'zod';
import { ROOT } from '../../infra/servers/locate.js';

/* A client generated from the .proto files, as KEDA has one; it shares nothing else with the server. */

const FOLDER = join(ROOT, 'src', 'operate', 'external-scaler');
const definition = loadSync([join(FOLDER, 'externalscaler.proto'), join(FOLDER, 'health.proto')], {
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
});

const answers = {
  active: z.object({ result: z.boolean() }),
  specs: z.object({
    metricSpecs: z.array(z.object({ metricName: z.string(), targetSize: z.string(), targetSizeFloat: z.number() })),
  }),
  values: z.object({
    metricValues: z.array(z.object({ metricName: z.string(), metricValue: z.string(), metricValueFloat: z.number() })),
  }),
  health: z.object({ status: z.string() }),
};

export interface Reference {
  name?: string;
  namespace: string;
  scalerMetadata: Record<string, string>;
}

/** What a stream said so far, and how it ended. */
export interface Stream {
  said: boolean[];
  ended: { code: string; details: string } | null;
  cancel(): void;
}

export interface ScalerClient {
  isActive(reference: Reference): Promise<boolean>;
  spec(reference: Reference): Promise<z.infer<typeof answers.specs>['metricSpecs']>;
  metrics(reference: Reference, metricName: string): Promise<z.infer<typeof answers.values>['metricValues']>;
  watch(reference: Reference): Stream;
  health(service?: string): Promise<string>;
  close(): void;
}

/** @param security default: plain text. */
export function scalerClient(
  address: string,
  security: ChannelCredentials = credentials.createInsecure(),
): ScalerClient {
  const client = new Client(address, security, { 'grpc.initial_reconnect_backoff_ms': 100 });
  const method = (service: string, name: string): MethodDefinition<object, object> => {
    const found = definition[service];
    if (found === undefined || 'format' in found) throw new Error(`no service ${service}`);
    const one = Object.entries(found).find(([key]) => key === name)?.[1];
    if (one === undefined || typeof one !== 'object' || !('requestSerialize' in one))
      throw new Error(`no method ${name}`);
    return one;
  };
  const ask = <Schema extends z.ZodType>(service: string, name: string, request: object, schema: Schema) => {
    const { path, requestSerialize, responseDeserialize } = method(service, name);
    return new Promise<z.output<Schema>>((resolve, reject) => {
      client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        { deadline: Date.now() + 20_000 },
        (error, answer) => (error === null ? resolve(schema.parse(answer)) : reject(error)),
      );
    });
  };
  const SCALER = 'externalscaler.ExternalScaler';
  return {
    isActive: async (reference) => (await ask(SCALER, 'IsActive', reference, answers.active)).result,
    spec: async (reference) => (await ask(SCALER, 'GetMetricSpec', reference, answers.specs)).metricSpecs,
    metrics: async (scaledObjectRef, metricName) =>
      (await ask(SCALER, 'GetMetrics', { scaledObjectRef, metricName }, answers.values)).metricValues,
    watch(reference) {
      const { path, requestSerialize, responseDeserialize } = method(SCALER, 'StreamIsActive');
      const call = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, reference);
      const stream: Stream = { said: [], ended: null, cancel: () => call.cancel() };
      call.on('data', (message: unknown) => stream.said.push(answers.active.parse(message).result));
      call.on('error', (error: ServiceError) => (stream.ended = { code: status[error.code], details: error.details }));
      call.on('end', () => (stream.ended ??= { code: 'OK', details: '' }));
      return stream;
    },
    health: async (service = '') => (await ask('grpc.health.v1.Health', 'Check', { service }, answers.health)).status,
    close: () => client.close(),
  };
}

/** `UNAVAILABLE: …`: the status of a call that failed. */
export async function refusal(call: Promise<unknown>): Promise<string> {
  try {
    return `answered ${JSON.stringify(await call)}`;
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'number') throw error;
    return `${status[error.code] ?? ''}: ${'details' in error ? String(error.details) : ''}`;
  }
}
