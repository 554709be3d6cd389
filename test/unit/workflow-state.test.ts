import { describe, expect, it } from 'vitest';
import type { Override } from '../../src/domain/control.js';
import { createState, expire, LOG_LENGTH, note, restoreState, STATE_SCHEMA } from '../../workflows/state.js';
import { policyOf } from '../workflow/fakes.js';

const AT = 1_772_445_600;
const DAY = 86_400;

const stateOf = () =>
  createState(
    {
      account: 'acme',
      policy: policyOf(),
      scale: { wallEpochMs: 0, epoch: 0, factor: 1 },
      queues: { light: 'l', compute: 'c', cluster: 'k' },
    },
    AT,
    'abcdef12',
  );

const override = (id: string, until: number): Override => ({
  kind: 'override',
  id,
  target: { field: 'replicas', workload: 'web', value: 9 },
  author: 'ann',
  reason: '',
  since: AT,
  until,
});

const words = (state: ReturnType<typeof stateOf>): string[] => state.log.map(({ text }) => text);

describe('the state of an account', () => {
  it('is plain JSON: what continue-as-new carries over is what was there', () => {
    const state = stateOf();
    note(state, AT, 'something');
    state.overrides.push(override('o-1', AT + 60));
    expect(restoreState(JSON.parse(JSON.stringify(state)) as typeof state)).toEqual(state);
  });

  it('written by newer code is refused, rather than read in part', () => {
    expect(() => restoreState({ ...stateOf(), schema: STATE_SCHEMA + 1 })).toThrow(/run a newer worker/);
  });

  it('scores from its beginning on, not from the beginning of time', () => {
    expect(stateOf().learnt.scoredTo).toBe(AT);
  });

  it('keeps the last words alone', () => {
    const state = stateOf();
    for (let index = 0; index < 3 * LOG_LENGTH; index++) note(state, AT + index, `word ${index}`);
    expect(words(state)).toHaveLength(LOG_LENGTH);
    expect(words(state).at(-1)).toBe(`word ${3 * LOG_LENGTH - 1}`);
  });
});

describe('what expires', () => {
  it.each([
    ['a second before', -1, false],
    ['at its end', 0, true],
    ['long after', DAY, true],
  ])('a pause: %s', (_name, after, over) => {
    const state = stateOf();
    state.pause = { kind: 'pause', author: 'ann', reason: '', since: AT, until: AT + 60 };
    expire(state, AT + 60 + after);
    expect(state.pause === null).toBe(over);
    expect(words(state)).toEqual(over ? ['pause by ann expired'] : []);
  });

  it('overrides, each at its own time', () => {
    const state = stateOf();
    state.overrides = [override('o-1', AT + 60), override('o-2', AT + 120)];
    expire(state, AT + 60);
    expect(state.overrides.map(({ id }) => id)).toEqual(['o-2']);
    expect(words(state)).toEqual(['override o-1 by ann expired']);
  });

  it('an event, a day after its end: until then it can be looked back on', () => {
    const state = stateOf();
    state.events = [
      { name: 'sale', from: AT, to: AT + 60, expect: { multiplier: 2 }, uncertainty: 0.2, author: 'ann' },
    ];
    expire(state, AT + 60 + DAY - 1);
    expect(state.events).toHaveLength(1);
    expire(state, AT + 60 + DAY);
    expect(state.events).toEqual([]);
  });

  it('an approval that did not come counts as a rejection, and is not asked for again at once', () => {
    const state = stateOf();
    state.approval = { planId: 'p-1', until: AT + 60 };
    expire(state, AT + 60);
    expect(state.approval).toBeNull();
    expect(state.cooling).toMatchObject({ reason: 'rejected', until: AT + 60 + state.policy.coolDown });
    expire(state, AT + 60 + state.policy.coolDown - 1);
    expect(state.cooling).not.toBeNull();
    expire(state, AT + 60 + state.policy.coolDown);
    expect(state.cooling).toBeNull();
  });

  it('nothing, where nothing was set', () => {
    const state = stateOf();
    const before = structuredClone(state);
    expire(state, AT + 365 * DAY);
    expect(state).toEqual(before);
  });
});
