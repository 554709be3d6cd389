import fc from 'fast-check';
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { describe, expect, it } from 'vitest';
import { codeOf, createBinning, MISSING } from '../../src/forecast/booster/bins.js';
import {
  parseBooster,
  predictRow,
  predictRows,
  serialiseBooster,
  type Booster,
} from '../../src/forecast/booster/booster.js';
import { FOREST_DEFAULTS, trainForest } from '../../src/forecast/booster/forest.js';
import { createGrower } from '../../src/forecast/booster/grow.js';
import { bestSplit, fillHistogram, STRIDE, UNIT } from '../../src/forecast/booster/histogram.js';
import { quantileOf } from '../../src/forecast/booster/order-statistic.js';
import { BOOSTER_DEFAULTS, trainBooster, type TrainingRows } from '../../src/forecast/booster/train.js';

/* What a user loses when this fails: quantiles that are wrong, that differ from run to run, or that corrupt bytes gave. */

const LEVELS = [0.1, 0.5, 0.9];
const OPTIONS = { ...BOOSTER_DEFAULTS, levels: LEVELS, rounds: 120, leaves: 15, minLeaf: 30, seed: 3 };

/** y = 3·[x0 > 0] + (1 + 2·[x1 > 0])·uniform(0, 1), x1 missing for a tenth, where y is 10 more; x2 says nothing. */
function rowsOf(rows: number, seed: number): TrainingRows {
  const random = xoroshiro128plus(seed);
  const values = new Float32Array(rows * 3);
  const target = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    const x = [0, 1, 2].map(() => 2 * uniformFloat64(random) - 1);
    const isMissing = uniformFloat64(random) < 0.1;
    x.forEach((value, column) => (values[column * rows + row] = column === 1 && isMissing ? Number.NaN : value));
    const wide = (x[1] ?? 0) > 0 && !isMissing;
    target[row] = ((x[0] ?? 0) > 0 ? 3 : 0) + (wide ? 3 : 1) * uniformFloat64(random) + (isMissing ? 10 : 0);
  }
  return { matrix: { rows, columns: 3, values }, target };
}

const predict = (booster: Booster, row: readonly number[]): number[] => {
  const out = new Float32Array(booster.levels.length);
  predictRow(booster, Float32Array.from(row), 0, out, 0);
  return [...out];
};

describe('a fitted booster', () => {
  const booster = trainBooster(rowsOf(6000, 1), OPTIONS);
  it.each([
    { name: 'low and narrow', row: [-0.5, -0.5, 0], wanted: [0.1, 0.5, 0.9] },
    { name: 'high and narrow', row: [0.5, -0.5, 0], wanted: [3.1, 3.5, 3.9] },
    { name: 'low and wide', row: [-0.5, 0.5, 0], wanted: [0.3, 1.5, 2.7] },
    { name: 'high and wide', row: [0.5, 0.5, 0], wanted: [3.3, 4.5, 5.7] },
    { name: 'missing is a value of its own', row: [-0.5, Number.NaN, 0], wanted: [10.1, 10.5, 10.9] },
    { name: 'missing and high', row: [0.5, Number.NaN, 0], wanted: [13.1, 13.5, 13.9] },
    { name: 'far outside what it saw', row: [1e30, -1e30, 1e30], wanted: [3.1, 3.5, 3.9] },
  ])('knows the quantiles of $name', ({ row, wanted }) => {
    predict(booster, row).forEach((value, k) => expect(Math.abs(value - (wanted[k] ?? 0))).toBeLessThan(0.35));
  });

  it('says of many rows at once what it says of each', () => {
    const width = 4; // A column that no tree asks stands beside those that they do.
    const rows = [-0.5, 0.5, Number.NaN].flatMap((x) => [-0.5, 0.5, Number.NaN].map((y) => [x, y, 0, 9]));
    const out = new Float32Array(rows.length * LEVELS.length);
    predictRows(booster, Float32Array.from(rows.flat()), { count: rows.length, width }, out);
    expect([...out]).toEqual(rows.flatMap((row) => predict(booster, row)));
  });

  it('says levels in order whatever the row', () => {
    const value = fc.oneof(fc.double({ min: -2, max: 2, noNaN: true }), fc.constant(Number.NaN));
    fc.assert(
      fc.property(fc.array(value, { minLength: 3, maxLength: 3 }), (row) => {
        const said = predict(booster, row);
        expect(said).toEqual([...said].sort((a, b) => a - b));
      }),
    );
  });

  it('is the same again with the same seed, and another with another', () => {
    const bytes = serialiseBooster(booster);
    expect(Buffer.from(serialiseBooster(trainBooster(rowsOf(6000, 1), OPTIONS))).equals(Buffer.from(bytes))).toBe(true);
    const other = trainBooster(rowsOf(6000, 1), { ...OPTIONS, seed: 4 });
    expect(Buffer.from(serialiseBooster(other)).equals(Buffer.from(bytes))).toBe(false);
  });

  it.each([
    { name: 'a tree for the levels’ sum', structure: 'sum' as const, bound: 1.25 },
    { name: 'a tree for each level in turn', structure: 'turns' as const, bound: 1.1 },
  ])('comes close to the loss of the true quantiles with $name', ({ structure, bound }) => {
    const fitted = trainBooster(rowsOf(6000, 1), { ...OPTIONS, structure });
    const { matrix, target } = rowsOf(2000, 2);
    let loss = 0;
    let least = 0;
    const pinball = (level: number, off: number): number => (off > 0 ? level * off : (level - 1) * off);
    for (let row = 0; row < matrix.rows; row++) {
      const [a = 0, b = 0, c = 0] = [0, 1, 2].map((column) => matrix.values[column * matrix.rows + row]);
      const isMissing = Number.isNaN(b);
      const from = (a > 0 ? 3 : 0) + (isMissing ? 10 : 0);
      const width = !isMissing && b > 0 ? 3 : 1;
      const said = predict(fitted, [a, b, c]);
      LEVELS.forEach((level, k) => {
        loss += pinball(level, (target[row] ?? 0) - (said[k] ?? 0));
        least += pinball(level, (target[row] ?? 0) - (from + level * width));
      });
    }
    expect(loss / least).toBeLessThan(bound);
    expect(loss / least).toBeGreaterThan(0.98);
  });
});

