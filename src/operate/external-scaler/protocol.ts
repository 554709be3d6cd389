import { join } from 'node:path';
import type { ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';

/* The messages as they stand in the .proto files beside this one; int64 as text, absent fields as their defaults. */

export interface IsActiveResponse {
  result: boolean;
}

export interface GetMetricSpecResponse {
  metricSpecs: { metricName: string; targetSize: string; targetSizeFloat: number }[];
}

export interface GetMetricsResponse {
  metricValues: { metricName: string; metricValue: string; metricValueFloat: number }[];
}

export type ServingStatus = 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN';

/** An int64 for those who know no other: rounded up, so that it never asks for less. */
export const wholeNumber = (value: number): string =>
  BigInt(Math.ceil(Math.min(value, Number.MAX_SAFE_INTEGER))).toString();

/** @param folder where the .proto files are; they travel as they are, TypeScript does not copy them. */
export function loadProtocol(folder: string): { scaler: Service; health: Service } {
  const definition = loadSync([join(folder, 'externalscaler.proto'), join(folder, 'health.proto')], {
    keepCase: true,
    longs: String,
    enums: String,
    defaults: true,
    objects: true,
    arrays: true,
  });
  return {
    scaler: serviceOf(definition, 'externalscaler.ExternalScaler'),
    health: serviceOf(definition, 'grpc.health.v1.Health'),
  };
}

type Service = ServiceDefinition<UntypedServiceImplementation>;

function serviceOf(definition: PackageDefinition, name: string): Service {
  const found = definition[name];
  // Messages and enums have a format; a service is a table of methods.
  if (found === undefined || 'format' in found) throw new TypeError(`the protocol has no service ${name}`);
  const methods: Record<string, Service[string]> = {};
  for (const [method, value] of Object.entries(found)) {
    if (typeof value === 'object' && 'requestSerialize' in value) methods[method] = value;
  }
  return methods;
}
