import { CancellationScope, isCancellation, setCurrentDetails } from '@temporalio/workflow';
import type { MigrationRef } from '../activities/migrate-types.js';
import {
  addDowntime,
  downtimeWords,
  NO_DOWNTIME,
  POINT_OF_NO_RETURN,
  targetWords,
  type MigrationOrder,
  type MigrationPhase,
  type MigrationResult,
  type MigrationState,
  type MigrationSurvey,
} from '../src/domain/migration.js';
import type { MoveWrite } from '../src/domain/migration.js';
import { simulatedNow, wallMilliseconds, type EpochSeconds } from '../src/domain/time.js';
import { moving, watching } from './migration-activities.js';
import type { MigrationInput } from './migration-messages.js';
import { reasonOf } from './reason.js';

/** Ends the way forward; all that was written by then goes back. */
export class Stop extends Error {
  constructor(
    readonly result: Exclude<MigrationResult, 'moved' | 'went-back'>,
    detail: string,
  ) {
    super(detail);
  }
}

/** Temporal’s own way to cancel, as its UI has it. */
export const SERVERS_CANCEL = 'cancelled by the server’s own cancel';

/** A migration in motion: its state, and what it may have written. */
export interface MigrationRun {
  input: MigrationInput;
  order: MigrationOrder;
  state: MigrationState;
  survey: MigrationSurvey | null;
  /** Kinds of writes that happened, or may have: an answer that never came may stand for one. */
  written: Set<MoveWrite['kind'] | 'retarget'>;
  /** Since when nobody serves, because the source was stopped; null while somebody does. */
  stoppedAt: EpochSeconds | null;
  cancelled: string | null;
  /** What waits now, and may be cut off. */
  waiting: CancellationScope | null;
  now(): EpochSeconds;
  wall(seconds: number): number;
  show(): void;
}

export function createRun(input: MigrationInput): MigrationRun {
  const { order } = input;
  const now = (): EpochSeconds => simulatedNow(input.scale, Date.now());
  const state: MigrationState = {
    ...{ id: order.id, account: order.account, workload: order.workload },
    ...{ phase: 'choosing', doing: 'looking at what is there', target: order.target, copy: null, weight: 0, steps: [] },
    pointOfNoReturn: { passed: false, words: POINT_OF_NO_RETURN },
    ...{ cancellable: true, downtime: NO_DOWNTIME, checks: [], attention: null, startedAt: now() },
  };
  return {
    ...{ input, order, state, survey: null, written: new Set(), stoppedAt: null, cancelled: null, waiting: null, now },
    wall: (seconds) => wallMilliseconds(input.scale, seconds),
    show: () => setCurrentDetails(details(order, state)),
  };
}

function details(order: MigrationOrder, state: MigrationState): string {
  const { pointOfNoReturn: point, attention, target, copy } = state;
  return [
    `**migration ${order.id}** ${state.phase}: ${state.doing}`,
    ...(attention === null ? [] : [`**needs attention** ${attention}`]),
    ...(target === null
      ? []
      : [`to ${targetWords(target)}${copy === null ? '' : ` as ${copy}`}, ${state.weight}% of the traffic there`]),
    point.passed ? '**past the point of no return**: it can only go forward' : `can be cancelled until ${point.words}`,
    `downtime: ${downtimeWords(state.downtime)}`,
    ...state.steps.map(({ name, state: how, detail }) => `- ${name}: ${how}${detail === '' ? '' : ` — ${detail}`}`),
    ...state.checks.map(
      (check) =>
        `- check ${check.workload} ${check.metric}: ${check.value ?? 'unreadable'} ≤ ${check.limit} ${check.passed ? 'holds' : 'fails'}`,
    ),
  ].join('\n');
}

export function refOf({ order, survey }: MigrationRun): MigrationRef {
  if (survey === null) throw new Stop('failed', 'nothing was surveyed');
  return { order, target: survey.target, copy: survey.copy.name, before: survey.before };
}

export function enter(run: MigrationRun, phase: MigrationPhase, doing: string): void {
  run.state.phase = phase;
  run.state.doing = doing;
  run.show();
}

