import type { ObserveRequest } from '../src/cluster/port.js';
import type { AccountPolicy } from '../src/domain/account.js';
import { binLabel, lastKnownIndex } from '../src/domain/series.js';
import type { Triggers } from '../src/domain/symptoms.js';
import { nextBoundary, type EpochSeconds } from '../src/domain/time.js';
import type { UsageQuery, UsageWindow } from '../src/telemetry/port.js';

/** What of one account is looked for between its cycles. */
export interface Watch {
  account: string;
  cluster: string;
  request: ObserveRequest;
  answers: Triggers['answers'];
  /** What of its telemetry is looked at; without it the cluster alone is. */
  usage?: UsageWatch;
  /** Keys that the account was told of, of single workloads as `demand of web`. */
  told: Set<string>;
  /** Without another word from a cycle by then, nobody asks for it any more. */
  until: EpochSeconds;
}

/** Telemetry of an account between two cycles. */
export interface UsageWatch extends Pick<UsageQuery, 'series' | 'step'> {
  staleAfter: number;
  /** Seconds after its end that a bin may still be filling. */
  settle: number;
  /** Of which series percentiles were stated, and what they are. */
  watched: Triggers['watched'];
  /** Up to where every watched series is known, and up to where any series is. */
  knownTo: EpochSeconds;
  newest: EpochSeconds;
  /** The next cycle, which looks for itself. */
  cycleAt: EpochSeconds;
}

/** Looks at clusters and telemetry between the cycles. */
export interface Lookout {
  watch(watch: Watch): void;
  drop(account: string): void;
}

/** Cycles that may fail to say so before a watch ends. */
const CYCLES = 3;

/** What a cycle found. */
export interface Found {
  triggers: Triggers | null;
  answered: readonly string[];
  at: EpochSeconds;
  recent: UsageWindow['series'];
}

/** From a cycle's triggers to what is looked for until the next; nothing where there are none. */
export function watchFor(
  lookout: Lookout | undefined,
  policy: AccountPolicy,
  request: ObserveRequest,
  { triggers, answered, at, recent }: Found,
): void {
  if (lookout === undefined) return;
  const answers = (triggers?.answers ?? []).filter(({ key }) => !answered.includes(key));
  if (triggers === null || answers.length === 0) {
    lookout.drop(policy.account);
    return;
  }
  const { cycle, step, settle, staleAfter } = policy;
  lookout.watch({
    account: policy.account,
    cluster: policy.cluster,
    request,
    answers,
    usage: {
      ...{ step, settle, staleAfter, watched: triggers.watched },
      series: recent.map(({ workload, component }) => ({ workload, component })),
      ...knownOf(recent, triggers.watched),
      cycleAt: nextBoundary(at, cycle, settle),
    },
    told: new Set(),
    until: at + CYCLES * cycle,
  });
}

/** A series without anything in the window is known up to no time that matters. */
export function knownOf(
  recent: UsageWindow['series'],
  watched: Triggers['watched'],
): Pick<UsageWatch, 'knownTo' | 'newest'> {
  let knownTo = Number.POSITIVE_INFINITY;
  let newest = 0;
  for (const { workload, component, series } of recent) {
    const last = lastKnownIndex(series);
    const until = last < 0 ? 0 : binLabel(series, last) + series.step;
    newest = Math.max(newest, until);
    const matters = watched.some((one) => one.workload === workload && one.component === component);
    if (matters) knownTo = Math.min(knownTo, until);
  }
  return { knownTo: knownTo === Number.POSITIVE_INFINITY ? newest : knownTo, newest };
}
