import { fleetFileSchema, type FleetPolicy } from '../../src/domain/fleet.js';
import { FLEET_ACCOUNT } from '../../src/domain/fleet-names.js';
import { HeadroomError } from '../../src/domain/errors.js';
import type { EpochSeconds } from '../../src/domain/time.js';
import type { Store } from '../../src/telemetry/port.js';
import { z } from 'zod';

/** What the fleet was started with, as the store has it. */
export interface FleetRecord {
  fleetId: string;
  at: EpochSeconds;
  policy: FleetPolicy;
  ended: boolean;
}

/*
 * A policy is written with every default filled in and every amount a number: read again by the schema of the file it
 * stays as it is.
 */
const recordSchema = z.object({ policy: fleetFileSchema, ended: z.boolean() });

type FleetStore = Pick<Store, 'putRecord' | 'getRecord' | 'listRecords'>;

export interface FleetPolicies {
  remember(record: FleetRecord): Promise<void>;
  get(fleetId: string): Promise<FleetPolicy>;
}

export function createFleetPolicies(store: FleetStore): FleetPolicies {
  const known = new Map<string, FleetPolicy>();
  return {
    async remember({ fleetId, at, policy, ended }) {
      known.set(fleetId, policy);
      await store.putRecord({ kind: 'fleet', id: fleetId, account: FLEET_ACCOUNT, at, body: { policy, ended } });
    },
    async get(fleetId) {
      const cached = known.get(fleetId);
      if (cached !== undefined) return cached;
      const record = await store.getRecord('fleet', fleetId);
      if (record === null) {
        throw new HeadroomError({
          kind: 'unavailable',
          component: 'activities/fleet',
          action: `reading the fleet ${fleetId}`,
          problem: 'the store does not have it',
          remedy: 'was the telemetry file replaced? the fleet sends its file again with its next cycle',
        });
      }
      const { policy } = recordSchema.parse(record.body);
      known.set(fleetId, policy);
      return policy;
    },
  };
}

/** The fleet as it was last started or stopped; null where there never was one. */
export async function newestFleet(store: Pick<Store, 'listRecords'>): Promise<FleetRecord | null> {
  const [record] = await store.listRecords('fleet', FLEET_ACCOUNT, { limit: 1 });
  if (record === undefined) return null;
  return { fleetId: record.id, at: record.at, ...recordSchema.parse(record.body) };
}
