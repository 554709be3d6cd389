import type { EpochSeconds } from '../domain/time.js';
import type { DemandProfile } from './synthetic.js';

/*
 * The three accounts of the demo. Each is told from the day that is played: `dayStart` is its midnight in UTC, events of
 * the day stand at fixed hours after it, the past before it.
 */

const HOUR = 3600;
const DAY = 86_400;
const GiB = 2 ** 30;

export const PROFILE_NAMES = ['shop', 'analytics', 'saas'] as const;
export type ProfileName = (typeof PROFILE_NAMES)[number];

/** Sells in the evening and at the weekend; a campaign in the afternoon that history knows nothing of. */
const shop = (dayStart: EpochSeconds): DemandProfile => ({
  name: 'shop',
  timeZone: 'Europe/Berlin',
  anchor: dayStart,
  workloads: [
    {
      workload: 'web',
      weekday: [3, 2, 1.5, 1.3, 1.3, 1.6, 2.5, 4, 5.5, 6.5, 7, 7.5, 8, 7.5, 7, 7, 7.5, 8.5, 10, 12, 13, 12, 9, 5.5],
      weekend: 1.25,
      growthPerWeek: 0.01,
      noise: { fast: 0.08, slow: 0.05 },
      bursts: { perDay: 1.5, height: 0.25 },
      batches: [],
      memory: { base: 4 * GiB, perCore: 0.5 * GiB },
    },
    {
      workload: 'checkout',
      weekday: [
        0.6, 0.4, 0.3, 0.2, 0.2, 0.3, 0.5, 0.8, 1.1, 1.3, 1.5, 1.6, 1.7, 1.6, 1.5, 1.5, 1.6, 1.9, 2.3, 2.8, 3, 2.7, 2,
        1.2,
      ],
      weekend: 1.3,
      growthPerWeek: 0.01,
      noise: { fast: 0.15, slow: 0.07 },
      bursts: { perDay: 1, height: 0.3 },
      batches: [{ at: 2.5 * HOUR, duration: 0.5 * HOUR, cores: 1.5 }],
      memory: { base: 2 * GiB, perCore: 0.8 * GiB },
    },
  ],
  releases: [],
  campaigns: [
    {
      name: 'flash-sale',
      from: dayStart + 14 * HOUR,
      to: dayStart + 16 * HOUR,
      multiplier: 2.2,
      workloads: ['web', 'checkout'],
    },
  ],
  outages: [],
});

/** Works at night; its analysts come in bursts by day. Its metrics fail in the morning. */
const analytics = (dayStart: EpochSeconds): DemandProfile => ({
  name: 'analytics',
  timeZone: 'UTC',
  anchor: dayStart,
  workloads: [
    {
      workload: 'pipeline',
      weekday: Array.from({ length: 24 }, () => 1.2),
      weekend: 1,
      growthPerWeek: 0.005,
      noise: { fast: 0.06, slow: 0.06 },
      bursts: { perDay: 0.5, height: 0.6 },
      batches: [
        { at: 1 * HOUR, duration: 2.5 * HOUR, cores: 14 },
        { at: 4 * HOUR, duration: 1 * HOUR, cores: 6, weekdays: [0, 1, 2, 3, 4] },
        { at: 23 * HOUR, duration: 2 * HOUR, cores: 8, weekdays: [6] },
      ],
      memory: { base: 6 * GiB, perCore: 2 * GiB },
    },
    {
      workload: 'query',
      weekday: [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.8, 1.5, 3, 4.5, 5, 5, 4, 4.5, 5, 5, 4.5, 3, 2, 1.2, 0.8, 0.6, 0.5, 0.5],
      weekend: 0.25,
      growthPerWeek: 0.01,
      noise: { fast: 0.2, slow: 0.12 },
      bursts: { perDay: 5, height: 0.9 },
      batches: [],
      memory: { base: 8 * GiB, perCore: 1.5 * GiB },
    },
  ],
  releases: [],
  campaigns: [],
  outages: [{ from: dayStart + 9 * HOUR, to: dayStart + 9.75 * HOUR }],
});

/** Grows week by week; a release five days ago made every request dearer. */
const saas = (dayStart: EpochSeconds): DemandProfile => ({
  name: 'saas',
  timeZone: 'America/New_York',
  anchor: dayStart,
  workloads: [
    {
      workload: 'api',
      weekday: [
        4, 3.6, 3.4, 3.4, 3.5, 4, 5, 6.5, 8.5, 10, 10.5, 10.5, 10, 10.2, 10.5, 10.3, 9.8, 8.8, 7.5, 6.5, 6, 5.5, 5, 4.5,
      ],
      weekend: 0.6,
      growthPerWeek: 0.04,
      noise: { fast: 0.05, slow: 0.04 },
      bursts: { perDay: 1, height: 0.2 },
      batches: [],
      memory: { base: 6 * GiB, perCore: 0.4 * GiB },
    },
    {
      workload: 'worker',
      weekday: [2, 2, 2, 2, 2, 2, 2.2, 2.5, 3, 3.5, 3.6, 3.6, 3.5, 3.6, 3.6, 3.6, 3.4, 3.2, 2.8, 2.5, 2.3, 2.2, 2.1, 2],
      weekend: 0.8,
      growthPerWeek: 0.03,
      noise: { fast: 0.12, slow: 0.06 },
      bursts: { perDay: 3, height: 0.5 },
      batches: [{ at: 0.25 * HOUR, duration: 0.75 * HOUR, cores: 4 }],
      memory: { base: 3 * GiB, perCore: 0.6 * GiB },
    },
  ],
  releases: [{ at: dayStart - 5 * DAY + 10 * HOUR, workload: 'api', cpu: 1.35, memory: 1.1 }],
  campaigns: [],
  outages: [],
});

const PROFILES: Record<ProfileName, (dayStart: EpochSeconds) => DemandProfile> = { shop, analytics, saas };

/** A profile of the demo, told from the (UTC) start of the day that is played. */
export const profileOf = (name: ProfileName, dayStart: EpochSeconds): DemandProfile => PROFILES[name](dayStart);
