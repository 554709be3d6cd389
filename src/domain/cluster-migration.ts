import type { AccountPolicy, PoolPolicy, WorkloadPolicy } from './account.js';
import { differences } from './differences.js';
import { targetWords, type MigrationOrder, type MigrationSurvey } from './migration.js';

/*
 * An account that moves to another cluster: all of its workloads, since an account is in one cluster (its pools, its prices and
 * its queue are that one's). Plain JSON: it stands in histories.
 *
 * Each workload has three sides, each looked at and written to where its credentials are: the source, the target, and whatever
 * leads the traffic. What holds of a migration within one cluster (domain/migration.ts) holds here, on each side.
 */

export type Side = 'source' | 'target' | 'traffic';

/** What a write or a look at one side of a move between clusters needs besides a migration's order. */
export interface Crossing {
  side: Side;
  from: string;
  to: string;
  /** Pools there that the workload may run on. */
  pools: string[];
  /** What leads the traffic: an HTTPRoute of one of the two clusters, a hook of the account file, or nobody. */
  traffic: TrafficBy;
}

export type TrafficBy = 'route-at-source' | 'route-at-target' | 'hook' | 'none';

/** Where an account is: its cluster, the pools there, what each workload is called, and which pools it may run on. */
export interface ClusterPlace {
  cluster: string;
  pools: PoolPolicy[];
  workloads: Record<string, Pick<WorkloadPolicy, 'target' | 'pools' | 'mayMoveTo'>>;
}

export interface ClusterMigrationOrder extends Pick<
  MigrationOrder,
  'account' | 'number' | 'policyId' | 'steps' | 'stepFor' | 'old' | 'limits' | 'verification' | 'whenPaused'
> {
  /** `shop/@west/1`: no workload has such a name. */
  id: string;
  from: ClusterPlace;
  to: ClusterPlace;
  /** The pool that all of it is bound to there; null: those that `to` says. */
  pool: string | null;
  /** In the order of the account file. */
  workloads: { workload: string; backend: string | null }[];
  traffic: TrafficBy;
  /** Seconds that the old ones are kept without replicas before they are removed, where they are to be. */
  coolDown: number;
  author: string;
  reason: string;
}

/** The workload's place in the ids of moves: `@west`. */
export const clusterMoveName = (cluster: string): string => `@${cluster}`;

export function placeOf(policy: AccountPolicy): ClusterPlace {
  return {
    cluster: policy.cluster,
    pools: policy.pools,
    workloads: Object.fromEntries(
      policy.workloads.map(({ name, target, pools, mayMoveTo }) => [
        name,
        { target, ...(pools === undefined ? {} : { pools }), ...(mayMoveTo === undefined ? {} : { mayMoveTo }) },
      ]),
    ),
  };
}

/** The policy with its account in another place; what else it says stays. */
export function placedAt(policy: AccountPolicy, place: ClusterPlace): AccountPolicy {
  return {
    ...policy,
    cluster: place.cluster,
    pools: place.pools,
    workloads: policy.workloads.map((workload) => {
      const { pools: _pools, mayMoveTo: _mayMoveTo, ...rest } = workload;
      return { ...rest, ...place.workloads[workload.name] };
    }),
  };
}

/** The same account with all of its workloads bound to one pool there. */
export const boundTo = (place: ClusterPlace, pool: string | null): ClusterPlace =>
  pool === null
    ? place
    : {
        ...place,
        workloads: Object.fromEntries(
          Object.entries(place.workloads).map(([name, { target, pools, mayMoveTo }]) => [
            name,
            { target, pools: [pool], mayMoveTo: mayMoveTo ?? pools ?? place.pools.map((one) => one.name) },
          ]),
        ),
      };

/** A move on record that may have brought an account to another cluster. */
export interface CrossedMove {
  id: string;
  at: number;
  from: ClusterPlace;
  to: ClusterPlace;
  endedAt: number | null;
}

/**
 * A file's policy with its account where moves on record have brought it, as long as it says of cluster and pools what it said
 * before: one move leads to the next. Whoever wrote something else meant it.
 * @param inForce the policy that runs; null where none does: then moves without an end do not count.
 * @returns the policy, and the last move that brought it there; null where the file counts as it is.
 */
export function carriedAcross(
  file: AccountPolicy,
  moves: readonly CrossedMove[],
  inForce: AccountPolicy | null,
): { policy: AccountPolicy; move: CrossedMove | null } {
  let policy = file;
  let move: CrossedMove | null = null;
  const known = moves.filter(({ endedAt, to }) => endedAt !== null || to.cluster === inForce?.cluster);
  for (const one of [...known].sort((a, b) => a.at - b.at)) {
    if (policy.cluster !== one.from.cluster || differences(policy.pools, one.from.pools).length > 0) continue;
    policy = placedAt(policy, one.to);
    move = one;
  }
  const there = inForce === null || inForce.cluster === policy.cluster;
  return move === null || !there || policy.cluster === file.cluster ? { policy: file, move: null } : { policy, move };
}

