import type { Cap } from './caps.js';

/*
 * Caps of one workload that contradict each other whatever its replicas: half of it has to survive the loss of the only zone
 * with on-demand nodes, and at most a third may be on the spot market that is all there is elsewhere. A plan that kept
 * both would leave demand unserved, or break a minimum, for a placement that is better on paper alone.
 */

/** Which caps give, the first that suffices: what is lost with a market is the least, what is on spot at all the most. */
const GIVING: readonly (readonly Cap['limit'][])[] = [
  ['spot-markets'],
  ['zones'],
  ['spot-share'],
  ['spot-markets', 'zones'],
  ['spot-markets', 'spot-share'],
];

/** Halvings of what is left between too little and enough: shares are then exact to what a float holds of them. */
const HALVINGS = 50;

/**
 * The caps with those that have to give opened as far as they have to and no further; `asked` has the share as it was
 * asked for. Null where they can be kept together, and where those of one kind cannot be kept by themselves: that is what
 * somebody asked for in so many words (nothing on spot, where there is nothing else), and holds.
 * @param pools where a replica finds a node: index, and whether the pool is spot.
 */
export function reconciled(caps: readonly Cap[], pools: readonly { index: number; spot: boolean }[]): Cap[] | null {
  const possible = (some: readonly Cap[]): boolean => placeable(some, pools) >= 1 - CLOSE;
  if (pools.length === 0 || possible(caps)) return null;
  if (KINDS.some((kind) => !possible(caps.filter((cap) => cap.limit === kind)))) return null;
  for (const kinds of GIVING) {
    const last = kinds.at(-1);
    /** The last of the kinds opened by this part of what is between its share and all, those before it in full. */
    const opened = (part: number): Cap[] =>
      caps.map((cap) => {
        if (!kinds.includes(cap.limit)) return cap;
        const share = cap.limit === last ? cap.share + (1 - cap.share) * part : 1;
        return { ...cap, share, asked: cap.share };
      });
    if (!possible(opened(1))) continue;
    let [low, high] = [0, 1];
    for (let turn = 0; turn < HALVINGS; turn++) {
      const middle = (low + high) / 2;
      if (possible(opened(middle))) high = middle;
      else low = middle;
    }
    return opened(high);
  }
  return null;
}

const KINDS: readonly Cap['limit'][] = ['spot-markets', 'zones', 'spot-share'];
const CLOSE = 1e-9;

/** The share of a workload's replicas that its caps let be placed, at most 1: by zone, off spot first. */
function placeable(caps: readonly Cap[], pools: readonly { index: number; spot: boolean }[]): number {
  const zones = caps.filter((cap) => cap.limit === 'zones');
  const markets = caps.filter((cap) => cap.limit === 'spot-markets');
  const onSpot = caps.find((cap) => cap.limit === 'spot-share')?.share ?? 1;
  const within = zones.length === 0 ? [{ share: 1, pools: null }] : zones;
  let steady = 0;
  let spot = 0;
  for (const zone of within) {
    const here = pools.filter(({ index }) => zone.pools?.has(index) ?? true);
    if (here.some((pool) => !pool.spot)) {
      steady += zone.share;
      continue;
    }
    const most = here.reduce(
      (sum, { index }) => sum + (markets.find((market) => market.pools.has(index))?.share ?? 1),
      0,
    );
    spot += Math.min(zone.share, most);
  }
  return Math.min(1, steady + Math.min(onSpot, spot));
}
