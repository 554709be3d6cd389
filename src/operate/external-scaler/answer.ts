import { atLevel } from '../../allocate/quantile.js';
import { planLead } from '../../decide/lead.js';
import type { AccountPolicy, WorkloadPolicy } from '../../domain/account.js';
import type { Component } from '../../domain/component.js';
import { HeadroomError, type ErrorKind } from '../../domain/errors.js';
import type { AccountForecast } from '../../domain/forecast.js';
import type { Plan } from '../../domain/plan.js';
import { levelOf } from '../../domain/policy-rules.js';
import { formatDuration, isoTime, type EpochSeconds } from '../../domain/time.js';
import { COMPONENT, metricNameOf, type ScalerQuery } from './query.js';

/*
 * From an account's latest records to one number. Pure. What is missing or stale has no number: the error that is thrown
 * here is what makes KEDA fall back to what the ScaledObject names, where a zero would take the workload away.
 */

/** What the store has of an account, the newest of each. */
export interface AccountRecords {
  policy: AccountPolicy;
  /** Null where none was made yet, or in mode `observe`. */
  plan: Plan | null;
  /** The one that the plan stands on for `replicas`, else the newest. */
  forecast: AccountForecast | null;
}

export interface ScalerMetric {
  metricName: string;
  /** What one replica stands for. */
  target: number;
}

export interface ScalerAnswer extends ScalerMetric {
  /** Replicas, or the component's unit: the highest from now on to `ahead` from now. */
  value: number;
  active: boolean;
  /** When the answer may become another without any new record. */
  until: EpochSeconds;
}

interface Asked {
  query: ScalerQuery;
  policy: AccountPolicy;
  workload: WorkloadPolicy;
  fail(kind: ErrorKind, problem: string, remedy: string): HeadroomError;
}

/** One answer for what is not there and for what is another's: nobody learns which accounts there are. */
export const notFound = (query: ScalerQuery): HeadroomError =>
  new HeadroomError({
    kind: 'not-found',
    component: COMPONENT,
    action: `reading ${query.account}/${query.workload} for namespace ${query.namespace}`,
    problem: 'no account of this name has such a workload in this namespace',
    remedy:
      'the ScaledObject must be in the namespace of the workload’s target; see namespace and target.namespace in the account file',
  });

/** The tenant's boundary: where the workload is, and so where a ScaledObject of it must be. */
const namespaceOf = (policy: AccountPolicy, workload: WorkloadPolicy): string =>
  workload.target.namespace ?? policy.namespace ?? policy.account;

function askedOf(query: ScalerQuery, policy: AccountPolicy): Asked {
  const workload = policy.workloads.find(({ name }) => name === query.workload);
  if (workload === undefined || namespaceOf(policy, workload) !== query.namespace) {
    throw notFound(query);
  }
  const fail: Asked['fail'] = (kind, problem, remedy) =>
    new HeadroomError({
      kind,
      component: COMPONENT,
      action: `answering ${query.metric} of ${query.account}/${query.workload}`,
      problem,
      remedy,
    });
  if (query.metric !== 'replicas' && workload.components[query.metric] === undefined) {
    throw fail(
      'invalid-input',
      `the account file names no ${query.metric} for it`,
      `metric may be replicas, ${Object.keys(workload.components).join(', ')}`,
    );
  }
  return { query, policy, workload, fail };
}

/**
 * Name and target: known without any forecast, so that KEDA can make its autoscaler.
 * @throws HeadroomError `not-found`, `invalid-input`.
 */
export function describeMetric(query: ScalerQuery, policy: AccountPolicy): ScalerMetric {
  const { workload } = askedOf(query, policy);
  const settings = query.metric === 'replicas' ? undefined : workload.components[query.metric];
  const usual = settings === undefined ? 1 : settings.request * settings.utilization;
  return { metricName: metricNameOf(query), target: query.target ?? usual };
}

/**
 * The number for the autoscaler: the highest from now to `ahead` from now, so that a raise is asked for in time and
 * nothing that is still needed is let go.
 * @throws HeadroomError `not-found`, `invalid-input`; `unavailable` where there is nothing to go by.
 */
export function answerQuery(query: ScalerQuery, records: AccountRecords, now: EpochSeconds): ScalerAnswer {
  const asked = askedOf(query, records.policy);
  const metric = describeMetric(query, records.policy);
  const ahead = query.ahead ?? planLead(records.policy, {});
  const { value, until } =
    query.metric === 'replicas'
      ? replicasAhead(asked, records, now, ahead)
      : demandAhead(asked, query.metric, records, now, ahead);
  return { ...metric, value, active: value > query.activation, until };
}

/** So long after it was made does a record stand: one cycle may be missed. */
const lifeOf = (policy: AccountPolicy): number => Math.max(policy.staleAfter, 2 * policy.cycle);

function assertFresh(asked: Asked, what: string, at: EpochSeconds, now: EpochSeconds): EpochSeconds {
  const until = at + lifeOf(asked.policy);
  if (now < until) return until;
  throw asked.fail(
    'unavailable',
    `the newest ${what} is of ${isoTime(at)}, ${formatDuration(now - at)} ago`,
    '`headroom status` says what the account waits for',
  );
}