/** One step of the list, from `doing` to how it ended. What is thrown in it ends it as failed. */
export async function step(run: MigrationRun, name: string, work: () => Promise<string>): Promise<void> {
  throwIfCancelled(run);
  const entry = run.state.steps.find((one) => one.name === name);
  const mark = (state: 'doing' | 'done' | 'failed', detail: string): void => {
    if (entry !== undefined) Object.assign(entry, { state, detail, at: run.now() });
    run.show();
  };
  run.state.doing = name;
  mark('doing', '');
  try {
    mark('done', await work());
  } catch (error) {
    mark('failed', reasonOf(error));
    throw error;
  }
}

export function throwIfCancelled(run: MigrationRun): void {
  if (run.cancelled !== null) throw new Stop('stopped', run.cancelled);
  if (CancellationScope.current().consideredCancelled) throw new Stop('stopped', SERVERS_CANCEL);
}

/** Stops before the next write while anything was written only where the policy says so. */
export const isFenced = (run: MigrationRun): boolean => run.written.size === 0 || run.order.whenPaused === 'roll-back';

/**
 * One write on the way forward, never cut off in the middle: a cancellation takes effect after its answer. It counts as
 * written from before it is asked for, since an answer that never comes may stand for a write; taking back what was never
 * written does nothing.
 */
export async function write(run: MigrationRun, write: MoveWrite): Promise<string> {
  throwIfCancelled(run);
  const fenced = isFenced(run);
  const first = !run.written.has(write.kind);
  run.written.add(write.kind);
  const answer = await CancellationScope.nonCancellable(() =>
    moving(run.input.queues, wordsOf(write)).writeMigration({ ...refOf(run), write, fenced }),
  );
  if (answer.kind === 'done') return answer.detail;
  if (answer.kind === 'halted') {
    // Nothing of it happened.
    if (first) run.written.delete(write.kind);
    throw new Stop('stopped', answer.detail);
  }
  throw new Stop('failed', answer.detail);
}

const wordsOf = (write: MoveWrite): string =>
  'replicas' in write
    ? `${write.kind} → ${write.replicas} replicas`
    : 'weight' in write
      ? `${write.kind} → ${write.weight}%`
      : write.kind;

/** Runs work that only waits; a cancellation ends it at once. @throws Stop where it was cancelled. */
export async function unlessCancelled<T>(run: MigrationRun, work: () => Promise<T>): Promise<T> {
  throwIfCancelled(run);
  const scope = new CancellationScope();
  run.waiting = scope;
  try {
    return await scope.run(work);
  } catch (error) {
    if (!isCancellation(error)) throw error;
    throw new Stop('stopped', run.cancelled ?? SERVERS_CANCEL);
  } finally {
    run.waiting = null;
  }
}

/** Waits for the copy, and says how long that took. @throws Stop where it does not get ready. */
export async function copyReady(run: MigrationRun, replicas: number): Promise<number> {
  const { limits } = run.order;
  const { scale, queues } = run.input;
  const answer = await unlessCancelled(run, () =>
    watching(queues, `${replicas} replicas of the copy ready?`, run.wall(limits.ready)).awaitCopy({
      ...refOf(run),
      ...{ replicas, limit: limits.ready, scale, fenced: isFenced(run) },
    }),
  );
  if (answer.kind === 'ready') return answer.waited;
  throw new Stop(answer.kind === 'halted' ? 'stopped' : 'failed', answer.detail);
}

/** Watches traffic for so long. @throws Stop where it breaks, or somebody halts it. */
export async function watch(run: MigrationRun, seconds: number, weight: number): Promise<{ source: number | null }> {
  const { scale, queues } = run.input;
  const before = run.state.downtime;
  const seen = await unlessCancelled(run, () =>
    watching(queues, `traffic at ${weight}%`, run.wall(seconds)).watchMigration({
      ...refOf(run),
      ...{ for: seconds, scale, weight, fenced: isFenced(run) },
    }),
  );
  run.state.downtime = seen.downtime.requests === null ? addDowntime(before, seen.downtime) : seen.downtime;
  if (seen.kind === 'held') return seen;
  throw new Stop(seen.kind === 'halted' ? 'stopped' : 'failed', seen.detail);
}
