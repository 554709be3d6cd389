import { z } from 'zod';
import { HeadroomError } from '../../domain/errors.js';
import { HOURS_OF_WEEK, newRateTable, type OperationCounts, type RateTable } from './rates.js';
import { newDataSetTable, newEvidence, type DataSetTable } from './data-sets.js';
import { newTransitionTable, type TransitionTable } from './transitions.js';

/*
 * A profile as it is kept: counts by label, sparse, to four digits. There is nobody in it: rows of k persons went in.
 */

/** Bounds of what is kept; the smallest gives way to what is new. */
export const MOST_OPERATIONS = 128;
export const MOST_GROUPS = 16;
export const MOST_GROUP_OPERATIONS = 32;
export const MOST_TRANSITIONS = 2048;
export const MOST_DATA_SETS = 512;
export const MOST_LABELS = 64;

const sparse = z.array(z.number()).max(2 * HOURS_OF_WEEK);
const countsSchema = z.strictObject({
  events: sparse,
  work: z.number(),
  workOf: z.number(),
  excess: z.number(),
  hours: z.number(),
});
const tableSchema = z.strictObject({ all: countsSchema, operations: z.record(z.string(), countsSchema) });
const measureSchema = z.strictObject({ sum: z.number(), of: z.number() });

export const profileStateSchema = z.strictObject({
  version: z.literal(1),
  timeZone: z.string(),
  /** Hours since the epoch: the first that was seen, and the last that is over. */
  first: z.int().nullable(),
  closed: z.int().nullable(),
  exposure: sparse,
  rates: tableSchema,
  groups: z.record(z.string(), tableSchema),
  transitions: z.array(z.tuple([z.string(), z.string(), z.number()])).max(MOST_TRANSITIONS),
  dataSets: z.strictObject({
    hours: z.array(z.number()),
    read: z.array(z.number()),
    expected: z.array(z.number()),
    sets: z.record(
      z.string(),
      z.strictObject({ hits: sparse, before: z.number(), last: z.int().nullable(), evidence: z.array(z.number()) }),
    ),
  }),
  sessions: measureSchema,
  inputRate: measureSchema,
  programs: z.record(z.string(), z.number()),
  regions: z.record(z.string(), z.number()),
});

export type ProfileState = z.output<typeof profileStateSchema>;

/** Everything that a profile has learnt; weighted sums in terms of `weight`, the weight of an hour that ends now. */
export interface Learnt {
  first: number | null;
  closed: number | null;
  exposure: Float64Array;
  rates: RateTable;
  groups: Map<string, RateTable>;
  transitions: TransitionTable;
  dataSets: DataSetTable;
  sessions: { sum: number; of: number };
  inputRate: { sum: number; of: number };
  programs: Map<string, number>;
  regions: Map<string, number>;
}

export const newLearnt = (): Learnt => ({
  ...{ first: null, closed: null, exposure: new Float64Array(HOURS_OF_WEEK), rates: newRateTable(MOST_OPERATIONS) },
  ...{ groups: new Map(), transitions: newTransitionTable(MOST_TRANSITIONS) },
  dataSets: newDataSetTable(MOST_DATA_SETS),
  ...{ sessions: { sum: 0, of: 0 }, inputRate: { sum: 0, of: 0 }, programs: new Map(), regions: new Map() },
});

const rounded = (value: number): number => Number(value.toPrecision(4));

function sparseOf(values: Float64Array, weight: number): number[] {
  const pairs: number[] = [];
  values.forEach((value, index) => {
    if (value > 0) pairs.push(index, rounded(value / weight));
  });
  return pairs;
}

function denseOf(pairs: readonly number[]): { values: Float64Array; total: number } {
  const values = new Float64Array(HOURS_OF_WEEK);
  let total = 0;
  for (let index = 0; index + 1 < pairs.length; index += 2) {
    const [hour = -1, value = 0] = [pairs[index], pairs[index + 1]];
    if (!Number.isInteger(hour) || hour < 0 || hour >= HOURS_OF_WEEK || !(value >= 0) || !Number.isFinite(value)) {
      throw refused('an hour of it is out of range');
    }
    values[hour] = value;
    total += value;
  }
  return { values, total };
}

const refused = (problem: string): HeadroomError =>
  new HeadroomError({
    ...{ kind: 'invalid-input', component: 'behavior/profile', action: 'reading a profile', problem },
    remedy: 'build it anew from the stored rows',
  });

