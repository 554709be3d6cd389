import type { Component, Resources } from '../../domain/component.js';
import type { Held } from '../../domain/held.js';
import type { Block } from '../problem.js';

/*
 * The fleet's problem: accounts share pools of nodes. Two decisions are taken together: how many nodes each pool has in
 * each block, and which part of each account's demand runs on which pool. docs/allocate.md has the model.
 */

export type CapacityType = 'reserved' | 'on-demand' | 'spot';

export interface FleetPool {
  name: string;
  provider?: string;
  region?: string;
  zone?: string;
  capacityType: CapacityType;
  /** Of one node, in the fleet's currency; 0 for what is paid anyway. Finite, 0 to 1e6. */
  pricePerHour: number;
  /**
   * What one node offers to workloads. A component that some pool states and this one does not is not offered here (no
   * GPU); one that no pool states bounds nothing.
   */
  node: Resources;
  /** Of a fixed pool the nodes stay at `now`. */
  size: 'fixed' | 'variable';
  min: number;
  /** Never exceeded, whatever else has to give. */
  max: number;
  /** Nodes asked for at present. */
  now: number;
  /** Nodes kept free beyond what accounts are placed on; they give way before an account does. */
  warm: number;
  /** The first block in which a node asked for now is ready: before it the pool cannot grow. 0: at once. */
  readyFrom: number;
  /** Money to start one node, paid whenever the pool grows. */
  startPrice: number;
  /** Expected interruptions of one node in an hour. */
  interruptionsPerHour: number;
  /** Seconds until what ran on an interrupted node runs elsewhere; with the rate, the price of a risky pool. */
  recoverySeconds: number;
  /** Accounts run on so many of its nodes, and `min` has them in: they are not the fleet's to give away. Absent: none. */
  inUse?: { nodes: number; accounts: string[] };
  /**
   * Nodes that are paid in any case: in blocks that one lasts through, so many nodes cost nothing more, and need not run. What it
   * costs is in the plan's money whatever the plan is. Absent: none.
   */
  held?: Held[];
}

export interface FleetAccount {
  name: string;
  /** What an unserved unit costs, as a multiple of what serving it costs: `CRITICALITY_WEIGHT` of the policy rules. */
  weight: number;
  /** What it has whatever others need, by component, as far as its demand reaches; absent: nothing guaranteed. */
  guaranteed: Resources;
  /** Names of the pools that it may use; null: all. A pool that lacks a component that it asks for is never used. */
  pools: readonly string[] | null;
  /**
   * Demand at the account's own level, one entry a block, in the component's unit. NaN, or a component that is absent
   * although the account runs or is guaranteed some of it: unknown, and what it has is held. Never read as zero.
   */
  demand: Partial<Record<Component, ArrayLike<number>>>;
  /** At most this share of its demand on spot, 0 to 1. */
  spotMaxShare: number;
  /** Money per hour that its share of nodes may cost; null: no bound. Never exceeded. */
  budgetPerHour: number | null;
  /** What it has at present, by pool. */
  running: readonly { pool: string; amount: Resources }[];
  /** Money per hour of running the whole account on a pool, besides nodes: egress to its data, licences. Absent: 0. */
  placementPerHour: Readonly<Record<string, number>>;
  /**
   * Money to move the whole account to pools where it does not run; charged as a rent over the horizon on the share
   * that is placed there, so that a plan does not flap for a price that differs by a hair.
   */
  movePrice: number;
}

export interface FleetInput {
  /** Consecutive; block 0 is the first that this decision reaches. At least one. */
  blocks: readonly Block[];
  pools: readonly FleetPool[];
  accounts: readonly FleetAccount[];
  /** How many blocks from the first the grants have to last; default 1. */
  grantBlocks?: number;
  /** The last cycle's prices, for a warm start: they make the answer faster. One of another shape is not used. */
  basis?: FleetBasis;
}

/** Plain data, so that it can be carried between cycles: in records of the store. */
export interface FleetBasis {
  /** Names of pools and components. */
  shape: string;
  /** When each of its blocks begins: prices are carried over by the clock. */
  starts: readonly number[];
  /** As {@link FleetPlan.prices}. */
  prices: readonly number[];
  /** The plan itself; absent where only its prices were kept, or where it is none that can be. */
  plan?: CarriedPlan;
}

