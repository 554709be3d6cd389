import type { Component } from '../domain/component.js';
import { HeadroomError } from '../domain/errors.js';
import type { Sample } from '../domain/series.js';
import { binStart, type EpochSeconds } from '../domain/time.js';
import { calendarOf, type Calendar } from '../forecast/calendar.js';
import { createNoise, type NoiseStream } from './synthetic-noise.js';

/*
 * Accounts that behave as real ones do, for the demo and for tests: demand, which is what would be used if nothing
 * were throttled. Latency and errors are what a cluster makes of it and are not made here.
 */

/** A job of the night, in the account's local time. */
export interface BatchShape {
  /** Seconds after local midnight. */
  at: number;
  /** Seconds. */
  duration: number;
  /** Cores while it runs. */
  cores: number;
  /** Monday is 0; every day where absent. */
  weekdays?: readonly number[];
}

/** Demand of one workload. */
export interface WorkloadShape {
  workload: string;
  /** Cores on a weekday by local hour, 0 to 23: interpolated in between. */
  weekday: readonly number[];
  /** What Saturday and Sunday are of a weekday. */
  weekend: number;
  /** Relative growth in a week, from the profile's anchor on and before it. */
  growthPerWeek: number;
  /** Standard deviation of the noise as a share of the level, from minute to minute and over half hours. */
  noise: { fast: number; slow: number };
  /** Expected bursts in a day, and the mean height of one as a share of the workload's mean. */
  bursts: { perDay: number; height: number };
  batches: readonly BatchShape[];
  /** Bytes held whatever the load, and bytes for each core in use over the last hour. */
  memory: { base: number; perCore: number };
}

/** From then on the level is another. */
export interface Release {
  at: EpochSeconds;
  workload: string;
  cpu: number;
  memory: number;
}

/** Announced ahead: an operator knows it, history does not. */
export interface Campaign {
  name: string;
  from: EpochSeconds;
  to: EpochSeconds;
  multiplier: number;
  workloads: readonly string[];
}

export interface DemandProfile {
  name: string;
  /** IANA name: cycles follow the local clock across daylight saving. */
  timeZone: string;
  /** Where growth is 1. */
  anchor: EpochSeconds;
  workloads: readonly WorkloadShape[];
  releases: readonly Release[];
  campaigns: readonly Campaign[];
  /** Metrics are not collected: demand goes on, and nothing of it is seen. */
  outages: readonly { from: EpochSeconds; to: EpochSeconds }[];
}

export interface DemandRequest {
  profile: DemandProfile;
  seed: number;
  /** Bins labelled from (inclusive) to (exclusive), aligned down to the step. */
  from: EpochSeconds;
  to: EpochSeconds;
  /** Seconds; a multiple of 60. */
  step: number;
}

export interface GeneratedDemand {
  workload: string;
  component: Extract<Component, 'cpu' | 'memory'>;
  /** One a bin, at its label: mean demand in cores or bytes, with no gap. */
  samples: Sample[];
}

const WEEK = 604_800;
/** Longest burst that is still felt: five times the slowest decay. */
const BURST_REACH = 9000;
const RISE = 120;
/** A campaign starts and ends over ten minutes, as people come and go. */
const RAMP = 600;

/**
 * Demand of every workload and component of an account. A pure function: the same seed and profile give the same value
 * for the same bin, whatever range is asked for.
 * @throws HeadroomError `invalid-input` where the step is no multiple of a minute.
 */
export function generateDemand(request: DemandRequest): GeneratedDemand[] {
  const { profile, seed, step } = request;
  if (!(step >= 60 && step % 60 === 0)) {
    throw new HeadroomError({
      kind: 'invalid-input',
      component: 'replay/synthetic',
      action: `generating demand of ${profile.name}`,
      problem: `a step of ${step}s is no multiple of a minute`,
      remedy: 'give one as 1m or 5m',
    });
  }
  const from = binStart(request.from, step);
  const to = binStart(request.to, step);
  const calendar = calendarOf(profile.timeZone);
  return profile.workloads.flatMap((shape): GeneratedDemand[] => {
    const noise = createNoise(seed, `${profile.name}/${shape.workload}`, shape.bursts.perDay);
    const cpu = binned(from, to, step, (at) => cores(profile, shape, calendar, noise, at));
    const memory = binned(from, to, step, (at) => bytes(profile, shape, calendar, at));
    return [
      { workload: shape.workload, component: 'cpu', samples: cpu },
      { workload: shape.workload, component: 'memory', samples: memory },
    ];
  });
}

