import { z } from 'zod';
import type { MigrationOrder } from '../src/domain/migration.js';
import type { MoveRequest } from '../src/cluster/migrating.js';
import type { Store } from '../src/telemetry/port.js';

/*
 * What is to be made in another cluster of one that moves there: read where the source's credentials are, made where the
 * target's are. It goes by the store, and never through a history: ConfigMaps are large, and the account's own.
 */

const bodySchema = z.object({ manifests: z.string() });

export const keepManifests = (store: Store, { id, account }: MigrationOrder, manifests: string, at: number) =>
  store.putRecord({ kind: 'manifests', id, account, at, body: { manifests } });

/** The request of a target's side with what is to be made there; others as they are. */
export async function withManifests(store: Store, request: MoveRequest): Promise<MoveRequest> {
  if (request.cross?.side !== 'target') return request;
  const found = bodySchema.safeParse((await store.getRecord('manifests', request.id))?.body);
  // A simulated cluster needs none; one that does says so.
  return found.success ? { ...request, cross: { ...request.cross, manifests: found.data.manifests } } : request;
}
