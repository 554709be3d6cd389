import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromBase64, meanUpdate, packUpdate, toBase64, unpackUpdate } from '../../src/domain/federated.js';

/* What cells send: an update that came out otherwise than it went in would spoil every cell's weights at once. */

const floats = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true, min: -100, max: 100 }), { maxLength: 200 });

describe('an update on its way', () => {
  it('comes out as it went in, to 16 bits of its largest value', () => {
    fc.assert(
      fc.property(floats, (values) => {
        const update = Float32Array.from(values);
        const back = unpackUpdate(packUpdate(update));
        const largest = Math.max(0, ...update.map(Math.abs));
        expect(back.length).toBe(update.length);
        back.forEach((value, k) =>
          expect(Math.abs(value - (update[k] ?? 0))).toBeLessThanOrEqual(largest / 60_000 + 1e-12),
        );
      }),
    );
  });

  it('is cut into parts under 64 KiB, and put together in order', () => {
    const update = Float32Array.from({ length: 50_000 }, (_, k) => Math.sin(k));
    const parts = packUpdate(update);
    expect(parts).toHaveLength(4);
    for (const part of parts) expect(JSON.stringify(part).length).toBeLessThan(48 * 1024);
    expect(unpackUpdate(parts)[49_999]).toBeCloseTo(Math.sin(49_999), 4);
  });

  it('is refused where a value is not finite', () => {
    expect(() => packUpdate(Float32Array.from([1, Number.NaN]))).toThrow(/not finite/);
  });

  it('base64 is that of everybody else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
        expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'));
        expect(fromBase64(toBase64(bytes))).toEqual(bytes);
      }),
    );
  });
});

describe('the mean of updates', () => {
  it('weighs each by its data', () => {
    const updates = [
      { update: Float32Array.from([1, 0]), weight: 3 },
      { update: Float32Array.from([0, 4]), weight: 1 },
    ];
    expect([...meanUpdate(updates)]).toEqual([0.75, 1]);
  });

  it('is refused for none, for weights of nothing, and for updates of different networks', () => {
    expect(() => meanUpdate([])).toThrow(/weighs/);
    expect(() => meanUpdate([{ update: new Float32Array(2), weight: 0 }])).toThrow(/weighs/);
    const updates = [2, 3].map((length) => ({ update: new Float32Array(length), weight: 1 }));
    expect(() => meanUpdate(updates)).toThrow(/of 2 and of 3/);
  });
});
