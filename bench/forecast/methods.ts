import { execFile, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { HeadroomError } from '../../src/domain/errors.js';
import { checkoutRoot } from '../result.js';
import { bytesOf, cacheFolder, costSchema, hashImports, hashOf, readDoubles, writeWhole, type Cost } from './cache.js';
import type { Job } from './job.js';
import { matrixCode, provideMatrix } from './matrix.js';
import type { Forecasts } from './score.js';
import { CHOSEN, FITTED, LEVELS, LONGEST, SEED, stepsOf } from './setting.js';
import type { Trace } from './traces.js';

const run = promisify(execFile);

/** A series with its origins, as every method gets it. */
export interface Task {
  trace: Trace;
  origins: readonly number[];
}

export interface Made {
  forecasts: Forecasts;
  cost: Cost;
}

export interface Method {
  name: string;
  /** How it stands in the tables: ours, a naive one, a classical library with split conformal, one that learns,
   * or a part of ours, which is made where it is asked for by name alone. */
  kind: 'ours' | 'naive' | 'classical' | 'learnt' | 'part';
  /** Where a task's forecasts stand once made, without extension. */
  place(task: Task): string;
  /** Makes what is not there. */
  make(tasks: readonly Task[], say: (line: string) => void): Promise<void>;
  /** Processor seconds of a training for all series, by series. */
  shared?(): Promise<number>;
}

const built = (...parts: string[]): string => join(checkoutRoot(), 'dist', ...parts);
const source = (...parts: string[]): string => join(checkoutRoot(), 'bench', 'forecast', ...parts);
const textOf = (path: string): string => readFileSync(path, 'utf8');
const nameOf = (id: string): string => id.replaceAll('/', '.');

function valuesOf(trace: Trace): { file: string; hash: string } {
  const { series } = trace;
  const bytes = bytesOf(series.values);
  const hash = hashOf(`${series.start} ${series.step}`, bytes);
  const file = join(cacheFolder(), 'series', `${nameOf(trace.id)}-${hash}.f64`);
  if (!existsSync(file)) writeWhole(file, bytes);
  return { file, hash };
}

const seriesHash = ({ trace }: Task): string => valuesOf(trace).hash;
/** The hash of what all methods are asked of a series. */
const taskHash = ({ trace, origins }: Task): string =>
  hashOf(valuesOf(trace).hash, JSON.stringify([origins, LEVELS, LONGEST, SEED]));

function placeOf(method: string, code: string): (task: Task) => string {
  return (task) =>
    join(cacheFolder(), method.replaceAll(' ', '-'), `${nameOf(task.trace.id)}-${hashOf(code, taskHash(task))}`);
}

const isThere = (place: string): boolean => existsSync(`${place}.json`);
/** Whether a task's forecasts are there already. */
export const isMade = (method: Method, task: Task): boolean => isThere(method.place(task));

export function readMade(method: Method, task: Task): Made {
  const place = method.place(task);
  const forecasts = {
    origins: task.origins,
    aheads: stepsOf(LONGEST, task.trace.series.step),
    levels: LEVELS,
    quantiles: readDoubles(`${place}.f64`),
  };
  const wanted = task.origins.length * forecasts.aheads * LEVELS.length;
  if (forecasts.quantiles.length !== wanted || forecasts.quantiles.some((value) => !Number.isFinite(value))) {
    throw new HeadroomError({
      kind: 'invalid-input',
      component: 'bench/forecast',
      action: `reading the forecasts of ${method.name} for ${task.trace.id}`,
      problem: `not ${wanted} finite numbers at ${place}.f64`,
      remedy: 'remove that file and run again',
    });
  }
  return { forecasts, cost: costSchema.parse(JSON.parse(textOf(`${place}.json`))) };
}

function inputOf(place: string, { trace, origins }: Task): Omit<Job, 'method' | 'globals'> {
  const { series } = trace;
  return {
    values: valuesOf(trace).file,
    start: series.start,
    step: series.step,
    origins: [...origins],
    aheads: stepsOf(LONGEST, series.step),
    levels: [...LEVELS],
    out: place,
  };
}

/** A run that is cut short has then done the more of them. */
const shortFirst = (tasks: readonly Task[]): Task[] =>
  [...tasks].sort((a, b) => a.trace.series.values.length - b.trace.series.values.length);

/**
 * A method that runs in Node, a process a series, so many at once.
 * @param provide gives the global models' files once, with the processor seconds that each series owes for their training.
 */
function nodeMethod(
  name: Job['method'],
  kind: Method['kind'],
  code: string,
  processes: number,
  provide?: (say: (line: string) => void) => Promise<{ files: string[]; share: number }>,
): Method {
  const place = placeOf(name, code);
  return {
    name,
    kind,
    place,
    async make(tasks, say) {
      const queue = shortFirst(tasks.filter((task) => !isThere(place(task))));
      if (queue.length === 0) return;
      const globals = await provide?.(say);
      let done = 0;
      const work = async (): Promise<void> => {
        for (let task = queue.shift(); task !== undefined; task = queue.shift()) {
          const out = place(task);
          const job: Job = { method: name, globals: globals?.files ?? [], ...inputOf(out, task) };
          writeWhole(`${out}.job`, JSON.stringify(job));
          await run(process.execPath, [built('bench', 'forecast', 'child.js'), `${out}.job`]);
          say(`${name}: ${++done} done, ${queue.length} to go (${task.trace.id})`);
        }
      };
      await Promise.all(Array.from({ length: processes }, work));
    },
    ...(provide === undefined ? {} : { shared: async () => (await provide(() => undefined)).share }),
  };
}

/** The product's global model, trained once on all series; the next run finds it. */
function trainedOn(all: readonly Task[]) {
  const code = hashImports(built('bench', 'forecast', 'train.js'));
  return async (say: (line: string) => void): Promise<{ files: string[]; share: number }> => {
    const series = all.map(({ trace }) => ({
      values: valuesOf(trace).file,
      start: trace.series.start,
      step: trace.series.step,
    }));
    const out = join(cacheFolder(), 'globals', hashOf(code, JSON.stringify(series)));
    if (!isThere(out)) {
      say(`training the global model on ${series.length} series …`);
      writeWhole(`${out}.job`, JSON.stringify({ series, out }));
      await run(process.execPath, [built('bench', 'forecast', 'train.js'), `${out}.job`]);
    }
    const { seconds } = z.object({ seconds: z.number() }).parse(JSON.parse(textOf(`${out}.json`)));
    return { files: [`${out}.bin`], share: seconds / series.length };
  };
}

/** Runs Python with its output on ours. */
async function python(args: readonly string[]): Promise<void> {
  const child = spawn(join(cacheFolder(), 'venv', 'bin', 'python'), args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
  });
  const code = await new Promise<number | null>((resolve, reject) =>
    child.once('error', reject).once('close', resolve),
  );
  if (code === 0) return;
  throw new HeadroomError({
    kind: 'unavailable',
    component: 'bench/forecast',
    action: `running ${args.join(' ')}`,
    problem: `it ended with ${code}`,
    remedy: 'read what it said above; what was finished is kept, and a second run goes on from there',
  });
}

