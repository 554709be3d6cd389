import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createChampions, type Champions } from '../../src/models/champions.js';
import {
  challenge,
  keptOf,
  nobodyYet,
  promote,
  reject,
  rollback,
  wasRolledBack,
  withdraw,
  type Act,
} from '../../src/models/reign.js';

/* Who serves is what an operator reads and takes back at three in the morning. */

const [A, B, C] = ['a', 'b', 'c'].map((digit) => digit.repeat(64)) as [string, string, string];
const act = (at: number, reason = 'test'): Act => ({ at, by: 'ann', reason });
const start = nobodyYet('main', 'booster');

describe('a succession', () => {
  it('a challenger is beside the champion, and takes its place', () => {
    let state = promote(start, A, act(1));
    state = challenge(state, B, act(2));
    expect(state).toMatchObject({ champion: { id: A }, challenger: { id: B } });
    state = promote(state, B, act(3, 'better'));
    expect(state).toMatchObject({ champion: { id: B, since: 3, reason: 'better' }, challenger: null });
    expect(state.earlier.map(({ id }) => id)).toEqual([A]);
    expect(state.history.map(({ event, id, against, by }) => [event, id, against, by])).toEqual([
      ['promoted', A, null, 'ann'],
      ['challenged', B, A, 'ann'],
      ['promoted', B, A, 'ann'],
    ]);
  });

  it('one command goes back, again and again, to none at last', () => {
    let state = [A, B, C].reduce((before, id, index) => promote(before, id, act(index)), start);
    const seen = [];
    for (let round = 0; round < 3; round++) {
      state = rollback(state, act(10 + round, 'worse'));
      seen.push(state.champion?.id ?? null);
    }
    expect(seen).toEqual([B, A, null]);
    expect(() => rollback(state, act(20))).toThrow(/has no champion/);
  });

  it('what was rolled back is known as such until it is promoted again', () => {
    let state = promote(promote(start, A, act(1)), B, act(2));
    expect(wasRolledBack(state, B)).toBe(false);
    state = challenge(rollback(state, act(3)), B, act(4));
    expect(wasRolledBack(state, B)).toBe(true);
    expect(wasRolledBack(promote(state, B, act(5)), B)).toBe(false);
  });

  const line = [A, B, C].reduce((before, id, index) => promote(before, id, act(index)), start);
  interface Case {
    name: string;
    gone: string[];
    sound: string[];
    champion: string | null;
    earlier: string[];
  }
  const cases: Case[] = [
    { name: 'the champion: the one before it serves', gone: [C], sound: [A, B], champion: B, earlier: [A] },
    { name: 'the champion, and the one before is damaged', gone: [C], sound: [A], champion: A, earlier: [] },
    { name: 'all of them', gone: [A, B, C], sound: [], champion: null, earlier: [] },
    { name: 'an earlier one alone', gone: [A], sound: [], champion: C, earlier: [B] },
    { name: 'one that it never named', gone: ['d'.repeat(64)], sound: [], champion: C, earlier: [B, A] },
  ];
  it.each(cases)('without the files of $name', ({ gone, sound, champion, earlier }) => {
    const after = withdraw(line, new Set(gone), (id) => sound.includes(id), act(9, 'erased'));
    expect(after.champion?.id ?? null).toBe(champion);
    expect(after.earlier.map(({ id }) => id)).toEqual(earlier);
    for (const id of gone) expect(keptOf(after)).not.toContain(id);
    if (champion !== C) expect(after.history.at(-1)).toMatchObject({ event: 'rolled-back', id: C, reason: 'erased' });
  });

  it('a challenger whose file goes is let go', () => {
    const after = withdraw(challenge(promote(start, A, act(1)), B, act(2)), new Set([B]), () => true, act(3));
    expect(after).toMatchObject({ champion: { id: A }, challenger: null });
    expect(after.history.at(-1)).toMatchObject({ event: 'rejected', id: B });
  });

  it('a verdict on a challenger that another one replaced changes nothing', () => {
    const state = challenge(challenge(promote(start, A, act(1)), B, act(2)), C, act(3));
    expect(reject(state, B, act(4))).toBe(state);
    expect(reject(state, C, act(4)).challenger).toBeNull();
  });

  it('whatever happens, champion, earlier ones and challenger are kept, and no one is two of them', () => {
    const steps = fc.array(fc.tuple(fc.constantFrom('challenge', 'promote', 'reject', 'rollback'), fc.nat(5)));
    fc.assert(
      fc.property(steps, (moves) => {
        let state = start;
        moves.forEach(([move, which], at) => {
          const id = String(which).repeat(64);
          if (move === 'challenge') state = challenge(state, id, act(at));
          if (move === 'promote') state = promote(state, id, act(at));
          if (move === 'reject') state = reject(state, id, act(at));
          if (move === 'rollback' && state.champion !== null) state = rollback(state, act(at));
          const line = [state.champion, ...state.earlier].flatMap((one) => (one === null ? [] : [one.id]));
          expect(new Set(line).size).toBe(line.length);
          for (const one of line) expect(keptOf(state)).toContain(one);
        });
      }),
    );
  });
});

