import { oneOffOf, type MigrationProposal } from '../../domain/migration-proposal.js';
import { prepare } from '../prepare.js';
import type { Allocator } from '../problem.js';
import { candidatesOf, isSound, type Candidate, type ProposeInput } from './candidates.js';
import { createScales, estimate, weigh } from './weigh.js';

/*
 * Which workloads would be cheaper on another pool than on the one that they run on. A pool is tried by solving the account's
 * plan with the workload bound to it, so that whole nodes, room that is paid for anyway, interruptions, data and every limit
 * count as they do in a plan.
 */

/** Pools that are tried in one cycle: each is a solve. */
const MOST_TRIED = 4;
/** Of those proposed, and of those refused, that a plan names. */
const MOST_NAMED = 3;

/** @returns those that save by more than the hysteresis, the best first, then those that would but cannot be begun. */
export function proposeMigrations(allocator: Allocator, given: ProposeInput): MigrationProposal[] {
  const { input, plan } = given;
  const { policy } = input;
  if (policy.migrations === 'never' || policy.pools.length < 2 || !isSound(plan)) return [];
  const prepared = prepare(input);
  const candidates = candidatesOf(prepared, given);
  const able = candidates.filter(({ refusals }) => refusals.length === 0).slice(0, MOST_TRIED);
  const scales = createScales(allocator, given, prepared);
  const weighed = able.flatMap((candidate) => weigh(prepared, scales, [candidate]));
  // What frees no node by itself may free one together with what else would go the same way.
  const alone = able.filter(({ workload }) => weighed.every((one) => one.workload !== workload.policy.name));
  for (const group of groupsOf(alone)) weighed.push(...weigh(prepared, scales, group));
  const unable = candidates.filter(({ refusals }) => refusals.length > 0);
  weighed.push(...unable.flatMap((candidate) => estimate(prepared, candidate) ?? []));
  const net = (one: MigrationProposal): number => (one.savingPerHour * one.over) / 3600 - oneOffOf(one);
  weighed.sort((x, y) => net(y) - net(x) || (x.workload + x.to < y.workload + y.to ? -1 : 1));
  const best = weighed.filter(
    (one, index) => one.refusals.length > 0 || index === weighed.findIndex((other) => sameMove(one, other)),
  );
  return [
    ...best.filter(({ refusals }) => refusals.length === 0).slice(0, MOST_NAMED),
    ...best.filter(({ refusals }) => refusals.length > 0).slice(0, MOST_NAMED),
  ];
}

/** Two and more that would go from one pool to the same other one. */
function groupsOf(candidates: readonly Candidate[]): Candidate[][] {
  const groups = new Map<string, Candidate[]>();
  for (const one of candidates) {
    const key = `${one.from.index}/${one.to.index}`;
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups.values()].filter((group) => group.length > 1);
}

/** Of one workload the best pool alone is proposed. */
const sameMove = (one: MigrationProposal, other: MigrationProposal): boolean =>
  other.refusals.length === 0 && other.workload === one.workload;

export type { ProposeInput } from './candidates.js';
