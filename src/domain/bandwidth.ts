import { z } from 'zod';
import { duration, name, quantity } from './values.js';
import type { EpochSeconds } from './time.js';

/*
 * Bandwidth that is reserved ahead: a line, an interconnect or an egress contract whose capacity is bought block by block
 * before it is used. Amounts are bytes/s, as the component `network` has them.
 */

/** What prices of bandwidth are of. */
export const MIB = 2 ** 20;
/** What moves in an hour at 2^20 bytes/s, in 2^30 bytes: how a price of use compares with a price of a reservation. */
export const GIB_PER_MIB_HOUR = 3600 / 1024;

export const bandwidthSchema = z
  .strictObject({
    name,
    workloads: z
      .array(name)
      .min(1)
      .optional()
      .describe('Whose network it carries; default: all that have a component network'),
    block: duration.default(3600).describe('Reserved in blocks of this length, from the epoch on: as 1h, 6h, 1d'),
    ahead: duration.default(3600).describe('How long before a block begins it has to be reserved, at the latest'),
    unit: quantity.default(MIB).describe('Reserved in multiples of so many bytes/s'),
    max: quantity.describe('The most that can be reserved, bytes/s'),
    pricePerHour: z
      .number()
      .min(0)
      .max(1e6)
      .describe('Of 2^20 bytes/s reserved for an hour, in the account’s currency'),
    beyondPerGiB: z
      .number()
      .min(0)
      .max(1e6)
      .optional()
      .describe('Of 2^30 bytes beyond the reservation; without it nothing gets beyond'),
  })
  .meta({ id: 'Bandwidth', description: 'Bandwidth that is reserved ahead' });

export type BandwidthPolicy = z.output<typeof bandwidthSchema>;

/** What kept a reservation from being more. */
export type BandwidthBound = 'price' | 'level' | 'maximum' | 'budget';

export interface ReservedBlock {
  from: EpochSeconds;
  to: EpochSeconds;
  /** Until when it has to be reserved. */
  by: EpochSeconds;
  /** Bytes/s. */
  reserve: number;
  bound: BandwidthBound;
  /** Share of the block's time in which more than the reservation is expected to be wanted. */
  busy: number;
  /** What is expected beyond the reservation, the mean of the block, bytes/s: paid by use, or not carried. */
  beyond: number;
  /** The reservation and what is expected to be paid beyond it. */
  costPerHour: number;
  /** No reservation keeps the budget beside the nodes, and this one costs least. */
  overBudget?: true;
}

/** What a plan says of one link: its blocks, or why nothing is decided now. */
export interface PlannedBandwidth {
  link: string;
  workloads: string[];
  /** Null where something is. */
  undecided: string | null;
  blocks: ReservedBlock[];
}
