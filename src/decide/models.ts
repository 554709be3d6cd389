import { createHash } from 'node:crypto';
import type { AccountPolicy } from '../domain/account.js';
import type { Component } from '../domain/component.js';
import type { AnnouncedEvent } from '../domain/control.js';
import { isHeadroomError } from '../domain/errors.js';
import type {
  AccountForecast,
  MissingForecast,
  QuantileForecast,
  SeriesForecast,
  WindowLevel,
} from '../domain/forecast.js';
import { levelOf } from '../domain/policy-rules.js';
import { binLabel, type Series } from '../domain/series.js';
import type { EpochSeconds } from '../domain/time.js';
import { EVIDENCE_WINDOW, type Evidence } from '../allocate/capacity.js';
import type { FeatureInputs } from '../forecast/feature-inputs.js';
import { inputsOf, mergeEvents } from '../forecast/known-inputs.js';
import type { FitForecaster, FitOptions, FittedForecaster } from '../forecast/port.js';
import { jointLevel } from '../forecast/scenarios/joint-level.js';
import { createEvidence } from '../replay/evidence.js';
import { chosenOf, type Chosen } from './chosen.js';
import { knownAhead, ordinary } from './events.js';
import type { ForecastRequest, KnownBins, Wanted } from './port.js';
import { NOTHING_SERVED, type Served } from './served.js';

const DAY = 86_400;
const HOUR = 3600;
/** Bins at the series' own resolution: two hours, as far as decisions look in steps. */
const FINE_SECONDS = 7200;
/** Models are fitted anew after so much of new data. */
const REFIT_AFTER = 7 * DAY;
/** After a drift was first seen, models are fitted anew when there is so much of what is new. */
const REFIT_ON_DRIFT = DAY;
/** Without new bins for so long, models are fitted anew rather than led through the hole. */
const LONGEST_CATCH_UP = 2 * DAY;

/** What the optimizer and the reasons need besides the levels that a policy names. */
const COMMON_LEVELS = [0.1, 0.5, 0.9, 0.95, 0.99, 0.999];

interface SeriesModel {
  /** What trained models are told besides the series; null where the fit took none up. */
  known: { inputs: FeatureInputs } | null;
  forecaster: FittedForecaster | null;
  refused: MissingForecast | null;
  evidence: ReturnType<typeof createEvidence>;
}

interface AccountModels {
  /** What of the policy the fits depend on: another policy with the same goes on with them. */
  fitKey: string;
  /** Trained models that the fits hold, and since when others serve. */
  servedKey: string;
  otherSince: EpochSeconds | null;
  /** What trained models were last told ahead, as text. */
  aheadKey: string;
  fittedAt: EpochSeconds;
  /** Bins known at the fit: while cold, the models are fitted again once there is half as much more. */
  refitAt: EpochSeconds;
  series: Map<string, SeriesModel>;
  /** Label after the last bin taken in. */
  next: EpochSeconds;
}

/** The fitted models of the accounts that this process serves, and their way from bins to a forecast. */
export interface Models {
  /** @param served trained models that are to join the fits; others than before ask for a fit in a while. */
  wanted(account: string, policy: AccountPolicy, at: EpochSeconds, served?: Served): Wanted;
  forecast(request: ForecastRequest, served?: Served): AccountForecast;
  /** What the last eight days saw of a series; nothing where this process has no models of it. */
  evidence(account: string, workload: string, component: Component): Evidence;
  forget(account: string): void;
}

/**
 * @param fit the forecaster to use.
 * @param most accounts kept; beyond it the one that was used longest ago is dropped, and fitted again when it returns.
 */
