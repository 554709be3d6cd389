import type { AccountPolicy } from '../domain/account.js';
import type { ClusterState } from '../domain/cluster.js';
import type { Component } from '../domain/component.js';
import type { ContingencySet } from '../domain/contingency.js';
import type { AnnouncedEvent, Override } from '../domain/control.js';
import type { KnownPrices } from '../domain/prices.js';
import type { AccountForecast } from '../domain/forecast.js';
import type { GrantInForce } from '../domain/grant.js';
import type { DataSetNeed, Plan } from '../domain/plan.js';
import type { Series } from '../domain/series.js';
import type { SystemLoad } from '../forecast/system-load.js';
import type { EpochSeconds } from '../domain/time.js';

/*
 * The decision of a cycle: from newly known bins to a forecast, from a forecast to a plan, from what came to a score.
 * It keeps the fitted models of its accounts in memory, and runs where the composition root puts it: in this thread or
 * in worker threads (pool.ts).
 */

/** Newly known bins of one series; without any, an empty series that starts at the next label. */
export interface KnownBins {
  workload: string;
  component: Component;
  series: Series;
}

export interface ForecastRequest {
  account: string;
  policyId: string;
  policy: AccountPolicy;
  snapshotId: string;
  at: EpochSeconds;
  leadTimes: Record<string, number>;
  /** Announced ones; those of the policy come with it. */
  events: AnnouncedEvent[];
  /** Announced once and over by now, where models are to be fitted; absent: none is known. */
  past?: AnnouncedEvent[];
  /** How busy the whole system is, for trained models; absent where nobody says. */
  systemLoad?: SystemLoad;
  /** From the label that {@link Decider.wanted} asked for, up to the snapshot's end. */
  bins: KnownBins[];
}

export interface AllocationRequest {
  account: string;
  policyId: string;
  policy: AccountPolicy;
  snapshotId: string;
  at: EpochSeconds;
  /** Null where none could be made: the guard decides alone. */
  forecast: AccountForecast | null;
  state: ClusterState;
  overrides: Override[];
  events: AnnouncedEvent[];
  leadTimes: Record<string, number>;
  raiseOnly: string[];
  /** The last hour or so of usage, for the guard. */
  recent: KnownBins[];
  /** What the account's price source says; absent where it has none. */
  prices?: KnownPrices;
  /** Data sets that actions of the policy are to be told of; absent where none asked. */
  dataSets?: DataSetNeed[];
  /** What the fleet grants; absent where no fleet has a say. */
  grant?: Pick<GrantInForce, 'source' | 'amounts'> & Partial<Pick<GrantInForce, 'until'>>;
  /** Surprises that last: pools that cannot be counted on to grow, and workloads that are not lowered meanwhile. */
  surprises?: { what: string; pools: string[]; workloads: string[] }[];
}

/** The request that a plan was made from, with the plan. */
export interface PrepareRequest extends AllocationRequest {
  plan: Plan;
}

/** Where the models stand with an account: what of a snapshot the next forecast needs. */
export interface Wanted {
  /** First label needed; null for the whole window, since models are to be fitted. */
  since: EpochSeconds | null;
  /** Trained models serve it, which ask how busy the whole system is; absent where none does. */
  trained?: true;
}

export interface Decider {
  wanted(account: string, policy: AccountPolicy, at: EpochSeconds): Promise<Wanted>;
  forecast(request: ForecastRequest): Promise<AccountForecast>;
  allocate(request: AllocationRequest): Promise<Plan>;
  /** Answers to what may surprise the plan, solved ahead. */
  prepare(request: PrepareRequest): Promise<ContingencySet>;
  /** Drops an account's models: it was stopped, or its policy changed. */
  forget(account: string): Promise<void>;
  close(): Promise<void>;
}
