import { setTimeout as delay } from 'node:timers/promises';
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { Lookout, Watch } from '../../activities/lookout.js';
import type { Cluster } from '../cluster/port.js';
import { symptomsOf } from '../domain/symptoms.js';
import type { EpochSeconds } from '../domain/time.js';
import { accountWorkflowId, contingencySignal } from '../../workflows/messages.js';

export interface LookoutOptions {
  client: Client;
  cluster(name: string): Cluster;
  /** Simulated or real seconds. */
  now(): EpochSeconds;
  say(line: string): void;
  /** Wall milliseconds between two looks. */
  everyMs?: number;
}

const EVERY_MS = 500;
/** Looking takes at most this share of the time: with many accounts the looks come further apart. */
const SHARE = 0.1;
/** A cluster that does not answer says nothing; the cycle itself will say so. */
const PATIENCE_MS = 10_000;

/**
 * Looks at the clusters between the cycles, for triggers that the cluster alone can tell, and tells the account's workflow.
 * It keeps nothing that matters: each cycle says anew what to look for, and sees the same by itself.
 */
export function createLookout(options: LookoutOptions): Lookout & { close(): Promise<void> } {
  const { client, cluster, now, say, everyMs = EVERY_MS } = options;
  const watches = new Map<string, Watch>();
  /** By account and key: since when it holds. */
  const since = new Map<string, Map<string, EpochSeconds>>();
  const closing = new AbortController();

  async function look(watch: Watch): Promise<void> {
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(PATIENCE_MS)]);
    const state = await cluster(watch.cluster).observe(watch.request, signal);
    const at = now();
    const before = since.get(watch.account);
    const held = new Map<string, EpochSeconds>();
    for (const { key, what } of symptomsOf({ answers: watch.answers, watched: [] }, { state })) {
      const first = before?.get(key) ?? at;
      held.set(key, first);
      const lasting = watch.answers.find((answer) => answer.key === key)?.for ?? 0;
      if (at - first < lasting || watch.told.has(key)) continue;
      await client.workflow.getHandle(accountWorkflowId(watch.account)).signal(contingencySignal, { key, what });
      watch.told.add(key);
    }
    since.set(watch.account, held);
  }

  async function round(): Promise<void> {
    for (const watch of [...watches.values()]) {
      if (closing.signal.aborted) return;
      if (watches.get(watch.account) !== watch) continue;
      if (watch.until < now()) {
        drop(watch.account);
        continue;
      }
      try {
        await look(watch);
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) drop(watch.account);
        else if (!closing.signal.aborted) say(`watching ${watch.account}: ${String(error)}`);
      }
    }
  }

  function drop(account: string): void {
    watches.delete(account);
    since.delete(account);
  }

  const running = (async () => {
    while (!closing.signal.aborted) {
      const began = performance.now();
      if (watches.size > 0) await round();
      const busy = performance.now() - began;
      await delay(Math.max(everyMs, busy / SHARE), undefined, { signal: closing.signal, ref: false }).catch(
        () => undefined,
      );
    }
  })();

  return {
    watch(watch) {
      watches.set(watch.account, watch);
    },
    drop,
    async close() {
      closing.abort();
      await running;
    },
  };
}
