import { HeadroomError } from '../domain/errors.js';
import type { Series } from '../domain/series.js';
import { parsePolicy } from '../replay/registry.js';
import { scoreCapacities, type Score } from '../replay/score.js';
import { replay } from '../replay/simulate.js';

/*
 * What a run of the live loop was worth: its capacity against the demand that came, beside what an autoscaler would have
 * had on the very same demand. Replay's own policies and scores, so that live figures and a backtest's can be compared.
 */

export interface RunInput {
  /** Seconds of a bin. */
  step: number;
  /** Seconds from a decision to ready capacity, given to the autoscalers as well. */
  lead: number;
  /** Demand by bin; null where it is not known. */
  demand: readonly (number | null)[];
  /** Ready capacity of the run by bin, in demand's unit; null where it is not known. */
  capacity: readonly (number | null)[];
  /** The peers' capacity comes in whole replicas of this size; continuous without. */
  replicaSize?: number;
  /** Bins before this one are played and not scored, as while a run starts; default 0. */
  firstScored?: number;
}

/** Of the bins whose demand and live capacity are both known, from the first that a decision could reach. */
export type RunScore = Pick<Score, 'cost' | 'violations' | 'depth' | 'slack'>;

export interface ScoredRun {
  /** Bins that were scored, the same for all. */
  bins: number;
  live: RunScore;
  hpa50: RunScore;
  hpa70: RunScore;
  /** Demand itself: the yardstick of cost. */
  clairvoyant: { cost: 1; violations: 0 };
  /** The cheapest capacity with at most a share `v` of violations, in whole replicas where a replica size is given. */
  clairvoyantAt(v: number): RunScore;
}

/**
 * Scores a run by CONTRACTS.md, "headroom backtest". The autoscalers see demand, not throttled usage, as the backtest's.
 * @throws HeadroomError `invalid-input` where demand and capacity differ in length, or no bin is left to score.
 */
export function scoreRun(input: RunInput): ScoredRun {
  const { step, lead, replicaSize, firstScored = 0 } = input;
  const count = input.demand.length;
  if (count !== input.capacity.length || !(firstScored >= 0 && firstScored < Math.max(1, count))) {
    throw new HeadroomError({
      kind: 'invalid-input',
      component: 'operate/score-run',
      action: 'scoring a run',
      problem: `demand has ${count} bins, capacity ${input.capacity.length}, and bin ${firstScored} is the first to score`,
      remedy: 'give demand and capacity over the same time and step, with the first scored bin within',
    });
  }
  const demand = seriesOf(input.demand, step);
  const live = Float64Array.from(input.capacity, (value) => value ?? Number.NaN);
  // A policy sees all of demand; a bin counts where the live capacity is known, too, so that all share their bins.
  const counted: Series = {
    ...demand,
    values: demand.values.map((value, index) => (Number.isNaN(live[index]) ? Number.NaN : value)),
  };
  const play = (name: string, seen: Series) => {
    const played = replay(seen, [parsePolicy(name)], {
      lead,
      level: 0.5,
      // Half a bin more, so that the floor of share × bins is that very bin.
      warmup: firstScored === 0 ? 0 : (firstScored + 0.5) / count,
      timeZone: 'UTC',
      fit: refuseToFit,
      ...(replicaSize === undefined ? {} : { replicaSize }),
    });
    return { first: played.firstScored, bins: played.bins, capacities: played.policies[0]?.capacities ?? live };
  };
  const { first, bins } = play('clairvoyant', counted);
  const score = (capacities: Float64Array): RunScore => {
    const { cost, violations, depth, slack } = scoreCapacities(counted, capacities, first);
    return { cost, violations, depth, slack };
  };
  return {
    bins,
    live: score(live),
    hpa50: score(play('hpa:0.5', demand).capacities),
    hpa70: score(play('hpa:0.7', demand).capacities),
    clairvoyant: { cost: 1, violations: 0 },
    clairvoyantAt: (v) => score(play(`clairvoyant@${v}`, counted).capacities),
  };
}

const seriesOf = (values: readonly (number | null)[], step: number): Series => ({
  start: 0,
  step,
  values: Float64Array.from(values, (value) => value ?? Number.NaN),
  censored: new Uint8Array(values.length),
});

const refuseToFit = (): never => {
  throw new TypeError('scoring a run fits no model: its peers do not forecast');
};
