import { z } from 'zod';
import type { MigrationOutcome } from '../domain/migration.js';

/** A record is what the migration itself wrote; of an older build’s, what is not there is not shown. */
export const recordSchema = z.object({ outcome: z.custom<MigrationOutcome>().nullable() });
