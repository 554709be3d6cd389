import type { FieldOwner } from '../../domain/cluster.js';
import type { Component, Resources } from '../../domain/component.js';
import type { EpochSeconds } from '../../domain/time.js';
import type { DemandAt } from './demand.js';
import type { Fault } from './faults.js';
import type { ServiceModel } from './queueing.js';

/** A duration that varies: log-normal about its median (seconds); `spread` as in {@link Draws.logNormal}. */
export interface Delay {
  median: number;
  spread: number;
}

export interface HpaModel {
  name: string;
  floor: number;
  ceiling: number;
  /** Utilisation of the request that it aims at, as 0.7. */
  target: number;
  component: Component;
}

export interface WorkloadModel {
  account: string;
  workload: string;
  replicas: number;
  components: { component: Component; request: number; demand: DemandAt }[];
  hpa: HpaModel | null;
  owners: { replicas: FieldOwner; request: FieldOwner; floor: FieldOwner };
  /** From a pod's place on a ready node to its being ready. */
  podStart: Delay;
  service: ServiceModel;
  /** Pools that its pods may run on, in order of preference; empty: all. */
  pools: string[];
}

export interface PoolModel {
  name: string;
  /** Which of the scenario's clusters it is in; absent: the one that gives the scenario its name. */
  cluster?: string | undefined;
  /** What one node offers; a component that is absent is not scheduled by. */
  node: Resources;
  pricePerHour: number;
  size: 'fixed' | 'variable';
  /** Nodes asked for at the start. */
  nodes: number;
  min: number;
  max: number;
  provision: Delay;
  /** Of one node; only spot has them. */
  interruptionsPerHour: number;
  owner: FieldOwner;
  /** `asked`: nodes come and go only where somebody says so; by itself where absent. */
  grows?: 'by-itself' | 'asked';
}

export interface EngineModel {
  /** Names the cluster. */
  name: string;
  seed: number;
  /** Seconds; divides a minute. */
  tick: number;
  /** The first moment that exists; a whole minute. */
  start: EpochSeconds;
  /** Without any pool, every pod finds a node that costs nothing. */
  pools: PoolModel[];
  workloads: WorkloadModel[];
  faults: Fault[];
}

/** The cluster that a workload bound to these pools is in: pools of one workload are all in one. */
export const clusterOfPools = ({ name, pools }: EngineModel, bound: readonly string[]): string =>
  pools.find((pool) => pool.name === bound[0])?.cluster ?? name;

/** All clusters of a scenario, the one that it is named after first. */
export const clustersOf = ({ name, pools }: EngineModel): string[] => [
  ...new Set([name, ...pools.map(({ cluster }) => cluster ?? name)]),
];

/** A field that can be written, with its owner and the marks of Headroom's own writes. */
export interface Field {
  value: number;
  owner: FieldOwner;
  mark: { key: string; value: number; earlier: string[] } | null;
}

export interface Node {
  name: string;
  pool: string;
  readyAt: EpochSeconds;
  /** When the provider takes it back; infinite for what is not spot. */
  interruptAt: EpochSeconds;
  free: Resources;
  pods: number;
  /** Since when it has been empty; NaN while it is not. */
  idleSince: number;
}

export interface Pod {
  /** Counts up within its workload. */
  serial: number;
  /** Index of the workload's template that it was made from. */
  generation: number;
  node: Node | null;
  /** Infinite while it has no node, or is stuck. */
  readyAt: EpochSeconds;
}
