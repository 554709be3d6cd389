import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HeadroomError } from '../../src/domain/errors.js';
import { rungs, searchHyperParameters, type Candidate, type Dimension } from '../../src/forecast/search.js';

/* A search that spends more than its budget holds a machine up; one that is not repeatable cannot be explained. */

const space: Record<string, Dimension> = {
  kind: { kind: 'choice', values: ['gru', 'tcn'] },
  units: { kind: 'range', from: 8, to: 64, whole: true },
  rate: { kind: 'range', from: 1e-4, to: 1e-1, log: true },
};
/** Best at a rate of 0.003; a little noise that more effort removes. */
const bowl = (candidate: Candidate, effort: number): Promise<number> =>
  Promise.resolve(
    Math.abs(Math.log(Number(candidate['rate']) / 0.003)) + (0.1 * (1 - effort) * (Number(candidate['units']) % 5)) / 5,
  );
const base = { space, seed: 4, fit: bowl };

describe('a search of hyper-parameters', () => {
  it('never spends more fits than its budget, and ends with a whole one', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 60 }), fc.integer(), async (budget, seed) => {
        let fits = 0;
        const { best, trials } = await searchHyperParameters({
          ...base,
          seed,
          budget,
          fit: (candidate, effort) => (fits++, bowl(candidate, effort)),
        });
        expect(fits).toBeLessThanOrEqual(budget);
        expect(fits).toBe(trials.length);
        expect(best.effort).toBe(1);
        for (const { candidate } of trials) {
          expect(candidate['units']).toSatisfy((units) => Number.isInteger(units) && units >= 8 && units <= 64);
          expect(candidate['rate']).toSatisfy((rate) => rate >= 1e-4 && rate <= 1e-1);
        }
      }),
      { numRuns: 40 },
    );
  });

  it.each([
    [1, [1]],
    [3, [2, 1]],
    [13, [9, 3, 1]],
    [40, [27, 9, 3, 1]],
  ])('a budget of %i fits makes rungs of %j', (budget, expected) => {
    expect(rungs(budget)).toEqual(expected);
  });

  it('finds what is good: better than the first draw by far', async () => {
    const { best, trials } = await searchHyperParameters({ ...base, budget: 40 });
    expect(best.loss).toBeLessThan(0.3);
    expect(trials[0]?.loss).toBeGreaterThan(best.loss);
  });

  it('is the same for the same seed, and another for another', async () => {
    const one = await searchHyperParameters({ ...base, budget: 13 });
    expect(await searchHyperParameters({ ...base, budget: 13 })).toEqual(one);
    expect((await searchHyperParameters({ ...base, budget: 13, seed: 5 })).trials).not.toEqual(one.trials);
  });

  it('tries what it is given first, and keeps it where nothing is better', async () => {
    const start = { kind: 'tcn', units: 20, rate: 0.003 };
    const { best, trials } = await searchHyperParameters({ ...base, budget: 13, start: [start] });
    expect(trials[0]?.candidate).toEqual(start);
    expect(best.candidate).toEqual(start);
  });

  it('goes on after an interruption without doing a fit twice', async () => {
    const whole = await searchHyperParameters({ ...base, budget: 13 });
    let fits = 0;
    const resumed = await searchHyperParameters({
      ...base,
      budget: 13,
      known: whole.trials.slice(0, 9),
      fit: (candidate, effort) => (fits++, bowl(candidate, effort)),
    });
    expect(resumed).toEqual(whole);
    expect(fits).toBe(4);
  });

  it('a fit that is refused puts its candidate last; when all are, it says so', async () => {
    const refuse = (): never => {
      throw new HeadroomError({
        kind: 'invalid-input',
        component: 'test',
        action: 'fitting',
        problem: 'too short',
        remedy: 'wait',
      });
    };
    const { best } = await searchHyperParameters({
      ...base,
      budget: 13,
      fit: (candidate, effort) => (candidate['kind'] === 'gru' ? refuse() : bowl(candidate, effort)),
    });
    expect(best.candidate['kind']).toBe('tcn');
    const all = searchHyperParameters({ ...base, budget: 4, fit: () => Promise.resolve().then(refuse) });
    await expect(all).rejects.toThrow(/none of 4 fits/);
    await expect(searchHyperParameters({ ...base, budget: 0 })).rejects.toThrow(/budget of 0/);
    const broken = searchHyperParameters({ ...base, budget: 4, fit: () => Promise.reject(new TypeError('a bug')) });
    await expect(broken).rejects.toThrow('a bug');
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    const stopped = searchHyperParameters({
      ...base,
      budget: 13,
      signal: stop.signal,
      onTrial: (_, done) => {
        if (done === 2) stop.abort(new Error('enough'));
      },
    });
    await expect(stopped).rejects.toThrow('enough');
  });
});
