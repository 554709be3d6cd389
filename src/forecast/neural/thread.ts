import { parentPort, workerData } from 'node:worker_threads';
import { plainError, type PlainError } from '../../domain/plain-error.js';
import type { TrainingSeries } from '../../models/port.js';
import { loadBackend, type BackendChoice, type BackendName } from './backend.js';
import { fitNetwork, type EpochReport, type FitOptions, type FitResult } from './fit.js';
import { trainLocally, type LocalOptions, type LocalUpdate } from './local.js';

/* One fit or one round of local steps, in a worker thread of its own, which ends with it. */

export type Task = { backend: BackendChoice; series: readonly TrainingSeries[] } & (
  { work: 'fit'; options: FitOptions } | { work: 'local'; weights: Float32Array; options: LocalOptions }
);

export type Report =
  | { kind: 'epoch'; epoch: EpochReport }
  | { kind: 'checkpoint'; state: Uint8Array }
  | { kind: 'fitted'; result: FitResult; backend: BackendName }
  | { kind: 'stepped'; result: LocalUpdate; backend: BackendName }
  | { kind: 'failed'; error: PlainError };

const port = parentPort;
if (port === null) throw new Error('forecast/neural/thread runs as a worker thread alone');
const say = (report: Report): void => port.postMessage(report);

async function work(task: Task): Promise<void> {
  const backend = await loadBackend(task.backend);
  if (task.work === 'local') {
    say({
      kind: 'stepped',
      result: await trainLocally(backend, task.series, task.weights, task.options),
      backend: backend.name,
    });
    return;
  }
  const result = await fitNetwork(backend, task.series, {
    ...task.options,
    onEpoch: (epoch) => say({ kind: 'epoch', epoch }),
    onCheckpoint: (state) => say({ kind: 'checkpoint', state }),
  });
  say({ kind: 'fitted', result, backend: backend.name });
}

/** What the caller put in: trainer.ts is the only one. */
const task: Task = workerData;
work(task).catch((error: unknown) => say({ kind: 'failed', error: plainError(error) }));
