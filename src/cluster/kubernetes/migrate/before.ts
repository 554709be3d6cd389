import { z } from 'zod';
import { HeadroomError } from '../../../domain/errors.js';
import type { MoveRequest } from '../../migrating.js';

const labels = z.record(z.string(), z.string());
/** Whose a field was, and whether by Server-Side Apply. */
const owner = z.object({ manager: z.string(), applied: z.boolean() }).nullable();

/**
 * What stood there when the migration was surveyed: all that the way forward writes over, with whose it was, and what it will
 * make. It is in the history from before the first write on.
 */
const beforeSchema = z.object({
  /** The source's, which a target by labels does not say. */
  name: z.string(),
  replicas: z.number(),
  /** Labels of the copy's pods that differ. */
  changed: labels,
  kind: z.enum(['http-route', 'service', 'none']),
  services: z.array(z.object({ name: z.string(), copy: z.string(), selector: labels, owner })),
  routes: z.array(z.object({ name: z.string(), rules: z.array(z.unknown()), owner })),
  volumes: z.array(
    z.object({
      ...{ claim: z.string(), copy: z.string(), method: z.enum(['snapshot', 'clone']) },
      snapshotClass: z.string().nullable(),
    }),
  ),
  images: z.boolean(),
  /** Whose the source's replicas were, where it is stopped: they go back in that name. */
  scaledBy: owner.optional(),
});
export type Before = z.output<typeof beforeSchema>;
export type Owner = z.output<typeof owner>;

export const writeBefore = (before: Before): string => JSON.stringify(before);

/** @throws HeadroomError `invalid-input` where it is none. */
export function readBefore({ before, id }: MoveRequest): Before {
  let value: unknown = null;
  try {
    value = JSON.parse(before ?? 'null');
  } catch {
    // Said below.
  }
  const parsed = beforeSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new HeadroomError({
    ...{ kind: 'invalid-input', component: 'cluster/kubernetes', action: `going on with migration ${id}` },
    problem: 'what was there before is not in its order',
    remedy: 'begin it anew',
  });
}

/** The copy's Service by the source's. */
export const copiesOf = ({ services }: Before): Record<string, string> =>
  Object.fromEntries(services.map(({ name, copy }) => [name, copy]));
