import { describe, expect, it } from 'vitest';
import type { GlobalModel } from '../../src/forecast/global.js';
import { judge } from '../../src/models/judge.js';
import { createLastValue } from '../../src/models/last-value.js';
import { aheadsOf, scoreModels, type ScoringWindow } from '../../src/models/score.js';
import { wave } from './models-fixtures.js';

/* A challenger that wins by luck costs every account a fit and then its forecasts; one that loses by luck costs little. */

const LEVELS = [0.1, 0.5, 0.9];
const START = 1_760_400_000;
const series = ['a', 'b', 'c'].map((id, index) => wave(id, 12, 3600, index + 1));
const window: ScoringWindow = { from: START + 6 * 86_400, to: START + 12 * 86_400, levels: LEVELS, horizon: 6 * 3600 };

/** Knows the wave: its median is off by `shift`, its spread by `width`. */
const knowing = (name: string, shift = 1, width = 1, silent = 0): GlobalModel => {
  let asked = 0;
  return {
    name,
    levels: LEVELS,
    context: 1,
    predict: (requests, aheads) =>
      Float32Array.from(
        requests.flatMap(({ origin, step }) =>
          aheads.flatMap((ahead) => {
            const middle = 10 + 4 * Math.sin((2 * Math.PI * (origin - START + ahead * step)) / 86_400);
            const quiet = asked++ % 100 < silent * 100;
            return LEVELS.map((level) => (quiet ? Number.NaN : middle * shift + (level - 0.5) * width));
          }),
        ),
      ),
  };
};

const against = async (champion: GlobalModel, challenger: GlobalModel, given = series, over = window) => {
  const [one, other] = await scoreModels([champion, challenger], given, over);
  if (one === undefined || other === undefined) throw new Error('no score');
  return judge(one, other);
};

describe('the score', () => {
  it('of a model that knows the truth has its coverage and hardly any loss', async () => {
    const [score] = await scoreModels([knowing('truth')], series, window);
    for (const { level, reached } of score?.metrics?.coverage ?? [])
      expect(Math.abs(reached - level)).toBeLessThan(0.05);
    expect(score?.metrics?.mae).toBeCloseTo(0.025, 2);
    expect(score?.metrics?.rmse).toBeCloseTo(0.029, 2);
    expect(score?.metrics?.r2).toBeGreaterThan(0.98);
    expect(score?.metrics?.mase).toBeLessThan(0.5);
    expect(score?.units).toHaveLength(3 * 6);
  });

  it('looks at nothing after its origin, and scores nothing before its window', async () => {
    const seen: number[] = [];
    const spy: GlobalModel = {
      ...knowing('spy'),
      context: 50,
      predict(requests, aheads) {
        for (const { values, origin, step } of requests) {
          expect(values.length).toBeLessThanOrEqual(50);
          const index = (origin - START) / step;
          expect(values.at(-1)).toBe(series[0]?.values[index]);
          for (const ahead of aheads) seen.push(origin + ahead * step);
        }
        return knowing('spy').predict(requests, aheads);
      },
    };
    await scoreModels([spy], series.slice(0, 1), window);
    expect(Math.min(...seen)).toBeGreaterThanOrEqual(window.from);
    expect(Math.max(...seen)).toBeLessThan(window.to);
  });

  it('leaves the thread to others between two series, and ends when it is cancelled', async () => {
    let turns = 0;
    const ticking = setInterval(() => turns++, 0);
    const slow: GlobalModel = {
      ...knowing('slow'),
      predict(requests, aheads) {
        const until = performance.now() + 5;
        while (performance.now() < until);
        return knowing('slow').predict(requests, aheads);
      },
    };
    await scoreModels([slow], series, window);
    clearInterval(ticking);
    // A worker that scores hundreds of series at a stretch misses its heartbeats, and those of every account.
    expect(turns).toBeGreaterThanOrEqual(series.length - 1);
    const over = AbortSignal.abort(new Error('cancelled'));
    await expect(scoreModels([slow], series, window, over)).rejects.toThrow('cancelled');
  });

  it('leaves missing bins and series of zeros out instead of reading them as hits', async () => {
    const holes = series.map((one) => ({
      ...one,
      values: one.values.map((value, k) => (k % 3 === 0 ? Number.NaN : value)),
    }));
    const [whole] = await scoreModels([knowing('truth')], holes, window);
    expect(whole?.metrics?.mae).toBeCloseTo(0.025, 2);
    const [nothing] = await scoreModels(
      [knowing('truth')],
      [{ ...wave('z', 12), values: new Float32Array(288) }],
      window,
    );
    expect(nothing?.metrics).toBeNull();
    expect(nothing?.units).toEqual([]);
    expect((await scoreModels([knowing('truth')], series, { ...window, from: window.to }))[0]?.metrics).toBeNull();
  });

  it.each([
    [1, [1]],
    [2, [1, 2]],
    [24, [1, 2, 4, 7, 13, 24]],
    [288, [1, 3, 10, 30, 93, 288]],
  ])('of %s steps ahead looks at %s', (horizon, aheads) => {
    expect(aheadsOf(horizon)).toEqual(aheads);
  });
});

describe('the judgement', () => {
  const cases: { name: string; champion: GlobalModel; challenger: GlobalModel; better: boolean; says: RegExp }[] = [
    {
      name: 'clearly better',
      champion: knowing('old', 1.05),
      challenger: knowing('new'),
      better: true,
      says: /^it is better \(/,
    },
    {
      name: 'the same',
      champion: knowing('old'),
      challenger: knowing('new'),
      better: false,
      says: /not better by 1 %/,
    },
    { name: 'worse', champion: knowing('old'), challenger: knowing('new', 1.05), better: false, says: /not better/ },
    {
      name: 'sharper, but wrong about it',
      champion: knowing('old', 1, 4),
      challenger: knowing('new', 1, 0.1),
      better: false,
      says: /coverage is off/,
    },
    {
      name: 'silent half of the time',
      champion: knowing('old', 1.05),
      challenger: knowing('new', 1, 1, 0.5),
      better: false,
      says: /answers at 50 %/,
    },
    {
      name: 'better than the last value',
      champion: createLastValue(LEVELS),
      challenger: knowing('new'),
      better: true,
      says: /last-value/,
    },
  ];
  it.each(cases)('of one that is $name', async ({ champion, challenger, better, says }) => {
    const verdict = await against(champion, challenger);
    expect(verdict.detail).toMatch(says);
    expect(verdict.better).toBe(better);
  });

  it('needs days enough', async () => {
    const verdict = await against(knowing('old', 1.05), knowing('new'), series.slice(0, 1), {
      ...window,
      from: window.to - 3 * 86_400,
    });
    expect(verdict).toMatchObject({ better: false, units: 3 });
    expect(verdict.detail).toMatch(/too little to judge by/);
  });

  it('takes no luck for skill: among equals hardly any wins', () => {
    // Two models whose losses differ by noise alone.
    let state = 7;
    const draw = (): number => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) / 2 ** 32;
    const score = (model: string) => ({
      model,
      metrics: null,
      said: 1,
      units: Array.from({ length: 12 }, (_, day) => ({ series: 'a', day, wql: 0.1 * Math.exp(draw() - 0.5) })),
    });
    let wins = 0;
    for (let round = 0; round < 400; round++) if (judge(score('old'), score('new')).better) wins++;
    expect(wins / 400).toBeLessThan(0.08);
    expect(wins).toBeGreaterThan(0);
  });
});