export function createModels(fit: FitForecaster, most = 2000): Models {
  const accounts = new Map<string, AccountModels>();

  return {
    wanted(account, policy, at, all = NOTHING_SERVED) {
      const { served } = chosenOf(policy, all);
      const models = accounts.get(account);
      const trained = served.globals.length === 0 ? {} : { trained: true as const };
      if (models === undefined || models.fitKey !== fitKeyOf(policy)) return { since: null, ...trained };
      if (isDue(models, account, at, served)) return { since: null, ...trained };
      if (at >= models.refitAt || at - models.next > LONGEST_CATCH_UP) return { since: null, ...trained };
      return { since: models.next, ...trained };
    },

    forecast(given, all = NOTHING_SERVED) {
      const request = withoutEvents(given);
      const { account, policy } = request;
      const chosen = chosenOf(policy, all);
      const known = accounts.get(account);
      const start = Math.min(...request.bins.map(({ series }) => series.start));
      const whole = known === undefined || known.fitKey !== fitKeyOf(policy) || start < known.next;
      if (!whole) tellAhead(known, request);
      const models = whole ? fitAll(request, fit, chosen) : known;
      if (!whole) for (const bins of request.bins) takeIn(models, bins);
      models.next = Math.max(...request.bins.map(({ series }) => binLabel(series, series.values.length)), models.next);
      // The map's order is the order of use.
      accounts.delete(account);
      accounts.set(account, models);
      const oldest = accounts.keys().next().value;
      if (accounts.size > most && oldest !== undefined) accounts.delete(oldest);

      const series: SeriesForecast[] = [];
      const missing: MissingForecast[] = [];
      for (const { workload, component } of request.bins) {
        const entry = models.series.get(keyOf(workload, component));
        if (entry?.forecaster === null || entry === undefined) {
          missing.push(entry?.refused ?? { workload, component, reason: 'no-data', detail: 'no model' });
          continue;
        }
        series.push({
          workload,
          component,
          resolutions: entry.forecaster.forecastAll(levelsOf(policy)).map(kept),
          gate: entry.forecaster.gate(),
          ...windowOf(policy, workload, component, entry.forecaster),
          ...driftOf(entry.forecaster),
          data: entry.forecaster.data,
        });
      }
      return {
        id: `f-${digest(request.snapshotId, request.policyId, JSON.stringify(request.leadTimes))}`,
        account,
        snapshotId: request.snapshotId,
        at: request.at,
        series,
        missing,
        policyId: request.policyId,
        ...(request.events.length === 0 ? {} : { events: request.events }),
      };
    },

    evidence: (account, workload, component) =>
      accounts.get(account)?.series.get(keyOf(workload, component))?.evidence.now() ?? { peak: Number.NaN, bins: 0 },

    forget(account) {
      accounts.delete(account);
    },
  };
}

/** As far as it is one: a record of an ordinary forecast says nothing of it. */
function driftOf(forecaster: FittedForecaster): Pick<SeriesForecast, 'drift'> {
  const drift = forecaster.drift();
  if (drift === null) return {};
  return { drift: { since: drift.since, times: Number(drift.times.toPrecision(3)) } };
}

/** The level of each bin where the policy asks for a window jointly. */
function windowOf(
  policy: AccountPolicy,
  name: string,
  component: Component,
  forecaster: FittedForecaster,
): { window?: WindowLevel } {
  const workload = policy.workloads.find((one) => one.name === name);
  if (workload?.window === undefined) return {};
  const level = levelOf(policy, workload, component);
  const bins = Math.max(1, Math.ceil(workload.window / policy.step));
  return { window: { length: workload.window, level, ...jointLevel(forecaster.dependence, bins, level) } };
}

/** Rows that are kept of the resolutions beyond the finest: what the optimizer plans over. */
const COARSE_ROWS = 24;

/** A resolution as it is planned over and recorded: four significant digits, all of the finest rows, a day of hours. */
function kept(resolution: QuantileForecast, index: number): QuantileForecast {
  const rows = index === 0 ? resolution.quantiles : resolution.quantiles.slice(0, COARSE_ROWS);
  return { ...resolution, quantiles: rows.map((row) => row.map((value) => Number(value.toPrecision(4)))) };
}

/** The bins as the models see them: what was announced is taken out. */
const withoutEvents = (request: ForecastRequest): ForecastRequest => ({
  ...request,
  bins: request.bins.map((bins) => ({
    ...bins,
    series: ordinary(bins.series, bins.workload, bins.component, request.policy, everOf(request)),
  })),
});

