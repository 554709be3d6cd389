/*
 * How a cell's update of a network travels: rounded to 16 bits, in parts that each stay well under what a workflow's
 * payload should hold. Workflows average with this very code, so that it stays small and never changes its answers.
 */

/** One part of an update: values are `data[k] · unit`. */
export interface UpdatePart {
  unit: number;
  /** Base64 of 16-bit integers, little-endian. */
  data: string;
}

/** Values of one part: 32 KiB, 43 KiB as text. */
const PART_VALUES = 16_384;
const LARGEST = 32_767;

/** Cuts and rounds; values that are not finite are refused, since they would spoil every cell's weights. */
export function packUpdate(update: Float32Array): UpdatePart[] {
  const parts: UpdatePart[] = [];
  for (let from = 0; from < update.length; from += PART_VALUES) {
    const values = update.subarray(from, from + PART_VALUES);
    let largest = 0;
    for (const value of values) {
      if (!Number.isFinite(value)) throw new RangeError('an update holds a value that is not finite');
      largest = Math.max(largest, Math.abs(value));
    }
    const unit = largest / LARGEST;
    const bytes = new Uint8Array(2 * values.length);
    values.forEach((value, k) => {
      const rounded = unit === 0 ? 0 : Math.round(value / unit);
      bytes[2 * k] = rounded & 0xff;
      bytes[2 * k + 1] = (rounded >> 8) & 0xff;
    });
    parts.push({ unit, data: toBase64(bytes) });
  }
  return parts;
}

/** The inverse of {@link packUpdate}, but for what was rounded. */
export function unpackUpdate(parts: readonly UpdatePart[]): Float32Array {
  const pieces = parts.map(({ unit, data }) => {
    const bytes = fromBase64(data);
    return Float32Array.from({ length: bytes.length >> 1 }, (_, k) => {
      const word = (bytes[2 * k] ?? 0) | ((bytes[2 * k + 1] ?? 0) << 8);
      return ((word << 16) >> 16) * unit;
    });
  });
  const update = new Float32Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    update.set(piece, at);
    at += piece.length;
  }
  return update;
}

/**
 * The mean of the cells' updates, each with its weight (McMahan et al. 2017).
 * @throws RangeError where they are of different lengths, or none weighs anything.
 */
export function meanUpdate(updates: readonly { update: Float32Array; weight: number }[]): Float32Array {
  const length = updates[0]?.update.length ?? 0;
  const total = updates.reduce((sum, { weight }) => sum + weight, 0);
  if (!(total > 0)) throw new RangeError('no update weighs anything');
  const sums = new Float64Array(length);
  for (const { update, weight } of updates) {
    if (update.length !== length) throw new RangeError(`updates of ${length} and of ${update.length} values`);
    for (let k = 0; k < length; k++) sums[k] = (sums[k] ?? 0) + (update[k] ?? 0) * (weight / total);
  }
  return Float32Array.from(sums);
}

/* A workflow's sandbox has neither Buffer nor atob. */
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

export function toBase64(bytes: Uint8Array): string {
  const text: string[] = [];
  for (let at = 0; at < bytes.length; at += 3) {
    const word = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    const letters = [18, 12, 6, 0].map((shift) => LETTERS[(word >> shift) & 63] ?? '');
    for (let missing = at + 3 - bytes.length; missing > 0; missing--) letters[4 - missing] = '=';
    text.push(letters.join(''));
  }
  return text.join('');
}

export function fromBase64(text: string): Uint8Array {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  for (let at = 0, to = 0; at < text.length; at += 4) {
    let word = 0;
    for (let k = 0; k < 4; k++) word = (word << 6) | Math.max(0, LETTERS.indexOf(text[at + k] ?? 'A'));
    for (const shift of [16, 8, 0]) if (to < bytes.length) bytes[to++] = (word >> shift) & 0xff;
  }
  return bytes;
}
