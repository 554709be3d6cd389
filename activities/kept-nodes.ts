import type { AccountPolicy } from '../src/domain/account.js';
import type { ClusterState, FieldTarget, MutationResult } from '../src/domain/cluster.js';
import { someOf } from '../src/domain/some-of.js';
import { SHARED_REMEDY } from '../src/allocate/neighbours.js';
import { nodeShare } from '../src/allocate/sizes.js';
import type { Cluster } from '../src/cluster/port.js';
import type { createNeighbours } from './neighbours.js';
import { observeRequest } from './policies.js';

/*
 * Nodes that an account puts back are not its own alone where others are on the pool: what was there before its first change
 * may be less than what they have come to need since.
 */

/** The target of a way back, and why it is not what was there before; null where it is. */
export interface KeptNodes {
  target: FieldTarget;
  why: string | null;
}

/** @throws HeadroomError `unavailable` where that cannot be known: nodes wait, rather than go from beneath somebody. */
export async function keepForOthers(
  { cluster, withNeighbours }: { cluster: Cluster; withNeighbours: ReturnType<typeof createNeighbours> },
  policy: AccountPolicy,
  target: FieldTarget,
  signal: AbortSignal,
): Promise<KeptNodes> {
  const pool = policy.pools.find(({ name }) => target.field === 'nodes' && name === target.pool);
  if (target.field !== 'nodes' || pool === undefined) return { target, why: null };
  const seen = await cluster.observe(observeRequest(policy, [target]), signal);
  const state = await withNeighbours(policy, seen, seen.at);
  const there = state.pools.find((one) => one.pool === target.pool);
  if (there?.others === undefined || target.value >= there.nodes) return { target, why: null };
  const needed = Math.ceil(ownNodes(policy, state, pool) + there.others.nodes - 1e-6);
  const value = Math.min(there.nodes, needed);
  if (value <= target.value) return { target, why: null };
  const { accounts } = there.others;
  const why = `${someOf(accounts)} ${accounts.length === 1 ? 'needs' : 'need'} them, too; ${SHARED_REMEDY}`;
  return { target: { ...target, value }, why };
}

/** What the account's own workloads take of the pool as they are asked for now; where nobody sees where they run, all of it. */
function ownNodes(policy: AccountPolicy, state: ClusterState, pool: AccountPolicy['pools'][number]): number {
  return state.workloads.reduce((sum, { workload, exists, replicas, request, placed }) => {
    const pools = policy.workloads.find(({ name }) => name === workload)?.pools;
    const seen = Object.values(placed ?? {}).reduce((all, count) => all + count, 0);
    const here = seen > 0 ? (placed?.[pool.name] ?? 0) / seen : (pools?.includes(pool.name) ?? true) ? 1 : 0;
    return exists && here > 0 ? sum + replicas * here * nodeShare(request, pool) : sum;
  }, 0);
}

/** The answer of a cluster, with what was kept; a repeat reads like the first. */
export const withKept = (result: MutationResult, { why }: KeptNodes): MutationResult =>
  why !== null && (result.kind === 'applied' || result.kind === 'repeated')
    ? { kind: 'applied', value: result.value, note: why }
    : result;