function tableState(table: RateTable, weight: number): z.input<typeof tableSchema> {
  const counts = (one: OperationCounts) => ({
    events: sparseOf(one.events, weight),
    work: rounded(one.work / weight),
    workOf: rounded(one.workOf / weight),
    excess: rounded(one.excess),
    hours: rounded(one.hours),
  });
  return {
    all: counts(table.all),
    operations: Object.fromEntries([...table.operations].map(([name, one]) => [name, counts(one)])),
  };
}

function tableOf(state: z.output<typeof tableSchema>, most: number): RateTable {
  const counts = (one: z.output<typeof countsSchema>): OperationCounts => {
    const { values, total } = denseOf(one.events);
    return { events: values, total, work: one.work, workOf: one.workOf, excess: one.excess, hours: one.hours };
  };
  const table = newRateTable(most);
  table.all = counts(state.all);
  for (const [name, one] of Object.entries(state.operations)) table.operations.set(name, counts(one));
  return table;
}

/** @param weight of an hour that ends now; the sums are written in hours of now, so that reading needs no clock. */
export function writeState(learnt: Learnt, timeZone: string, weight: number): ProfileState {
  const record = (values: ReadonlyMap<string, number>): Record<string, number> =>
    Object.fromEntries([...values].map(([name, value]) => [name, rounded(value / weight)]));
  const measure = ({ sum, of }: { sum: number; of: number }) => ({
    sum: rounded(sum / weight),
    of: rounded(of / weight),
  });
  return {
    version: 1,
    timeZone,
    first: learnt.first,
    closed: learnt.closed,
    exposure: sparseOf(learnt.exposure, weight),
    rates: tableState(learnt.rates, weight),
    groups: Object.fromEntries([...learnt.groups].map(([name, table]) => [name, tableState(table, weight)])),
    transitions: [...learnt.transitions.from].flatMap(([from, { to }]) =>
      [...to].map(([name, count]): [string, string, number] => [from, name, rounded(count / weight)]),
    ),
    dataSets: {
      hours: [...learnt.dataSets.hours].map(rounded),
      read: [...learnt.dataSets.read].map(rounded),
      expected: [...learnt.dataSets.expected].map(rounded),
      sets: Object.fromEntries(
        [...learnt.dataSets.sets].map(([name, { hits, before, last, evidence }]) => [
          name,
          {
            hits: sparseOf(hits, weight),
            before: rounded(before / weight),
            last: Number.isFinite(last) ? last : null,
            evidence: [...evidence].map(rounded),
          },
        ]),
      ),
    },
    sessions: measure(learnt.sessions),
    inputRate: measure(learnt.inputRate),
    programs: record(learnt.programs),
    regions: record(learnt.regions),
  };
}

/** @throws HeadroomError `invalid-input`: it is no profile, or one of another version. */
export function readState(value: unknown): { learnt: Learnt; timeZone: string } {
  const parsed = profileStateSchema.safeParse(value);
  if (!parsed.success) throw refused(z.prettifyError(parsed.error));
  const state = parsed.data;
  const learnt = newLearnt();
  learnt.first = state.first;
  learnt.closed = state.closed;
  learnt.exposure = denseOf(state.exposure).values;
  learnt.rates = tableOf(state.rates, MOST_OPERATIONS);
  for (const [name, table] of Object.entries(state.groups)) {
    learnt.groups.set(name, tableOf(table, MOST_GROUP_OPERATIONS));
  }
  for (const [from, to, count] of state.transitions) {
    const row = learnt.transitions.from.get(from) ?? { to: new Map<string, number>(), total: 0 };
    learnt.transitions.from.set(from, row);
    row.to.set(to, count);
    row.total += count;
    learnt.transitions.into.set(to, (learnt.transitions.into.get(to) ?? 0) + count);
    learnt.transitions.pairs += 1;
  }
  for (const sums of ['hours', 'read', 'expected'] as const) {
    const kept = learnt.dataSets[sums];
    state.dataSets[sums].slice(0, kept.length).forEach((count, age) => (kept[age] = count));
  }
  for (const [name, { hits, before, last, evidence }] of Object.entries(state.dataSets.sets)) {
    const { values, total } = denseOf(hits);
    const since = last ?? Number.NEGATIVE_INFINITY;
    const kept = newEvidence();
    evidence.slice(0, kept.length).forEach((value, index) => (kept[index] = value));
    learnt.dataSets.sets.set(name, { hits: values, total, before, last: since, evidence: kept });
  }
  learnt.sessions = state.sessions;
  learnt.inputRate = state.inputRate;
  learnt.programs = new Map(Object.entries(state.programs));
  learnt.regions = new Map(Object.entries(state.regions));
  return { learnt, timeZone: state.timeZone };
}
