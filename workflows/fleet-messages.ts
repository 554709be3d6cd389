import { defineQuery, defineUpdate } from '@temporalio/workflow';
import type { Freeze } from '../src/domain/control.js';
import type { FleetPolicy } from '../src/domain/fleet.js';
import type { FleetPlanSummary } from '../src/domain/fleet-plan.js';
import type { EpochSeconds } from '../src/domain/time.js';
import type { Queues } from './messages.js';

/** What the fleet carries from run to run: plain JSON, bounded in size. */
export interface FleetState {
  policy: FleetPolicy;
  /** Queues of light and compute work; each cluster's own is made of its name, where it has one. */
  queues: Queues;
  revision: number;
  fleetId: string;
  startedAt: EpochSeconds;
  author: string;
  cycle: number;
  nextCycleAt: EpochSeconds;
  phase: 'sleeping' | 'observing' | 'gathering' | 'solving' | 'granting' | 'sizing';
  plan: FleetPlanSummary | null;
  /** The last grants: how many, and until when they last. */
  grants: { planId: string; count: number; until: EpochSeconds } | null;
  /** What the last sizing came to. */
  sized: { changeId: string; at: EpochSeconds; lines: string[] } | null;
  /** The last recommendation of commitments, and when the next is due. Absent before the first. */
  commitments?: { id: string; at: EpochSeconds; nextAt: EpochSeconds; lines: string[]; open: number };
  /** Why the last cycle did not get through; null where it did. */
  problem: string | null;
  log: { at: EpochSeconds; text: string }[];
}

/** Starts the fleet's cycles, or goes on by another file. */
export const setFleetUpdate = defineUpdate<
  { revision: number },
  [{ policy: FleetPolicy; author: string; queues: Queues }]
>('set-fleet');
/** Ends them: accounts are as they would be without a fleet. The freeze stays. */
export const stopFleetUpdate = defineUpdate<{ stopped: boolean }, [{ author: string }]>('stop-fleet');

/** What `headroom fleet status` shows. */
export interface FleetStatus {
  fleet: (Omit<FleetState, 'queues'> & { now: EpochSeconds }) | null;
  freeze: Freeze | null;
}

export const fleetStatusQuery = defineQuery<FleetStatus>('status');