const everOf = ({ past = [], events }: ForecastRequest): AnnouncedEvent[] => mergeEvents(past, events);

/** The longest stretch of the past that trained models look at, and as far ahead as they are asked. */
const REACH = 60 * DAY;

/** What the trained models of one series are told now. */
const aheadOf = (request: ForecastRequest, workload: string, component: Component): FeatureInputs => ({
  ...inputsOf(knownAhead(request.policy, everOf(request)), workload, component, request.at - REACH, request.at + REACH),
  ...(request.systemLoad === undefined ? {} : { systemLoad: request.systemLoad }),
});

/** Tells the fits of an account what is newly known ahead; the same object while nothing is new. */
function tellAhead(models: AccountModels, request: ForecastRequest): void {
  const day = Math.floor(request.at / DAY);
  const { start, values } = request.systemLoad ?? {};
  const load = [start, values?.length, values?.at(-1)];
  const { holidays, tasks, events } = request.policy;
  const key = JSON.stringify([day, load, holidays, tasks, events, request.events]);
  if (models.aheadKey === key) return;
  models.aheadKey = key;
  for (const { workload, component } of request.bins) {
    const entry = models.series.get(keyOf(workload, component));
    if (entry !== undefined && entry.known !== null) entry.known.inputs = aheadOf(request, workload, component);
  }
}

/** Accounts take a promoted model up within so long, each at its own moment, so that their fits do not pile up. */
const TAKE_UP_WITHIN = HOUR;

/** Whether an account's fits are to be made anew for other trained models. */
function isDue(models: AccountModels, account: string, at: EpochSeconds, served: Served): boolean {
  if (served.key === models.servedKey) {
    models.otherSince = null;
    return false;
  }
  models.otherSince ??= at;
  const share = Number.parseInt(digest(account).slice(0, 8), 16) / 2 ** 32;
  return served.urgent || at >= models.otherSince + share * TAKE_UP_WITHIN;
}

function fitAll(request: ForecastRequest, fit: FitForecaster, chosen: Chosen): AccountModels {
  const { served } = chosen;
  const models: AccountModels = {
    fitKey: fitKeyOf(request.policy),
    servedKey: served.key,
    otherSince: null,
    aheadKey: '',
    fittedAt: request.at,
    refitAt: request.at + REFIT_AFTER,
    series: new Map(),
    next: 0,
  };
  for (const bins of request.bins) {
    const { workload, component, series } = bins;
    const evidence = createEvidence(Math.max(1, Math.round(EVIDENCE_WINDOW / series.step)));
    const known = served.globals.length === 0 ? null : { inputs: aheadOf(request, workload, component) };
    for (const value of series.values) evidence.push(plausible(value));
    try {
      const forecaster = fitWithout(fit, trimLeading(series), {
        ...fitOptions(request, workload, component, chosen),
        ...(known === null ? {} : { inputs: () => known.inputs }),
      });
      if (forecaster.data === 'cold') {
        const age = series.step * knownCount(series);
        models.refitAt = Math.min(models.refitAt, request.at + Math.max(HOUR, age / 2));
      }
      models.series.set(keyOf(workload, component), { known, forecaster, refused: null, evidence });
    } catch (error) {
      if (!isHeadroomError(error)) throw error;
      models.series.set(keyOf(workload, component), {
        known,
        forecaster: null,
        refused: { workload, component, reason: 'no-data', detail: error.message },
        evidence,
      });
      models.refitAt = Math.min(models.refitAt, request.at + HOUR);
    }
  }
  return models;
}

/** A trained model that breaks a fit is left out of it: it is never a reason for no forecast. */
function fitWithout(fit: FitForecaster, series: Series, options: FitOptions): FittedForecaster {
  try {
    return fit(series, options);
  } catch (error) {
    if (isHeadroomError(error) || options.globals === undefined) throw error;
    return fit(series, { ...options, globals: [] });
  }
}

/** A negative or infinite reading is a counter's reset or a broken probe, not demand: it is as good as missing. */
const plausible = (value: number): number => (value >= 0 && Number.isFinite(value) ? value : Number.NaN);

