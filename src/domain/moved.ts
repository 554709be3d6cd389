import type { AccountPolicy, WorkloadPolicy } from './account.js';
import { differences } from './differences.js';
import type { MigrationTarget } from './migration.js';
import type { EpochSeconds } from './time.js';

/*
 * What a migration leaves in an account's policy: the workload is the copy now, on the pool that it went to. The user's own file
 * does not know of that: as long as it says what it said before, what the migration left goes on.
 */

/** Where a policy says that a workload is. */
export type Place = Pick<WorkloadPolicy, 'target' | 'pools'>;

/** A migration on record that may have moved a workload. */
export interface Move {
  /** `shop/web/2` */
  id: string;
  workload: string;
  number: number;
  copy: string;
  to: MigrationTarget;
  /** What the policy said when it was ordered; null where that is not on record. */
  from: Place | null;
  /** Null: it has no end on record yet. */
  endedAt: EpochSeconds | null;
}

/** A workload that a file looks for where it is no more. */
export interface Kept {
  workload: string;
  /** The newest migration that brought it there. */
  move: Move;
}

/** The policy with its workload where the copy is; where it might go from there is what it was before. */
export function pointedAt(policy: AccountPolicy, workload: string, copy: string, to: MigrationTarget): AccountPolicy {
  return {
    ...policy,
    workloads: policy.workloads.map((one) => {
      if (one.name !== workload) return one;
      const { selector: _selector, ...target } = one.target;
      return {
        ...one,
        target: { ...target, name: copy, ...(to.namespace === null ? {} : { namespace: to.namespace }) },
        ...(to.pool === null || to.cluster !== null
          ? {}
          : { pools: [to.pool], mayMoveTo: one.mayMoveTo ?? one.pools ?? policy.pools.map(({ name }) => name) }),
      };
    }),
  };
}

/** Takes {@link pointedAt} back. What else was changed meanwhile stays. */
export function putBack(policy: AccountPolicy, workload: string, was: WorkloadPolicy | undefined): AccountPolicy {
  if (was === undefined) return policy;
  const { target, pools, mayMoveTo } = was;
  return {
    ...policy,
    workloads: policy.workloads.map((one) => {
      if (one.name !== workload) return one;
      const { pools: _pools, mayMoveTo: _mayMoveTo, ...rest } = one;
      return {
        ...rest,
        target,
        ...(pools === undefined ? {} : { pools }),
        ...(mayMoveTo === undefined ? {} : { mayMoveTo }),
      };
    }),
  };
}

/**
 * A file's policy with its workloads where migrations have brought them, for those of which it says what it said before.
 * One migration leads to the next. Whoever wrote something else in between meant it: only what arrives where the policy in
 * force has the workload counts, and where none is in force, what arrives where the newest migration went.
 * @param moves of the account, in any order.
 * @param inForce the policy that runs; it tells whether a migration without an end has told the account yet. Null where none
 *   runs: then migrations without an end do not count.
 */
export function carriedOver(
  file: AccountPolicy,
  moves: readonly Move[],
  inForce: AccountPolicy | null,
): { policy: AccountPolicy; kept: Kept[] } {
  let policy = file;
  const kept: Kept[] = [];
  for (const { name } of file.workloads) {
    const own = moves
      .filter(({ workload, endedAt }) => workload === name && (inForce !== null || endedAt !== null))
      .sort((a, b) => a.number - b.number);
    let carried = policy;
    let arrived: { policy: AccountPolicy; move: Move } | null = null;
    for (const [index, move] of own.entries()) {
      if (move.from === null || !samePlace(placeIn(carried, name), move.from)) continue;
      carried = pointedAt(carried, name, move.copy, move.to);
      const there =
        inForce === null ? index === own.length - 1 : samePlace(placeIn(carried, name), placeIn(inForce, name));
      if (there) arrived = { policy: carried, move };
    }
    if (arrived === null) continue;
    policy = arrived.policy;
    kept.push({ workload: name, move: arrived.move });
  }
  return { policy, kept };
}

/** Migrations that a policy goes against: it says that their workload is elsewhere than the newest of them went. */
export function givenUp(policy: AccountPolicy, moves: readonly Move[]): Move[] {
  return policy.workloads.flatMap(({ name }) => {
    const own = moves.filter(({ workload, endedAt }) => workload === name && endedAt !== null);
    const newest = own.reduce<Move | null>(
      (best, one) => (best === null || one.number > best.number ? one : best),
      null,
    );
    if (newest === null) return [];
    const there = placeIn(pointedAt(policy, name, newest.copy, newest.to), name);
    return samePlace(placeIn(policy, name), there) ? [] : own;
  });
}

function placeIn({ workloads }: AccountPolicy, name: string): Place | null {
  const found = workloads.find((one) => one.name === name);
  return found === undefined ? null : { target: found.target, pools: found.pools };
}

const samePlace = (a: Place | null, b: Place | null): boolean =>
  a !== null && b !== null && differences([a.target, a.pools], [b.target, b.pools]).length === 0;