/** What a metrics system saw of demand: nothing of the outages. */
export const collected = (samples: readonly Sample[], profile: DemandProfile): Sample[] =>
  samples.filter(({ at }) => !profile.outages.some((outage) => outage.from <= at && at < outage.to));

/** Means over bins of a function of time, read every minute, or five times a bin where that is coarser. */
function binned(from: EpochSeconds, to: EpochSeconds, step: number, value: (at: EpochSeconds) => number): Sample[] {
  const stride = Math.max(60, Math.floor(step / 300) * 60);
  const samples: Sample[] = [];
  for (let at = from; at < to; at += step) {
    let sum = 0;
    let count = 0;
    for (let moment = at; moment < at + step; moment += stride) {
      sum += value(moment);
      count += 1;
    }
    samples.push({ at, value: sum / count });
  }
  return samples;
}

/** The plan of the day: no noise, no bursts; cores. */
function expected(profile: DemandProfile, shape: WorkloadShape, calendar: Calendar, at: EpochSeconds): number {
  const hour = calendar.secondOfDay(at) / 3600;
  const before = Math.floor(hour);
  const share = (1 - Math.cos(Math.PI * (hour - before))) / 2;
  const hours = shape.weekday;
  const level = (hours[before % 24] ?? 0) * (1 - share) + (hours[(before + 1) % 24] ?? 0) * share;
  const weekend = calendar.secondOfWeek(at) >= 5 * 86_400 ? shape.weekend : 1;
  const growth = (1 + shape.growthPerWeek) ** ((at - profile.anchor) / WEEK);
  return level * weekend * growth * releaseFactor(profile, shape, at, 'cpu') * campaignFactor(profile, shape, at);
}

function releaseFactor(profile: DemandProfile, shape: WorkloadShape, at: EpochSeconds, of: 'cpu' | 'memory'): number {
  return profile.releases
    .filter((release) => release.workload === shape.workload && release.at <= at)
    .reduce((factor, release) => factor * release[of], 1);
}

function campaignFactor(profile: DemandProfile, shape: WorkloadShape, at: EpochSeconds): number {
  let factor = 1;
  for (const { from, to, multiplier, workloads } of profile.campaigns) {
    if (!workloads.includes(shape.workload)) continue;
    const inside = Math.min(1, (at - from) / RAMP, (to - at) / RAMP);
    if (inside > 0) factor *= 1 + (multiplier - 1) * inside;
  }
  return factor;
}

function batchCores(shape: WorkloadShape, calendar: Calendar, at: EpochSeconds): number {
  const second = calendar.secondOfDay(at);
  const weekday = Math.floor(calendar.secondOfWeek(at) / 86_400);
  let sum = 0;
  for (const batch of shape.batches) {
    // A batch may run past midnight: then it belongs to the day before.
    const since = (second - batch.at + 86_400) % 86_400;
    const begun = second >= batch.at ? weekday : (weekday + 6) % 7;
    if (since < batch.duration && (batch.weekdays?.includes(begun) ?? true)) sum += batch.cores;
  }
  return sum;
}

function burstCores(shape: WorkloadShape, noise: NoiseStream, at: EpochSeconds): number {
  const mean = shape.weekday.reduce((sum, value) => sum + value, 0) / Math.max(1, shape.weekday.length);
  let sum = 0;
  for (const { at: begun, decay, size } of noise.bursts(at)) {
    const since = at - begun;
    if (since < 0 || since > BURST_REACH) continue;
    sum += shape.bursts.height * mean * size * Math.min(1, (since + 60) / RISE) * Math.exp(-since / decay);
  }
  return sum;
}

function cores(
  profile: DemandProfile,
  shape: WorkloadShape,
  calendar: Calendar,
  noise: NoiseStream,
  at: EpochSeconds,
): number {
  const level = expected(profile, shape, calendar, at) + batchCores(shape, calendar, at);
  const relative = 1 + shape.noise.slow * noise.slow(at) + shape.noise.fast * noise.fast(at);
  // Noise grows with the level; demand is never below a twentieth of what is expected, since a service idles.
  return level * Math.max(0.05, relative) + burstCores(shape, noise, at);
}

/** Caches and heaps follow the load of the last hour and know no noise. */
function bytes(profile: DemandProfile, shape: WorkloadShape, calendar: Calendar, at: EpochSeconds): number {
  let load = 0;
  for (let back = 0; back < 4; back++) {
    const then = at - back * 1200;
    load += expected(profile, shape, calendar, then) + batchCores(shape, calendar, then);
  }
  return (shape.memory.base + shape.memory.perCore * (load / 4)) * releaseFactor(profile, shape, at, 'memory');
}
