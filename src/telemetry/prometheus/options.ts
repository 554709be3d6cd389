import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import { COMPONENTS, type Component } from '../../domain/component.js';
import { HeadroomError } from '../../domain/errors.js';
import { read } from '../../domain/read.js';
import { parseDuration } from '../../domain/time.js';
import type { ConnectionOptions } from './client.js';
import type { Locate } from './locate.js';
import type { Owners, UsageTemplate } from './templates.js';

const duration = z
  .union([z.string(), z.number()])
  .transform(read((value: string | number) => (typeof value === 'number' ? value : parseDuration(value))))
  .refine((seconds) => seconds >= 1 && Number.isInteger(seconds), 'must be whole seconds, at least one');
const share = z.number().gt(0).max(1);
const usageTemplate = z.union([
  z
    .string()
    .min(1)
    .transform((query): UsageTemplate => ({ query })),
  z
    .strictObject({ query: z.string().min(1), censored: z.string().min(1).optional() })
    .transform(({ query, censored }): UsageTemplate => ({ query, ...(censored === undefined ? {} : { censored }) })),
]);

/** What is asked of Prometheus: the file that PROMETHEUS_TEMPLATES names (YAML or JSON), all of it optional. */
export const templatesSchema = z.strictObject({
  /** `auto`: kube-state-metrics where it is there, else the patterns of pod names. */
  owners: z.enum(['auto', 'kube-state-metrics', 'pod-name']).default('auto'),
  /** How old a gauge's sample may be: at least its scrape interval. */
  lookback: duration.default(120),
  /** How often within a bin gauges of pods are looked at. */
  resolution: duration.default(60),
  /** Share of throttled periods above which a bin is censored. */
  throttledShare: share.default(0.1),
  /** Share of its memory limit above which a container makes the bin censored. */
  limitShare: share.default(0.95),
  usage: z.partialRecord(z.enum(COMPONENTS), usageTemplate).default({}),
  /** By name of the metric; `*` answers for all that have none of their own. */
  metrics: z.record(z.string(), z.string().min(1)).default({}),
});
export type Templates = z.output<typeof templatesSchema>;

export interface PrometheusOptions extends ConnectionOptions {
  /** Default: by the defaults of the account file. */
  locate?: Locate;
  owners?: Owners | 'auto';
  /** Seconds. */
  lookback?: number;
  resolution?: number;
  throttledShare?: number;
  limitShare?: number;
  /** Instead of those that come with Headroom. */
  usage?: Partial<Record<Component, UsageTemplate | string>>;
  metrics?: Record<string, string>;
  /** Points of one series that the server returns at once; default 11000, which is Prometheus' own. */
  pointLimit?: number;
}

export const connectionSchema = z.object({
  url: z.url({ protocol: /^https?$/ }),
  token: z.string().min(1).optional(),
  tokenFile: z.string().min(1).optional(),
  basic: z.strictObject({ user: z.string().min(1), password: z.string() }).optional(),
  headers: z.record(z.string().regex(/^[!#$%&'*+.^_`|~\w-]+$/), z.string().regex(/^[\t\x20-\x7e]*$/)).optional(),
  ca: z.string().min(1).optional(),
  timeout: z.number().positive().optional(),
  mostBytes: z.number().positive().optional(),
  pointLimit: z.int().min(1).max(1_000_000).default(11_000),
});

const invalid = (action: string, problem: string, remedy: string, cause?: unknown): HeadroomError =>
  new HeadroomError({
    kind: 'invalid-input',
    component: 'telemetry/prometheus',
    action,
    problem,
    remedy,
    ...(cause === undefined ? {} : { cause }),
  });

/** @throws HeadroomError `invalid-input` that names the option. */
export function checked<Schema extends z.ZodType>(schema: Schema, value: unknown, action: string): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw invalid(action, z.prettifyError(parsed.error).replaceAll('\n', ' '), 'correct it');
}

function readText(path: string, action: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw invalid(action, error instanceof Error ? error.message : String(error), 'correct the path', error);
  }
}

/** @throws HeadroomError `invalid-input`: no such file, no YAML, an unknown field. */
export function readTemplatesFile(path: string): Templates {
  const action = `reading ${path}`;
  const text = readText(path, action);
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw invalid(action, error instanceof Error ? error.message : String(error), 'write YAML or JSON', error);
  }
  return checked(templatesSchema, value ?? {}, action);
}

/**
 * PROMETHEUS_URL; PROMETHEUS_TOKEN, PROMETHEUS_TOKEN_FILE or PROMETHEUS_USER and PROMETHEUS_PASSWORD;
 * PROMETHEUS_CA_FILE; PROMETHEUS_HEADERS (a JSON object); PROMETHEUS_TEMPLATES (see {@link templatesSchema}).
 * @throws HeadroomError `invalid-input` that names the variable.
 */
export function prometheusOptions(env: NodeJS.ProcessEnv): PrometheusOptions {
  const value = (name: string): string | undefined => (env[name] === '' ? undefined : env[name]);
  const url = value('PROMETHEUS_URL');
  if (url === undefined) {
    throw invalid('reading the environment', 'PROMETHEUS_URL is not set', 'set it to the URL of your Prometheus');
  }
  const [token, tokenFile, user, password, ca, headers, templates] = [
    'PROMETHEUS_TOKEN',
    'PROMETHEUS_TOKEN_FILE',
    'PROMETHEUS_USER',
    'PROMETHEUS_PASSWORD',
    'PROMETHEUS_CA_FILE',
    'PROMETHEUS_HEADERS',
    'PROMETHEUS_TEMPLATES',
  ].map(value);
  if ([token, tokenFile, user].filter((one) => one !== undefined).length > 1) {
    throw invalid(
      'reading the environment',
      'more than one of PROMETHEUS_TOKEN, PROMETHEUS_TOKEN_FILE and PROMETHEUS_USER is set',
      'keep one',
    );
  }
  return {
    url,
    ...(token === undefined ? {} : { token }),
    ...(tokenFile === undefined ? {} : { tokenFile }),
    ...(user === undefined ? {} : { basic: { user, password: password ?? '' } }),
    ...(ca === undefined ? {} : { ca: readText(ca, 'reading PROMETHEUS_CA_FILE') }),
    ...(headers === undefined ? {} : { headers: headersOf(headers) }),
    ...(templates === undefined ? {} : readTemplatesFile(templates)),
  };
}

function headersOf(text: string): Record<string, string> {
  const action = 'reading PROMETHEUS_HEADERS';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(action, 'it is no JSON', 'write for example {"X-Scope-OrgID":"acme"}', error);
  }
  return checked(z.record(z.string(), z.string()), value, action);
}
