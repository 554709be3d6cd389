import type { DemandBlocks } from '../allocate/problem.js';
import type { ClusterState } from '../domain/cluster.js';
import { raises } from '../domain/change.js';
import type { Plan, PlannedField } from '../domain/plan.js';
import type { AllocationRequest } from './port.js';

/*
 * A problem with something changed in it: what a surprise leaves of the world. Answers are solved on it ahead; while a
 * surprise lasts, plans are.
 */

/** Pools that have so many nodes and get no more. */
export function withCappedPools<Request extends AllocationRequest>(
  request: Request,
  caps: ReadonlyMap<string, number>,
): Request {
  if (caps.size === 0) return request;
  const { policy, state } = request;
  return {
    ...request,
    policy: {
      ...policy,
      pools: policy.pools.map((pool) => {
        const cap = caps.get(pool.name);
        return cap === undefined ? pool : { ...pool, min: Math.min(pool.min, cap), max: Math.min(pool.max, cap) };
      }),
    },
    state: {
      ...state,
      pools: state.pools.map((pool) => {
        const cap = caps.get(pool.pool);
        return cap === undefined ? pool : { ...pool, nodes: cap, readyNodes: Math.min(pool.readyNodes, cap) };
      }),
    },
  };
}

/** The nodes that are there: what a pool that cannot grow has. */
export const readyIn = (state: ClusterState, names: readonly string[]): Map<string, number> =>
  new Map(
    state.pools.filter(({ pool }) => names.includes(pool)).map(({ pool, readyNodes }) => [pool, readyNodes] as const),
  );

/** Sizes stay as they are: to start everything anew is no answer to a surprise. */
export const withFixedSizes = (request: AllocationRequest): AllocationRequest => ({
  ...request,
  policy: {
    ...request.policy,
    workloads: request.policy.workloads.map((workload) => ({
      ...workload,
      components: Object.fromEntries(
        Object.entries(workload.components).map(([component, { grid: _grid, ...settings }]) => [component, settings]),
      ),
    })),
  },
});

/** Every block at no less than an amount of its series. */
export const atLeast = (demand: readonly DemandBlocks[], amount: (series: DemandBlocks) => number): DemandBlocks[] =>
  demand.map((series) => {
    const least = amount(series);
    return {
      ...series,
      blocks: series.blocks.map((block) =>
        block.atLevel >= least ? block : { ...block, atLevel: least, far: Math.max(block.far, least) },
      ),
    };
  });

/** The plan while surprises last: nothing of the capped pools is written, and nothing of their workloads lowered. */
export function underSurprises(plan: Plan, surprises: AllocationRequest['surprises'] = []): Plan {
  if (surprises.length === 0) return plan;
  const pools = new Set(surprises.flatMap((one) => one.pools));
  const workloads = new Set(surprises.flatMap((one) => one.workloads));
  const stays = (field: PlannedField): boolean => {
    if ('pool' in field.target) return !pools.has(field.target.pool) && (workloads.size === 0 || raises(field));
    return raises(field) || !('workload' in field.target) || !workloads.has(field.target.workload);
  };
  const kept = plan.fields.filter(stays);
  if (kept.length === plan.fields.length) return plan;
  const words = surprises.map(({ what }) => what).join('; ');
  const left = plan.fields.length - kept.length;
  if (kept.length > 0 || plan.verdict.kind === 'hold') return { ...plan, fields: kept };
  const detail = `would lower ${left} field(s), not while it lasts: ${words}`;
  return { ...plan, fields: [], verdict: { kind: 'hold', reason: 'surprised', detail } };
}
