import type { PoolState } from './cluster.js';
import type { Held } from './held.js';
import type { Component, Resources } from './component.js';
import type { PlannedField } from './plan.js';
import type { EpochSeconds } from './time.js';

/* What the fleet's cycle says of itself: the whole in the store, a few KiB in the workflow. */

/** A pool as it was read, or why it could not be. */
export interface ObservedPool {
  pool: string;
  /** Null where it could not be read, or is not there: nothing is decided on it, and its nodes stay. */
  state: PoolState | null;
  /** Why, in words; null where it was read. */
  problem: string | null;
}

/** What a plan wants of a pool, and what is asked for now. */
export interface PoolOrder {
  pool: string;
  cluster: string;
  /** Nodes asked for at present; null where that is not known. */
  now: number | null;
  ready: number | null;
  /** Nodes that the plan has in its first block. */
  planned: number;
  /** Nodes to ask for now: what the plan needs until a node that is asked for now is ready, in steps of the file. */
  order: number;
  /** Why it is that, in words. */
  words: string;
  /** Nodes of it that accounts run on, and which: it is sized no lower. Absent: none, or a plan of before they counted. */
  inUse?: { nodes: number; accounts: string[] };
  /** What to write; empty where nothing changes, or nobody may. */
  fields: PlannedField[];
}

/** Demand that a plan cannot serve. */
export interface Short {
  account: string;
  /** By component, the most of any block of the grant. */
  missing: Resources;
  words: string;
}

/** Why a number of a plan is what it is: plain data, for `why`, for JSON and for the history. */
export interface FleetReason {
  /** The number, in words. */
  what: string;
  /** What bound it. */
  bound: string;
  /**
   * Money per hour. Of a pool: what one more node would save, 0 where nothing binds. Of an account: what all of its demand
   * costs at the prices of the pool that most of it is on, 0 where nothing is placed or there is room.
   */
  price: number;
  /** The next best that was not taken, and what it would cost more an hour; null where there is none. */
  alternative: { words: string; costPerHour: number } | null;
}

/** The plan's numbers, each with what bound it: bounded in size, however many accounts there are. */
export interface FleetReasons {
  /**
   * Of each pool in the first block and, where that is another one, in the first for which a node that is asked for now
   * is ready.
   */
  pools: (FleetReason & { pool: string; at: EpochSeconds })[];
  /** In the first block: those that get less than they need first, then those that something else bounds. */
  accounts: (FleetReason & { account: string })[];
  /** Accounts that are short or bound and that there was no room for. */
  more: number;
}

/** The fleet's plan as it is kept: no account's name but of those that something holds down. */
export interface FleetPlanRecord {
  id: string;
  at: EpochSeconds;
  fleetId: string;
  status: string;
  /** Money per hour of the first block; `heldPerHour` of it is paid in any case. Absent: none, or a plan of before it was known. */
  costPerHour: number;
  heldPerHour?: number;
  currency: string;
  objective: number;
  lowerBound: number;
  gap: number;
  /** Accounts that share the pools, those whose demand is unknown, and those that get less than they need. */
  accounts: number;
  unknown: number;
  short: number;
  shortest: Short[];
  /** Accounts that are not counted, and why. */
  leftOut: { account: string; why: string }[];
  pools: (PoolOrder & {
    capacityType: string;
    pricePerHour: number;
    /** Who says so; absent where the fleet file alone does. */
    price?: string;
    /** By block. */
    nodes: number[];
    /** By block, of those what is needed: nodes that are paid in any case may run idle. Absent: all. */
    needed?: number[];
    /** What is paid in any case within the plan's horizon. Absent: nothing. */
    held?: Held[];
    /** What one more unit would save in the first block, in money per hour. */
    prices: Partial<Record<Component, number>>;
  })[];
  blocks: { from: EpochSeconds; to: EpochSeconds; costPerHour: number }[];
  conflicts: { set: { constraint: string; words: string }[]; gaveUp: string }[];
  notes: string[];
  /** Absent in plans of before there were any. */
  reasons?: FleetReasons;
  work: { rounds: number; pivots: number; clusters: number; warm: boolean };
  /** The solver's own, for its next start. */
  basis: { shape: string; starts: number[]; prices: number[] };
}

/** What of it travels through the history of the fleet's workflow. */
export interface FleetPlanSummary {
  id: string;
  at: EpochSeconds;
  status: string;
  costPerHour: number;
  currency: string;
  gap: number;
  accounts: number;
  unknown: number;
  short: number;
  /** Of `costPerHour`, what is paid in any case; absent: nothing. */
  heldPerHour?: number;
  conflict: string | null;
  /** Of pools whose nodes are to change. */
  fields: (PlannedField & { cluster: string })[];
  /** Pools whose nodes the plan would change and that stay, and why: at most a few. */
  held: string[];
}
