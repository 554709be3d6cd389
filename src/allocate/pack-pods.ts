import { COMPONENTS, type Component, type Resources } from '../domain/component.js';

/*
 * How many nodes pods need, whole pods on whole nodes: sums of requests say too little where pods are large. First-fit
 * decreasing, never more than 11/9 of the fewest and a node (Johnson 1973, of one resource); what runs was placed by a
 * scheduler that knew no better.
 */

/** Equal pods: what one requests, and how many there are (parts of one come of shares between pools). */
export interface Pods {
  request: Resources;
  replicas: number;
}

/** Of a node. Smaller pods fill what others leave, so that their sums say enough, and there are many of them. */
const LARGE = 0.1;
const NEAR = 1e-6;

/** Whole nodes that hold all of these. A pod that no node holds counts as many nodes as it would fill. */
export function nodesFor(node: Resources, pods: readonly Pods[]): number {
  // What a node does not name is not scheduled by.
  const components = COMPONENTS.filter((component) => (node[component] ?? 0) > 0);
  const shareOf = (request: Resources, component: Component): number =>
    (request[component] ?? 0) / (node[component] ?? 1);
  const total = new Float64Array(components.length);
  const kinds = new Map<string, { shares: number[]; most: number; replicas: number }>();
  let beyond = 0;
  for (const { request, replicas } of pods) {
    const shares = components.map((component) => shareOf(request, component));
    const most = Math.max(0, ...shares);
    if (!(replicas > 0) || most === 0) continue;
    for (const [index, share] of shares.entries()) total[index] = (total[index] ?? 0) + share * replicas;
    if (most > 1 + NEAR) beyond += Math.ceil(most - NEAR) * Math.ceil(replicas - NEAR);
    else if (most > LARGE) {
      const key = shares.join();
      const known = kinds.get(key);
      if (known === undefined) kinds.set(key, { shares, most, replicas });
      else known.replicas += replicas;
    }
  }
  const packed = pack(
    [...kinds.values()].sort((a, b) => b.most - a.most),
    components.length,
  );
  return total.reduce((nodes, share) => Math.max(nodes, Math.ceil(share - NEAR)), packed + beyond);
}

/** First-fit: each kind on the nodes that are open, in their order, then on new ones. */
function pack(kinds: readonly { shares: number[]; replicas: number }[], width: number): number {
  /** What is left of each open node, by component. */
  const left: Float64Array[] = [];
  const fits = (room: Float64Array, shares: readonly number[]): number =>
    shares.reduce((most, share, index) => {
      return share > 0 ? Math.min(most, Math.floor((room[index] ?? 0) / share + NEAR)) : most;
    }, Number.POSITIVE_INFINITY);
  const put = (room: Float64Array, shares: readonly number[], count: number): void => {
    for (const [index, share] of shares.entries()) room[index] = (room[index] ?? 0) - share * count;
  };
  for (const { shares, replicas } of kinds) {
    let waiting = Math.ceil(replicas - NEAR);
    for (const room of left) {
      if (waiting === 0) break;
      const count = Math.min(waiting, fits(room, shares));
      if (count > 0) put(room, shares, count);
      waiting -= count;
    }
    while (waiting > 0) {
      const room = new Float64Array(width).fill(1);
      const count = Math.min(waiting, Math.max(1, fits(room, shares)));
      put(room, shares, count);
      left.push(room);
      waiting -= count;
    }
  }
  return left.length;
}
