/*
 * How much of a workload shares of spot and zones let be placed at all: less than all of it, and the limits contradict each
 * other whatever the demand.
 */

/** What of a pool decides where replicas may be. */
export interface Place {
  zone: string;
  spot: boolean;
}

export interface Shares {
  surviveZone: number;
  spotMaxShare: number;
  spotMarketMaxShare: number;
}

/** The share of a workload's replicas that finds a place, 1 at most: in zones with nodes off spot, and on spot elsewhere. */
export function placementRoom(
  places: readonly Place[],
  { surviveZone, spotMaxShare, spotMarketMaxShare }: Shares,
): number {
  const zones = new Map<string, Place[]>();
  for (const place of places) zones.set(place.zone, [...(zones.get(place.zone) ?? []), place]);
  // Within one zone there is nothing to spread over.
  const most = zones.size < 2 ? 1 : 1 - surviveZone;
  let steady = 0;
  let spot = 0;
  for (const within of zones.values()) {
    if (within.some((place) => !place.spot)) steady += most;
    else spot += Math.min(most, within.length * spotMarketMaxShare);
  }
  return Math.min(1, steady + Math.min(spotMaxShare, spot));
}

/** Whether all of it finds a place. */
export const placeable = (places: readonly Place[], shares: Shares): boolean =>
  placementRoom(places, shares) >= 1 - 1e-9;

/** The nearest to `wanted` of whole percents between it and `least` that `holds`; `least` where none does. */
export function nearestShare(wanted: number, least: number, holds: (share: number) => boolean): number {
  const steps = Math.round(Math.abs(wanted - least) * 100);
  const towards = Math.sign(least - wanted) / 100;
  for (let step = 0; step <= steps; step++) {
    const share = Number((wanted + step * towards).toFixed(4));
    if (holds(share)) return share;
  }
  return least;
}
