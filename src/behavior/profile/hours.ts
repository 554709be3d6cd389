import type { BehaviorRow } from '../events.js';

/* Rows on their way into a profile, by hour: what an hour saw is compared with what was expected only when it is over. */

const HOUR = 3600;

export interface OperationSum {
  events: number;
  work: number;
  workOf: number;
}

/** What one hour saw. */
export interface HourSums {
  all: OperationSum;
  operations: Map<string, OperationSum>;
  groups: Map<string, { all: OperationSum; operations: Map<string, OperationSum> }>;
  transitions: { from: string; to: string; events: number }[];
  /** How sure it is that a data set was read in this hour. */
  dataSets: Map<string, number>;
  sessions: { sum: number; of: number };
  inputRate: { sum: number; of: number };
  labels: { kind: 'program' | 'region'; name: string; events: number }[];
}

const noSum = (): OperationSum => ({ events: 0, work: 0, workOf: 0 });

export const newHour = (): HourSums => ({
  all: noSum(),
  operations: new Map(),
  groups: new Map(),
  transitions: [],
  dataSets: new Map(),
  sessions: { sum: 0, of: 0 },
  inputRate: { sum: 0, of: 0 },
  labels: [],
});

function addTo(sums: Map<string, OperationSum>, name: string, row: BehaviorRow, share: number): void {
  const sum = sums.get(name) ?? noSum();
  sums.set(name, sum);
  addRow(sum, row, share);
}

function addRow(sum: OperationSum, row: BehaviorRow, share: number): void {
  sum.events += row.events * share;
  sum.work += (row.complexity?.sum ?? 0) * share;
  sum.workOf += (row.complexity?.of ?? 0) * share;
}

/**
 * Adds a row, or a share of it, to an hour.
 * @param share of the row's events that this hour is taken to have; 1 where the row is no longer than an hour.
 */
export function addToHour(hour: HourSums, row: BehaviorRow, share: number): void {
  const { name, detail, group } = row;
  switch (row.kind) {
    case 'operation': {
      addRow(hour.all, row, share);
      if (name !== null) addTo(hour.operations, name, row, share);
      if (group !== null) {
        const sums = hour.groups.get(group) ?? { all: noSum(), operations: new Map<string, OperationSum>() };
        hour.groups.set(group, sums);
        addRow(sums.all, row, share);
        if (name !== null) addTo(sums.operations, name, row, share);
      }
      if (detail !== null) {
        // Read so often in a day, at hours that nobody knows: in this one with the probability of a Poisson.
        const sure = share === 1 ? 1 : 1 - Math.exp(-row.events * share);
        hour.dataSets.set(detail, 1 - (1 - (hour.dataSets.get(detail) ?? 0)) * (1 - sure));
      }
      for (const signal of ['sessions', 'inputRate'] as const) {
        hour[signal].sum += (row[signal]?.sum ?? 0) * share;
        hour[signal].of += (row[signal]?.of ?? 0) * share;
      }
      return;
    }
    case 'transition':
      if (name !== null && detail !== null) {
        hour.transitions.push({ from: name, to: detail, events: row.events * share });
      }
      return;
    case 'program':
    case 'region':
      if (name !== null) hour.labels.push({ kind: row.kind, name, events: row.events * share });
  }
}

/**
 * The hours (since the epoch) that a row spans, each with its share of the row.
 * @param expected events of all operations in an hour: how a day's row is spread over its hours.
 */
export function sharesOf(
  row: BehaviorRow,
  expected: (epochHour: number) => number,
): { epochHour: number; share: number }[] {
  const first = Math.floor(row.at / HOUR);
  const hours = Math.max(1, Math.round(row.width / HOUR));
  if (hours === 1) return [{ epochHour: first, share: 1 }];
  const weights = Array.from({ length: hours }, (_, index) => Math.max(1e-9, expected(first + index)));
  const sum = weights.reduce((total, one) => total + one, 0);
  return weights.map((weight, index) => ({ epochHour: first + index, share: weight / sum }));
}