/** The order of one workload as the activities of a migration take it; `policyId` is of the side's own cluster. */
export function legOrder(
  order: ClusterMigrationOrder,
  { workload, backend }: ClusterMigrationOrder['workloads'][number],
  side: Side,
  policyId: string,
): MigrationOrder {
  const { from, to, pool, traffic } = order;
  return {
    ...{ id: `${order.id}/${workload}`, account: order.account, workload, number: order.number, policyId },
    target: { pool, namespace: null, cluster: to.cluster },
    ...{ steps: order.steps, stepFor: order.stepFor, old: order.old, copyVolumes: false },
    ...{ noTraffic: traffic === 'none', backend, limits: order.limits, verification: order.verification },
    ...{ whenPaused: order.whenPaused, author: order.author, reason: order.reason },
    cross: {
      ...{ side, from: from.cluster, to: to.cluster, traffic },
      pools: to.workloads[workload]?.pools ?? to.pools.map(({ name }) => name),
    },
  };
}

/** What is known of one workload's sides before anything is touched. */
export interface LegSurvey {
  workload: string;
  source: MigrationSurvey;
  target: MigrationSurvey;
  /** Null: none is led over. */
  traffic: MigrationSurvey | null;
}

/** All of a move in one survey, for people and for the record. */
export function surveyOf(
  order: ClusterMigrationOrder,
  opened: { refusals: readonly string[]; costs: readonly string[] },
  legs: readonly LegSurvey[],
): MigrationSurvey {
  const several = order.workloads.length > 1;
  const sides = legs.flatMap(({ workload, source, target, traffic }) =>
    [source, target, ...(traffic === null ? [] : [traffic])].map((survey) => ({ workload, survey })),
  );
  const said = sides.flatMap(({ workload, survey }) =>
    survey.refusals.map((words) => (several ? `${workload}: ${words}` : words)),
  );
  const routes = legs.flatMap(({ traffic }) => traffic?.traffic.routes ?? []);
  const shared = [...new Set(routes.filter((name, index) => routes.indexOf(name) !== index))].map(
    (name) =>
      `HTTPRoute ${name} leads to several of the workloads, and each is led over by itself: give each a route of its own`,
  );
  const target = { pool: order.pool, namespace: null, cluster: order.to.cluster };
  const sum = (of: (survey: MigrationSurvey) => number): number =>
    legs.reduce((all, { source }) => all + of(source), 0);
  const listed = (of: (leg: LegSurvey) => string | undefined): string =>
    [...new Set(legs.flatMap((leg) => of(leg) ?? []))].join(', ');
  const led = legs.flatMap(({ traffic }) => traffic ?? [])[0];
  return {
    refusals: [...new Set([...opened.refusals, ...said, ...shared])],
    target,
    chosen: `${targetWords(target)}, as told: all ${order.workloads.length === 1 ? 'of it' : `${order.workloads.length} workloads`} of account ${order.account}`,
    source: {
      words: `${listed(({ source }) => source.source.words)} in cluster ${order.from.cluster}`,
      ...{ replicas: sum(({ source }) => source.replicas), ready: sum(({ source }) => source.ready) },
    },
    copy: {
      words: listed(({ target: one }) => one.copy.words),
      name: listed(({ target: one }) => one.copy.name),
    },
    traffic: {
      kind: led?.traffic.kind ?? 'none',
      words: led === undefined ? 'none is led over' : listed(({ traffic }) => traffic?.traffic.words),
      steps: led === undefined ? [] : order.steps,
    },
    ...{ images: [], volumes: [] },
    costs: [...opened.costs],
    warm: [...new Set(legs.flatMap(({ target: one }) => one.warm))],
    reverse: sides.flatMap(({ survey }) => survey.reverse),
    before: '',
  };
}

/** The policy of the cluster that a side is in. */
export const isThere = (side: Side, traffic: TrafficBy): boolean =>
  side === 'target' || (side === 'traffic' && traffic === 'route-at-target');

/** Task queue of a cluster: `headroom dev` serves all as one, elsewhere a cluster's worker has its own. */
export const clusterQueue = (queues: { light: string; cluster: string }, cluster: string): string =>
  queues.cluster === queues.light ? queues.light : `headroom-cluster-${cluster}`;
