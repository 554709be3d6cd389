import { z } from 'zod';
import { parseQuantity } from '../../domain/component.js';
import { read } from '../../domain/read.js';
import { parseDuration, parseTime } from '../../domain/time.js';

/* Readers that the scenario's and the faults' schemas share: amounts, durations and times as in the account file. */

/** `90s`, or seconds. */
export const seconds = z
  .union([z.string(), z.number()])
  .transform(read((value: string | number) => (typeof value === 'number' ? value : parseDuration(value))))
  .refine((value) => value >= 0, 'must not be negative');

/** ISO-8601 with a zone, or epoch seconds. */
export const time = z
  .union([z.string(), z.number()])
  .transform(read((value: string | number) => parseTime(String(value))));

/** `500m`, `16Gi`, or a number in the component's unit. */
export const amount = z
  .union([z.string(), z.number()])
  .transform(read(parseQuantity))
  .refine((value) => value >= 0, 'must not be negative');

export const count = z.int().min(0);
export const name = z.string().min(1).max(253);
