import type { GlobalModel } from './global.js';
import type { Model } from './models/model.js';
import type { Scale } from './scales.js';
import { STATES } from './state.js';

/* Who stands in an ensemble, and where each has its rows. */

/**
 * One way to forecast quantiles: a model's middle, with its residuals relative to a scale. A global model says quantiles
 * itself: they are taken as `stated`, and beside it their `own` width is a scale, on which its errors are learnt like
 * those of the others, so that one whose shape is off for this series is put right.
 */
export interface Member {
  model: number;
  scale: Scale | 'own' | 'stated';
  /** First of its rows in the sketches. */
  row: number;
  states: number;
}

export interface Members {
  /** The ensemble's levels, and the places of 0.1, 0.5 and 0.9 among them. */
  readonly levels: readonly number[];
  readonly low: number;
  readonly middle: number;
  readonly high: number;
  /** Horizons, in steps, that are learnt exactly. */
  readonly anchors: readonly number[];
  /** Models of the series; global ones are counted after them. */
  readonly models: readonly Model[];
  readonly globals: readonly GlobalModel[];
  readonly all: readonly Member[];
  /** Rows of residual distributions, of all members. */
  readonly rows: number;
  /** The row of a member at an anchor, in a state of the series. */
  rowOf(member: Member, anchor: number, state: number): number;
}

export function layOut(
  entries: readonly { model: Model; scales: readonly Scale[] }[],
  globals: readonly GlobalModel[],
  levels: readonly number[],
  anchors: readonly number[],
): Members {
  // Each member's residual distributions: one an anchor, or one an anchor and state.
  let rows = 0;
  const standing = [
    ...entries.map(({ scales }): readonly Member['scale'][] => scales),
    ...globals.map((one): readonly Member['scale'][] => (one.trust === undefined ? ['own', 'stated'] : ['stated'])),
  ];
  const all = standing.flatMap((each, model) =>
    each.map((scale): Member => {
      const member = { model, scale, row: rows, states: scale === 'state' ? STATES : scale === 'stated' ? 0 : 1 };
      rows += member.states * anchors.length;
      return member;
    }),
  );
  return {
    ...{ levels, anchors, globals, all, rows },
    ...{ low: levels.indexOf(0.1), middle: levels.indexOf(0.5), high: levels.indexOf(0.9) },
    models: entries.map(({ model }) => model),
    rowOf: (member, anchor, state) => member.row + anchor * member.states + (member.states === STATES ? state : 0),
  };
}
