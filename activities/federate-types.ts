import type { UpdatePart } from '../src/domain/federated.js';
import type { EpochSeconds } from '../src/domain/time.js';

/*
 * What crosses between a federation and its cells: settings one way, clipped and noised updates of weights the other.
 * Nothing here has room for a series.
 */

/** The same for every cell: from it each makes the same first weights. */
export interface FederationPlan {
  id: string;
  network: 'gru' | 'tcn';
  /** Overrides of the network's own defaults. */
  settings: Record<string, number | string>;
  levels: number[];
  /** Seconds ahead. */
  horizon: number;
  seed: number;
  /** Steps of Adam that a cell takes in a round. */
  steps: number;
  /** Largest norm of a cell's update. */
  clip: number;
  /** Standard deviation of the noise on each weight, as a multiple of `clip`. */
  noise: number;
  days: number;
  /** Bins labelled from here on are trained on by nobody. */
  cut: EpochSeconds;
  mostSeries: number;
}

export interface CellTrained {
  parts: number;
  /** Bins that it was fitted on: what the cell weighs in the mean. */
  bins: number;
  loss: number;
  /** Finest and coarsest seconds between bins. */
  steps: [number, number];
}

export interface FederateActivities {
  /** How many rounds' means this cell has taken in. */
  cellRound(input: { plan: FederationPlan }): Promise<{ round: number }>;
  /** Takes in one part of a round's mean; the last one moves the weights on. Harmless when repeated. */
  applyPart(input: {
    plan: FederationPlan;
    round: number;
    part: number;
    parts: number;
    value: UpdatePart;
  }): Promise<{ round: number }>;
  /** Trains from the weights of a round. A repeat answers the update that is there: noise is never drawn twice. */
  cellTrain(input: { plan: FederationPlan; round: number }): Promise<CellTrained>;
  cellPart(input: { plan: FederationPlan; round: number; part: number }): Promise<UpdatePart>;
  /** The weights after the last round, as an artifact: the same one in every cell. */
  finishFederation(input: {
    plan: FederationPlan;
    rounds: number;
    steps: [number, number];
  }): Promise<{ id: string; wql: number | null }>;
}
