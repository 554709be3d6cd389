import { parentPort, workerData } from 'node:worker_threads';
import { plainError } from '../../domain/plain-error.js';
import { trainGlobalBooster } from './global-booster.js';
import type { TrainingJob, TrainingNews } from './train-in-thread.js';

const port = parentPort;
if (port === null) throw new Error('booster/thread runs as a worker thread alone');
const say = (news: TrainingNews): void => port.postMessage(news);

/** train-in-thread.ts is the only one that starts this file: what it gave is a job. */
const { series, options } = workerData as TrainingJob;
try {
  const bytes = trainGlobalBooster(series, options, (progress) => say({ kind: 'progress', progress }));
  say({ kind: 'done', bytes });
} catch (error) {
  say({ kind: 'failed', error: plainError(error) });
}
