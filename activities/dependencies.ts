import type { Cluster } from '../src/cluster/port.js';
import type { Decider } from '../src/decide/port.js';
import type { Freeze } from '../src/domain/control.js';
import type { Prices } from '../src/prices/port.js';
import type { BehaviorSource } from '../src/telemetry/events/port.js';
import type { Store, UsageSource } from '../src/telemetry/port.js';
import type { TellDrift } from './drift.js';
import type { Lookout } from './lookout.js';

/** The freeze over all accounts, wherever it is kept. */
export interface Fence {
  /** `maxAgeMs`: how old an answer may be; 0 before a write. */
  read(maxAgeMs: number): Promise<Freeze | null>;
}

/** Histories of workflows, for the export that outlives retention. */
export interface Histories {
  /** The history in Temporal's JSON form, as `temporal workflow show --output json` prints it. */
  fetch(workflowId: string): Promise<unknown>;
  isRunning(workflowId: string): Promise<boolean>;
}

/** The ports that the activities close over; the composition root names the adapters. */
export interface Dependencies {
  store: Store;
  /** Rows of behaviour, for actions that ask which data sets will be read; without it they are told of none. */
  behavior?: BehaviorSource;
  /** Where usage is read; the store itself where usage is written there. */
  source: UsageSource;
  /** @throws HeadroomError `not-found` where this worker does not serve the cluster. */
  cluster(name: string): Cluster;
  fence: Fence;
  decider: Decider;
  histories: Histories;
  /** Looks at the clusters between cycles; without it triggers are seen by cycles alone. */
  lookout?: Lookout;
  /** What capacity costs now; without it the prices of the account files count. */
  prices?: Prices;
  /** Where models are retrained. */
  drift?: TellDrift;
}
