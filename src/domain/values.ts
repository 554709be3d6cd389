import { z } from 'zod';
import { COMPONENTS, parseQuantity } from './component.js';
import { read } from './read.js';
import { parseDuration, parseTime } from './time.js';

/* The kinds of value in an account file: each is read into the unit that everything else counts in. */

export const duration = z
  .union([z.string(), z.number().min(0)])
  .meta({ description: 'A duration: 90s, 5m, 1h30m, 2d, 1w; a number is seconds', examples: ['5m', '2h'] })
  .transform(read((value: string | number) => (typeof value === 'number' ? value : parseDuration(value))));
export const time = z
  .union([z.string(), z.number()])
  .meta({ description: 'A time: ISO-8601 with a zone, or epoch seconds', examples: ['2026-05-01T12:00:00Z'] })
  .transform(read((value: string | number) => parseTime(String(value))));
export const quantity = z
  .union([z.string(), z.number()])
  .meta({ description: 'An amount: 500m, 1.5, 16Gi', examples: ['500m', '16Gi'] })
  .transform(read(parseQuantity))
  .refine((value) => value >= 0, 'must not be negative');
export const name = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, 'must be lower-case letters, digits, "-" and ".", as a Kubernetes name')
  .max(63);
/** Kubernetes takes dots in the names of objects, and not in the name of a namespace (RFC 1123 label). */
export const namespaceName = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'must be lower-case letters, digits and "-", as the name of a namespace')
  .max(63);
export const component = z.enum(COMPONENTS);
export const resources = z.partialRecord(component, quantity);
/** Kubernetes' own syntax of label keys and values. */
export const labelsSchema = z
  .record(
    z
      .string()
      .regex(/^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/, 'is no label key'),
    z.string().regex(/^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/, 'is no label value'),
  )
  .refine(
    (labels) => Object.keys(labels).length > 0,
    'names no label; leave it out, or name at least one, as app: web',
  );
