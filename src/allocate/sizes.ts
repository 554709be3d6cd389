import type { PoolPolicy, WorkloadPolicy } from '../domain/account.js';
import { COMPONENTS, type Component, type Resources } from '../domain/component.js';
import type { WorkloadState } from '../domain/cluster.js';

/** One size of request that a workload's replicas may have. */
export interface SizeOption {
  request: Resources;
  /** Money per hour of one replica, by index of the problem's pools; null where it fits no node of that pool. */
  price: (number | null)[];
  /** Part of a node that one replica takes, by index of the problem's pools; above 1 where it does not fit. */
  part: number[];
  /** What runs now. */
  current: boolean;
}

/** Sizes looked at for a workload before the cheapest few are taken into the model. */
const MOST_LOOKED_AT = 256;

export const componentsOf = (workload: WorkloadPolicy): Component[] =>
  COMPONENTS.filter((component) => workload.components[component] !== undefined);

/**
 * Every combination of the components' grids, and what runs now. A component without a grid keeps the size that it
 * has: its request is not for the plan to choose. An override pins a component's size.
 */
export function sizeOptions(
  workload: WorkloadPolicy,
  state: WorkloadState | null,
  pools: readonly PoolPolicy[],
  pinned: Resources,
): SizeOption[] {
  const components = componentsOf(workload);
  const now: Resources = {};
  for (const component of components) {
    now[component] = state?.request[component] ?? workload.components[component]?.request ?? 0;
  }
  let requests: Resources[] = [{}];
  for (const component of components) {
    const grid = workload.components[component]?.grid;
    const pin = pinned[component];
    const current = now[component] ?? 0;
    const sizes = pin !== undefined ? [pin] : grid === undefined ? [current] : [...new Set([current, ...grid])];
    requests = requests.flatMap((request) => sizes.map((size) => ({ ...request, [component]: size })));
    if (requests.length > MOST_LOOKED_AT) requests = requests.slice(0, MOST_LOOKED_AT);
  }
  return requests
    .filter((request) => isAllowed(request, now, state, pinned))
    .map((request) => ({
      request,
      price: pools.map((pool) => replicaPrice(request, pool)),
      part: pools.map((pool) => nodeShare(request, pool)),
      current: components.every((component) => request[component] === now[component]),
    }));
}

/**
 * Would the cluster take a replica of this size? LimitRanges and the container's own limits say what it may request. A
 * component's present size stays a choice whatever they say by now, and so does the one that an operator insists on.
 */
const isAllowed = (request: Resources, now: Resources, state: WorkloadState | null, pinned: Resources): boolean =>
  COMPONENTS.every((component) => {
    const bounds = state?.bounds?.[component];
    const size = request[component];
    if (bounds === undefined || size === undefined || size === now[component] || size === pinned[component])
      return true;
    return size >= (bounds.min ?? 0) * (1 - 1e-9) && size <= (bounds.max ?? Number.POSITIVE_INFINITY) * (1 + 1e-9);
  });

/**
 * A replica's part of a node, by the component that takes most of it, times the node's price. A component that the
 * node does not name is not limited by it.
 */
export function replicaPrice(request: Resources, pool: PoolPolicy): number | null {
  const part = nodeShare(request, pool);
  return part > 1 + 1e-9 ? null : part * pool.pricePerHour;
}

export function nodeShare(request: Resources, pool: Pick<PoolPolicy, 'node'>): number {
  let part = 0;
  for (const component of COMPONENTS) {
    const asked = request[component];
    const offered = pool.node[component];
    if (asked === undefined || offered === undefined || asked === 0) continue;
    part = Math.max(part, offered === 0 ? Number.POSITIVE_INFINITY : asked / offered);
  }
  return part;
}
