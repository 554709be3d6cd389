import { CancellationScope, proxyActivities } from '@temporalio/workflow';
import type { CrossingActivities } from '../activities/crossing-types.js';
import type { Halted, MigrationRef, WatchResult } from '../activities/migrate-types.js';
import {
  clusterQueue,
  isThere,
  legOrder,
  surveyOf,
  type LegSurvey,
  type Side,
} from '../src/domain/cluster-migration.js';
import {
  addDowntime,
  NO_DOWNTIME,
  type Downtime,
  type MigrationSurvey,
  type MoveWrite,
} from '../src/domain/migration.js';
import { NON_RETRYABLE, WORKER_GONE } from './activities.js';
import { moving, surveying, watching } from './migration-activities.js';
import type { ClusterMigrationInput, MigrationInput } from './migration-messages.js';
import { createRun, Stop, throwIfCancelled, unlessCancelled, type MigrationRun } from './migration-run.js';

/* A move to another cluster in motion: each workload has sides, each of which is reached by the queue of its own cluster. */

/** One workload of the account. */
export interface Leg {
  workload: string;
  refs: Record<Side, MigrationRef>;
  /** Whether any traffic is led over. */
  led: boolean;
  /** What the copy has to have: of the source when it was surveyed, or the most that was seen there since. */
  replicas: number;
  /** The source's ready replicas when it was surveyed. */
  served: number;
  /** Kinds of writes that happened, or may have. */
  written: Set<MoveWrite['kind']>;
  downtime: Downtime;
}

export interface ClusterRun extends MigrationRun {
  crossing: ClusterMigrationInput;
  legs: Leg[];
  /** The account was told, or may have been. */
  told: boolean;
}

type Queues = MigrationInput['queues'];

/** Of the account file, the store and the account: some attempts, then it is said. */
export const noted = (queues: Pick<Queues, 'light'>, summary: string): CrossingActivities =>
  proxyActivities<CrossingActivities>({
    taskQueue: queues.light,
    startToCloseTimeout: '30s',
    scheduleToCloseTimeout: '10m',
    heartbeatTimeout: WORKER_GONE,
    retry: { initialInterval: '500ms', maximumInterval: '10s', nonRetryableErrorTypes: NON_RETRYABLE },
    summary,
  });

/** The queues of a side: its cluster's in the place of the one that the move began with. */
export function queuesOf({ order, queues }: ClusterMigrationInput, side: Side): Queues {
  const cluster = isThere(side, order.traffic) ? order.to.cluster : order.from.cluster;
  return { ...queues, cluster: clusterQueue(queues, cluster) };
}

export function createClusterRun(crossing: ClusterMigrationInput): ClusterRun {
  const { order, scale, queues } = crossing;
  const workload = order.workloads.map((one) => one.workload).join(', ');
  const shown = { ...legOrder(order, { workload, backend: null }, 'source', order.policyId), id: order.id };
  return { ...createRun({ order: shown, scale, queues }), crossing, legs: [], told: false };
}

export interface SurveyedCrossing {
  survey: MigrationSurvey;
  legs: Leg[];
}

/** All sides of all workloads, before anything is touched. What cannot be done is in the survey's refusals. */
export async function surveyCrossing(input: ClusterMigrationInput, at: number): Promise<SurveyedCrossing | Halted> {
  const { order } = input;
  const opened = await noted(input.queues, 'may it be done?').openCrossing({ order, at });
  if ('kind' in opened) return opened;
  const policyOf = (side: Side): string => (isThere(side, order.traffic) ? opened.policyIdThere : order.policyId);
  const ask = (of: (typeof order.workloads)[number], side: Side): Promise<MigrationSurvey | Halted> =>
    surveying(queuesOf(input, side), `${of.workload}: the ${side}`).surveyMigration({
      order: legOrder(order, of, side, policyOf(side)),
    });
  const found: LegSurvey[] = [];
  const legs: Leg[] = [];
  // What the account file forbids needs no cluster to be asked.
  if (opened.refusals.length > 0) return { survey: surveyOf(order, opened, found), legs };
  for (const of of order.workloads) {
    // First the source: what is to be made there is read from it.
    const source = await ask(of, 'source');
    if ('kind' in source) return source;
    const [target, traffic] = await Promise.all([
      ask(of, 'target'),
      order.traffic === 'none' ? null : ask(of, 'traffic'),
    ]);
    if ('kind' in target) return target;
    if (traffic !== null && 'kind' in traffic) return traffic;
    found.push({ workload: of.workload, source, target, traffic });
    const refOf = (side: Side, survey: MigrationSurvey | null): MigrationRef => ({
      order: legOrder(order, of, side, policyOf(side)),
      ...{ target: target.target, copy: target.copy.name, before: survey?.before ?? '' },
    });
    legs.push({
      workload: of.workload,
      refs: { source: refOf('source', source), target: refOf('target', target), traffic: refOf('traffic', traffic) },
      ...{ led: traffic !== null, replicas: Math.max(1, source.source.replicas), served: source.source.ready },
      ...{ written: new Set(), downtime: NO_DOWNTIME },
    });
  }
  return { survey: surveyOf(order, opened, found), legs };
}

/** Whether anything may have been written. */
export const hasWritten = ({ legs, told }: ClusterRun): boolean => told || legs.some(({ written }) => written.size > 0);

/** Stops before the next write while nothing was written, and after that only where the policy says so. */
export const isFenced = (run: ClusterRun): boolean => !hasWritten(run) || run.crossing.order.whenPaused === 'roll-back';

