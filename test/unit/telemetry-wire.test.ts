import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { COMPONENTS } from '../../src/domain/component.js';
import { HeadroomError } from '../../src/domain/errors.js';
import {
  decodeFrame,
  decodeMetrics,
  decodeUsage,
  decodeWindow,
  encodeFrame,
  encodeMetrics,
  encodeUsage,
  encodeWindow,
  errorBody,
} from '../../src/telemetry/wire.js';

const join = (pieces: readonly Uint8Array[]): ArrayBuffer => {
  const whole = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole.buffer;
};

const name = fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' });
const sample = fc.record({ at: fc.double({ noNaN: true }), value: fc.double(), censored: fc.boolean() });

describe('wire: series between the owner and its clients', () => {
  it('a window comes out as it went in, NaN and all', () => {
    const one = fc.array(fc.tuple(fc.double(), fc.boolean()), { maxLength: 40 }).chain((bins) =>
      fc.record({
        workload: name,
        component: fc.constantFrom(...COMPONENTS),
        series: fc.constant({
          start: 600,
          step: 300,
          values: Float64Array.from(bins, ([value]) => value),
          censored: Uint8Array.from(bins, ([, censored]) => (censored ? 1 : 0)),
        }),
      }),
    );
    fc.assert(
      fc.property(name, fc.array(one, { maxLength: 5 }), (account, series) => {
        const window = { account, from: 600, to: 900, step: 300, series };
        expect(decodeWindow(join(encodeWindow(window)))).toEqual(window);
      }),
    );
  });

  it('samples come out as they went in', () => {
    const batches = fc.array(fc.record({ workload: name, samples: fc.array(sample, { maxLength: 20 }) }), {
      maxLength: 4,
    });
    fc.assert(
      fc.property(batches, (given) => {
        const usage = given.map(({ workload, samples }) => ({
          key: { account: 'acme', workload, component: 'io' as const },
          samples,
        }));
        expect(decodeUsage(join(encodeUsage(usage)))).toEqual(usage);
        const metrics = given.map((batch) => ({ account: 'acme', metric: 'm', ...batch }));
        expect(decodeMetrics(join(encodeMetrics(metrics)))).toEqual(metrics);
      }),
    );
  });

  it('a frame that is cut anywhere is an error, never a shorter series', () => {
    const values = Float64Array.from([1, 2, 3]);
    const series = { start: 0, step: 300, values, censored: new Uint8Array(3) };
    const whole = join(
      encodeWindow({
        account: 'acme',
        from: 0,
        to: 900,
        step: 300,
        series: [{ workload: 'web', component: 'cpu', series }],
      }),
    );
    expect(decodeWindow(whole).series[0]?.series.values).toEqual(values);
    for (let length = 0; length < whole.byteLength; length++) {
      expect(() => decodeWindow(whole.slice(0, length)), `cut at ${length}`).toThrow();
    }
    const longer = new Uint8Array(whole.byteLength + 1);
    longer.set(new Uint8Array(whole));
    expect(() => decodeWindow(longer.buffer)).toThrow('longer than it says');
  });

  it.each([
    ['another magic', new TextEncoder().encode('GET / HTTP/1.1\r\n').buffer],
    ['a header that is no JSON', join([...encodeFrame('x', [], []).map((head) => head.fill(0x7b, 8))])],
    ['a length beyond its end', join([Uint8Array.from([0x48, 0x52, 0x46, 0x31, 255, 255, 255, 255])])],
  ])('%s is refused', (_, body) => {
    expect(() => decodeFrame(body)).toThrow();
  });

  it.each([
    ['a negative count', { series: [{ workload: 'w', component: 'cpu', start: 0, bins: -1 }] }],
    ['a huge count', { series: [{ workload: 'w', component: 'cpu', start: 0, bins: 1e15 }] }],
    ['an unknown component', { series: [{ workload: 'w', component: 'magic', start: 0, bins: 0 }] }],
    ['an unknown field', { series: [], more: 1 }],
  ])('a window with %s is refused', (_, part) => {
    const header = { account: 'acme', from: 0, to: 300, step: 300, ...part };
    expect(() => decodeWindow(join(encodeFrame(header, [], [])))).toThrow();
  });

  it('an error says the same on the other side', () => {
    const error = new HeadroomError({
      kind: 'full',
      component: 'telemetry/embedded',
      action: 'writing telemetry',
      problem: 'no space is left; really',
      remedy: 'free some; then try again',
    });
    expect(new HeadroomError(errorBody(error)).message).toBe(error.message);
    expect(errorBody(error)).toMatchObject({ kind: 'full', problem: 'no space is left; really' });
  });
});
