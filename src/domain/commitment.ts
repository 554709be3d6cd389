import { z } from 'zod';
import type { Held } from './held.js';

/*
 * What the fleet recommends to reserve, and what a person decided on it, as the store has it. A recommendation brings along
 * the hours of nodes that it saw first, so that the history outlives the plans that it was read from.
 */

const recommendedSchema = z.object({
  /** What a person approves or rejects. */
  id: z.string(),
  pool: z.string(),
  /** Null where nothing is worth reserving, or nothing can be judged yet. */
  term: z.string().nullable(),
  nodes: z.number(),
  /** Seconds that the term binds; 0 without one. */
  length: z.number(),
  /** Money per hour of one node: reserved, and as the pool has it. */
  pricePerHour: z.number(),
  onDemandPerHour: z.number(),
  /** Expected money per hour over the term, with and without; equal where nothing is recommended. */
  costPerHour: z.number(),
  withoutPerHour: z.number(),
  /** How often the last reserved node is needed. */
  usedShare: z.number(),
  /** Whole weeks of history that it was judged by. */
  weeks: z.number(),
  words: z.string(),
  /** Terms that the history is too short or too full of gaps for, and why. */
  notJudged: z.array(z.string()),
});
export type Recommended = z.output<typeof recommendedSchema>;

export const recommendationSchema = z.object({
  kind: z.literal('recommendation'),
  id: z.string(),
  at: z.number(),
  fleetId: z.string(),
  currency: z.string(),
  /** The hours that this one brings along: whole ones from `from` to before `to`. */
  from: z.number(),
  to: z.number(),
  /** Nodes needed by pool and hour; null: unknown. */
  nodes: z.record(z.string(), z.array(z.number().nullable())),
  pools: z.array(recommendedSchema),
});
export type Recommendation = z.output<typeof recommendationSchema>;

export const decisionSchema = z.object({
  kind: z.literal('decision'),
  /** Of what was recommended. */
  id: z.string(),
  decision: z.enum(['approved', 'rejected']),
  author: z.string(),
  at: z.number(),
  pool: z.string(),
  term: z.string(),
  nodes: z.number(),
  pricePerHour: z.number(),
  /** When the term ends, should it begin with the decision. */
  until: z.number(),
});
export type Decision = z.output<typeof decisionSchema>;

export const commitmentRecordSchema = z.discriminatedUnion('kind', [recommendationSchema, decisionSchema]);

/** What an approved commitment pays for: from the decision on, as its record has it. */
export const heldBy = ({ term, nodes, at, until, pricePerHour }: Decision): Held => ({
  ...{ name: term, nodes, from: at, until, pricePerHour },
});

/** Nodes that are reserved at a moment: those that were approved and whose term is not over. */
export const isReserved = ({ decision, until }: Decision, at: number): boolean => decision === 'approved' && until > at;
