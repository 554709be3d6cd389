import { HeadroomError } from '../domain/errors.js';
import { binLabel, type Series } from '../domain/series.js';
import type { FitForecaster } from '../forecast/port.js';
import type { CapacityPolicy, NamedPolicy, PolicySetup } from './policy.js';
import { scoreCapacities, scoredBins, type Score } from './score.js';

export interface ReplayOptions {
  /** Seconds from a decision to ready capacity; ≥ 0. */
  lead: number;
  /** What forecasting policies are asked for, in (0, 1). */
  level: number;
  /** Share of the bins that are not scored, in [0, 1). */
  warmup: number;
  timeZone: string;
  fit: FitForecaster;
  /**
   * Policies see min(demand, capacity) and a throttling signal, as real telemetry does, instead of demand. Nothing can
   * be learnt at no capacity, so each keeps one replica, or where capacity is continuous a hundredth of the highest
   * usage that it has seen; before any was seen nothing is throttled.
   */
  censor?: boolean;
  /** Capacity comes in whole replicas of this size; continuous without. */
  replicaSize?: number;
  seed?: number;
}

export interface PolicyReplay extends Score {
  name: string;
  /** One a bin of the demand; NaN before the first decision took effect. */
  capacities: Float64Array;
  notes: string[];
}

export interface Replay {
  demand: Series;
  firstScored: number;
  /** Scored bins: those after the warm-up whose demand is known. */
  bins: number;
  policies: PolicyReplay[];
}

/** Of the highest usage seen: what a censored policy keeps, so that it can see demand come back. */
const LEAST = 0.01;

const refuse = (problem: string, remedy: string): HeadroomError =>
  new HeadroomError({ kind: 'invalid-input', component: 'replay', action: 'replaying policies', problem, remedy });

/**
 * Plays policies over a demand series. The decision at the start of bin k knows the bins up to k − 1 and is in effect
 * from bin k + ⌈lead / step⌉ on. Bins that are missing are neither decided on as zero nor scored.
 * @throws HeadroomError `invalid-input` where options or series leave nothing to score.
 */
export function replay(demand: Series, policies: readonly NamedPolicy[], options: ReplayOptions): Replay {
  const { lead, level, warmup } = options;
  if (!(lead >= 0) || !Number.isFinite(lead)) throw refuse(`a lead of ${lead}s is none`, 'give one of 0s or more');
  if (!(level > 0 && level < 1)) throw refuse(`a level of ${level} is none`, 'give one between 0 and 1, as 0.99');
  if (!(warmup >= 0 && warmup < 1)) throw refuse(`a warm-up of ${warmup * 100} % is none`, 'give one from 0% to 99%');
  if (options.replicaSize !== undefined && !(options.replicaSize > 0)) {
    throw refuse(`a replica of size ${options.replicaSize} is none`, 'give one above 0');
  }
  const leadBins = Math.ceil(lead / demand.step - 1e-9);
  // Before the first bin that a decision can reach there is no capacity to score.
  const firstScored = Math.max(Math.floor(warmup * demand.values.length), leadBins + 1 + firstKnown(demand));
  const bins = scoredBins(demand, firstScored).length;
  if (bins === 0) {
    throw refuse(
      `of ${demand.values.length} bins none is left to score after the warm-up and the lead`,
      'give a longer series, a shorter warm-up or a finer step',
    );
  }
  const setup: PolicySetup = {
    start: demand.start,
    step: demand.step,
    lead,
    leadBins,
    firstScored,
    level,
    timeZone: options.timeZone,
    fit: options.fit,
    seed: options.seed ?? 1,
  };
  const round = rounding(options.replicaSize);
  return {
    demand,
    firstScored,
    bins,
    policies: policies.map((policy) => {
      const played =
        policy.kind === 'clairvoyant'
          ? { capacities: policy.capacities(demand, firstScored).map(round), notes: [] }
          : play(policy.create(setup), demand, leadBins, round, { ...options, firstScored });
      return { name: policy.name, ...played, ...scoreCapacities(demand, played.capacities, firstScored) };
    }),
  };
}

function firstKnown(demand: Series): number {
  const index = demand.values.findIndex((value) => !Number.isNaN(value));
  return index < 0 ? demand.values.length : index;
}

/** Up to whole replicas. 1.1 / 0.1 is a hair above 11: eleven do where eleven times the size is enough. */
function rounding(size: number | undefined): (capacity: number) => number {
  if (size === undefined) return (capacity) => capacity;
  return (capacity) => {
    const nearest = Math.round(capacity / size) * size;
    return nearest >= capacity ? nearest : Math.ceil(capacity / size) * size;
  };
}

function play(
  policy: CapacityPolicy,
  demand: Series,
  leadBins: number,
  round: (capacity: number) => number,
  options: Pick<ReplayOptions, 'censor' | 'replicaSize'> & { firstScored: number },
): { capacities: Float64Array; notes: string[] } {
  const count = demand.values.length;
  const capacities = new Float64Array(count).fill(Number.NaN);
  let asked = Number.NaN;
  let peak = 0;
  for (let index = 0; index + 1 < count; index++) {
    const value = demand.values[index] ?? Number.NaN;
    const capacity = capacities[index] ?? Number.NaN;
    // The warm-up is the past, which this policy did not run in: its capacity cut nothing off there.
    const throttled = options.censor === true && index >= options.firstScored && peak > 0 && value > capacity;
    const decided = policy.decide({
      index,
      label: binLabel(demand, index),
      usage: throttled ? capacity : value,
      throttled,
      censored: throttled || demand.censored[index] === 1,
      capacity,
      asked,
    });
    if (decided === Number.POSITIVE_INFINITY || decided < 0) {
      throw new Error(`a policy decided on a capacity of ${decided} at bin ${index}`);
    }
    asked = round(decided);
    if (options.censor === true) {
      const served = throttled ? capacity : value;
      if (served > peak) peak = served;
      asked = Math.max(asked, options.replicaSize ?? peak * LEAST);
    }
    if (index + 1 + leadBins < count) capacities[index + 1 + leadBins] = asked;
  }
  return { capacities, notes: policy.notes?.() ?? [] };
}
