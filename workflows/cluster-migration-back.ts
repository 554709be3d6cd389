import { ApplicationFailure } from '@temporalio/workflow';
import type { Side } from '../src/domain/cluster-migration.js';
import type { MoveWrite } from '../src/domain/migration.js';
import { clusterQueue } from '../src/domain/cluster-migration.js';
import { isoTime } from '../src/domain/time.js';
import { looking, moving, watching } from './migration-activities.js';
import { trouble } from './migration-back.js';
import { enter } from './migration-run.js';
import { noted, queuesOf, type ClusterRun, type Leg } from './cluster-migration-run.js';
import { reasonOf } from './reason.js';

/**
 * Takes back what was written on every side, last first, for as long as it takes; says so while it does not work. Traffic goes
 * back before anything is asked of the target, so that a target that has died keeps nobody from being served.
 * @returns whether everything is as it was, with what is not in words.
 */
export async function goBackAcross(run: ClusterRun, why: string): Promise<{ restored: boolean; detail: string }> {
  const since = run.now();
  run.state.cancellable = false;
  enter(run, 'going-back', why);
  for (let attempt = 0; ; attempt++) {
    try {
      const left = await takeBack(run);
      const problems = await confirm(run);
      if (problems.length > 0 && left.length === 0) {
        throw ApplicationFailure.create({ type: 'unavailable', message: problems.join('; ') });
      }
      const restored = problems.length === 0;
      run.state.attention = null;
      run.state.weight = restored ? 0 : run.state.weight;
      for (const step of run.state.steps) {
        if (step.state !== 'ahead' && step.state !== 'left-out') step.state = 'undone';
      }
      return { restored, detail: restored ? '' : [...left, ...problems].join('; ') };
    } catch (error) {
      const words = `going back failed (${attempt + 1}), still trying since ${isoTime(since)}: ${reasonOf(error)}`;
      await trouble(run, words, attempt);
    }
  }
}

/** @returns what was left as somebody else set it. */
async function takeBack(run: ClusterRun): Promise<string[]> {
  const { order, queues } = run.crossing;
  const left: string[] = [];
  if (run.told) {
    const queue = clusterQueue(queues, order.from.cluster);
    await noted(queues, 'the account is in its old cluster again').placeAccount({ order, back: true, queue });
  }
  for (const leg of run.legs) {
    if (!leg.written.has('route')) continue;
    await sourceServes(run, leg, left);
    await back(run, leg, 'traffic', { kind: 'unroute' }, left);
  }
  for (const leg of run.legs) if (leg.written.has('copy')) await back(run, leg, 'target', { kind: 'discard' }, left);
  for (const leg of run.legs) if (leg.written.has('claim')) await back(run, leg, 'source', { kind: 'release' }, left);
  return left;
}

/** An autoscaler may have lowered the source while its traffic was away: first what served it, then the traffic. */
async function sourceServes(run: ClusterRun, leg: Leg, left: string[]): Promise<void> {
  const { order, scale } = run.crossing;
  const { served: replicas } = leg;
  await back(run, leg, 'source', { kind: 'raise', replicas }, left);
  const limit = order.limits.ready;
  const summary = `${leg.workload} is ready again in ${order.from.cluster}?`;
  const ready = await watching(queuesOf(run.crossing, 'source'), summary, run.wall(limit)).awaitSource({
    ...leg.refs.source,
    ...{ replicas, limit, scale, fenced: false },
  });
  // A copy that is broken serves less than a source that is not whole: traffic goes back all the same.
  if (ready.kind === 'not-ready') left.push(`${leg.workload}: ${ready.detail}`);
}

async function back(run: ClusterRun, leg: Leg, side: Side, write: MoveWrite, left: string[]): Promise<void> {
  const answer = await moving(queuesOf(run.crossing, side), `${leg.workload}, back: ${write.kind}`).writeMigration({
    ...leg.refs[side],
    ...{ write, fenced: false },
  });
  if (answer.kind === 'moved') left.push(`${leg.workload}: ${answer.detail}`);
  if (answer.kind === 'refused') throw ApplicationFailure.create({ type: 'unavailable', message: answer.detail });
}

/** Each side by reading it. @returns what is not as it was. */
async function confirm(run: ClusterRun): Promise<string[]> {
  const problems: string[] = [];
  for (const leg of run.legs) {
    for (const side of ['source', 'target', ...(leg.led ? (['traffic'] as const) : [])] as const) {
      const asked = looking(queuesOf(run.crossing, side), `${leg.workload}, ${side}: as it was?`);
      const { restored, detail, downtime } = await asked.confirmAsBefore(leg.refs[side]);
      if (!restored) problems.push(`${leg.workload}: ${detail}`);
      // A watch that was cut off has told nothing of what it saw.
      if (downtime !== undefined && run.legs.length === 1) run.state.downtime = downtime;
    }
  }
  return problems;
}