/** A virtual environment with the pinned packages, made once. */
export async function provideVenv(say: (line: string) => void): Promise<void> {
  const requirements = source('peers', 'requirements.txt');
  const venv = join(cacheFolder(), 'venv');
  const stamp = join(venv, '.requirements');
  if (existsSync(stamp) && textOf(stamp) === textOf(requirements)) return;
  say(`installing ${requirements} into ${venv} …`);
  try {
    await run(process.env['PYTHON'] ?? 'python3', ['-m', 'venv', venv]);
    await run(join(venv, 'bin', 'python'), ['-m', 'pip', 'install', '--quiet', '-r', requirements]);
  } catch (error) {
    throw new HeadroomError({
      kind: 'unavailable',
      component: 'bench/forecast',
      action: `installing ${requirements}`,
      problem: error instanceof Error ? error.message : String(error),
      remedy: 'check Python 3.11 and the package index (pip download lightgbm), or leave peers out: METHODS=headroom,…',
    });
  }
  writeWhole(stamp, textOf(requirements));
}

/** A Python peer; `matrix` for the one that gets our features instead of the series. */
function pythonMethod(name: string, kind: Method['kind'], file: string, all: readonly Task[] = []): Method {
  const matrix = all.length > 0;
  const code = hashOf(
    textOf(source('peers', file)),
    textOf(source('peers', 'common.py')),
    textOf(source('peers', 'requirements.txt')),
    matrix ? matrixCode() : '',
  );
  // A global model's forecasts depend on every series that it has learnt from.
  const place = placeOf(name, hashOf(code, ...(matrix ? all.map(taskHash) : [])));
  return {
    name,
    kind,
    place,
    async make(tasks, say) {
      const missing = shortFirst(tasks.filter((task) => !isThere(place(task))));
      if (missing.length === 0) return;
      await provideVenv(say);
      const job = join(cacheFolder(), 'jobs', `${file}-${process.pid}.json`);
      const series = missing.map((task) => ({ id: task.trace.id, ...inputOf(place(task), task) }));
      const content = { seed: SEED, fitted: FITTED, chosen: CHOSEN, series };
      writeWhole(job, JSON.stringify(matrix ? { ...content, matrix: provideMatrix(all, say) } : content));
      await python([source('peers', file), job]);
    },
  };
}

/**
 * All of them, ours first.
 * @param all every task of the bench, whichever are asked for: what is learnt from all series does not depend on that.
 */
export function allMethods(all: readonly Task[], processes: number): Method[] {
  const naive = textOf(built('bench', 'forecast', 'naive.js'));
  const ours = hashImports(built('bench', 'forecast', 'headroom.js'));
  const training = hashImports(built('bench', 'forecast', 'train.js'));
  const train = trainedOn(all);
  return [
    nodeMethod('headroom', 'ours', hashOf(ours, training, ...all.map(seriesHash)), processes, train),
    nodeMethod('persistence', 'naive', naive, processes),
    nodeMethod('seasonal naive', 'naive', naive, processes),
    pythonMethod('LightGBM', 'learnt', 'lightgbm_global.py', all),
    pythonMethod('AutoARIMA', 'classical', 'auto_arima.py'),
    pythonMethod('AutoTheta', 'classical', 'auto_theta.py'),
    pythonMethod('MSTL', 'classical', 'mstl.py'),
    pythonMethod('fracast', 'learnt', 'fracast_zero_shot.py'),
    // Without the global models, to see what they bring; it is no peer.
    nodeMethod('headroom alone', 'part', ours, processes),
  ];
}
