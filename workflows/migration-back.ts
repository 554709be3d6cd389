import { ApplicationFailure, log, sleep } from '@temporalio/workflow';
import type { MoveWrite } from '../src/domain/migration.js';
import { isoTime } from '../src/domain/time.js';
import { looking, moving, noting, watching } from './migration-activities.js';
import { enter, refOf, type MigrationRun } from './migration-run.js';
import { served } from './migration-stop.js';
import { reasonOf } from './reason.js';

/**
 * Takes back what was written, last first, for as long as it takes; says so while it does not work. Allowed under pause and
 * freeze. What a person has changed meanwhile stays as it is, and so does a copy that somebody leads traffic to.
 * @returns whether everything is as it was, with what is not in words.
 */
export async function goBack(run: MigrationRun, why: string): Promise<{ restored: boolean; detail: string }> {
  const since = run.now();
  run.state.cancellable = false;
  enter(run, 'going-back', why);
  for (let attempt = 0; ; attempt++) {
    try {
      const left = await takeBack(run);
      const confirmed = await looking(run.input.queues, 'is everything as it was?').confirmAsBefore(refOf(run));
      if (!confirmed.restored && left.length === 0) {
        throw ApplicationFailure.create({ type: 'unavailable', message: confirmed.detail });
      }
      run.state.attention = null;
      // A watch that was cut off has told nothing of what it saw.
      if (confirmed.downtime !== undefined) run.state.downtime = confirmed.downtime;
      run.state.weight = confirmed.restored ? 0 : run.state.weight;
      for (const step of run.state.steps) {
        if (step.state !== 'ahead' && step.state !== 'left-out') step.state = 'undone';
      }
      return { restored: confirmed.restored, detail: confirmed.restored ? '' : [...left, confirmed.detail].join('; ') };
    } catch (error) {
      await trouble(
        run,
        `going back failed (${attempt + 1}), still trying since ${isoTime(since)}: ${reasonOf(error)}`,
        attempt,
      );
    }
  }
}

/** Says what is wrong, and waits before it is tried again. */
export async function trouble(run: MigrationRun, detail: string, attempt: number): Promise<void> {
  log.error(detail);
  run.state.attention = detail;
  run.show();
  await sleep(Math.min(300_000, 1000 * 2 ** Math.min(attempt, 9)), { summary: 'before trying again' });
}

/** @returns what was left as somebody else set it. */
async function takeBack(run: MigrationRun): Promise<string[]> {
  const { written, survey } = run;
  const left: string[] = [];
  if (written.has('retarget')) {
    await noting(run.input.queues, 'the account looks after the source again').retargetAccount({
      ...refOf(run),
      back: true,
    });
  }
  if (written.has('route') || written.has('lower')) {
    const replicas = (written.has('lower') ? survey?.source.replicas : survey?.source.ready) ?? 0;
    // An autoscaler may have lowered the source while its traffic was away: first what served it, then the traffic.
    await back(run, { kind: 'raise', replicas }, left);
    const limit = run.order.limits.ready;
    const ready = await watching(run.input.queues, 'the source is ready again?', run.wall(limit)).awaitSource({
      ...refOf(run),
      ...{ replicas, limit, scale: run.input.scale, fenced: false },
    });
    // A copy that is broken serves less than a source that is not whole: traffic goes back all the same.
    if (ready.kind === 'not-ready') left.push(ready.detail);
    if (written.has('route')) await back(run, { kind: 'unroute' }, left);
    served(run);
  }
  if (written.has('images') || written.has('volumes') || written.has('copy'))
    await back(run, { kind: 'discard' }, left);
  if (written.has('claim')) await back(run, { kind: 'release' }, left);
  return left;
}

async function back(run: MigrationRun, write: MoveWrite, left: string[]): Promise<void> {
  const answer = await moving(run.input.queues, `back: ${write.kind}`).writeMigration({
    ...refOf(run),
    ...{ write, fenced: false },
  });
  if (answer.kind === 'moved') left.push(answer.detail);
  if (answer.kind === 'refused') throw ApplicationFailure.create({ type: 'unavailable', message: answer.detail });
}
