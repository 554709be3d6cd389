import { SHARE_ENV } from 'node:worker_threads';
import { restoredError } from '../../domain/plain-error.js';
import type { TrainingSeries, Trained, Trainer, TrainOptions } from '../../models/port.js';
import { runTraining } from '../training-thread.js';
import { loadBackend, type BackendChoice, type BackendName } from './backend.js';
import type { EpochReport } from './fit.js';
import type { LocalOptions, LocalUpdate } from './local.js';
import { loadNetwork, packNetwork } from './model.js';
import type { NetworkKind } from './network.js';
import { neuralError, readSettings } from './settings.js';
import type { Report, Task } from './thread.js';

/* The networks as trainers of `retrain`: one kind each, so that both can be champion of something. */

type LastReport = Extract<Report, { kind: 'fitted' | 'stepped' }>;

/** Runs one task in a thread of its own; an abort ends the thread. */
const runInThread = (
  task: Task,
  signal: AbortSignal | undefined,
  hear: (report: Report) => void,
): Promise<LastReport> =>
  runTraining<Report, LastReport>({
    script: new URL('./thread.js', import.meta.url),
    options: { workerData: task, env: SHARE_ENV },
    signal,
    died: (problem, cause) => neuralError('unavailable', 'training a network', problem, 'it is tried again', cause),
    hear(report) {
      if (report.kind === 'failed') return { error: restoredError(report.error) };
      if (report.kind === 'fitted' || report.kind === 'stepped') return { answer: report };
      hear(report);
      return null;
    },
  });

/**
 * @param network what the trainer fits where the hyper-parameters do not say.
 * @param options.backend `best`: native where it loads. Fits repeat bit for bit on the same backend alone.
 * @param options.inThread false trains in the calling thread.
 */
export function createNeuralTrainer(
  network: NetworkKind,
  options: { backend?: BackendChoice; inThread?: boolean } = {},
): Trainer {
  const choice = options.backend ?? 'best';
  return {
    kind: `neural-${network}`,
    async train(series: readonly TrainingSeries[], wanted: TrainOptions): Promise<Trained> {
      const { levels, horizon, seed, signal, checkpoint, onProgress, onCheckpoint } = wanted;
      const settings = readSettings({ network, ...wanted.hyperParameters });
      const fit = { settings, levels, horizon, seed, ...(checkpoint === undefined ? {} : { checkpoint }) };
      const onEpoch = ({ epoch, epochs, validation, best }: EpochReport): void =>
        onProgress?.({
          done: epoch / epochs,
          note: `epoch ${epoch} of at most ${epochs}, validation loss ${validation.toFixed(4)}, best ${best.toFixed(4)}`,
        });
      let fitted: { result: { weights: Float32Array; steps: [number, number] }; backend: BackendName };
      if (options.inThread === false) {
        const { fitNetwork } = await import('./fit.js');
        const backend = await loadBackend(choice);
        const hear = onCheckpoint === undefined ? {} : { onCheckpoint };
        fitted = {
          result: await fitNetwork(backend, series, { ...fit, onEpoch, ...hear, signal }),
          backend: backend.name,
        };
      } else {
        const report = await runInThread({ work: 'fit', backend: choice, series, options: fit }, signal, (heard) => {
          if (heard.kind === 'epoch') onEpoch(heard.epoch);
          if (heard.kind === 'checkpoint') onCheckpoint?.(heard.state);
        });
        if (report.kind !== 'fitted') throw new TypeError('the thread answered another question');
        fitted = report;
      }
      const { weights, steps } = fitted.result;
      return {
        weights: packNetwork({ settings, levels, horizon, steps }, weights),
        hyperParameters: settings,
        backend: fitted.backend,
      };
    },
    load: (weights) => Promise.resolve().then(() => loadNetwork(weights)),
  };
}

/** {@link trainLocally} of local.ts in a worker thread: what a federated cell runs. */
export async function trainLocallyInThread(
  series: readonly TrainingSeries[],
  weights: Float32Array,
  options: LocalOptions,
  backend: BackendChoice = 'best',
): Promise<LocalUpdate & { backend: BackendName }> {
  const { signal, ...rest } = options;
  const report = await runInThread({ work: 'local', backend, series, weights, options: rest }, signal, () => undefined);
  if (report.kind !== 'stepped') throw new TypeError('the thread answered another question');
  return { ...report.result, backend: report.backend };
}
