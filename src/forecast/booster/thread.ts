import { parentPort, workerData } from 'node:worker_threads';
import { isHeadroomError } from '../../domain/errors.js';
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
  say(failed(error));
}

function failed(error: unknown): TrainingNews {
  if (!isHeadroomError(error)) {
    return { kind: 'failed', message: error instanceof Error ? error.message : String(error), headroom: null };
  }
  const { kind, component, action, remedy, message } = error;
  const problem = message.slice(`${component}: ${action}: `.length, -`; ${remedy}`.length);
  return { kind: 'failed', message, headroom: { kind, component, action, problem, remedy } };
}