describe('a fitted forest', () => {
  const options = { ...FOREST_DEFAULTS, levels: LEVELS, trees: 30, leaves: 24, minLeaf: 30, columnShare: 1, seed: 3 };
  const forest = trainForest(rowsOf(6000, 1), options);
  it.each([
    { name: 'low and narrow', row: [-0.5, -0.5, 0], wanted: [0.1, 0.5, 0.9] },
    { name: 'high and wide', row: [0.5, 0.5, 0], wanted: [3.3, 4.5, 5.7] },
    { name: 'missing and high', row: [0.5, Number.NaN, 0], wanted: [13.1, 13.5, 13.9] },
  ])('knows the quantiles of $name', ({ row, wanted }) => {
    predict(forest, row).forEach((value, k) => expect(Math.abs(value - (wanted[k] ?? 0))).toBeLessThan(0.35));
  });
  it('is the same again, as bytes too', () => {
    expect(trainForest(rowsOf(6000, 1), options)).toEqual(forest);
    expect(parseBooster(serialiseBooster(forest))).toEqual(forest);
  });
  it('of too few rows to part says their quantiles', () => {
    const few = { matrix: { rows: 3, columns: 1, values: Float32Array.of(1, 2, 3) }, target: Float32Array.of(0, 1, 2) };
    const said = predict(trainForest(few, { ...options, rowShare: 1 }), [2]);
    [0.2, 1, 1.8].forEach((value, k) => expect(said[k]).toBeCloseTo(value, 5));
  });
});