/** A series without data at its beginning starts where the data do. */
function trimLeading(series: Series): Series {
  const values = series.values.map(plausible);
  const first = Math.max(
    0,
    values.findIndex((value) => !Number.isNaN(value)),
  );
  return {
    start: binLabel(series, first),
    step: series.step,
    values: values.subarray(first),
    censored: series.censored.subarray(first),
  };
}

const knownCount = (series: Series): number =>
  series.values.reduce((count, value) => (Number.isNaN(value) ? count : count + 1), 0);

function fitOptions(request: ForecastRequest, workloadName: string, component: Component, { own, served }: Chosen) {
  const { policy } = request;
  const workload = policy.workloads.find((candidate) => candidate.name === workloadName);
  const lead = request.leadTimes[workloadName] ?? workload?.leadTime ?? 0;
  const longest = Math.max(...policy.horizons);
  const fine = Math.max(policy.step, Math.min(FINE_SECONDS, longest));
  const leadSteps = Math.ceil(lead / policy.step) + 1;
  const coarse = [];
  // Hourly bins serve the day and the week alike: the day is the first 24 rows.
  if (policy.step < HOUR && HOUR % policy.step === 0 && longest > fine) {
    coarse.push({ step: HOUR, horizon: longest });
  }
  return {
    timeZone: policy.timeZone,
    levels: levelsOf(policy),
    level: workload === undefined ? policy.level : levelOf(policy, workload, component),
    leadSteps,
    horizon: Math.max(Math.ceil(fine / policy.step), leadSteps + 1),
    ...(own === undefined ? {} : { models: own }),
    ...(workload?.window === undefined ? {} : { scenarios: { steps: Math.ceil(fine / policy.step) } }),
    ...(served.globals.length === 0 ? {} : { globals: served.globals }),
    coarse,
  };
}

const fitKeys = new WeakMap<AccountPolicy, string>();

/** The settings that a fit depends on, as text. */
function fitKeyOf(policy: AccountPolicy): string {
  const known = fitKeys.get(policy) ?? fitKey(policy);
  fitKeys.set(policy, known);
  return known;
}

const fitKey = (policy: AccountPolicy): string =>
  JSON.stringify([
    policy.timeZone,
    policy.step,
    policy.history,
    policy.horizons,
    policy.models,
    levelsOf(policy),
    policy.workloads.map((workload) => [
      workload.name,
      workload.leadTime,
      workload.window !== undefined,
      // The level that its gate tests, wherever in the policy it stands: two levels may change places within one set.
      (Object.keys(workload.components) as Component[]).map((component) => [
        component,
        levelOf(policy, workload, component),
      ]),
    ]),
  ]);

/** Every level that the policy names, and those in between that the optimizer interpolates from. */
function levelsOf(policy: AccountPolicy): number[] {
  const named = policy.workloads.flatMap((workload) => [
    ...(workload.level === undefined ? [] : [workload.level]),
    ...Object.values(workload.components).flatMap(({ level }) => (level === undefined ? [] : [level])),
  ]);
  return [...new Set([...COMMON_LEVELS, policy.level, ...named])].sort((a, b) => a - b);
}

function takeIn(models: AccountModels, { workload, component, series }: KnownBins): void {
  const entry = models.series.get(keyOf(workload, component));
  if (entry === undefined) return;
  for (let index = 0; index < series.values.length; index++) {
    const label = binLabel(series, index);
    if (label < models.next) continue;
    const value = plausible(series.values[index] ?? Number.NaN);
    entry.evidence.push(value);
    if (entry.forecaster !== null && label > entry.forecaster.lastBin) {
      entry.forecaster.observe(label, value, series.censored[index] === 1);
    }
  }
  // Where forecasts have come to err more, models of what was before are let go; once a day, for the new to be seen.
  const drift = entry.forecaster?.drift() ?? null;
  if (drift !== null && drift.since > models.fittedAt) {
    models.refitAt = Math.min(models.refitAt, drift.since + REFIT_ON_DRIFT);
  }
}

const keyOf = (workload: string, component: string): string => `${workload}/${component}`;

const digest = (...parts: string[]): string => createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 16);
