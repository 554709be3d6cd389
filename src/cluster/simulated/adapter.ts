import { setTimeout as sleep } from 'node:timers/promises';
import { HeadroomError } from '../../domain/errors.js';
import { REAL_TIME, wallMilliseconds, type EpochSeconds, type TimeScale } from '../../domain/time.js';
import {
  isCapacity,
  type ClusterState,
  type FieldTarget,
  type Mutation,
  type MutationResult,
} from '../../domain/cluster.js';
import { describeTarget } from '../fence.js';
import type { Migrating } from '../migrating.js';
import type { Clocked, Cluster, FieldPlace, ObserveRequest } from '../port.js';
import { clustersOf } from './model.js';
import type { RequestEntry } from './moving.js';
import type { Sited, SimulatedTarget } from './engine.js';
import type { Fault } from './faults.js';
import type { EngineHost } from './host.js';
import { noAction, type PreparationRecord } from './preparations.js';
import { samplesSince, timelineOf, type Sampled, type Timeline, type TimelineQuery } from './samples.js';

/** What can be done with a simulated cluster besides: read its clock and its truth, and break it. */
export interface Simulation extends Cluster, Clocked, Sampled {
  readonly name: string;
  /** Its own name first; others where the scenario has pools of other clusters. `inCluster` shows them. */
  readonly clusters: readonly string[];
  observe(request: Sited<ObserveRequest>, signal: AbortSignal): Promise<ClusterState>;
  apply(mutation: Sited<Mutation>, place: FieldPlace | null, signal: AbortSignal): Promise<MutationResult>;
  restore(
    restore: Sited<Parameters<Cluster['restore']>[0]>,
    place: FieldPlace | null,
    signal: AbortSignal,
  ): Promise<MutationResult>;
  readonly crossing: Migrating;
  /** Null while time stands still or is moved by hand. */
  scale(): Promise<TimeScale | null>;
  /** Lets time run, from where it stands: simulated seconds a wall second. Answers the scale, for all to use. */
  run(factor: number): Promise<TimeScale>;
  /** Moves a clock that doesn't run. */
  advance(to: EpochSeconds): Promise<void>;
  inject(fault: Fault): Promise<void>;
  timeline(query: TimelineQuery): Promise<Timeline>;
  readonly migrating: Migrating;
  /** What was done for an account's workloads before capacity was needed: Jobs and hooks, with the data sets they were told of. */
  preparations(account: string): Promise<readonly PreparationRecord[]>;
  /** Where the requests of a migration were led, tick by tick, and which met no ready replica. */
  requestLog(id: string): Promise<readonly RequestEntry[]>;
}

const COMPONENT = 'cluster/simulated';

const unknownField = (what: string): MutationResult => ({
  kind: 'refused',
  detail: `${what}: a simulated cluster has replicas, floors, targets, requests, nodes and a book of preparations`,
});
const isSimulated = (target: FieldTarget): target is SimulatedTarget =>
  isCapacity(target) || target.field === 'target' || target.field === 'prepared';

