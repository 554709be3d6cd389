import { describe, expect, it } from 'vitest';
import { calendarOf } from '../../src/forecast/calendar.js';
import type { FeatureInputs } from '../../src/forecast/feature-inputs.js';
import { createGlobalBank } from '../../src/forecast/global-bank.js';
import type { GlobalModel } from '../../src/forecast/global.js';
import { createHistory } from '../../src/forecast/history.js';

/*
 * What trained models said of an origin is not asked twice. A forecast has to be what it would be if they were asked anew
 * each time: also after a bin came, a level moved, or an event was announced.
 */

const STEP = 300;
const LEVELS = [0.1, 0.5, 0.9];
const ANCHORS = [1, 2, 12, 48];
const HORIZON = 60;

/** Says of each step something that hangs on the step, the last two values, and what is known beside them. */
function recordingModel(asked: number[][]): GlobalModel {
  return {
    name: 'told',
    levels: LEVELS,
    context: 8,
    predict(requests, aheads) {
      asked.push([...aheads]);
      return Float32Array.from(
        requests.flatMap(({ values, inputs }) =>
          aheads.flatMap((ahead) => {
            const [before = 0, last = 0] = values.slice(-2);
            const middle = 100 + ahead + 10 * last + before + 1000 * (inputs?.holidays?.length ?? 0);
            return [middle - 1, middle, middle + 1];
          }),
        ),
      );
    },
  };
}

const holiday = (): FeatureInputs => ({ holidays: ['2026-03-02'] });

function bankOf(inputs: () => FeatureInputs | undefined) {
  const history = createHistory(STEP, 64);
  const asked: number[][] = [];
  const bank = createGlobalBank({
    ...{ globals: [recordingModel(asked)], levels: LEVELS, anchors: ANCHORS, step: STEP },
    ...{ calendar: calendarOf('UTC'), history, inputs },
  });
  const out = new Float64Array(LEVELS.length);
  const read = (origin: number, ahead: number): number[] => {
    bank.read(0, origin + ahead * STEP, out, 0);
    return [...out];
  };
  return { bank, history, asked, read };
}

/** Of each step what the model says of it by itself, asked for nothing else. */
const said = (ahead: number, last: number, before: number, holidays = 0): number[] => {
  const middle = 100 + ahead + 10 * last + before + 1000 * holidays;
  return [middle - 1, middle, middle + 1];
};

describe('trained models are not asked twice of one origin', () => {
  it('says of every step what it says when asked of that step alone', () => {
    const { bank, history, asked, read } = bankOf(() => undefined);
    history.set(0, 3);
    history.set(STEP, 5);
    bank.moveTo(STEP);
    bank.ask(HORIZON);
    for (const ahead of [1, 2, 7, 12, 24, 48, 60]) expect(read(STEP, ahead)).toEqual(said(ahead, 5, 3));
    expect(asked[0]).toEqual(ANCHORS);
    expect(asked[1]?.some((ahead) => ANCHORS.includes(ahead))).toBe(false);
  });

  it('asks anew once the next bin has come', () => {
    const { bank, history, read } = bankOf(() => undefined);
    history.set(0, 3);
    history.set(STEP, 5);
    bank.moveTo(STEP);
    bank.ask(HORIZON);
    history.set(2 * STEP, 7);
    bank.moveTo(2 * STEP);
    bank.ask(HORIZON);
    for (const ahead of [1, 7, 12, 60]) expect(read(2 * STEP, ahead)).toEqual(said(ahead, 7, 5));
  });

  it('asks anew of the same origin where its history was moved to another level', () => {
    const { bank, history, read } = bankOf(() => undefined);
    history.set(0, 3);
    history.set(STEP, 5);
    bank.moveTo(STEP);
    history.set(0, 13);
    bank.forget();
    bank.moveTo(STEP);
    bank.ask(HORIZON);
    for (const ahead of [1, 7, 12, 60]) expect(read(STEP, ahead)).toEqual(said(ahead, 5, 13));
  });

  it('asks all steps anew where something was announced since', () => {
    const told: { inputs?: FeatureInputs } = {};
    const { bank, history, read } = bankOf(() => told.inputs);
    history.set(0, 3);
    history.set(STEP, 5);
    bank.moveTo(STEP);
    told.inputs = holiday();
    bank.ask(HORIZON);
    for (const ahead of [1, 7, 12, 60]) expect(read(STEP, ahead)).toEqual(said(ahead, 5, 3, 1));
  });

  it('asks nothing more where the anchors are all that is asked', () => {
    const { bank, history, asked, read } = bankOf(() => undefined);
    history.set(0, 3);
    history.set(STEP, 5);
    bank.moveTo(STEP);
    bank.ask(2);
    expect(read(STEP, 2)).toEqual(said(2, 5, 3));
    expect(asked).toEqual([ANCHORS]);
  });
});
