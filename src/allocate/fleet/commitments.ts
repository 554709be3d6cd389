import { errorsOf } from '../../domain/errors.js';

/*
 * How many nodes to reserve, for which term: a two-stage problem. First the reservations, before demand is known; then, in
 * each scenario and hour, on-demand nodes for what they do not cover. The second stage has a closed form, so that the whole
 * is a sum of one-dimensional convex functions of the number reserved, and the best number a quantile of sorted demand: the
 * newsvendor's (Arrow, Harris and Marschak, Econometrica 1951) critical ratio 1 − reserved / on-demand price.
 */

export interface CommitmentTerm {
  name: string;
  /** Hours that a reservation lasts, from now. */
  hours: number;
  /** Money per hour of one reserved node, used or not, with what is paid ahead spread over the term. */
  pricePerHour: number;
  /** Nodes at most; default: as many as pay. */
  most?: number;
}

export interface CommitmentInput {
  pool: string;
  /** Money per hour of one node that is not reserved. */
  onDemandPerHour: number;
  /** Nodes needed: paths of the long forecast, hour by hour, equally likely. NaN: unknown in that hour, left out. */
  scenarios: readonly ArrayLike<number>[];
  /** Nodes that are reserved already, by hour, for the hours that they last. Absent: none. */
  reserved?: ArrayLike<number>;
  terms: readonly CommitmentTerm[];
}

export interface Commitment {
  pool: string;
  /** Null where nothing is worth reserving. */
  term: string | null;
  nodes: number;
  /** Expected money per hour over the term, with and without; equal where nothing is reserved. */
  costPerHour: number;
  withoutPerHour: number;
  /** How often the last reserved node is needed: worth it as long as this is above the price ratio. */
  usedShare: number;
  words: string;
}

const errorOf = errorsOf('allocate/commitments');

/**
 * The reservation that lowers the expected cost most, over all terms. A term that goes beyond the scenarios is judged by
 * what they show of it, and not at all where that is less than half.
 * @throws HeadroomError `invalid-input` where a price is none, or there is no scenario
 */
export function planCommitment(input: CommitmentInput): Commitment {
  const { pool, onDemandPerHour, scenarios, terms } = input;
  const invalid = (problem: string, remedy: string): Error =>
    errorOf('invalid-input', `planning commitments of pool ${pool}`, problem, remedy);
  if (!(onDemandPerHour >= 0 && onDemandPerHour <= 1e6)) {
    throw invalid(`the on-demand price is ${onDemandPerHour}`, 'give money per hour from 0 to 1e6');
  }
  const length = scenarios[0]?.length ?? 0;
  if (length === 0) throw invalid('there is no scenario', 'give at least one path of at least an hour');
  if (scenarios.some((path) => path.length !== length)) throw invalid('scenarios differ in length', 'cut them alike');
  let best: Commitment | null = null;
  for (const term of terms) {
    if (!(term.pricePerHour >= 0 && term.pricePerHour <= 1e6) || !(term.hours > 0)) {
      throw invalid(`the term ${term.name} has a price of ${term.pricePerHour} for ${term.hours} hours`, 'correct it');
    }
    const seen = Math.min(length, Math.ceil(term.hours));
    if (seen * 2 < term.hours) continue;
    const needs = sortedNeeds(scenarios, input.reserved, seen);
    if (needs.length === 0) continue;
    const nodes = bestNumber(needs, term.pricePerHour, onDemandPerHour, term.most);
    const cost = expectedCost(needs, nodes, term.pricePerHour, onDemandPerHour);
    const without = expectedCost(needs, 0, term.pricePerHour, onDemandPerHour);
    if (nodes === 0 || (best !== null && without - cost <= best.withoutPerHour - best.costPerHour)) continue;
    const used = shareAtLeast(needs, nodes);
    best = {
      pool,
      term: term.name,
      nodes,
      costPerHour: cost,
      withoutPerHour: without,
      usedShare: used,
      words:
        `reserve ${nodes} nodes of pool ${pool} for ${term.name}: the last of them is needed ${percent(used)} of the time, ` +
        `and pays from ${percent(onDemandPerHour > 0 ? term.pricePerHour / onDemandPerHour : 1)} on`,
    };
  }
  if (best !== null) return best;
  const first = terms[0];
  const needs = sortedNeeds(scenarios, input.reserved, Math.min(length, Math.ceil(first?.hours ?? length)));
  const cost = needs.length === 0 ? 0 : expectedCost(needs, 0, 0, onDemandPerHour);
  return {
    pool,
    term: null,
    nodes: 0,
    costPerHour: cost,
    withoutPerHour: cost,
    usedShare: 0,
    words: `reserve nothing of pool ${pool}: no node is needed often enough for any term that the forecast reaches`,
  };
}

const percent = (share: number): string => `${Math.round(share * 1000) / 10} %`;

/** What reservations of before leave open, over all scenarios and hours, ascending. */
function sortedNeeds(
  scenarios: readonly ArrayLike<number>[],
  reserved: ArrayLike<number> | undefined,
  hours: number,
): Float64Array {
  const needs: number[] = [];
  for (const path of scenarios) {
    for (let hour = 0; hour < hours; hour++) {
      const value = path[hour] ?? Number.NaN;
      if (!Number.isNaN(value)) needs.push(Math.max(0, Math.ceil(value - 1e-9) - (reserved?.[hour] ?? 0)));
    }
  }
  return Float64Array.from(needs).sort();
}

/** Share of (scenario, hour) in which at least so many nodes are needed. */
function shareAtLeast(needs: Float64Array, nodes: number): number {
  let low = 0;
  let high = needs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((needs[middle] ?? 0) >= nodes) high = middle;
    else low = middle + 1;
  }
  return (needs.length - low) / needs.length;
}

/**
 * The largest number whose last node is needed more often than its price is of the on-demand price. The cost is convex:
 * where only `most` can be had, they are the best of those.
 */
function bestNumber(needs: Float64Array, reserved: number, onDemand: number, most = Number.POSITIVE_INFINITY): number {
  let low = 0;
  let high = Math.max(0, Math.min(most, Math.ceil(needs.at(-1) ?? 0)));
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (onDemand * shareAtLeast(needs, middle) > reserved) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Expected money per hour with so many reserved. */
export function expectedCost(needs: Float64Array, nodes: number, reserved: number, onDemand: number): number {
  let over = 0;
  for (const need of needs) over += Math.max(0, need - nodes);
  return nodes * reserved + (onDemand * over) / needs.length;
}