describe('odd rows', () => {
  const fitOn = (columns: number[][], target: number[]): Booster =>
    trainBooster(
      {
        matrix: { rows: target.length, columns: columns.length, values: Float32Array.from(columns.flat()) },
        target: Float32Array.from(target),
      },
      { ...OPTIONS, minLeaf: 1, rounds: 30, rowShare: 1, columnShare: 1, learningRate: 0.5 },
    );
  it.each([
    { name: 'one row', columns: [[1]], target: [7], row: [1], wanted: [7, 7, 7] },
    { name: 'a constant target', columns: [[1, 2, 3, 4]], target: [5, 5, 5, 5], row: [2], wanted: [5, 5, 5] },
    { name: 'a constant feature', columns: [[1, 1, 1]], target: [0, 1, 2], row: [1], wanted: [0.2, 1, 1.8] },
    {
      name: 'a feature that is never there',
      columns: [[NaN, NaN, NaN]],
      target: [0, 1, 2],
      row: [4],
      wanted: [0.2, 1, 1.8],
    },
    { name: 'neighbouring float32', columns: [[1, 1 + 2 ** -23]], target: [0, 8], row: [1], wanted: [0, 0, 0] },
    { name: 'huge values', columns: [[-3e38, 3e38]], target: [0, 8], row: [3e38], wanted: [8, 8, 8] },
    { name: 'only missing or not', columns: [[NaN, NaN, 1, 1]], target: [0, 0, 8, 8], row: [NaN], wanted: [0, 0, 0] },
  ])('$name', ({ columns, target, row, wanted }) => {
    predict(fitOn(columns, target), row).forEach((value, k) => expect(value).toBeCloseTo(wanted[k] ?? 0, 2));
  });

  it.each([
    { name: 'a missing target', target: [0, Number.NaN] },
    { name: 'an infinite target', target: [0, Number.POSITIVE_INFINITY] },
    { name: 'too few targets', target: [0] },
  ])('refuses $name with what to do', ({ target }) => {
    const matrix = { rows: 2, columns: 1, values: Float32Array.of(1, 2) };
    expect(() => trainBooster({ matrix, target: Float32Array.from(target) }, OPTIONS)).toThrow(
      /forecast\/booster: fitting/,
    );
  });

  it('stops where the validation part no longer gains, and keeps the best', () => {
    const training = rowsOf(1500, 1);
    const rounds: number[] = [];
    const losses: number[] = [];
    const fitted = trainBooster(training, { ...OPTIONS, rounds: 500, patience: 10, minLeaf: 5 }, rowsOf(1500, 2), {
      onRound: ({ round, loss }) => void (rounds.push(round), losses.push(loss ?? 0)),
    });
    expect(rounds.length).toBeLessThan(500);
    expect(fitted.roots.length).toBe(losses.indexOf(Math.min(...losses)) + 1);
  });

  it('ends where its hook throws', () => {
    const hooks = {
      onRound: (): never => {
        throw new Error('stop');
      },
    };
    expect(() => trainBooster(rowsOf(200, 1), OPTIONS, null, hooks)).toThrow('stop');
  });
});

describe('bytes of a booster', () => {
  const booster = trainBooster(rowsOf(500, 1), { ...OPTIONS, rounds: 3 });
  const bytes = serialiseBooster(booster);
  it('give it back whole', () => {
    expect(parseBooster(bytes)).toEqual(booster);
    expect(predict(parseBooster(bytes), [0.5, Number.NaN, 0])).toEqual(predict(booster, [0.5, Number.NaN, 0]));
  });
  it('are refused after any change, and cut off anywhere', () => {
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = bytes.slice();
        changed[at] = (changed[at] ?? 0) ^ flip;
        expect(() => parseBooster(changed)).toThrow(/forecast\/artifact: reading a booster/);
        expect(() => parseBooster(bytes.subarray(0, at))).toThrow(/forecast\/artifact: reading a booster/);
      }),
    );
  });
  it('are refused where a node leads back, even if they are whole', () => {
    const looping = { ...booster, left: booster.left.map(() => 0) };
    expect(() => parseBooster(serialiseBooster(looping))).toThrow(/leads nowhere/);
  });
});