/** All workloads at once; every one of them has ended before the first that failed is heard, so that nothing is left under way. */
export async function everyLeg(run: ClusterRun, work: (leg: Leg) => Promise<string>): Promise<string> {
  const ended = await Promise.allSettled(run.legs.map(work));
  for (const one of ended) if (one.status === 'rejected') throw one.reason;
  const words = ended.flatMap((one) => (one.status === 'fulfilled' && one.value !== '' ? [one.value] : []));
  return [...new Set(words)].join('; ');
}

const summary = ({ workload }: Leg, side: Side, write: MoveWrite): string =>
  `${workload}, ${side}: ${'weight' in write ? `route → ${write.weight}%` : write.kind}`;

/**
 * One write on the way forward, never cut off in the middle. It counts as written from before it is asked for: an answer that
 * never comes may stand for it, and taking back what was never written does nothing.
 */
export async function writeLeg(run: ClusterRun, leg: Leg, side: Side, write: MoveWrite): Promise<string> {
  throwIfCancelled(run);
  const fenced = isFenced(run);
  const first = !leg.written.has(write.kind);
  leg.written.add(write.kind);
  const answer = await CancellationScope.nonCancellable(() =>
    moving(queuesOf(run.crossing, side), summary(leg, side, write)).writeMigration({
      ...leg.refs[side],
      ...{ write, fenced },
    }),
  );
  if (answer.kind === 'done') return answer.detail;
  // Nothing of it happened.
  if (answer.kind === 'halted' && first) leg.written.delete(write.kind);
  throw new Stop(answer.kind === 'halted' ? 'stopped' : 'failed', `${leg.workload}: ${answer.detail}`);
}

/** The copies as large as their sources are by now, and all of them ready. @throws Stop where one does not get so. */
export async function makeReady(run: ClusterRun): Promise<string> {
  const { order, scale } = run.crossing;
  const { ready: limit } = order.limits;
  await everyLeg(run, (leg) => writeLeg(run, leg, 'target', { kind: 'copy', replicas: leg.replicas }));
  const queues = queuesOf(run.crossing, 'target');
  const waiting = run.legs.map(({ workload, replicas, refs }) => async () => {
    const { awaitCopy } = watching(queues, `${replicas} replicas of ${workload} ready?`, run.wall(limit));
    const answer = await awaitCopy({ ...refs.target, ...{ replicas, limit, scale, fenced: isFenced(run) } });
    return { workload, replicas, answer };
  });
  const all = await unlessCancelled(run, () => Promise.all(waiting.map((wait) => wait())));
  for (const { workload, answer } of all) {
    if (answer.kind === 'ready') continue;
    throw new Stop(answer.kind === 'halted' ? 'stopped' : 'failed', `${workload}: ${answer.detail}`);
  }
  return `ready in ${order.to.cluster}: ${all.map(({ workload, replicas }) => `${replicas} of ${workload}`).join(', ')}`;
}

/** Watches all sides of all workloads for so long. @throws Stop where one breaks, or somebody halts it. */
export async function watchAll(run: ClusterRun, seconds: number, weight: number): Promise<void> {
  const { scale } = run.crossing;
  const fenced = isFenced(run);
  const looks = run.legs.flatMap((leg) =>
    (leg.led ? (['source', 'target', 'traffic'] as const) : (['source', 'target'] as const)).map((side) => ({
      leg,
      side,
    })),
  );
  const seen = await unlessCancelled(run, () =>
    Promise.all(
      looks.map(({ leg, side }) =>
        watching(
          queuesOf(run.crossing, side),
          `${leg.workload}, ${side}: at ${weight}%`,
          run.wall(seconds),
        ).watchMigration({
          ...leg.refs[side],
          ...{ for: seconds, scale, weight, fenced },
        }),
      ),
    ),
  );
  const broken: { leg: Leg; result: WatchResult }[] = [];
  for (const leg of run.legs) {
    const own = seen.flatMap((result, index) =>
      looks[index]?.leg === leg ? [{ result, side: looks[index]?.side }] : [],
    );
    measure(
      leg,
      own.map(({ result }) => result.downtime),
    );
    for (const { result, side } of own) {
      if (result.kind !== 'held') broken.push({ leg, result });
      if (side === 'source') leg.replicas = Math.max(leg.replicas, result.source ?? 0);
    }
  }
  run.state.downtime = run.legs.map(({ downtime }) => downtime).reduce(together, NO_DOWNTIME);
  const [first] = broken;
  if (first === undefined) return;
  const detail = `${first.leg.workload}: ${first.result.detail}`;
  throw new Stop(first.result.kind === 'halted' ? 'stopped' : 'failed', detail);
}

/** Of a cluster that counts, all sides say the same totals; samples of the sides add up. */
function measure(leg: Leg, sides: readonly Downtime[]): void {
  const counted = sides.find(({ requests }) => requests !== null);
  leg.downtime = counted ?? sides.reduce(addDowntime, leg.downtime);
}

/** Of two workloads at once: the longest, and all of the requests. */
const together = (a: Downtime, b: Downtime): Downtime => ({
  seconds: Math.max(a.seconds, b.seconds),
  requests:
    a.requests === null || b.requests === null
      ? (a.requests ?? b.requests)
      : { all: a.requests.all + b.requests.all, unserved: a.requests.unserved + b.requests.unserved },
  resolution: Math.max(a.resolution, b.resolution),
});
