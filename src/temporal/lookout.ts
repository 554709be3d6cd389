import { setTimeout as delay } from 'node:timers/promises';
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { Lookout, Watch } from '../../activities/lookout.js';
import type { Cluster } from '../cluster/port.js';
import type { Symptom } from '../domain/contingency.js';
import { isOfCluster, symptomsOf } from '../domain/symptoms.js';
import type { EpochSeconds } from '../domain/time.js';
import type { UsageSource } from '../telemetry/port.js';
import { accountWorkflowId, contingencySignal } from '../../workflows/messages.js';
import { createUsageLook } from './usage-look.js';

export interface LookoutOptions {
  client: Client;
  cluster(name: string): Cluster;
  /** Telemetry, as cycles read it; without it that is judged by cycles alone. */
  source?: Pick<UsageSource, 'readUsage'>;
  /** Simulated or real seconds. */
  now(): EpochSeconds;
  say(line: string): void;
  /** Wall milliseconds between two rounds. */
  everyMs?: number;
}

/** `share`: of the time, at most; with many accounts the looks come further apart. */
const CLUSTER = { everyMs: 500, share: 0.1 };
const USAGE = { everyMs: 2000, share: 0.05 };
/** Seconds between two looks at the telemetry of one account. */
const USAGE_EVERY = 15;
/** However long a round took: a server that hung for an hour is not punished with a day of silence. */
const MOST_PAUSE_MS = 60_000;
/** Who does not answer says nothing; the cycle itself will say so. */
const PATIENCE_MS = 10_000;

/** What one round asks of each account; nothing where it is not its turn. */
type LookAt = (watch: Watch, at: EpochSeconds, signal: AbortSignal) => Promise<Symptom[] | null>;

interface Rounds {
  lookAt: LookAt;
  everyMs: number;
  share: number;
  /** By account and key: since when it holds. */
  since: Map<string, Map<string, EpochSeconds>>;
  /** Accounts whose last look failed: it is said once. */
  failing: Set<string>;
}

/**
 * Looks at clusters and telemetry between the cycles, and tells the account's workflow of a trigger whose condition holds.
 * It keeps nothing that matters: each cycle says anew what to look for, and sees the same by itself.
 */
export function createLookout(options: LookoutOptions): Lookout & { close(): Promise<void> } {
  const { client, cluster, source, now, say, everyMs } = options;
  const watches = new Map<string, Watch>();
  const closing = new AbortController();

  const atCluster: LookAt = async (watch, _at, signal) => {
    const answers = watch.answers.filter(isOfCluster);
    if (answers.length === 0) return null;
    const state = await cluster(watch.cluster).observe(watch.request, signal);
    return symptomsOf({ answers, watched: [] }, { state });
  };

  const usageLook =
    source === undefined
      ? null
      : createUsageLook(source, (watch, signal) => cluster(watch.cluster).observe(watch.request, signal));
  /** By account: when its telemetry is looked at next. */
  const due = new Map<string, EpochSeconds>();
  const atUsage: LookAt = async (watch, at, signal) => {
    if (usageLook === null || watch.usage === undefined || at < (due.get(watch.account) ?? at)) return null;
    due.set(watch.account, at + USAGE_EVERY);
    return usageLook.look(watch, watch.usage, at, signal);
  };

  const rounds = [
    { lookAt: atCluster, ...CLUSTER },
    ...(usageLook === null ? [] : [{ lookAt: atUsage, ...USAGE }]),
  ].map((one): Rounds => ({
    ...one,
    ...(everyMs === undefined ? {} : { everyMs }),
    ...{ since: new Map(), failing: new Set() },
  }));

  async function tell(watch: Watch, symptoms: readonly Symptom[], at: EpochSeconds, since: Rounds['since']) {
    const before = since.get(watch.account);
    const held = new Map<string, EpochSeconds>();
    for (const symptom of symptoms) {
      const { key, workloads } = symptom;
      const news = workloads?.map((workload) => `${key} of ${workload}`) ?? [key];
      const first = before?.get(key) ?? at;
      held.set(key, first);
      const lasting = watch.answers.find((answer) => answer.key === key)?.for ?? 0;
      if (at - first < lasting || news.every((one) => watch.told.has(one))) continue;
      await client.workflow.getHandle(accountWorkflowId(watch.account)).signal(contingencySignal, symptom);
      for (const one of news) watch.told.add(one);
    }
    since.set(watch.account, held);
  }

  async function round({ lookAt, since, failing }: Rounds): Promise<void> {
    for (const watch of [...watches.values()]) {
      if (closing.signal.aborted) return;
      const { account } = watch;
      if (watches.get(account) !== watch) continue;
      const at = now();
      if (watch.until < at) {
        drop(account);
        continue;
      }
      try {
        const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(PATIENCE_MS)]);
        const symptoms = await lookAt(watch, at, signal);
        if (symptoms === null) continue;
        await tell(watch, symptoms, at, since);
        failing.delete(account);
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) drop(account);
        else if (!closing.signal.aborted && !failing.has(account)) {
          failing.add(account);
          say(`watching ${account}: ${String(error)}`);
        }
      }
    }
  }

  function drop(account: string): void {
    watches.delete(account);
    due.delete(account);
    usageLook?.forget(account);
    for (const { since, failing } of rounds) {
      since.delete(account);
      failing.delete(account);
    }
  }

  const running = rounds.map(async (one) => {
    while (!closing.signal.aborted) {
      const began = performance.now();
      if (watches.size > 0) await round(one);
      const busy = performance.now() - began;
      const pause = Math.max(one.everyMs, Math.min(MOST_PAUSE_MS, busy / one.share));
      await delay(pause, undefined, { signal: closing.signal, ref: false }).catch(() => undefined);
    }
  });

  return {
    watch(watch) {
      watches.set(watch.account, watch);
    },
    drop,
    async close() {
      closing.abort();
      await Promise.all(running);
    },
  };
}
