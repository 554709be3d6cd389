import { z } from 'zod';
import { RECORD_KINDS } from './port.js';

/* What the store holds of an account, and how it is removed. */

const counts = z.object({
  /** Series of usage and of other metrics, with their samples. */
  series: z.array(
    z.object({
      kind: z.enum(['usage', 'metric']),
      workload: z.string(),
      name: z.string(),
      samples: z.int(),
      /** Time of the newest; null without any. */
      last: z.number().nullable(),
    }),
  ),
  /** Rows of behaviour, and the closings of bins that brought them. */
  behavior: z.int(),
  /** End of the newest bin of behaviour; null without any. */
  lastEvent: z.number().nullable(),
  closings: z.int(),
  records: z.partialRecord(z.enum(RECORD_KINDS), z.int()),
  /** Families of snapshots: their names, since a snapshot is no copy. */
  snapshots: z.int(),
});

export const holdingsSchema = counts;
export type Holdings = z.output<typeof holdingsSchema>;

export const scrubbedSchema = z.object({
  /** Rows of behaviour in whose labels the id stood as a word. */
  rows: z.int(),
  /** Profiles dropped with them, to be built anew from the rows. */
  profiles: z.int(),
  /** Plans that told an action of a data set with the id in its name: what was told is taken out of them. */
  plans: z.int(),
});
export type Scrubbed = z.output<typeof scrubbedSchema>;

export interface StoreErasure {
  /** What the store has of an account, and nothing else of it. */
  holdings(account: string): Promise<Holdings>;
  /** Removes all of it, at once or not at all; what it removed. A repeat removes nothing. */
  eraseAccount(account: string): Promise<Holdings>;
  /**
   * Puts `{user}` in the place of an id wherever it stands as a word in a stored label of behaviour: in events of others
   * it was a label like any other.
   * @param id three characters or more.
   */
  scrubLabels(id: string): Promise<Scrubbed>;
  /** Accounts with rows of behaviour. */
  behaviorAccounts(): Promise<string[]>;
}

export const isEmpty = (held: Holdings): boolean =>
  held.series.length + held.behavior + held.closings + held.snapshots === 0 && Object.keys(held.records).length === 0;