/** What the forecast itself says against being used for a workload. */
function assertKnown(
  asked: Asked,
  components: readonly Component[],
  forecast: AccountForecast,
  now: EpochSeconds,
): EpochSeconds {
  let until = Number.POSITIVE_INFINITY;
  for (const component of components) {
    const same = (one: { workload: string; component: Component }) =>
      one.workload === asked.query.workload && one.component === component;
    const missing = forecast.missing.find(same);
    const origin = forecast.series.find(same)?.resolutions[0];
    if (missing !== undefined || origin === undefined) {
      throw asked.fail(
        'unavailable',
        `there is no forecast of its ${component}: ${missing?.detail ?? 'none was made'}`,
        'see that its usage arrives; `headroom doctor` and `headroom status` help',
      );
    }
    // The last bin that the forecast knew; a forecast may be new and stand on old data.
    until = Math.min(until, assertFresh(asked, `usage of ${component}`, origin.origin + origin.step, now));
  }
  return until;
}

function replicasAhead(asked: Asked, records: AccountRecords, now: EpochSeconds, ahead: number) {
  const { plan, forecast, policy } = records;
  const { workload, fail } = asked;
  if (plan === null) {
    throw fail(
      'unavailable',
      policy.mode === 'observe' ? 'in mode observe no plans are made' : 'no plan was made yet',
      policy.mode === 'observe' ? 'set mode recommend in the account file' : 'wait for the account’s first cycle',
    );
  }
  let until = assertFresh(asked, 'plan', plan.at, now);
  if (forecast === null) {
    throw fail('unavailable', 'the plan stands on no forecast', '`headroom why` says what the account goes by');
  }
  // A plan keeps what runs where data are missing, but its later blocks do not know that: they are no answer.
  until = Math.min(until, assertKnown(asked, Object.keys(workload.components) as Component[], forecast, now));
  const first = plan.blocks[0];
  const last = plan.blocks.at(-1);
  if (first === undefined || last === undefined || now >= last.to) {
    throw fail('unavailable', 'the plan does not reach to now', '`headroom status` says what the account waits for');
  }
  if (ahead > last.to - plan.at) {
    throw fail(
      'invalid-input',
      `ahead: plans reach ${formatDuration(last.to - plan.at)}, not ${formatDuration(ahead)}`,
      'ask for less, or raise horizons in the account file',
    );
  }
  let value = Number.NEGATIVE_INFINITY;
  for (const block of plan.blocks) {
    // What is decided now lasts until it takes effect: before the first block, the first block.
    if (block !== first && block.from > now + ahead) {
      until = Math.min(until, block.from - ahead);
      break;
    }
    if (block.to <= now) continue;
    const planned = block.workloads.find((one) => one.workload === workload.name);
    if (planned === undefined) continue;
    until = Math.min(until, block.to);
    value = Math.max(value, planned.replicas);
  }
  if (!Number.isFinite(value)) {
    throw fail('unavailable', 'the plan does not name it', 'wait for the next cycle of the changed account file');
  }
  return { value, until };
}

function demandAhead(
  asked: Asked,
  component: Component,
  { forecast }: AccountRecords,
  now: EpochSeconds,
  ahead: number,
) {
  const { query, policy, workload, fail } = asked;
  if (forecast === null) throw fail('unavailable', 'no forecast was made yet', 'wait for the account’s first cycle');
  let until = Math.min(
    assertFresh(asked, 'forecast', forecast.at, now),
    assertKnown(asked, [component], forecast, now),
  );
  const series = forecast.series.find((one) => one.workload === query.workload && one.component === component);
  const resolutions = series?.resolutions ?? [];
  if (series?.gate.open === false) {
    throw fail(
      'unavailable',
      `its forecast is not relied on now: ${series.gate.reason ?? 'its coverage is off'}`,
      'ask for metric replicas, whose plan has the reactive guard beneath it, or wait',
    );
  }
  const level = query.level ?? levelOf(policy, workload, component);
  let value = Number.NEGATIVE_INFINITY;
  let reach = now;
  for (const { origin, step, levels, quantiles } of resolutions) {
    const end = now + ahead;
    for (const [index, row] of quantiles.entries()) {
      const from = origin + (index + 1) * step;
      // The finer resolution speaks as far as it goes.
      if (from + step <= reach) continue;
      const begins = Math.max(from, reach);
      if (begins > end) {
        until = Math.min(until, begins - ahead);
        break;
      }
      until = Math.min(until, from + step);
      value = Math.max(value, atLevel(levels, row, level));
    }
    reach = Math.max(reach, origin + (quantiles.length + 1) * step);
  }
  if (now + ahead > reach) {
    const tooFar = ahead > reach - forecast.at;
    throw fail(
      tooFar ? 'invalid-input' : 'unavailable',
      `${tooFar ? 'ahead: ' : ''}the forecast reaches to ${isoTime(reach)}`,
      tooFar ? 'ask for less, or raise horizons in the account file' : 'wait for the next cycle',
    );
  }
  if (!Number.isFinite(value)) {
    throw fail('unavailable', 'the forecast does not cover the time asked for', 'wait for the next cycle');
  }
  return { value, until };
}
