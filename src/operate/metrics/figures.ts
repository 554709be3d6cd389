import type { AccountStatus } from '../../../workflows/messages.js';
import type { ForecastDigest, LearnResult, ObserveResult } from '../../../activities/types.js';
import type { Plan } from '../../domain/plan.js';
import type { EpochSeconds } from '../../domain/time.js';

/** What is known of one account at this process; each part is as old as the activity that last told it. */
export interface AccountFigures {
  account: string;
  /** Wall clock, milliseconds: when anything was last heard of it. */
  heardAt: number;
  lastCycle: EpochSeconds | null;
  cycles: number;
  freshness: ObserveResult['freshness'];
  state: ObserveResult['state'] | null;
  forecast: readonly ForecastDigest[];
  coverage: LearnResult['coverage'];
  plan: Pick<Plan, 'blocks' | 'costPerHour' | 'currency'> | null;
  status: Pick<
    AccountStatus,
    'holds' | 'results' | 'leadTimes' | 'attention' | 'pause' | 'freeze' | 'change' | 'nextCycleAt'
  > | null;
}

/** The last of everything, by account; a scrape reads it, the activities and the watch write it. */
export interface Figures {
  observed(account: string, at: EpochSeconds, result: ObserveResult): void;
  forecasted(account: string, series: readonly ForecastDigest[]): void;
  learnt(account: string, coverage: LearnResult['coverage']): void;
  planned(plan: Plan): void;
  /** What the account's workflow says of itself: exact, whatever was retried. */
  told(status: AccountStatus): void;
  /** Accounts that were heard of lately, in the order in which they came. */
  accounts(): AccountFigures[];
  /** It was stopped: its series end. */
  forget(account: string): void;
}

/** An account that nobody has told of for so long has moved to another worker, which shows it now. */
const SILENT_MS = 3_600_000;

/** @param now wall clock, milliseconds. */
export function createFigures(now: () => number): Figures {
  const known = new Map<string, AccountFigures>();
  const of = (account: string): AccountFigures => {
    const figures = known.get(account) ?? {
      account,
      heardAt: 0,
      lastCycle: null,
      cycles: 0,
      freshness: [],
      state: null,
      forecast: [],
      coverage: [],
      plan: null,
      status: null,
    };
    figures.heardAt = now();
    known.set(account, figures);
    return figures;
  };
  return {
    observed(account, at, { freshness, state }) {
      const figures = of(account);
      // An attempt that was repeated since its answer got lost is the same cycle.
      if (figures.lastCycle === null || at > figures.lastCycle) {
        figures.cycles += 1;
        figures.lastCycle = at;
      }
      figures.freshness = freshness;
      figures.state = state;
    },
    forecasted(account, series) {
      of(account).forecast = series;
    },
    learnt(account, coverage) {
      of(account).coverage = coverage;
    },
    planned(plan) {
      const { blocks, costPerHour, currency } = plan;
      // The first block alone: a week of them is not kept for a scrape.
      of(plan.account).plan = { blocks: blocks.slice(0, 1), costPerHour, currency };
    },
    told(status) {
      const figures = of(status.account);
      const { holds, results, leadTimes, attention, pause, freeze, change, nextCycleAt } = status;
      figures.status = { holds, results, leadTimes, attention, pause, freeze, change, nextCycleAt };
      figures.cycles = Math.max(figures.cycles, status.cycle);
      // Where another worker forecasts, the workflow's own digest of it is what there is.
      figures.forecast = status.forecast;
      figures.coverage = status.learnt.coverage;
    },
    accounts() {
      for (const [account, { heardAt }] of known) if (now() - heardAt > SILENT_MS) known.delete(account);
      return [...known.values()];
    },
    forget: (account) => void known.delete(account),
  };
}
