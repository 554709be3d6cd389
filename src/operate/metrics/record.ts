import type { Activities } from '../../../activities/types.js';
import type { Decider } from '../../decide/port.js';
import { isHeadroomError, type ErrorKind } from '../../domain/errors.js';
import type { EpochSeconds } from '../../domain/time.js';
import type { Figures } from './figures.js';

/** How long things took in this process, by names of which there are few. */
export interface Timings {
  activity(name: string, seconds: number): void;
  failure(name: string, kind: ErrorKind | 'other'): void;
  cycle(seconds: number): void;
}

/**
 * The same activities, telling what they found. Only what succeeded is recorded, and only as the latest of its kind, so
 * that a repeated attempt changes nothing.
 * @param now wall clock, milliseconds.
 */
export function recordActivities(
  activities: Activities,
  figures: Figures,
  timings: Timings,
  now: () => number,
): Activities {
  /** The cycle that an account is in; an activity's `at` is of its own beginning, so that the account alone names it. */
  const begun = new Map<string, { at: EpochSeconds; wallMs: number }>();

  const timed =
    <In, Out>(name: string, work: (input: In) => Promise<Out>, record?: (input: In, out: Out) => void) =>
    async (input: In): Promise<Out> => {
      const started = now();
      let out: Out;
      try {
        out = await work(input);
      } catch (error) {
        timings.failure(name, kindOf(error));
        throw error;
      } finally {
        timings.activity(name, (now() - started) / 1000);
      }
      record?.(input, out);
      return out;
    };

  return {
    ...activities,
    observe: timed(
      'observe',
      async (input) => {
        // A repeated attempt does not make the cycle begin again.
        if (begun.get(input.account)?.at !== input.at) begun.set(input.account, { at: input.at, wallMs: now() });
        return activities.observe(input);
      },
      ({ account, at }, result) => figures.observed(account, at, result),
    ),
    forecast: timed('forecast', activities.forecast, ({ account }, { series }) => figures.forecasted(account, series)),
    optimize: timed('optimize', activities.optimize, ({ account }) => {
      const cycle = begun.get(account);
      begun.delete(account);
      if (cycle !== undefined) timings.cycle((now() - cycle.wallMs) / 1000);
    }),
    learn: timed('learn', activities.learn, ({ account }, { coverage }) => figures.learnt(account, coverage)),
    answer: timed('answer', activities.answer),
    recordContingency: timed('recordContingency', activities.recordContingency),
    revalidate: timed('revalidate', activities.revalidate),
    apply: timed('apply', activities.apply),
    awaitReady: timed('awaitReady', activities.awaitReady),
    verify: timed('verify', activities.verify),
    rollback: timed('rollback', activities.rollback),
    confirm: timed('confirm', activities.confirm),
    recordOutcome: timed('recordOutcome', activities.recordOutcome),
    exportHistory: timed('exportHistory', activities.exportHistory),
    lookAtMigrations: timed('lookAtMigrations', activities.lookAtMigrations),
  };
}

/** The same decisions, telling the whole plan: what an activity hands back is cut to a few KiB. */
export const recordDecider = (decider: Decider, figures: Figures): Decider => ({
  ...decider,
  async allocate(input) {
    const plan = await decider.allocate(input);
    figures.planned(plan);
    return plan;
  },
});

/** Adapters' errors come translated, with the adapter's own as their cause. */
function kindOf(error: unknown): ErrorKind | 'other' {
  if (isHeadroomError(error)) return error.kind;
  return error instanceof Error && isHeadroomError(error.cause) ? error.cause.kind : 'other';
}
