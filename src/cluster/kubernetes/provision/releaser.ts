import type { V1Job } from '@kubernetes/client-node';
import type { EpochSeconds } from '../../../domain/time.js';
import { HEADROOM } from '../../fence.js';
import { ApiRefusal } from '../calls.js';
import type { Named, ProvisionApi } from './api.js';
import { movedOccurrence } from './occurrence-job.js';

/*
 * Lets the Jobs of moved occurrences go when their time comes. It is no new change, and waits for none: a pause or a
 * freeze that came since holds back what is still to be decided, not a task that has been promised a time.
 */

export interface Releaser {
  /** Takes note of a Job that waits, to let it go on time; what is due is let go before this ends. */
  watch(jobs: readonly V1Job[], signal: AbortSignal): Promise<void>;
  close(): void;
}

/** Timers of Node hold 24 days; what is later is seen again by then. */
const FARTHEST_MS = 20 * 86_400_000;
/** A Job that could not be let go is tried again after so long, besides whenever it is seen again. */
const AGAIN_MS = 5000;

export function createReleaser(options: {
  api: ProvisionApi;
  /** Told of a Job that could not be let go on time. */
  onTrouble?: (job: Named, error: unknown) => void;
}): Releaser {
  const { api, onTrouble } = options;
  const { now } = api;
  const timers = new Map<string, { at: EpochSeconds; timer: NodeJS.Timeout }>();
  const ended = new AbortController();

  const release = async (at: Named, signal: AbortSignal): Promise<void> => {
    const job = await api.readJob(at, signal);
    const moved = job === null ? null : movedOccurrence(job);
    if (job === null || moved === null || moved.begun) return;
    if (moved.start > now()) {
      arm(at, moved.start);
      return;
    }
    const owner = job.metadata?.ownerReferences?.find(({ kind }) => kind === 'CronJob');
    const cronJob =
      owner === undefined ? null : await api.readCronJob({ namespace: at.namespace, name: owner.name }, signal);
    // Whoever suspended it since wants no run of it: it waits until that is taken back.
    if (cronJob?.spec?.suspend === true) {
      arm(at, now() + 60);
      return;
    }
    const body = { metadata: { resourceVersion: job.metadata?.resourceVersion }, spec: { suspend: false } };
    try {
      await api.patchJob(at, body, HEADROOM, signal);
    } catch (error) {
      // Its status moved in between.
      if (error instanceof ApiRefusal && error.kind === 'conflict') return release(at, signal);
      throw error;
    }
  };

  const fire = (at: Named): void => {
    release(at, ended.signal).catch((error: unknown) => {
      if (ended.signal.aborted) return;
      onTrouble?.(at, error);
      arm(at, now() + AGAIN_MS / 1000);
    });
  };

  const arm = (at: Named, start: EpochSeconds): void => {
    const key = `${at.namespace}/${at.name}`;
    const known = timers.get(key);
    if (known?.at === start || ended.signal.aborted) return;
    clearTimeout(known?.timer);
    const timer = setTimeout(
      () => {
        timers.delete(key);
        fire(at);
      },
      Math.min(FARTHEST_MS, Math.max(0, (start - now()) * 1000)),
    );
    timer.unref();
    timers.set(key, { at: start, timer });
  };

  return {
    async watch(jobs, signal) {
      for (const job of jobs) {
        const moved = movedOccurrence(job);
        const { namespace, name } = job.metadata ?? {};
        if (moved === null || moved.begun || namespace === undefined || name === undefined) continue;
        if (moved.start <= now()) await release({ namespace, name }, signal);
        else arm({ namespace, name }, moved.start);
      }
    },
    close() {
      ended.abort();
      for (const { timer } of timers.values()) clearTimeout(timer);
      timers.clear();
    },
  };
}
