import { createHash } from 'node:crypto';
import { z } from 'zod';
import { modelCardSchema, type ModelCard } from './card.js';
import { modelsError } from './errors.js';

/*
 * An artifact as bytes: `HRMODEL\n`, format (u32), length of the card (u32), the card as JSON, the weights; all numbers
 * little-endian. Its name is the SHA-256 of the whole, so that neither card nor weights can change beneath a name.
 */

const MAGIC = Buffer.from('HRMODEL\n', 'latin1');
const FORMAT = 1;
const HEADER = MAGIC.length + 8;

export interface Artifact {
  /** SHA-256 of its bytes, in hexadecimal. */
  id: string;
  card: ModelCard;
  weights: Uint8Array;
}

export const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

/** The first characters of an id, as people read and type it. */
export const shortId = (id: string): string => id.slice(0, 12);

/** A card and its weights as one file. */
export function encodeArtifact(card: Omit<ModelCard, 'weights'>, weights: Uint8Array): { id: string; bytes: Buffer } {
  // The schema orders the keys; those of a record it leaves as they came.
  const sorted = Object.fromEntries(Object.entries(card.hyperParameters).sort(([a], [b]) => (a < b ? -1 : 1)));
  const whole = modelCardSchema.parse({ ...card, hyperParameters: sorted, weights: sha256(weights) });
  const json = Buffer.from(JSON.stringify(whole), 'utf8');
  const header = Buffer.alloc(HEADER);
  MAGIC.copy(header);
  header.writeUInt32LE(FORMAT, MAGIC.length);
  header.writeUInt32LE(json.length, MAGIC.length + 4);
  const bytes = Buffer.concat([header, json, weights]);
  return { id: sha256(bytes), bytes };
}

const SWEEP = 'put a sound copy back, or `headroom models rollback` to the one before; `headroom models gc` drops it';

/**
 * Reads an artifact and trusts nothing of it before its hash.
 * @param id what its bytes have to hash to.
 * @throws HeadroomError `invalid-input` for bytes that are damaged, of another format, or none of Headroom's.
 */
export function decodeArtifact(id: string, bytes: Buffer): Artifact {
  const action = `loading model ${shortId(id)}`;
  const refuse = (problem: string, remedy = SWEEP) => modelsError('invalid-input', action, problem, remedy);
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw refuse('it is no model of Headroom’s');
  const actual = sha256(bytes);
  if (actual !== id) throw refuse(`its bytes hash to ${shortId(actual)}: it was damaged or replaced`);
  const format = bytes.length >= HEADER ? bytes.readUInt32LE(MAGIC.length) : 0;
  if (format !== FORMAT) {
    throw refuse(`its format is ${format}, this build reads ${FORMAT}`, 'use the build that wrote it, or train anew');
  }
  const cardEnd = HEADER + bytes.readUInt32LE(MAGIC.length + 4);
  if (cardEnd > bytes.length) throw refuse('its card ends after the file');
  const card = readCard(bytes.subarray(HEADER, cardEnd), refuse);
  const weights = bytes.subarray(cardEnd);
  if (sha256(weights) !== card.weights) throw refuse('its weights are not those that its card names');
  return { id, card, weights: new Uint8Array(weights) };
}

function readCard(json: Buffer, refuse: (problem: string) => Error): ModelCard {
  let value: unknown;
  try {
    value = JSON.parse(json.toString('utf8'));
  } catch (error) {
    throw refuse(`its card is no JSON (${String(error)})`);
  }
  const parsed = modelCardSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw refuse(`its card is not one: ${z.prettifyError(parsed.error)}`);
}
