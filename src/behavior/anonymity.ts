import { addMeasures, sumContributions, type Contribution } from './contributions.js';
import type { BehaviorRow, Measure, RowKind, RowPart } from './events.js';

/**
 * What is given up, step by step, where a cell rests on too few persons. Of an operation the group goes first and its
 * data set stays, since data sets that are read by many groups are the ones worth fetching ahead; what has no data set
 * of many keeps its group, then the operation alone. Of a transition the pair stays longest: it is what it is about.
 */
const STEPS: Record<RowKind, readonly (readonly RowPart[])[]> = {
  operation: [[], ['group'], ['detail'], ['detail', 'group'], ['detail', 'group', 'name']],
  transition: [[], ['group'], ['detail', 'group'], ['detail', 'group', 'name']],
  program: [[], ['name']],
  region: [[], ['name']],
};

type Row = Omit<BehaviorRow, 'at' | 'width'>;

/** A measure that fewer than k persons state would be theirs, however many stand behind the row. */
function measureOf(
  cell: readonly Contribution[],
  k: number,
  which: 'complexity' | 'sessions' | 'inputRate',
): Measure | null {
  const stated = cell.filter((one) => one[which] !== null);
  if (new Set(stated.map(({ person }) => person)).size < k) return null;
  return stated.reduce<Measure | null>((sum, one) => addMeasures(sum, one[which]), null);
}

function rowOf(cell: readonly Contribution[], merged: readonly RowPart[], k: number): Row | null {
  const [first] = cell;
  if (first === undefined) return null;
  const keep = (part: RowPart): string | null => (merged.includes(part) ? null : first[part]);
  return {
    kind: first.kind,
    name: keep('name'),
    detail: keep('detail'),
    group: keep('group'),
    merged: [...merged],
    users: first.system ? null : new Set(cell.map(({ person }) => person)).size,
    events: cell.reduce((sum, { events }) => sum + events, 0),
    complexity: measureOf(cell, k, 'complexity'),
    sessions: measureOf(cell, k, 'sessions'),
    inputRate: measureOf(cell, k, 'inputRate'),
  };
}

function cellsOf(contributions: readonly Contribution[], merged: readonly RowPart[]): Contribution[][] {
  const cells = new Map<string, Contribution[]>();
  for (const one of contributions) {
    const kept = (['name', 'detail', 'group'] as const).map((part) => (merged.includes(part) ? null : one[part]));
    const key = JSON.stringify([one.kind, ...kept]);
    const cell = cells.get(key);
    if (cell === undefined) cells.set(key, [one]);
    else cell.push(one);
  }
  return [...cells.values()];
}

/**
 * Merges cells until each rests on k distinct persons or more.
 *
 * Every contribution goes into exactly one row or is left over, and rows of a coarser step hold only what the finer
 * ones did not: no row can be subtracted from another one to lay a small group bare. What no person did is not
 * merged; each number of a row rests on k persons too, or is null.
 * @returns `left`: what even the coarsest cell of its kind had too few persons for; it is not to be stored.
 */
export function mergeSmall(contributions: readonly Contribution[], k: number): { rows: Row[]; left: Contribution[] } {
  const rows: Row[] = [];
  const left: Contribution[] = [];
  const add = (row: Row | null): void => {
    if (row !== null) rows.push(row);
  };
  for (const cell of cellsOf(
    contributions.filter(({ system }) => system),
    [],
  )) {
    add(rowOf(cell, [], 1));
  }
  const byPeople = contributions.filter(({ system }) => !system);
  for (const [kind, steps] of Object.entries(STEPS)) {
    let small = byPeople.filter((one) => one.kind === kind);
    for (const merged of steps) {
      const cells = cellsOf(small, merged);
      small = [];
      for (const cell of cells) {
        if (new Set(cell.map(({ person }) => person)).size >= k) add(rowOf(cell, merged, k));
        else for (const one of cell) small.push(one);
      }
    }
    for (const one of small) left.push(one);
  }
  return { rows, left: sumContributions(left) };
}
