import { setTimeout as sleep } from 'node:timers/promises';
import type { EpochSeconds } from '../../domain/time.js';
import type { MetricBatch, UsageBatch } from '../../telemetry/port.js';
import type { Sampled } from './samples.js';

export interface Scraper {
  /** Label of the first minute that has not been written yet. */
  cursor(): EpochSeconds;
  /** Writes all that is there now. @throws what the cluster or the sink throws; the cursor then stays. */
  scrape(): Promise<void>;
  /** Why the last round failed; null where it did not. */
  lastError(): unknown;
  /** Ends the rounds, after the one in progress. */
  stop(): Promise<void>;
}

/**
 * Pulls samples into a store, round after round. The cursor moves only once the sink has taken a window, so that an
 * error on either side loses nothing: the next round asks for the same window again, which the sink (idempotent) may
 * have in part. Over a restart, `since` starts at the last sample that the store knows, or at the beginning.
 */
export function createScraper(options: {
  cluster: Sampled;
  sink: (usage: UsageBatch[], metrics: MetricBatch[]) => Promise<void>;
  /** Wall milliseconds between rounds. */
  everyMs: number;
  since?: EpochSeconds;
  onError?: (error: unknown) => void;
}): Scraper {
  const { cluster, sink, everyMs, onError } = options;
  let cursor = options.since ?? 0;
  let failed: unknown = null;
  const stopping = new AbortController();
  /** One round at a time, whoever asks. */
  let turn: Promise<void> = Promise.resolve();

  const round = async () => {
    for (let more = true; more;) {
      const window = await cluster.samplesSince(cursor, stopping.signal);
      if (window.usage.length > 0 || window.metrics.length > 0) await sink(window.usage, window.metrics);
      cursor = window.cursor;
      more = window.more;
    }
  };

  const scrape = (): Promise<void> => {
    const mine = turn.then(round);
    turn = mine.catch(() => undefined);
    return mine;
  };

  const loop = (async () => {
    while (!stopping.signal.aborted) {
      try {
        await scrape();
        failed = null;
      } catch (error) {
        if (stopping.signal.aborted) return;
        failed = error;
        onError?.(error);
      }
      await sleep(everyMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  })();

  return {
    cursor: () => cursor,
    scrape,
    lastError: () => failed,
    async stop() {
      stopping.abort();
      await loop;
      await turn;
    },
  };
}
