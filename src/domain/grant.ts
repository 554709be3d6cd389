import { z } from 'zod';
import type { AccountPolicy, WorkloadPolicy } from './account.js';
import type { ClusterState } from './cluster.js';
import { COMPONENTS, type Component, type Resources } from './component.js';
import type { SharedPool } from './fleet.js';
import { mayHold } from './residency.js';
import { formatDuration, isoTime, type EpochSeconds } from './time.js';

/*
 * What the fleet grants an account, as it stands in the store, and what of it binds at a moment. A fleet that falls
 * silent must not leave one account with what another is guaranteed: what it granted ends, and each falls to its own share.
 */

const amounts = z.partialRecord(z.enum(COMPONENTS), z.number().min(0));

export const grantSchema = z.object({
  account: z.string(),
  /** The plan of the fleet that it comes from. */
  planId: z.string(),
  at: z.number(),
  until: z.number(),
  /** At most so much may be requested, by component, over the blocks until it ends. */
  granted: amounts,
  /** What it asked for; null where its demand is unknown, and it keeps what it has. */
  asked: amounts.nullable(),
  /** Nodes' worth by pool: where it is to run. */
  pools: z.record(z.string(), amounts),
  /** Of the nodes that are paid in any case, its part by pool: of those that are used, as much as of what fills the pool. */
  held: z
    .array(
      z.object({
        ...{ pool: z.string(), name: z.string(), nodes: z.number(), from: z.number(), until: z.number() },
        pricePerHour: z.number(),
      }),
    )
    .exactOptional(),
  words: z.string(),
});

export type Grant = z.output<typeof grantSchema>;

/** What of the fleet's word binds an account now. */
export interface GrantInForce {
  /** `guaranteed`: the fleet is silent, or has not spoken to this account yet. */
  source: 'fleet' | 'guaranteed';
  /** Null where there is no grant to end. */
  until: EpochSeconds | null;
  /** At most so much may be requested; a component that is absent is not shared out. */
  amounts: Resources;
  /** For the plan's reason and for `status`. */
  words: string;
}

/**
 * What an account's plan counts as paid in any case: of pools that a fleet shares what that says, in as far as it has spoken, of the
 * others what its own file states.
 */
export function reservationsUnder(
  policy: AccountPolicy,
  shared: readonly Pick<SharedPool, 'name'>[],
  held: Grant['held'],
): AccountPolicy {
  const names = new Set(shared.map(({ name }) => name));
  const stated = policy.reservations ?? [];
  const own = stated.filter(({ pool }) => !names.has(pool));
  const given = (held ?? []).filter(({ pool }) =>
    policy.pools.some(({ name, size }) => name === pool && size === 'variable'),
  );
  return own.length === stated.length && given.length === 0 ? policy : { ...policy, reservations: [...own, ...given] };
}

/** Whether an account shares a pool: its own file names it, on the same cluster. */
export const sharesPool = (policy: AccountPolicy, pool: Pick<SharedPool, 'name' | 'cluster'>): boolean =>
  policy.cluster === pool.cluster && policy.pools.some(({ name }) => name === pool.name);

/**
 * Whether any of it may run on a shared pool now. A pool that is named for `mayMoveTo` alone is shared, and nothing runs there
 * before a migration has said so.
 */
export const mayRunOn = (policy: AccountPolicy, shared: Pick<SharedPool, 'name' | 'cluster'>): boolean =>
  policy.workloads.some((workload) => workloadMayRunOn(policy, workload, shared));

/** The same of one workload. */
export function workloadMayRunOn(
  policy: AccountPolicy,
  workload: WorkloadPolicy,
  shared: Pick<SharedPool, 'name' | 'cluster'>,
): boolean {
  const pool = policy.pools.find(({ name }) => name === shared.name);
  if (pool === undefined || !sharesPool(policy, shared)) return false;
  return (workload.pools?.includes(pool.name) ?? true) && mayHold(workload, pool);
}

/**
 * @param grant the newest of the account; null where there never was one.
 * @param shared whether a fleet that binds was started, and not stopped since, whose pools the account shares.
 * @returns null where no fleet has a say: the account is as it would be without one.
 */
export function grantInForce(
  policy: AccountPolicy,
  state: ClusterState,
  at: EpochSeconds,
  { grant, shared }: { grant: Grant | null; shared: boolean },
): GrantInForce | null {
  if (!shared) return null;
  if (grant !== null && grant.until > at) {
    return { source: 'fleet', until: grant.until, amounts: grant.granted, words: grant.words };
  }
  const since =
    grant === null
      ? 'the fleet has granted nothing yet'
      : `the fleet is silent: its grant ended at ${isoTime(grant.until)} (${formatDuration(Math.round(at - grant.until))} ago)`;
  const over = grant === null ? componentsOf(policy) : COMPONENTS.filter((one) => grant.granted[one] !== undefined);
  const fallen: Resources = {};
  const unsaid: Component[] = [];
  for (const component of over) {
    const share = policy.guaranteedShare?.[component];
    if (share !== undefined) {
      fallen[component] = share;
      continue;
    }
    // No share was ever promised: what runs may stay, and nothing is added.
    unsaid.push(component);
    fallen[component] = requestedNow(state, component);
  }
  const kept = unsaid.length === 0 ? '' : `; of ${unsaid.join(', ')} it has no guaranteed share and keeps what it has`;
  return {
    source: 'guaranteed',
    until: grant?.until ?? null,
    amounts: fallen,
    words: `${since}; held to its guaranteed share${kept}`,
  };
}

const componentsOf = (policy: AccountPolicy): Component[] =>
  COMPONENTS.filter((component) => policy.workloads.some(({ components }) => components[component] !== undefined));

/** What the workloads of the account request now, all together. */
export function requestedNow(state: ClusterState, component: Component): number {
  let total = 0;
  for (const { exists, replicas, request } of state.workloads) {
    if (exists) total += replicas * (request[component] ?? 0);
  }
  return total;
}
