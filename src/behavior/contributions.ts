import type { EpochSeconds } from '../domain/time.js';
import type { BehaviorEvent, Measure, RowKind } from './events.js';

/** What one person added to one cell: the unit in which small groups are merged. */
export interface Contribution {
  kind: RowKind;
  name: string | null;
  detail: string | null;
  group: string | null;
  person: string;
  system: boolean;
  events: number;
  complexity: Measure | null;
  sessions: Measure | null;
  inputRate: Measure | null;
}

/** Where a person was last seen, so that a session goes on across the border of a bin. */
export interface LastSeen {
  person: string;
  at: EpochSeconds;
  operation: string;
}

export const addMeasures = (one: Measure | null, other: Measure | null): Measure | null =>
  one === null || other === null ? (one ?? other) : { sum: one.sum + other.sum, of: one.of + other.of };

const measure = (value: number | null, weight: number): Measure | null =>
  value === null ? null : { sum: value * weight, of: weight };

type Key = Pick<Contribution, 'kind' | 'name' | 'detail' | 'group' | 'person' | 'system'>;
type Sums = Pick<Contribution, 'events' | 'complexity' | 'sessions' | 'inputRate'>;

/** Adds contributions up by cell and person; in the order in which the cells first came. */
function createTally() {
  const cells = new Map<string, Contribution>();
  return {
    add(key: Key, sums: Sums): void {
      const id = JSON.stringify([key.kind, key.name, key.detail, key.group, key.person, key.system]);
      const there = cells.get(id);
      if (there === undefined) {
        cells.set(id, { ...key, ...sums });
        return;
      }
      there.events += sums.events;
      there.complexity = addMeasures(there.complexity, sums.complexity);
      there.sessions = addMeasures(there.sessions, sums.sessions);
      there.inputRate = addMeasures(there.inputRate, sums.inputRate);
    },
    all: (): Contribution[] => [...cells.values()],
  };
}

/** The same cells of the same persons, added up. */
export function sumContributions(contributions: Iterable<Contribution>): Contribution[] {
  const tally = createTally();
  for (const { events, complexity, sessions, inputRate, ...key } of contributions) {
    tally.add(key, { events, complexity, sessions, inputRate });
  }
  return tally.all();
}

const NO_MEASURES = { complexity: null, sessions: null, inputRate: null };

/**
 * Events of one bin of one account as contributions, and where each person was last seen.
 * @param before where persons were last seen before this bin.
 * @param session seconds: two operations of a person further apart than that are no transition.
 */
export function contributionsOf(
  events: readonly BehaviorEvent[],
  before: readonly LastSeen[],
  session: number,
): { contributions: Contribution[]; seen: LastSeen[] } {
  const tally = createTally();
  const last = new Map(before.map((seen) => [seen.person, seen]));
  // Stable: events of one moment stay in the order in which they came.
  for (const event of [...events].sort((a, b) => a.at - b.at)) {
    const { at, person, system, group, operation, count } = event;
    const who = { person, system, group };
    tally.add(
      { ...who, kind: 'operation', name: operation, detail: event.dataset },
      {
        events: count,
        complexity: measure(event.complexity, count),
        sessions: measure(event.sessions, 1),
        inputRate: measure(event.inputRate, 1),
      },
    );
    for (const kind of ['program', 'region'] as const) {
      const name = event[kind];
      if (name !== null)
        tally.add({ ...who, group: null, kind, name, detail: null }, { events: count, ...NO_MEASURES });
    }
    const from = last.get(person);
    // A late event may be older than the last one: that is no step from there to here.
    if (from !== undefined && at >= from.at && at - from.at <= session) {
      tally.add({ ...who, kind: 'transition', name: from.operation, detail: operation }, { events: 1, ...NO_MEASURES });
    }
    if (from === undefined || at >= from.at) last.set(person, { person, at, operation });
  }
  return { contributions: tally.all(), seen: [...last.values()] };
}
