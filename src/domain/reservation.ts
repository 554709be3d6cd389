import { z } from 'zod';
import { name, time } from './values.js';

/** Nodes that are paid for anyway, as a fleet file and an account file say them: bought before Headroom, or without it. */
export const reservationSchema = z
  .strictObject({
    name: name.optional().describe('What it is called in plans; default: the pool’s name'),
    pool: name.describe('The on-demand pool whose nodes it pays for'),
    nodes: z.int().min(1).describe('So many nodes are paid, whether they run or not'),
    from: time.optional().describe('When it begins; default: long ago'),
    until: time.describe('When it ends: from then on these nodes cost what the pool costs'),
    pricePerHour: z.number().min(0).max(1e6).describe('Of one node, paid in any case, with what was paid ahead spread'),
  })
  .meta({ id: 'Reservation' });

export type Reservation = z.output<typeof reservationSchema>;
