import type { PoolState } from '../../../domain/cluster.js';
import { COMPONENTS, type Resources } from '../../../domain/component.js';
import { carries, type NodeRecord, type PodRecord } from '../cache/placement-records.js';
import type { Amounts } from '../cache/schemas.js';
import { RESOURCE_NAMES } from '../requests.js';
import { POOL_LABEL } from '../state.js';

/** Karpenter's own label of the NodePool that a node is of. */
export const NODE_POOL_LABEL = 'karpenter.sh/nodepool';

/** What each node's pods request. */
export function requestsByNode(pods: Iterable<PodRecord>): Map<string, Amounts> {
  const byNode = new Map<string, Amounts>();
  for (const { node, ended, requests } of pods) {
    if (node === '' || ended) continue;
    const total = byNode.get(node) ?? {};
    for (const [name, amount] of Object.entries(requests)) total[name] = (total[name] ?? 0) + amount;
    byNode.set(node, total);
  }
  return byNode;
}

/** By the labels that the account file names, else by Headroom's or Karpenter's label of that name. */
export const isOfPool = (
  { labels }: NodeRecord,
  pool: string,
  selector: Readonly<Record<string, string>> | undefined,
): boolean =>
  selector === undefined ? labels[POOL_LABEL] === pool || labels[NODE_POOL_LABEL] === pool : carries(selector, labels);

/** Counts as a pool of its own where nodes are of none that the account names: no pool can have this name. */
const ELSEWHERE = '?';

/** Pods of one workload that have a node, by pool. */
export function placedOn(poolOf: ReadonlyMap<string, string>, pods: Iterable<PodRecord>): Record<string, number> {
  const placed: Record<string, number> = {};
  for (const { node, ended, leaving } of pods) {
    if (node === '' || ended || leaving) continue;
    const pool = poolOf.get(node) ?? ELSEWHERE;
    placed[pool] = (placed[pool] ?? 0) + 1;
  }
  return placed;
}

/**
 * A pool as its nodes show it: those with the labels that the account file names, else with Headroom's or Karpenter's
 * label of that name. Nodes that are being removed are no longer counted as there.
 * @param requested null where not all pods are seen: what they request is then not known.
 */
export function poolStateOf(
  pool: string,
  selector: Readonly<Record<string, string>> | undefined,
  nodes: readonly NodeRecord[],
  requested: ReadonlyMap<string, Amounts> | null,
): PoolState {
  const own = nodes.filter((node) => isOfPool(node, pool, selector));
  const staying = own.filter(({ leaving }) => !leaving);
  const ready = staying.filter(({ ready: is, cordoned }) => is && !cordoned);
  const cordoned = staying.filter((node) => node.cordoned).length;
  const leaving = own.length - staying.length;
  return {
    pool,
    nodes: staying.length,
    readyNodes: ready.length,
    owner: null,
    ...(cordoned === 0 ? {} : { cordoned }),
    ...(leaving === 0 ? {} : { leaving }),
    ...known(
      'allocatable',
      ready.map(({ allocatable }) => allocatable),
    ),
    ...(requested === null
      ? {}
      : known(
          'requested',
          ready.map(({ name }) => requested.get(name) ?? {}),
        )),
  };
}

/** In the domain's components; left out where no node says any. */
function known<Key extends string>(key: Key, amounts: readonly Amounts[]): Partial<Record<Key, Resources>> {
  const total: Resources = {};
  for (const component of COMPONENTS) {
    const resource = RESOURCE_NAMES[component];
    if (resource === undefined) continue;
    for (const one of amounts) {
      const amount = one[resource];
      if (amount !== undefined) total[component] = (total[component] ?? 0) + amount;
    }
  }
  const found: Partial<Record<Key, Resources>> = {};
  if (Object.keys(total).length > 0) found[key] = total;
  return found;
}
