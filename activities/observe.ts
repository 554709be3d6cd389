import { ApplicationFailure } from '@temporalio/common';
import type { AccountPolicy } from '../src/domain/account.js';
import type { Component } from '../src/domain/component.js';
import { HeadroomError, isHeadroomError } from '../src/domain/errors.js';
import { binLabel, lastKnownIndex } from '../src/domain/series.js';
import { symptomsOf } from '../src/domain/symptoms.js';
import { binStart, type EpochSeconds } from '../src/domain/time.js';
import { freshnessOf } from '../src/telemetry/freshness.js';
import type { UsageQuery, UsageWindow } from '../src/telemetry/port.js';
import type { Dependencies } from './dependencies.js';
import { translated } from './failures.js';
import { watchFor } from './lookout.js';
import { observeRequest, type Policies } from './policies.js';
import { createTriggers } from './triggers.js';
import type { Activities, SeriesFreshness } from './types.js';

/** A freeze may be seen this late by a cycle; a write asks afresh. */
const FENCE_AGE_MS = 2000;
/** Re-read from an outside source at each cycle, since its last bins may still have been filling. */
const OVERLAP_BINS = 3;

/**
 * An agent that was cut off writes what it has later: bins that are missing at the end are asked for again for so long.
 * Beyond it a series that nobody writes would be read anew from its beginning at every cycle.
 */
const LATE_SECONDS = 86_400;

/**
 * How long a source may take: less than the activity itself (30 s, workflows/activities.ts), with time left for the rest of
 * it. `slowMs`: a failure that took longer is none that a moment mends.
 */
const READING = { withinMs: 25_000, slowMs: 5_000 };

/** Up to where every series of the window is known; its start where one has nothing in it. */
const knownUpTo = (window: UsageWindow): EpochSeconds =>
  Math.min(
    window.to,
    ...window.series.map(({ series }) => {
      const last = lastKnownIndex(series);
      return last < 0 ? window.from : binLabel(series, last) + series.step;
    }),
  );

/** Telemetry and cluster as they are now; says what is missing or stale. */
export function createObserve(
  deps: Dependencies,
  policies: Policies,
  { withinMs, slowMs } = READING,
): Pick<Activities, 'observe'> {
  const triggers = createTriggers(deps.store);
  /** Up to where an outside source was copied into the store, by account. */
  const mirrored = new Map<string, EpochSeconds>();

  /**
   * The source's words, before the activity's own limit cuts it off without any. What took long to fail would take as long
   * again: it is not tried again within the cycle, which holds at once; the next one tries.
   */
  async function readWithin(query: UsageQuery, signal: AbortSignal): Promise<UsageWindow> {
    const began = performance.now();
    const late = AbortSignal.timeout(withinMs);
    try {
      return await deps.source.readUsage(query, AbortSignal.any([signal, late]));
    } catch (error) {
      signal.throwIfAborted();
      const failure = late.aborted
        ? new HeadroomError({
            kind: 'unavailable',
            component: `telemetry/${deps.source.name}`,
            action: `reading usage of ${query.account}`,
            problem: `no whole answer within ${Math.round(withinMs / 1000)}s`,
            remedy: 'see that it is well; the next cycle tries again',
            cause: error,
          })
        : error;
      const slow = performance.now() - began >= slowMs;
      if (!slow || !isHeadroomError(failure) || failure.kind !== 'unavailable') throw failure;
      const { kind: type, message } = failure;
      throw ApplicationFailure.create({ type, message, nonRetryable: true, cause: failure });
    }
  }

  /** Copies what an outside source has since the last cycle; the store's snapshots then stand for it. */
  async function mirror(query: UsageQuery, signal: AbortSignal): Promise<void> {
    if (deps.source === deps.store) return;
    const from = Math.max(query.from, (mirrored.get(query.account) ?? query.from) - OVERLAP_BINS * query.step);
    const window = await readWithin({ ...query, from }, signal);
    await deps.store.writeUsage(
      window.series.map(({ workload, component, series }) => ({
        key: { account: query.account, workload, component },
        samples: [...series.values].flatMap((value, index) =>
          Number.isNaN(value) ? [] : [{ at: binLabel(series, index), value, censored: series.censored[index] === 1 }],
        ),
      })),
    );
    mirrored.set(query.account, Math.max(knownUpTo(window), query.to - LATE_SECONDS));
  }

  return {
    observe: (input) =>
      translated(async (signal) => {
        if (input.policy !== undefined) await policies.remember(input.policyId, input.policy, input.at);
        const policy = input.policy ?? (await policies.get(input.policyId));
        const query = usageQuery(policy, input.at);
        await mirror(query, signal);
        const [snapshot, state, freeze] = await Promise.all([
          deps.store.takeSnapshot(query, input.at, signal),
          deps.cluster(policy.cluster).observe(observeRequest(policy), signal),
          deps.fence.read(FENCE_AGE_MS),
        ]);
        const recent = Math.max(query.from, binStart(input.at - 4 * policy.staleAfter, policy.step));
        const window = await deps.store.readSnapshot(snapshot.id, signal, recent);
        let freshness = describeFreshness(window, policy, input.at);
        if (freshness.some((entry) => entry.kind === 'missing')) {
          // Nothing of late: has there ever been anything? That is what tells stale from missing.
          freshness = describeFreshness(await deps.store.readSnapshot(snapshot.id, signal), policy, input.at);
        }
        const { contingencies } = input;
        const watched = contingencies === undefined ? null : await triggers.of(input.account, contingencies.id);
        watchFor(deps.lookout, policy, observeRequest(policy), {
          triggers: watched,
          answered: contingencies?.answered ?? [],
          at: input.at,
          recent: window.series,
        });
        return {
          snapshotId: snapshot.id,
          freshness,
          state,
          freeze,
          ...(watched === null ? {} : { symptoms: symptomsOf(watched, { state, recent: window.series, freshness }) }),
          ...(input.policy === undefined ? {} : { lastChange: await lastChange(deps, input.account) }),
          ...(input.overdueChange === undefined
            ? {}
            : { changeRuns: await deps.histories.isRunning(`change/${input.overdueChange}`) }),
        };
      }),
  };
}

/** The series of a policy, over its history, up to the last bin that is known at `at`. */
export function usageQuery(policy: AccountPolicy, at: EpochSeconds): UsageQuery {
  const to = binStart(at, policy.step);
  return {
    account: policy.account,
    series: policy.workloads.flatMap((workload) =>
      (Object.keys(workload.components) as Component[]).map((component) => ({ workload: workload.name, component })),
    ),
    from: to - Math.floor(policy.history / policy.step) * policy.step,
    to,
    step: policy.step,
  };
}

function describeFreshness(window: UsageWindow, policy: AccountPolicy, at: EpochSeconds): SeriesFreshness[] {
  return window.series.map(({ workload, component, series }) => {
    const found = freshnessOf(series, policy.staleAfter, at);
    const age = found.kind === 'missing' ? null : Math.max(0, at - (found.lastBin + series.step));
    return { workload, component, kind: found.kind, age };
  });
}

/** The number of the account's last change on record: contingencies are recorded before anything is touched. */
async function lastChange(deps: Dependencies, account: string): Promise<number> {
  const [last] = await deps.store.listRecords('contingency', account, { limit: 1 });
  const number = Number(last?.id.split('/').at(-1));
  return Number.isInteger(number) ? number : 0;
}
