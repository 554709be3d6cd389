import type { Mutation, MutationResult, PoolState } from '../domain/cluster.js';
import { FLEET_ACCOUNT } from '../domain/fleet-names.js';
import type { Cluster, PoolTarget } from './port.js';

/** The way back of one field of a pool, as {@link Cluster.restore} has it. */
export type PoolRestore = Parameters<Cluster['restore']>[0];

/**
 * Where the nodes of shared pools come from: a node provisioner of a cluster, or whoever answers a webhook. Every write is
 * one fenced, idempotent mutation, as the cluster's own are.
 */
export interface Provisioner {
  readonly name: string;
  /**
   * How a pool stands now; null where there is no such pool.
   * @throws HeadroomError `unavailable` where whoever has to know does not answer: never an old state, never zeros.
   */
  read(pool: PoolTarget, signal: AbortSignal): Promise<PoolState | null>;
  /** One write, with the pool's cycle in its key; a repeat with the same key does nothing again. */
  apply(mutation: Mutation, pool: PoolTarget, signal: AbortSignal): Promise<MutationResult>;
  /** Puts the value of before back, unless somebody else wrote it since: then it stays, and the answer says `moved`. */
  restore(restore: PoolRestore, pool: PoolTarget, signal: AbortSignal): Promise<MutationResult>;
}

/** Pools whose nodes a cluster knows: the simulated one's own, Karpenter's NodePools, Cluster API's MachineDeployments. */
export function createClusterProvisioner(cluster: Cluster): Provisioner {
  return {
    name: cluster.name,
    async read(pool, signal) {
      const state = await cluster.observe(
        {
          account: FLEET_ACCOUNT,
          workloads: [],
          pools: [pool.pool],
          provisioned: [pool],
          ...(pool.nodeSelector === undefined ? {} : { nodeSelectors: { [pool.pool]: pool.nodeSelector } }),
        },
        signal,
      );
      return state.pools.find((one) => one.pool === pool.pool) ?? null;
    },
    apply: (mutation, pool, signal) => cluster.apply(mutation, pool, signal),
    restore: (restore, pool, signal) => cluster.restore(restore, pool, signal),
  };
}
