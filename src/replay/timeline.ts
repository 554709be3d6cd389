import { binLabel } from '../domain/series.js';
import type { Replay } from './simulate.js';

/**
 * The replay as CSV, so that anyone can score it again: `timestamp,demand,<policy>,…`, one row a bin after the warm-up
 * in epoch seconds, numbers in full, every cell but the time empty where the bin is missing.
 */
export function* timelineRows(replay: Replay): Generator<string> {
  yield `timestamp,demand,${replay.policies.map((policy) => policy.name).join(',')}`;
  for (let index = replay.firstScored; index < replay.demand.values.length; index++) {
    const demand = replay.demand.values[index] ?? Number.NaN;
    const cells = Number.isNaN(demand)
      ? ['', ...replay.policies.map(() => '')]
      : [demand, ...replay.policies.map((policy) => policy.capacities[index] ?? '')];
    yield `${binLabel(replay.demand, index)},${cells.join(',')}`;
  }
}