describe('the parts of a fit', () => {
  it('a value at or under a bin’s end has a code at or under that bin', () => {
    const value = fc.float({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(
        fc.array(value, { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 2, max: 20 }),
        value,
        (values, most, other) => {
          const ends = createBinning({ rows: values.length, columns: 1, values: Float32Array.from(values) }, most)
            .ends[0];
          expect(ends).toBeDefined();
          if (ends === undefined) return;
          expect(ends.length).toBeLessThan(most);
          for (let bin = 0; bin < ends.length; bin++) {
            expect(codeOf(ends, other) <= bin).toBe(other <= (ends[bin] ?? 0));
          }
          expect(codeOf(ends, Number.NaN)).toBe(MISSING);
        },
      ),
    );
  });

  it('values that differ are told apart where bins suffice', () => {
    const ends =
      createBinning({ rows: 5, columns: 1, values: Float32Array.of(3, 1, 2, 2, 3) }).ends[0] ?? new Float32Array(0);
    expect([1, 2, 3].map((value) => codeOf(ends, value))).toEqual([0, 1, 2]);
  });

  it('the quantile of a leaf is that of its sorted values', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 1, maxLength: 50 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (values, level) => {
          const sorted = [...values].sort((a, b) => a - b);
          const place = level * (values.length - 1);
          const low = sorted[Math.floor(place)] ?? 0;
          const high = sorted[Math.ceil(place)] ?? 0;
          expect(quantileOf(Float32Array.from(values), values.length, level)).toBeCloseTo(
            low + (place % 1) * (high - low),
            6,
          );
        },
      ),
    );
  });

  it('a tree is the one that counting every leaf afresh would grow', () => {
    const rows = 400;
    fc.assert(
      fc.property(fc.nat(1000), fc.integer({ min: 2, max: 12 }), (seed, leaves) => {
        const random = xoroshiro128plus(seed);
        const draw = (most: number): number => Math.floor(uniformFloat64(random) * most);
        const codes = Uint8Array.from({ length: 3 * rows }, () => (draw(10) === 0 ? MISSING : draw(8)));
        const gradients = Uint8Array.from({ length: rows }, (_, row) => ((codes[row] ?? 0) > 3 ? draw(4) : draw(3)));
        const rules = { minLeaf: 9, l2: 1, minGain: 1e-6, leaves };
        const binsOf = Int32Array.of(8, 8, 8);
        const grower = createGrower({ rows, columns: 3, codes, binsOf }, rules);
        // A tree before it, so that buffers are not fresh.
        grower.grow(
          Int32Array.from({ length: rows }, (_, k) => k),
          rows,
          gradients.map((one) => 3 - one),
          1,
          [0, 2],
        );
        const sample = Int32Array.from({ length: rows }, (_, k) => k);
        const tree = grower.grow(sample, rows, gradients, 1, [0, 1, 2]);

        const split = (members: readonly number[]): ReturnType<typeof bestSplit> => {
          const histogram = new Float64Array(3 * STRIDE);
          const packed = Float64Array.from(members, (row) => 1 + UNIT * (gradients[row] ?? 0));
          fillHistogram(histogram, codes, rows, [0, 1, 2], Int32Array.from(members), 0, members.length, packed);
          return bestSplit(
            histogram,
            [0, 1, 2],
            binsOf,
            packed.reduce((a, b) => a + b, 0),
            1,
            rules,
          );
        };
        let parts: number[][] = [Array.from({ length: rows }, (_, k) => k)];
        const asked: number[] = [];
        while (parts.length < leaves) {
          const splits = parts.map((part) => (part.length < 18 ? null : split(part)));
          const gains = splits.map((one) => one?.gain ?? Number.NEGATIVE_INFINITY);
          const k = gains.indexOf(Math.max(...gains));
          const best = splits[k];
          if (best === null || best === undefined || best.column < 0) break;
          asked.push(best.column);
          const goesLeft = (row: number): boolean => {
            const code = codes[best.column * rows + row] ?? 0;
            return code === MISSING ? best.missingLeft : code <= best.bin;
          };
          const part = parts[k] ?? [];
          parts = [...parts.with(k, part.filter(goesLeft)), part.filter((row) => !goesLeft(row))];
        }
        expect(tree.column).toEqual(asked);
        const grown = parts.map((_, k) => [...sample.subarray(grower.begins[k], grower.ends[k])]);
        expect(grown).toEqual(parts);
      }),
      { numRuns: 30 },
    );
  });

  it('the best split is the best of all', () => {
    const one = fc.record({ code: fc.integer({ min: 0, max: 5 }), gradient: fc.nat(2), missing: fc.boolean() });
    fc.assert(
      fc.property(fc.array(one, { minLength: 4, maxLength: 40 }), fc.integer({ min: 1, max: 5 }), (rows, minLeaf) => {
        const codes = Uint8Array.from(rows, ({ code, missing }) => (missing ? MISSING : code));
        const packed = Float64Array.from(rows, ({ gradient }) => 1 + UNIT * gradient);
        const histogram = new Float64Array(STRIDE);
        const order = Int32Array.from(rows.keys());
        fillHistogram(histogram, codes, rows.length, [0], order, 0, rows.length, packed);
        const rules = { minLeaf, l2: 0.5, minGain: 1e-9 };
        const total = packed.reduce((sum, value) => sum + value, 0);
        const found = bestSplit(histogram, [0], Int32Array.of(6), total, 0.7, rules);
        const scoreOf = (part: typeof rows): number =>
          part.reduce((sum, { gradient }) => sum + gradient - 0.7, 0) ** 2 / (part.length + 0.5);
        let best = Number.NEGATIVE_INFINITY;
        for (let bin = 0; bin < 6; bin++) {
          for (const missingLeft of [false, true]) {
            const left = rows.filter(({ code, missing }) => (missing ? missingLeft : code <= bin));
            const right = rows.filter((row) => !left.includes(row));
            if (left.length < minLeaf || right.length < minLeaf) continue;
            best = Math.max(best, scoreOf(left) + scoreOf(right) - scoreOf(rows));
          }
        }
        if (best > 1e-6) expect(found.gain).toBeCloseTo(best, 9);
        else expect(found.gain).toBeLessThan(1e-6);
      }),
    );
  });
});
