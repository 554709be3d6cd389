import type { SeriesForecast } from '../src/domain/forecast.js';
import { levelOf } from '../src/domain/policy-rules.js';
import type { AccountPolicy } from '../src/domain/account.js';
import type { AnnouncedEvent } from '../src/domain/control.js';
import type { EpochSeconds } from '../src/domain/time.js';
import { eventsOf } from '../src/models/ahead.js';
import type { Dependencies } from './dependencies.js';
import { createDriftWatch } from './drift.js';
import { translated } from './failures.js';
import type { Policies } from './policies.js';
import { createSystemLoads } from './system-load.js';
import type { Activities, ForecastDigest } from './types.js';

/** From a snapshot to quantiles by component and step; the series stay on this side, the workflow gets a digest. */
export function createForecast(deps: Dependencies, policies: Policies): Pick<Activities, 'forecast'> {
  const watchDrift = createDriftWatch(
    (account, reason, series) => deps.drift?.(account, reason, series) ?? Promise.resolve(),
  );
  const loads = createSystemLoads(deps.store);
  const remember = createEventMemory(deps.store);
  return {
    forecast: (input) =>
      translated(async (signal) => {
        const policy = await policies.get(input.policyId);
        const { since, trained } = await deps.decider.wanted(input.account, policy, input.at);
        await remember(input.account, input.events, input.at);
        // Fits look back at campaigns that are over and that the workflow has let go of.
        const past = since === null ? await eventsOf(deps.store, input.account) : [];
        const load = trained === true ? await loads.at(input.at, since === null) : null;
        const window = await deps.store.readSnapshot(input.snapshotId, signal, since ?? undefined);
        const forecast = await deps.decider.forecast({
          account: input.account,
          policyId: input.policyId,
          policy,
          snapshotId: input.snapshotId,
          at: input.at,
          leadTimes: input.leadTimes,
          events: input.events,
          ...(past.length === 0 ? {} : { past }),
          ...(load === null ? {} : { systemLoad: load }),
          bins: window.series,
        });
        await deps.store.putRecord({
          kind: 'forecast',
          id: forecast.id,
          account: input.account,
          at: input.at,
          body: forecast,
        });
        // Who trains is told in its own time: no forecast waits for it, and none fails by it.
        void watchDrift(forecast).catch(() => undefined);
        return {
          forecastId: forecast.id,
          series: forecast.series.map((series) => digest(series, policy, input.leadTimes)),
          missing: forecast.missing,
        };
      }),
  };
}

/** Keeps what was announced: trained models learn from it when it is long over. */
function createEventMemory(store: Dependencies['store']) {
  const kept = new Map<string, string>();
  return async (account: string, events: readonly AnnouncedEvent[], at: EpochSeconds): Promise<void> => {
    // What is yet to begin may be announced otherwise, or never come.
    for (const event of events.filter(({ from }) => from <= at)) {
      const id = `event/${account}/${event.name}/${Math.round(event.from)}`;
      const body = JSON.stringify(event);
      if (kept.get(id) === body) continue;
      await store.putRecord({ kind: 'event', id, account, at: event.from, body: event });
      kept.set(id, body);
    }
    if (kept.size > 10_000) kept.clear();
  };
}

function digest(series: SeriesForecast, policy: AccountPolicy, leadTimes: Record<string, number>): ForecastDigest {
  const workload = policy.workloads.find((candidate) => candidate.name === series.workload);
  const level = workload === undefined ? policy.level : levelOf(policy, workload, series.component);
  const fine = series.resolutions[0];
  const lead = leadTimes[series.workload] ?? workload?.leadTime ?? 0;
  const row = fine?.quantiles[Math.min(Math.ceil(lead / (fine?.step ?? 1)), (fine?.quantiles.length ?? 1) - 1)];
  const at = (wanted: number): number => {
    const index = fine?.levels.findIndex((candidate) => candidate >= wanted - 1e-9) ?? -1;
    return Number((row?.[index] ?? Number.NaN).toPrecision(4));
  };
  return {
    workload: series.workload,
    component: series.component,
    level,
    median: at(0.5),
    atLevel: at(level),
    open: series.gate.open,
    ...(series.gate.reason === undefined ? {} : { reason: series.gate.reason }),
    cold: series.data === 'cold',
    ...(series.drift === undefined ? {} : { drift: series.drift }),
  };
}
