import { z } from 'zod';
import { parseTime, type EpochSeconds } from '../domain/time.js';

/*
 * Behavioural events: who did what on which data, and how much of it. `EventInput` is what a sender writes, with the raw
 * id of the user; it exists only between the socket and the door (telemetry/events/door.ts). `BehaviorEvent` is what
 * the door keeps, with a pseudonym in its place; `BehaviorRow` is what is stored, with no person in it at all.
 */

/** Control characters have no place in a label, and would let a sender write into somebody's terminal. */
const PRINTABLE = /^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+$/u;
const label = (most: number) =>
  z
    .string('must be text')
    .trim()
    .min(1, 'must not be empty')
    .max(most, `must have at most ${most} characters`)
    .regex(PRINTABLE, 'must not have control characters');

const amount = z.number('must be a number').min(0, 'must not be negative').max(1e12, 'must be at most 1e12');

/** Never echoes what was written: a sender who swaps two fields would find the id of a user in a log. */
const time = z.union([z.string(), z.number()], 'must be a time').transform((value, context): EpochSeconds => {
  try {
    const seconds = parseTime(String(value));
    // Beyond it lies milliseconds or nanoseconds taken for seconds.
    if (Math.abs(seconds) <= 1e11) return seconds;
  } catch {
    // Told below, without the value.
  }
  context.addIssue({ code: 'custom', message: 'must be epoch seconds or ISO-8601 with a zone' });
  return z.NEVER;
});

export const eventInputSchema = z
  .strictObject(
    {
      account: z
        .string('must be text')
        .max(63, 'must have at most 63 characters')
        .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, 'must be lower-case letters, digits, "-" and "."'),
      at: time,
      user: label(512).optional().describe('The raw id; it ends at the door'),
      system: z.boolean('must be true or false').default(false).describe('No person: a schedule or a service did it'),
      operation: label(128),
      dataset: label(256).optional(),
      group: label(128).optional(),
      count: z.number('must be a number').gt(0, 'must be above 0').max(1e12, 'must be at most 1e12').default(1),
      complexity: amount.optional().describe('Of one operation, in the sender’s own unit'),
      id: label(256).optional().describe('A repeat of the same id counts once'),
      sessions: amount.optional().describe('Sessions that are active at this moment'),
      inputRate: amount.optional().describe('Inputs a second'),
      program: label(128).optional(),
      region: label(128).optional(),
    },
    'must be one JSON object with known fields',
  )
  .superRefine((event, context) => {
    if (event.system === (event.user !== undefined)) {
      const message = event.system
        ? 'must be absent where "system" is true'
        : 'is missing; say "system": true where no person acted';
      context.addIssue({ code: 'custom', path: ['user'], message });
    }
  });

export const EVENT_FIELDS: readonly string[] = Object.keys(eventInputSchema.shape);

/** What a sender writes, defaults filled in. */
export type EventInput = z.output<typeof eventInputSchema>;

/** An event as it is kept until its bin closes: the person is a pseudonym, which changes every day. */
export interface BehaviorEvent {
  account: string;
  at: EpochSeconds;
  /** Keyed hash of the user, or of the program where no person acted. */
  person: string;
  system: boolean;
  operation: string;
  dataset: string | null;
  group: string | null;
  count: number;
  complexity: number | null;
  sessions: number | null;
  inputRate: number | null;
  program: string | null;
  region: string | null;
}

/**
 * What a row counts: `operation` (name: the operation, detail: its data set), `transition` (name: one operation, detail:
 * the next one of the same person within a session), `program` and `region` (name alone).
 */
export const ROW_KINDS = ['operation', 'transition', 'program', 'region'] as const;
export type RowKind = (typeof ROW_KINDS)[number];

export const ROW_PARTS = ['detail', 'group', 'name'] as const;
export type RowPart = (typeof ROW_PARTS)[number];

const measureSchema = z.strictObject({ sum: z.number(), of: z.number() });

export const behaviorRowSchema = z.strictObject({
  kind: z.enum(ROW_KINDS),
  /** Start of the bin. */
  at: z.number(),
  /** Seconds of the bin: the door's own, or a day for what was too little within it. */
  width: z.number(),
  name: z.string().nullable(),
  detail: z.string().nullable(),
  group: z.string().nullable(),
  /** Which of the three are null because small groups were merged, and not because nothing was said. */
  merged: z.array(z.enum(ROW_PARTS)),
  /** Distinct persons behind the row, k or more; null where no person acted. */
  users: z.int().nullable(),
  /** The sum of `count`; of a transition, how often it was made. */
  events: z.number(),
  /** Work: the sum of count × complexity, over `of` operations that say theirs. Null: fewer than k persons say it. */
  complexity: measureSchema.nullable(),
  sessions: measureSchema.nullable(),
  inputRate: measureSchema.nullable(),
});

/**
 * Aggregated behaviour, as it is stored and read. Rows of one bin add up, also where late events brought further ones;
 * their `users` do not, since one person may stand behind several.
 */
export type BehaviorRow = z.output<typeof behaviorRowSchema>;
export type Measure = z.output<typeof measureSchema>;
