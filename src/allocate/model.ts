/*
 * A linear model as plain arrays, whose every limit remembers which constraint of the operator it came from: that is
 * what lets a conflict be named in the operator's words.
 */

/** A limit that an operator would recognise. `id` is unique, `constraint` the file's name under constraints/. */
export interface Group {
  id: string;
  constraint: string;
  words: string;
}

export interface Entry {
  column: number;
  value: number;
}

/** One side of a row. Without a group it is structure (a definition), which no conflict ever names. */
export interface Side {
  bound: number;
  group?: string;
  /** Penalty of one unit of violation where the problem as stated cannot be met; without it the side never gives. */
  gives?: number;
}

export interface LinearModel {
  readonly cost: number[];
  readonly lower: number[];
  readonly upper: number[];
  readonly integer: boolean[];
  readonly rowLower: number[];
  readonly rowUpper: number[];
  readonly lowerGroup: (string | null)[];
  readonly upperGroup: (string | null)[];
  readonly lowerGives: (number | null)[];
  readonly upperGives: (number | null)[];
  readonly starts: number[];
  readonly indices: number[];
  readonly values: number[];
  readonly groups: Map<string, Group>;
}

export interface ModelBuilder {
  readonly model: LinearModel;
  /** Adds a variable ≥ 0 (unless `upper` bounds it too). @returns its index. */
  column(spec: { cost: number; upper?: number; integer?: boolean }): number;
  /** Adds one entry to the row that {@link row} ends: no array of entries is made for the many rows of a large plan. */
  put(column: number, value: number): void;
  /** Adds lower ≤ Σ entries ≤ upper, with what was put before. @returns its index. */
  row(entries: readonly Entry[], sides: { lower?: Side; upper?: Side }): number;
  group(group: Group): string;
}

export function createModelBuilder(): ModelBuilder {
  const model: LinearModel = {
    cost: [],
    lower: [],
    upper: [],
    integer: [],
    rowLower: [],
    rowUpper: [],
    lowerGroup: [],
    upperGroup: [],
    lowerGives: [],
    upperGives: [],
    starts: [0],
    indices: [],
    values: [],
    groups: new Map(),
  };
  return {
    model,
    column({ cost, upper, integer }) {
      model.cost.push(cost);
      model.lower.push(0);
      model.upper.push(upper ?? Number.POSITIVE_INFINITY);
      model.integer.push(integer ?? false);
      return model.cost.length - 1;
    },
    put(column, value) {
      if (value === 0) return;
      model.indices.push(column);
      model.values.push(value);
    },
    row(entries, { lower, upper }) {
      for (const entry of entries) {
        if (entry.value === 0) continue;
        model.indices.push(entry.column);
        model.values.push(entry.value);
      }
      model.starts.push(model.indices.length);
      model.rowLower.push(lower?.bound ?? Number.NEGATIVE_INFINITY);
      model.rowUpper.push(upper?.bound ?? Number.POSITIVE_INFINITY);
      model.lowerGroup.push(lower?.group ?? null);
      model.upperGroup.push(upper?.group ?? null);
      model.lowerGives.push(lower?.gives ?? null);
      model.upperGives.push(upper?.gives ?? null);
      return model.rowLower.length - 1;
    },
    group(group) {
      if (!model.groups.has(group.id)) model.groups.set(group.id, group);
      return group.id;
    },
  };
}

/** The same model in which every side that can give has a priced slack, appended after the model's own columns. */
export function relaxed(model: LinearModel): LinearModel {
  const cost = [...model.cost];
  const starts: number[] = [0];
  const indices: number[] = [];
  const values: number[] = [];
  for (let row = 0; row < model.rowLower.length; row++) {
    for (let at = model.starts[row] ?? 0; at < (model.starts[row + 1] ?? 0); at++) {
      indices.push(model.indices[at] ?? 0);
      values.push(model.values[at] ?? 0);
    }
    for (const [gives, sign] of [
      [model.lowerGives[row] ?? null, 1],
      [model.upperGives[row] ?? null, -1],
    ] as const) {
      if (gives === null) continue;
      indices.push(cost.length);
      values.push(sign);
      cost.push(gives);
    }
    starts.push(indices.length);
  }
  const added = cost.length - model.cost.length;
  return {
    ...model,
    cost,
    lower: [...model.lower, ...new Array<number>(added).fill(0)],
    upper: [...model.upper, ...new Array<number>(added).fill(Number.POSITIVE_INFINITY)],
    integer: [...model.integer, ...new Array<boolean>(added).fill(false)],
    starts,
    indices,
    values,
  };
}

/** The same model in which only the groups in `kept` bind; structure always does. Costs are dropped. */
export function restrictedTo(model: LinearModel, kept: ReadonlySet<string>): LinearModel {
  const side = (bounds: readonly number[], groups: readonly (string | null)[], free: number): number[] =>
    bounds.map((bound, row) => {
      const group = groups[row] ?? null;
      return group === null || kept.has(group) ? bound : free;
    });
  return {
    ...model,
    cost: model.cost.map(() => 0),
    rowLower: side(model.rowLower, model.lowerGroup, Number.NEGATIVE_INFINITY),
    rowUpper: side(model.rowUpper, model.upperGroup, Number.POSITIVE_INFINITY),
  };
}

/**
 * The same model in which every side that belongs to a group gives at the same price: where the limits contradict each
 * other, those with a dual in its solution do so by themselves (Farkas), which is a far smaller set to look through.
 */
export function elastic(model: LinearModel): LinearModel {
  const price = (groups: readonly (string | null)[]): (number | null)[] =>
    groups.map((group) => (group === null ? null : 1));
  return relaxed({
    ...model,
    cost: model.cost.map(() => 0),
    lowerGives: price(model.lowerGroup),
    upperGives: price(model.upperGroup),
  });
}