/** The port over an engine in this process, with the faults of its API: down, slow, an answer that gets lost. */
export function createSimulatedCluster(host: EngineHost, options: { wallClock?: () => number } = {}): Simulation {
  const { wallClock = Date.now } = options;

  const unavailable = (action: string, problem: string) =>
    new HeadroomError({
      kind: 'unavailable',
      component: COMPONENT,
      action,
      problem,
      remedy: 'try again; repeating a write with its key is safe',
    });

  /** One call of the API, as slow and as down as the faults have it. */
  const call = async <T>(action: string, signal: AbortSignal, work: () => T): Promise<T> => {
    signal.throwIfAborted();
    const slow = host.engine().fault('api-slow', host.now());
    if (slow !== undefined) {
      await sleep(wallMilliseconds(host.scale() ?? REAL_TIME, slow.delay), undefined, { signal });
    }
    if (host.engine().fault('api-down', host.now()) !== undefined) {
      throw unavailable(action, `the API of cluster ${host.name} refuses connections`);
    }
    return work();
  };

  const write = (
    action: string,
    signal: AbortSignal,
    command: Parameters<EngineHost['execute']>[0],
  ): Promise<MutationResult> =>
    call(action, signal, () => {
      const written = host.execute(command);
      if (written === null || written.answerLost) throw unavailable(action, 'the connection broke before the answer');
      return written.result;
    });

  const migrating: Migrating = {
    survey: (request, signal) => call(`surveying ${request.id}`, signal, () => host.engine().survey(request)),
    write: (request, step, signal) =>
      call(`${step.kind} of ${request.id}`, signal, () => host.move({ kind: 'move', request, write: step })),
    look: (request, signal) => call(`looking at ${request.id}`, signal, () => host.engine().lookMove(request)),
  };

  return {
    name: host.name,
    clusters: clustersOf(host.engine().model),
    observe: (request, signal) => call(`observing ${request.account}`, signal, () => host.engine().observe(request)),
    apply: (mutation, place, signal) => {
      const { target } = mutation;
      const what = describeTarget(mutation.account, target);
      const unknown = noAction(target, place);
      if (unknown !== null) return Promise.resolve({ kind: 'refused', detail: unknown });
      if (!isSimulated(target)) return Promise.resolve(unknownField(what));
      return write(`writing ${what}`, signal, { kind: 'apply', mutation: { ...mutation, target } });
    },
    restore: (restore, _target, signal) => {
      const { target } = restore;
      const what = describeTarget(restore.account, target);
      if (!isSimulated(target)) return Promise.resolve(unknownField(what));
      return write(`restoring ${what}`, signal, { kind: 'restore', restore: { ...restore, target } });
    },
    // Accounts of a simulated cluster have pools and workloads of their own: no mark keeps another away.
    release: () => Promise.resolve([]),
    now: () => Promise.resolve(host.now()),
    scale: () => Promise.resolve(host.scale()),
    run: async (factor) => {
      const scale = { wallEpochMs: wallClock(), epoch: host.now(), factor };
      host.execute({ kind: 'run', scale });
      return Promise.resolve(scale);
    },
    advance: async (to) => {
      host.execute({ kind: 'advance', to });
      return Promise.resolve();
    },
    inject: async (fault) => {
      host.execute({ kind: 'inject', fault });
      return Promise.resolve();
    },
    samplesSince: (since, signal) => {
      signal.throwIfAborted();
      return Promise.resolve(samplesSince(host.engine(), since));
    },
    migrating,
    // One engine stands for all clusters of the scenario: each side is a part of the same.
    crossing: migrating,
    preparations: (account) => Promise.resolve(host.engine().preparations(account)),
    requestLog: (id) => Promise.resolve(host.engine().requestLog(id)),
    timeline: (query) => Promise.resolve(timelineOf(host.engine(), query)),
    close: () => {
      host.close();
      return Promise.resolve();
    },
  };
}

/**
 * Another cluster of the scenario, by the same simulation: its own pools, and the workloads that run there. Null where the
 * scenario has none of this name.
 */
export function inCluster(simulation: Simulation, cluster: string): Cluster | null {
  if (cluster === simulation.name) return simulation;
  if (!simulation.clusters.includes(cluster)) return null;
  return {
    name: cluster,
    observe: (request, signal) => simulation.observe({ ...request, cluster }, signal),
    apply: (mutation, place, signal) => simulation.apply({ ...mutation, cluster }, place, signal),
    restore: (restore, place, signal) => simulation.restore({ ...restore, cluster }, place, signal),
    release: () => Promise.resolve([]),
    migrating: simulation.migrating,
    crossing: simulation.crossing,
    // It is the simulation's to close.
    close: () => Promise.resolve(),
  };
}
