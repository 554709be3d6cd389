import type {
  Downtime,
  MigrationOrder,
  MigrationOutcome,
  MigrationSurvey,
  MigrationTarget,
} from '../src/domain/migration.js';
import type { EpochSeconds, TimeScale } from '../src/domain/time.js';
import type { MoveResult, MoveWrite } from '../src/cluster/migrating.js';

/* What crosses between a migration and its activities; each is idempotent, and heartbeats while it waits. */

/** A move that was surveyed: what every write and look needs. */
export interface MigrationRef {
  order: MigrationOrder;
  target: MigrationTarget;
  /** Name of the copy. */
  copy: string;
  before: string;
}

/** A freeze or a pause that stops the next write, in words. */
export interface Halted {
  kind: 'halted';
  detail: string;
}

export interface WriteInput extends MigrationRef {
  write: MoveWrite;
  /** False once nothing may stop it any more, and on the way back. */
  fenced: boolean;
}

export interface AwaitCopyInput extends MigrationRef {
  replicas: number;
  /** Simulated seconds. */
  limit: number;
  scale: TimeScale;
  fenced: boolean;
}

export type AwaitCopyResult =
  { kind: 'ready'; waited: number } | { kind: 'not-ready'; waited: number; detail: string } | Halted;

export interface WatchInput extends MigrationRef {
  /** Simulated seconds to watch. */
  for: number;
  scale: TimeScale;
  /** Percent of the traffic that is to be on the copy meanwhile. */
  weight: number;
  fenced: boolean;
}

export interface WatchResult {
  kind: 'held' | 'broken' | 'halted';
  /** What broke, or who halted it. */
  detail: string;
  downtime: Downtime;
  /** Replicas of the source at the last look; null where it is gone. */
  source: number | null;
  mayTake: number;
}

export interface WarmInput extends MigrationRef {
  at: EpochSeconds;
}

/** What was told to hooks and started as Jobs, each in words. */
export interface WarmResult {
  done: string[];
  leftOut: string[];
  /** Data sets that are likely to be read, the likeliest first. */
  dataSets: string[];
}

export interface StagedResult {
  /** Whether images are on all nodes of the target. */
  staged: boolean;
  detail: string;
}

export interface PrefetchInput {
  account: string;
  policyId: string;
  at: EpochSeconds;
  /** Null: all workloads. */
  workload: string | null;
  /** Names this run: repeats of it fetch once. */
  key: string;
  dry: boolean;
}

export interface PrefetchResult {
  actions: {
    workload: string;
    action: string;
    /** When what it fetches is needed. */
    neededAt: EpochSeconds;
    dataSets: { dataSet: string; probability: number }[];
    /** What came of it; null in a dry run. */
    result: string | null;
    ok: boolean;
  }[];
}

export interface MigrateActivities {
  /** `at`: when it is begun, simulated; absent in runs of earlier releases, where no blackout is looked for. */
  surveyMigration(input: { order: MigrationOrder; at?: EpochSeconds }): Promise<MigrationSurvey | Halted>;
  writeMigration(input: WriteInput): Promise<MoveResult | Halted>;
  awaitStaged(input: MigrationRef & { limit: number; scale: TimeScale }): Promise<StagedResult>;
  awaitCopy(input: AwaitCopyInput): Promise<AwaitCopyResult>;
  /** The source was stopped: none of its pods may write any more. */
  awaitStopped(input: Omit<AwaitCopyInput, 'replicas'>): Promise<AwaitCopyResult>;
  /** On the way back: the source has so many ready replicas again. */
  awaitSource(input: AwaitCopyInput): Promise<AwaitCopyResult>;
  watchMigration(input: WatchInput): Promise<WatchResult>;
  warmWorkload(input: WarmInput): Promise<WarmResult>;
  /** Tells the account where its workload is from now on. Null: it does not run, so nobody has to be told. */
  retargetAccount(input: MigrationRef & { back: boolean }): Promise<{ revision: number | null; detail: string }>;
  /** Is everything as it was before? `downtime`: of the whole migration, where the cluster counts requests. */
  confirmAsBefore(input: MigrationRef): Promise<{ restored: boolean; detail: string; downtime?: Downtime }>;
  /** The order and its way back, before anything is touched. */
  recordMigration(input: { order: MigrationOrder; survey: MigrationSurvey; at: EpochSeconds }): Promise<void>;
  recordMigrationOutcome(input: { order: MigrationOrder; outcome: MigrationOutcome }): Promise<void>;
  prefetch(input: PrefetchInput): Promise<PrefetchResult>;
}
