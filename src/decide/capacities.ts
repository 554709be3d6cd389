import type { ClusterState } from '../domain/cluster.js';
import type { Component } from '../domain/component.js';
import { binStart, type EpochSeconds } from '../domain/time.js';

/*
 * What was ready when, as the cycles saw it: usage of a past bin says something only beside the capacity of that bin.
 * Judged by today's capacity, every bin before a reduction would look saturated.
 */

export interface Capacities {
  /** Takes the cluster as a cycle sees it. */
  note(account: string, state: ClusterState, at: EpochSeconds, step: number): void;
  /**
   * Ready capacity over the bin with that label: the mean of what the cycles at its ends saw; NaN where none did, as
   * after a restart.
   */
  during(account: string, workload: string, component: Component, label: EpochSeconds, step: number): number;
  forget(account: string): void;
}

/** As many boundaries as the guard looks back over, and some more for cycles that came late. */
const KEPT = 12;

export function createCapacities(): Capacities {
  const seen = new Map<string, { boundary: EpochSeconds; state: ClusterState }[]>();
  const at = (account: string, boundary: EpochSeconds, workload: string, component: Component): number => {
    const entry = seen.get(account)?.find((one) => one.boundary === boundary);
    const found = entry?.state.workloads.find((one) => one.workload === workload);
    const request = found?.request[component];
    return found === undefined || !found.exists || request === undefined ? Number.NaN : found.readyReplicas * request;
  };
  return {
    note(account, state, now, step) {
      const boundary = binStart(now, step);
      const known = seen.get(account) ?? [];
      // A second look within the same bin sees more of it.
      seen.set(account, [...known.filter((one) => one.boundary !== boundary), { boundary, state }].slice(-KEPT));
    },
    during(account, workload, component, label, step) {
      const ends = [label, label + step]
        .map((boundary) => at(account, boundary, workload, component))
        .filter((capacity) => !Number.isNaN(capacity));
      return ends.length === 0 ? Number.NaN : ends.reduce((sum, capacity) => sum + capacity, 0) / ends.length;
    },
    forget: (account) => void seen.delete(account),
  };
}
