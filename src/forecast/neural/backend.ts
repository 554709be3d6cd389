import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import type * as Wasm from '@tensorflow/tfjs-backend-wasm';
import type * as Core from '@tensorflow/tfjs-core';
import { errorsOf } from '../../domain/errors.js';

/*
 * TensorFlow for training: its native binding where one loads, WebAssembly otherwise; the same code runs on both.
 * Forecasts need neither (forward.ts), so that a process that only forecasts never loads a tensor library.
 */

/** `best` is native where it loads. */
export type BackendChoice = 'best' | 'native' | 'wasm';
/** As model cards name it. */
export type BackendName = 'tensorflow-native' | 'tensorflow-wasm';

export interface Backend {
  name: BackendName;
  tf: typeof Core;
}

const error = errorsOf('forecast/neural');
const require = createRequire(import.meta.url);
/** The folder that `make tensorflow` fills: infra/tensorflow/build.mjs. */
const BUILT = 'tensorflow-4.22.0';
const BINDING = join('lib', 'napi-v8', 'tfjs_binding.node');

/** Folders of the package: among the installed ones, or as `make tensorflow` built it. */
function nativePlaces(): string[] {
  const cache =
    process.env['HEADROOM_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'headroom');
  const built = join(cache, BUILT, 'node_modules', '@tensorflow', 'tfjs-node');
  try {
    return [dirname(require.resolve('@tensorflow/tfjs-node/package.json')), built];
  } catch {
    // An optional dependency: npm drops it where its own download fails.
    return [built];
  }
}

let native: Promise<Backend | string> | null = null;
let wasm: Promise<Backend> | null = null;

/**
 * Loads a backend; a process keeps what it has loaded. `HEADROOM_TENSORFLOW` (`native`, `wasm`) decides for `best`.
 * @throws HeadroomError `unavailable` where `native` is asked for and does not load.
 */
export async function loadBackend(choice: BackendChoice = 'best'): Promise<Backend> {
  const wanted = choice === 'best' ? (process.env['HEADROOM_TENSORFLOW'] ?? 'best') : choice;
  if (wanted !== 'best' && wanted !== 'native' && wanted !== 'wasm') {
    throw error(
      'invalid-input',
      'choosing a TensorFlow backend',
      `HEADROOM_TENSORFLOW is "${wanted}"`,
      'set it to native or wasm, or unset it',
    );
  }
  if (wanted !== 'wasm') {
    const found = await (native ??= loadNative());
    if (typeof found !== 'string') {
      // A process may have used the other one meanwhile: the engine is one for both.
      await found.tf.setBackend('tensorflow');
      return found;
    }
    if (wanted === 'native') {
      throw error('unavailable', 'loading the native TensorFlow', found, 'run make tensorflow, or use wasm');
    }
  }
  const loaded = await (wasm ??= loadWasm());
  await loaded.tf.setBackend('wasm');
  return loaded;
}

/** Whether the native binding loads here; the reason where it does not. */
export async function nativeProblem(): Promise<string | null> {
  const found = await (native ??= loadNative());
  return typeof found === 'string' ? found : null;
}

async function loadNative(): Promise<Backend | string> {
  const major = Number(process.versions.node.split('.')[0]);
  if (major >= 23) return `@tensorflow/tfjs-node 4.22.0 does not run on Node ${major}`;
  let problem = 'there is no native binding, neither among the packages nor in the cache';
  for (const place of nativePlaces()) {
    // Installed with scripts ignored, the package has no binding: loading it would leave half of it behind.
    if (!existsSync(join(place, BINDING))) continue;
    try {
      // TensorFlow greets on stderr with what its processor can do; nobody asked.
      process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2';
      const tf: typeof Core = require(place);
      await tf.ready();
      return { name: 'tensorflow-native', tf };
    } catch (reason) {
      problem = reason instanceof Error ? reason.message : String(reason);
    }
  }
  return problem;
}

async function loadWasm(): Promise<Backend> {
  const tf: typeof Core = require('@tensorflow/tfjs-core');
  const module = '@tensorflow/tfjs-backend-wasm';
  const wasmBackend: typeof Wasm = require(module);
  wasmBackend.setWasmPaths(join(dirname(require.resolve(module)), '/'));
  // One thread: a fit then repeats bit for bit on machines with any number of cores.
  wasmBackend.setThreadsCount(1);
  await tf.setBackend('wasm');
  await tf.ready();
  return { name: 'tensorflow-wasm', tf };
}
