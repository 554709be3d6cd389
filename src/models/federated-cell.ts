import { randomBytes } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, modelsError } from './errors.js';
import { namesIn, replaceFile } from './files.js';

/*
 * What a cell of a federation has on disk: the weights after each round that it knows, and its own update of the round
 * under way. Weights alone: the series stay in the cell's store.
 */

export interface CellFiles {
  /** The last round whose mean is taken in; 0 for the first weights. */
  round(): Promise<number>;
  weights(round: number): Promise<Float32Array>;
  putWeights(round: number, weights: Float32Array): Promise<void>;
  /** Null where this cell has not trained in that round. */
  update(round: number): Promise<CellUpdate | null>;
  putUpdate(round: number, update: CellUpdate): Promise<void>;
  putPart(round: number, part: number, values: Float32Array): Promise<void>;
  part(round: number, part: number): Promise<Float32Array>;
  /** Drops all but the weights after one round. */
  keepOnly(round: number): Promise<void>;
}

export interface CellUpdate {
  update: Float32Array;
  bins: number;
  loss: number;
  /** Finest and coarsest seconds between bins: what a network answers for. */
  steps: [number, number];
}

const FEDERATION = /^[a-z0-9][a-z0-9-]{0,60}$/;

export function createCellFiles(folder: string, federation: string, first: () => Float32Array): CellFiles {
  if (!FEDERATION.test(federation)) {
    const problem = `"${federation}" is no name of a federation`;
    throw modelsError('invalid-input', 'opening a federation', problem, 'use lower-case letters, digits and "-"');
  }
  const within = join(folder, federation);
  const weightsPath = (round: number): string => join(within, `weights-${round}.f32`);
  const updatePath = (round: number): string => join(within, `update-${round}.f32`);
  const partPath = (round: number, part: number): string => join(within, `mean-${round}-${part}.f32`);

  return {
    async round() {
      const rounds = (await namesIn(within)).flatMap((name) => /^weights-(\d+)\.f32$/.exec(name)?.[1] ?? []);
      return Math.max(0, ...rounds.map(Number));
    },
    async weights(round) {
      return round === 0 ? first() : readValues(weightsPath(round));
    },
    putWeights: (round, weights) => replaceFile(weightsPath(round), bytesOf(weights)),
    async update(round) {
      try {
        const values = await readValues(updatePath(round));
        const [bins = 0, loss = Number.NaN, finest = 0, coarsest = 0] = values;
        return { update: values.subarray(4), bins, loss, steps: [finest, coarsest] };
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return null;
        throw error;
      }
    },
    putUpdate: (round, { update, bins, loss, steps }) =>
      replaceFile(updatePath(round), bytesOf(Float32Array.from([bins, loss, ...steps, ...update]))),
    putPart: (round, part, values) => replaceFile(partPath(round, part), bytesOf(values)),
    part: (round, part) => readValues(partPath(round, part)),
    async keepOnly(round) {
      for (const name of await namesIn(within)) {
        if (name !== `weights-${round}.f32`) await rm(join(within, name), { force: true });
      }
    },
  };
}

const bytesOf = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

async function readValues(path: string): Promise<Float32Array> {
  const bytes = await readFile(path);
  return new Float32Array(new Uint8Array(bytes).buffer);
}

/**
 * Normal noise that nobody can compute again: from the operating system, never from a seed that the coordinator may know.
 * @param deviation of each value.
 */
export function withNoise(update: Float32Array, deviation: number): Float32Array {
  if (deviation === 0) return update;
  const uniform = uniforms(2 * update.length);
  return update.map((value, k) => {
    const [u, v] = [uniform[2 * k] ?? 0.5, uniform[2 * k + 1] ?? 0.5];
    return value + deviation * Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v);
  });
}

/** In (0, 1]. */
function uniforms(count: number): Float64Array {
  const words = new Uint32Array(new Uint8Array(randomBytes(4 * count)).buffer);
  return Float64Array.from(words, (word) => (word + 1) / 2 ** 32);
}