/** A plan as it is carried to the next cycle: where what is placed, by account and block. */
export interface CarriedPlan {
  /** Names, in the order of `wayOf`. */
  accounts: readonly string[];
  /** [pool · blocks + block]. */
  nodes: readonly number[];
  /** Ways to be placed: the share on each pool, [way · pools + pool]; way 0 is nowhere. */
  ways: readonly number[];
  /** The way of each account's guaranteed part and of what is beyond it, [(account · 2 + part) · blocks + block]. */
  wayOf: Uint16Array;
  /** The gap of the last plan that was solved anew: those made of it are measured by that. */
  gap: number;
}

export interface FleetGrant {
  account: string;
  /** The most that it may ask for, by component, until the grant expires. A component that is absent is not bounded. */
  amount: Resources;
  /** Of `amount`, what no account's demand needs: the first to be taken back. */
  spare: Resources;
  /** Of its demand in the blocks of the grant, what cannot be had, by component; absent where all can. */
  short: Resources;
  /** In words, where something other than its own demand bounds it. */
  bound: string | null;
}

/** Limits that contradict each other: leave out any one of `set`, and the others can be kept. */
export interface FleetConflict {
  set: { constraint: string; words: string }[];
  /** What the plan leaves out instead. */
  gaveUp: string;
}

/**
 * - `proven`: every limit kept, and the gap is at most what was asked for.
 * - `work-limit`: every limit kept; the gap is what could be proven with the work allowed.
 * - `least-bad`: the limits contradict each other (`conflicts`); the plan gives up what its conflicts say.
 */
export type FleetStatus = 'proven' | 'work-limit' | 'least-bad';

export interface FleetPlan {
  status: FleetStatus;
  /** In the input's order; they index all arrays below. */
  pools: readonly string[];
  accounts: readonly string[];
  blocks: readonly Block[];
  /** Components that some pool states, in the order of `COMPONENTS`; the others bound nothing. */
  components: readonly Component[];
  /** Whole nodes: [pool · blocks + block]. */
  nodes: Int32Array;
  /**
   * Where demand is placed: of the guaranteed part of each account's demand, and of what is beyond it, the share on each
   * pool, 0 to 1: [(account · pools + pool) · blocks + block]. What is missing to 1 is not served.
   */
  placed: { guaranteed: Float64Array; extra: Float64Array };
  /** One an account, in order: what it may ask for in the first `grantBlocks` blocks. */
  grants: readonly FleetGrant[];
  /**
   * Money per hour, by block: nodes, with what interruptions and starts are expected to cost, and what is held, used or not.
   */
  costPerHour: Float64Array;
  /** Of `costPerHour`, what is paid in any case, by block. */
  heldPerHour: Float64Array;
  /** Unserved demand, by component (as in `components`) and block: [component · blocks + block]. */
  shortfall: Float64Array;
  /**
   * What one more unit of a component in a pool would save, in money per hour: [(pool · components + component) ·
   * blocks + block]. 0 where there is room.
   */
  prices: Float64Array;
  /**
   * Money over the horizon: nodes, starts, placement, moves, interruptions, shortfall, warm nodes given up, and what is held.
   * A node that is paid in any case counts a thousandth of its price while it runs, so that idle ones are let go.
   */
  objective: number;
  /** No plan of whole nodes can cost less: the Lagrangian value at the best prices found. */
  lowerBound: number;
  /** (objective − lowerBound) / objective; 0 where the objective is 0. */
  gap: number;
  conflicts: readonly FleetConflict[];
  /** What the input lacks and how it was read, in words: demand that is unknown and held. */
  notes: readonly string[];
  /** What it took; the same input and basis give the same. */
  work: { rounds: number; pivots: number; clusters: number; warm: boolean };
  basis: FleetBasis;
}

export interface FleetOptions {
  /** Stop where the gap is at most this; default 0.01. */
  gap?: number;
  /** Rounds of pricing and refinement at most; default 12. A limit on work, never on time. */
  rounds?: number;
}

/** Synchronous and deterministic once created. */
export interface FleetSolver {
  /** @throws HeadroomError `invalid-input` where a price, an amount or a name is none, or there is no block or pool. */
  solve(input: FleetInput, options?: FleetOptions): FleetPlan;
}
