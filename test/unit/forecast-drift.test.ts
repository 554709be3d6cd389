import { describe, expect, it } from 'vitest';
import { createDriftDetector } from '../../src/forecast/drift.js';
import { fitForecaster } from '../../src/forecast/forecaster.js';

/* What a user loses when this fails: models that no longer fit go on as if they did, or are thrown away for a burst. */
const STEP = 300;
const START = Date.parse('2026-01-05T00:00:00Z') / 1000;
/** Reproducible noise in (0, 1). */
const noise = (k: number, salt = 0): number => {
  const x = Math.sin((k + 1) * 12.9898 + salt * 78.233) * 43_758.5453;
  return x - Math.floor(x);
};
const DAY = 288;

/** The first bin, from `from` on, at which drift is said; -1 where it never is. */
function detected(errors: (k: number) => number, from: number, to: number, size = 20): number {
  const detector = createDriftDetector(STEP);
  let first = -1;
  for (let k = 0; k < to; k++) {
    detector.observe(START + k * STEP, errors(k), size);
    if (first === -1 && k >= from && detector.state() !== null) first = k;
  }
  return first;
}

describe('errors that are as usual are no drift', () => {
  it.each([
    { name: 'even', errors: () => 1 },
    { name: 'none at all', errors: () => 0 },
    { name: 'noisy', errors: (k: number) => noise(k) },
    { name: 'larger by day than by night', errors: (k: number) => noise(k) * (k % DAY < 144 ? 3 : 1) },
    { name: 'with a burst of a thousand times', errors: (k: number) => (k % 900 < 3 ? 1000 : 1) * noise(k) },
    { name: 'falling', errors: (k: number) => noise(k) * Math.exp(-k / 2000) },
  ])('$name', ({ errors }) => {
    expect(detected(errors, 0, 21 * DAY)).toBe(-1);
  });
});

it.each([{ times: 3 }, { times: 10 }])('errors $times times as large are told within a day', ({ times }) => {
  const from = 10 * DAY;
  const at = detected((k) => noise(k) * (k >= from ? times : 1), 0, from + 2 * DAY);
  expect(at).toBeGreaterThan(from);
  expect(at).toBeLessThan(from + DAY);
});

it.each([
  { name: 'errors of rounding of a constant', size: 15 * 2 ** 30, drifts: false },
  { name: 'errors of a thousandth of what comes', size: 1000, drifts: false },
  { name: 'the same errors where they are what comes', size: 5, drifts: true },
])('trebled errors beside the level of the series: $name', ({ size, drifts }) => {
  const from = 10 * DAY;
  const at = detected((k) => noise(k) * (k >= from ? 3 : 1), from, from + 2 * DAY, size);
  expect(at !== -1).toBe(drifts);
});

it('a drift is over where the series has outgrown its errors', () => {
  const detector = createDriftDetector(STEP);
  const from = 10 * DAY;
  for (let k = 0; k < from + DAY; k++) detector.observe(START + k * STEP, noise(k) * (k >= from ? 10 : 1), 20);
  expect(detector.state()).not.toBeNull();
  for (let k = 0; k < 20 * DAY; k++) detector.observe(START + (from + DAY + k) * STEP, 10 * noise(k), 1e6);
  expect(detector.state()).toBeNull();
});

it('ends when errors are what they were', () => {
  const detector = createDriftDetector(STEP);
  const from = 10 * DAY;
  for (let k = 0; k < from + 4 * DAY; k++) {
    detector.observe(START + k * STEP, noise(k) * (k >= from && k < from + DAY ? 5 : 1), 20);
    if (k === from + DAY - 1) expect(detector.state()).toMatchObject({ since: expect.any(Number) });
  }
  expect(detector.state()).toBeNull();
});

it('a service that becomes wild is told by its forecaster; one that stays as it is, is not', () => {
  const value = (k: number, wild: number): number => 20 + 4 * Math.sin((2 * Math.PI * k) / DAY) + wild * noise(k, 4);
  const fit = (wildFrom: number) =>
    fitForecaster(
      {
        start: START,
        step: STEP,
        values: Float64Array.from({ length: 9 * DAY }, (_, k) => value(k, k >= wildFrom ? 12 : 2)),
        censored: new Uint8Array(9 * DAY),
      },
      { timeZone: 'UTC', levels: [0.5, 0.99], level: 0.99, leadSteps: 3, horizon: 12 },
    );
  expect(fit(Infinity).drift()).toBeNull();
  const drifted = fit(8 * DAY).drift();
  expect(drifted?.since).toBeGreaterThan(START + 8 * DAY * STEP);
  expect(drifted?.times).toBeGreaterThan(1.5);
});