describe('the registry of champions', () => {
  let folder: string;
  let champions: Champions;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'headroom-champions-'));
    champions = createChampions(folder);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('writers at once lose nothing of each other', async () => {
    const others = Array.from({ length: 3 }, () => createChampions(folder));
    await Promise.all(
      Array.from({ length: 12 }, (_, index) => {
        const id = String(index % 10).repeat(63) + (index > 9 ? 'a' : 'b');
        return (others[index % 3] ?? champions).change('main', 'booster', (state) => challenge(state, id, act(index)));
      }),
    );
    const state = await champions.read('main', 'booster');
    expect(state.history).toHaveLength(12);
    expect(new Set(state.history.map(({ at }) => at)).size).toBe(12);
  });

  it('its version changes with every step, in any scope, and with nothing else', async () => {
    const seen = [await champions.version()];
    await champions.change('main', 'booster', (state) => promote(state, A, act(1)));
    seen.push(await champions.version());
    await champions.change('account-3f2a', 'gru', (state) => promote(state, B, act(1)));
    seen.push(await champions.version());
    expect(new Set(seen).size).toBe(3);
    await champions.change('main', 'booster', (state) => promote(state, A, act(2)));
    expect(await champions.version()).toBe(seen[2]);
    expect([...(await champions.kept()).ids].sort()).toEqual([A, B]);
    expect((await champions.all()).states.map(({ scope }) => scope)).toEqual(['account-3f2a', 'main']);
  });

  it('refuses names that would leave its folder, and a damaged state, in words', async () => {
    await expect(champions.read('../x', 'booster')).rejects.toMatchObject({ kind: 'invalid-input' });
    await champions.change('main', 'booster', (state) => promote(state, A, act(1)));
    await writeFile(join(folder, 'main', 'booster', '00000002.json'), '{');
    await expect(champions.read('main', 'booster')).rejects.toThrow(/00000002\.json is damaged; delete that file/);
    await rm(join(folder, 'main', 'booster', '00000002.json'));
    expect((await champions.read('main', 'booster')).champion?.id).toBe(A);
  });

  it('one damaged state keeps no other from being read, and what it names is kept', async () => {
    await champions.change('main', 'booster', (state) => promote(state, A, act(1)));
    await champions.change('main', 'gru', (state) => promote(state, B, act(1)));
    await writeFile(join(folder, 'main', 'booster', '00000002.json'), `{ "champion": { "id": "${C}" `);
    const { states, unreadable } = await champions.all();
    expect(states.map(({ kind }) => kind)).toEqual(['gru']);
    expect(unreadable).toMatchObject([{ scope: 'main', kind: 'booster' }]);
    expect(unreadable[0]?.problem).toMatch(/00000002\.json is damaged; delete that file/);
    expect([...(await champions.kept()).ids].sort()).toEqual([A, B, C]);
  });

  it('keeps a bounded number of states', async () => {
    for (let index = 0; index < 30; index++) {
      await champions.change('main', 'booster', (state) => promote(state, index % 2 === 0 ? A : B, act(index)));
    }
    expect((await readdir(join(folder, 'main', 'booster'))).length).toBeLessThanOrEqual(21);
    expect((await champions.read('main', 'booster')).champion?.since).toBe(29);
  });
});
