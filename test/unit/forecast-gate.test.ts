import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { binomialUpperTail, createGate, GATE_WINDOW } from '../../src/forecast/gate.js';

describe('the exact binomial tail', () => {
  it.each([
    // By hand, or from R: pbinom(misses - 1, n, p, lower.tail = FALSE).
    { misses: 0, n: 288, p: 0.01, tail: 1 },
    { misses: 1, n: 1, p: 0.01, tail: 0.01 },
    { misses: 2, n: 2, p: 0.5, tail: 0.25 },
    { misses: 1, n: 288, p: 0.01, tail: 1 - 0.99 ** 288 },
    { misses: 3, n: 3, p: 0.1, tail: 0.001 },
    { misses: 4, n: 3, p: 0.1, tail: 0 },
    { misses: 288, n: 288, p: 0.5, tail: 2 ** -288 },
  ])('$misses of $n at $p', ({ misses, n, p, tail }) => {
    expect(binomialUpperTail(misses, n, p)).toBeCloseTo(tail, 12);
  });

  it('agrees with the sum over all outcomes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.double({ min: 0.01, max: 0.5, noNaN: true }), (n, p) => {
        // Pascal's recursion for the distribution: another way to the same number.
        let chances = [1];
        for (let trial = 0; trial < n; trial++) {
          chances = Array.from(
            { length: chances.length + 1 },
            (_, k) => (chances[k] ?? 0) * (1 - p) + (chances[k - 1] ?? 0) * p,
          );
        }
        for (let misses = 0; misses <= n; misses++) {
          const tail = chances.slice(misses).reduce((a, b) => a + b, 0);
          expect(binomialUpperTail(misses, n, p)).toBeCloseTo(tail, 10);
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe('the gate', () => {
  const run = (gate: ReturnType<typeof createGate>, pattern: (k: number) => boolean, bins: number): void => {
    for (let k = 0; k < bins; k++) gate.score(pattern(k));
  };

  it('is open before anything is scored, and knows no coverage', () => {
    expect(createGate(0.99).state()).toEqual({ open: true, level: 0.99, scored: 0, misses: 0, coverage: null });
  });

  it('stays open at the stated rate', () => {
    const gate = createGate(0.99);
    run(gate, (k) => k % 100 === 99, 3000);
    expect(gate.state()).toMatchObject({ open: true, scored: GATE_WINDOW, coverage: 0.99 });
  });

  it('closes on the miss that makes the test reject, not before, and says why', () => {
    // 288 bins at 1 %: P(X ≥ 7) = 0.027, P(X ≥ 8) = 0.0097.
    expect(binomialUpperTail(7, 288, 0.01)).toBeGreaterThan(0.01);
    expect(binomialUpperTail(8, 288, 0.01)).toBeLessThan(0.01);
    const gate = createGate(0.99);
    run(gate, () => false, 288);
    run(gate, () => true, 7);
    expect(gate.state()).toMatchObject({ open: true, misses: 7, scored: 288 });
    gate.score(true);
    expect(gate.state().open).toBe(false);
    expect(gate.state().reason).toContain('8 of 288 bins');
  });

  it('comes back after 288 further bins that no longer reject, and not one earlier', () => {
    const gate = createGate(0.99);
    run(gate, () => true, 100);
    expect(gate.state().open).toBe(false);
    const closedAt = createGate(0.99);
    let bins = 0;
    while (closedAt.state().open) {
      closedAt.score(true);
      bins++;
    }
    run(closedAt, () => false, GATE_WINDOW - 1);
    expect({ bins, open: closedAt.state().open }).toEqual({ bins: 72, open: false });
    closedAt.score(false);
    expect(closedAt.state()).toMatchObject({ open: true, misses: 0, scored: GATE_WINDOW });
  });

  it('stays closed while the next 288 still reject, and opens once the last 288 are sound', () => {
    const gate = createGate(0.99);
    run(gate, (k) => k % 10 === 0, 288 + 288);
    expect(gate.state().open).toBe(false);
    run(gate, () => false, 287);
    run(gate, () => false, 1);
    expect(gate.state().open).toBe(true);
  });

  it('forgets the old misses: the window slides', () => {
    const gate = createGate(0.9);
    run(gate, (k) => k % 10 === 0, 288);
    run(gate, () => false, 288);
    expect(gate.state()).toMatchObject({ open: true, misses: 0, scored: 288 });
    expect(gate.state().coverage).toBeCloseTo(1 - 29 / 576, 10);
  });
});
