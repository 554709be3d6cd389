import { gather, type GatherStore } from '../../activities/fleet/gather.js';
import { decidedFleet, type DecidedFleet } from '../../activities/fleet/plan.js';
import { unpackWithPlan } from '../../activities/fleet/placed.js';
import { createFleetSolver } from '../allocate/fleet/solver.js';
import type { FleetPolicy } from '../domain/fleet.js';
import type { FleetPlanRecord, ObservedPool } from '../domain/fleet-plan.js';
import { FLEET_ACCOUNT } from '../domain/fleet-names.js';
import type { Prices } from '../prices/port.js';
import type { EpochSeconds } from '../domain/time.js';

/** Nobody is asked how the pools stand: they are as the last plan saw them; what it did not see either is not known. */
async function lastSeen(store: GatherStore, fleet: FleetPolicy): Promise<ObservedPool[]> {
  const [record] = await store.listRecords('fleet-plan', FLEET_ACCOUNT, { limit: 1 });
  const last = record === undefined ? null : (record.body as FleetPlanRecord);
  return fleet.pools.map(({ name }): ObservedPool => {
    const before = last?.pools.find(({ pool }) => pool === name);
    const nodes = before?.now ?? null;
    if (nodes === null) return { pool: name, state: null, problem: 'nobody has read it yet' };
    return {
      pool: name,
      state: { pool: name, nodes, readyNodes: before?.ready ?? nodes, owner: null },
      problem: null,
    };
  });
}

/** Solves once from what the store has; writes nothing and asks nobody else. */
export async function fleetOnce(
  store: GatherStore,
  fleet: FleetPolicy,
  at: EpochSeconds,
  prices?: Prices,
): Promise<DecidedFleet> {
  const seen = await lastSeen(store, fleet);
  const packed = await gather(store, fleet, at, seen, AbortSignal.timeout(PATIENCE_MS), {
    sizeUnread: true,
    ...(prices === undefined ? {} : { prices }),
  });
  const input = await unpackWithPlan(store, packed);
  const solver = await createFleetSolver();
  const plan = solver.solve(input);
  return decidedFleet(plan, { fleet, fleetId: 'once', planId: 'fleet/once', at }, packed, input, seen);
}

const PATIENCE_MS = 120_000;
