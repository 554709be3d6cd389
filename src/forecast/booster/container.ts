import { createHash } from 'node:crypto';
import { errorsOf } from '../../domain/errors.js';

/*
 * Typed arrays as bytes: "HDRM", a JSON header (kind, version, name, type and length of each array), the arrays little
 * end first at multiples of eight, and the SHA-256 of all before it. The same content gives the same bytes.
 */

const fail = errorsOf('forecast/artifact');
const MAGIC = 'HDRM';
const DIGEST = 32;

const TYPES = { Uint8Array, Uint16Array, Int32Array, Float32Array, Float64Array } as const;
type TypeName = keyof typeof TYPES;
export type Packed = Uint8Array | Uint16Array | Int32Array | Float32Array | Float64Array;
type PackedConstructor<T extends Packed> = {
  readonly name: string;
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer): T;
};

interface Entry {
  name: string;
  type: string;
  length: number;
}

const roundUp = (bytes: number): number => Math.ceil(bytes / 8) * 8;
const digestOf = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

/** @param header plain JSON. */
export function pack(
  kind: string,
  version: number,
  header: Record<string, unknown>,
  arrays: Record<string, Packed>,
): Uint8Array {
  const entries = Object.entries(arrays).map(([name, array]): Entry => ({
    name,
    type: array.constructor.name,
    length: array.length,
  }));
  const text = Buffer.from(JSON.stringify({ kind, version, header, arrays: entries }), 'utf8');
  const start = roundUp(8 + text.length);
  const size = Object.values(arrays).reduce((sum, array) => sum + roundUp(array.byteLength), start);
  const bytes = new Uint8Array(size + DIGEST);
  bytes.set(Buffer.from(MAGIC, 'latin1'), 0);
  new DataView(bytes.buffer).setUint32(4, text.length, true);
  bytes.set(text, 8);
  let at = start;
  for (const array of Object.values(arrays)) {
    bytes.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), at);
    at += roundUp(array.byteLength);
  }
  bytes.set(digestOf(bytes.subarray(0, size)), size);
  return bytes;
}

export interface Unpacked {
  version: number;
  header: Record<string, unknown>;
  /** A copy of an array. @throws HeadroomError `invalid-input` where it is not there, or of another type. */
  read<T extends Packed>(name: string, type: PackedConstructor<T>): T;
}

/**
 * @param version the newest that the caller reads.
 * @throws HeadroomError `invalid-input`: cut off, changed, of another kind or a newer version.
 */
export function unpack(kind: string, version: number, bytes: Uint8Array): Unpacked {
  const action = `reading a ${kind} of ${bytes.length} bytes`;
  const bad = (problem: string, remedy = 'fetch or fit it again'): Error =>
    fail('invalid-input', action, problem, remedy);
  const size = bytes.length - DIGEST;
  if (size < 8 || Buffer.from(bytes.subarray(0, 4)).toString('latin1') !== MAGIC)
    throw bad('it is no artifact of ours');
  if (!digestOf(bytes.subarray(0, size)).equals(bytes.subarray(size))) throw bad('it is cut off or was changed');
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(4, true);
  const parsed = parseHeader(Buffer.from(bytes.subarray(8, 8 + length)).toString('utf8'));
  if (parsed === null || 8 + length > size) throw bad('its header cannot be read');
  if (parsed.kind !== kind) throw bad(`it holds a ${parsed.kind}`, `give a ${kind}`);
  if (parsed.version > version) {
    throw bad(`its version ${parsed.version} is newer than ${version}`, 'update Headroom, or fit it again');
  }
  const places = new Map<string, Entry & { at: number }>();
  let at = roundUp(8 + length);
  for (const entry of parsed.arrays) {
    places.set(entry.name, { ...entry, at });
    at += roundUp(entry.length * (isType(entry.type) ? TYPES[entry.type].BYTES_PER_ELEMENT : Number.NaN));
  }
  if (at !== size) throw bad('its arrays do not fill it');
  return {
    version: parsed.version,
    header: parsed.header,
    read(name, type) {
      const place = places.get(name);
      if (place === undefined || place.type !== type.name) throw bad(`it has no ${type.name} "${name}"`);
      const copy = new Uint8Array(place.length * type.BYTES_PER_ELEMENT);
      copy.set(bytes.subarray(place.at, place.at + copy.length));
      return new type(copy.buffer);
    },
  };
}

const isType = (name: string): name is TypeName => Object.hasOwn(TYPES, name);
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function parseHeader(
  text: string,
): { kind: string; version: number; header: Record<string, unknown>; arrays: Entry[] } | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isRecord(parsed)) return null;
  const { kind, version, header, arrays } = parsed;
  if (typeof kind !== 'string' || typeof version !== 'number' || !isRecord(header) || !Array.isArray(arrays))
    return null;
  const entries: Entry[] = [];
  for (const one of arrays as unknown[]) {
    if (!isRecord(one)) return null;
    const { name, type, length } = one;
    if (typeof name !== 'string' || typeof type !== 'string' || typeof length !== 'number') return null;
    if (!Number.isInteger(length) || length < 0) return null;
    entries.push({ name, type, length });
  }
  return { kind, version, header, arrays: entries };
}
