import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { COMPONENTS, formatQuantity, parseQuantity, type Component } from '../../src/domain/component.js';

describe('quantities as Kubernetes writes them', () => {
  it.each([
    ['500m', 0.5],
    ['1.5', 1.5],
    ['16Gi', 17_179_869_184],
    ['1G', 1e9],
    ['2e3', 2000],
    ['1E3', 1000],
    ['100n', 1e-7],
    ['0', 0],
    ['-1', -1],
    [' 3 ', 3],
  ])('%s', (text, amount) => {
    expect(parseQuantity(text)).toBeCloseTo(amount, 12);
  });

  it('a plain number is one', () => {
    expect(parseQuantity(2.5)).toBe(2.5);
  });

  it.each(['', 'm', '1 Gi', '1gi', '1.', '.5', '1e', '0x10', '1,5', 'Infinity', Number.NaN, Number.POSITIVE_INFINITY])(
    '%s is none',
    (text) => {
      expect(() => parseQuantity(text)).toThrow(/is not a quantity/);
    },
  );

  it.each<[Component, number, string]>([
    ['cpu', 0.5, '500m'],
    ['cpu', 2, '2'],
    ['cpu', 0, '0'],
    ['cpu', 0.1 + 0.2, '300m'],
    ['cpu', 0.0001, '1m'],
    ['memory', 17_179_869_184, '16Gi'],
    ['memory', 1.5 * 2 ** 30, '1536Mi'],
    ['memory', 1000, '1000'],
    ['memory', 0.5, '1'],
    ['storage', 2 ** 40, '1Ti'],
    ['gpu', 2, '2'],
    ['io', 1e6, '1000000'],
  ])('%s of %d is written %s', (component, amount, text) => {
    expect(formatQuantity(component, amount)).toBe(text);
  });

  it('what is written is never less than what was meant, and hardly more', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...COMPONENTS),
        fc.double({ min: 0, max: 1e15, noNaN: true }),
        (component, amount) => {
          const back = parseQuantity(formatQuantity(component, amount));
          // A millionth of a millicore is what floating point leaves behind, not a request.
          expect(back).toBeGreaterThanOrEqual(amount * (1 - 1e-9) - 1e-9);
          expect(back).toBeLessThanOrEqual(amount * 1.011 + 1);
        },
      ),
    );
  });
});
