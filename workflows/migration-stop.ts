import { addDowntime } from '../src/domain/migration.js';
import { watching } from './migration-activities.js';
import { isFenced, refOf, Stop, unlessCancelled, write, type MigrationRun } from './migration-run.js';

/* A source that is stopped while its volumes are copied: what is written to them is then all in the copy. */

/** Takes its replicas away and waits until none of them can write any more. From here on nobody serves. */
export async function stopSource(run: MigrationRun): Promise<string> {
  run.stoppedAt = run.now();
  const words = await write(run, { kind: 'lower', replicas: 0 });
  await noneRuns(run, run.order.limits.ready);
  return words;
}

/** @throws Stop where somebody has started it again: what it has written since is not in the copy. */
export const stillStopped = (run: MigrationRun): Promise<void> => noneRuns(run, 0);

async function noneRuns(run: MigrationRun, limit: number): Promise<void> {
  const { scale, queues } = run.input;
  const answer = await unlessCancelled(run, () =>
    watching(queues, 'has the source stopped?', run.wall(limit)).awaitStopped({
      ...refOf(run),
      ...{ limit, scale, fenced: isFenced(run) },
    }),
  );
  if (answer.kind === 'ready') return;
  if (answer.kind === 'halted') throw new Stop('stopped', answer.detail);
  throw new Stop('failed', limit === 0 ? startedAgain(answer.detail) : answer.detail);
}

export const startedAgain = (what: string): string =>
  `${what}: somebody has started it again, and what it writes is not in the copy`;

/** Somebody serves again: all of the time since the stop counts as downtime. */
export function served(run: MigrationRun): void {
  if (run.stoppedAt === null) return;
  const seconds = Math.max(0, run.now() - run.stoppedAt);
  run.state.downtime = addDowntime(run.state.downtime, { seconds, requests: null, resolution: 0 });
  run.stoppedAt = null;
}
