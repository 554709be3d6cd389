import { defineQuery } from '@temporalio/workflow';
import type { FederationPlan } from '../activities/federate-types.js';

export const federateWorkflowId = (id: string): string => `federate/${id}`;
/** A cell's own queue: served next to its data by `headroom worker --cell NAME`. */
export const cellQueue = (cell: string): string => `headroom-cell-${cell}`;

export interface FederateInput {
  plan: FederationPlan;
  cells: string[];
  rounds: number;
  /** A round goes on without cells that do not answer, but not with fewer than so many. */
  leastCells: number;
  /** Wall seconds that a cell has to take its work up: one that nobody serves holds a round up no longer. */
  answerWithin: number;
}

export interface FederateResult {
  /** The artifact, by cell; the same id in each. Cells that did not answer are absent. */
  artifacts: Record<string, { id: string; wql: number | null }>;
  rounds: { cells: number; loss: number }[];
}

export const federateStatusQuery = defineQuery<{ round: number; rounds: FederateResult['rounds'] }>('status');
