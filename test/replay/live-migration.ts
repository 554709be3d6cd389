import { setTimeout as delay } from 'node:timers/promises';
import type { Client, WorkflowHandle } from '@temporalio/client';
import type { Activities } from '../../activities/types.js';
import type { MigrateActivities } from '../../activities/migrate-types.js';
import type { MigrationOrder } from '../../src/domain/migration.js';
import type { TimeScale } from '../../src/domain/time.js';
import type { migration } from '../../workflows/migration.js';
import { cancelMigrationUpdate, migrationWorkflowId } from '../../workflows/migration-messages.js';
import { createMigrationFakes, orderOf, type MigrationFakes } from '../workflow/migration-fakes.js';

/* Three migrations: one goes through with trouble past its point of no return, one goes back, one is cancelled. */

let fakes: MigrationFakes = createMigrationFakes();

/** The activities of the migration that is played now; checks of any other workflow are answered as before. */
export const migratingWith = (others: Activities): MigrateActivities & Pick<Activities, 'verify'> => ({
  surveyMigration: (input) => fakes.surveyMigration(input),
  writeMigration: (input) => fakes.writeMigration(input),
  awaitStaged: (input) => fakes.awaitStaged(input),
  awaitCopy: (input) => fakes.awaitCopy(input),
  awaitStopped: (input) => fakes.awaitStopped(input),
  awaitSource: (input) => fakes.awaitSource(input),
  watchMigration: (input) => fakes.watchMigration(input),
  warmWorkload: (input) => fakes.warmWorkload(input),
  retargetAccount: (input) => fakes.retargetAccount(input),
  confirmAsBefore: (input) => fakes.confirmAsBefore(input),
  recordMigration: (input) => fakes.recordMigration(input),
  recordMigrationOutcome: (input) => fakes.recordMigrationOutcome(input),
  prefetch: (input) => fakes.prefetch(input),
  verify: (input) => (input.account === ACCOUNT ? fakes.verify(input) : others.verify(input)),
});

/** Begins a world of its own. @returns what of migrations has ended in it. */
export function migratedSince(): () => MigrationFakes['outcomes'] {
  const own = createMigrationFakes();
  fakes = own;
  return () => own.outcomes;
}

const ACCOUNT = 'mover';
const SCALE: TimeScale = { wallEpochMs: 0, epoch: 0, factor: 1 };

type Handle = WorkflowHandle<typeof migration>;

/** Plays one migration to its end. */
async function play(
  client: Client,
  queue: string,
  number: number,
  prepare: (of: MigrationFakes) => void,
  { meanwhile, ...over }: Partial<MigrationOrder> & { meanwhile?: (handle: Handle) => Promise<unknown> } = {},
): Promise<Handle> {
  fakes = createMigrationFakes();
  prepare(fakes);
  const order: MigrationOrder = { ...orderOf(number), account: ACCOUNT, id: `${ACCOUNT}/web/${number}`, ...over };
  const handle = await client.workflow.start<typeof migration>('migration', {
    workflowId: migrationWorkflowId(order.id),
    taskQueue: queue,
    args: [{ order, scale: SCALE, queues: { light: queue, cluster: queue } }],
  });
  await meanwhile?.(handle);
  await handle.result();
  return handle;
}

/** @returns the handles of the ended workflows, by the file that their history goes into. */
export async function liveMigrations(client: Client, queue: string): Promise<Record<string, Handle>> {
  return {
    'migration-moved': await play(client, queue, 1, (of) => {
      of.failNext['route:10'] = ['connection refused'];
      of.failNext['write:lower'] = ['final: forbidden'];
    }),
    'migration-went-back': await play(client, queue, 2, (of) => {
      of.failNext['write:unroute'] = ['final: forbidden'];
      of.at['route:100'] = () => Promise.resolve((of.errorRate = 0.4));
    }),
    'migration-cancelled': await play(
      client,
      queue,
      3,
      (of) => {
        // Until the cancellation cuts it off.
        of.at.awaitCopy = () => delay(2000);
      },
      {
        meanwhile: async (handle) => {
          await delay(700);
          await handle.executeUpdate(cancelMigrationUpdate, { args: [{ author: 'ann', reason: 'no' }] });
        },
      },
    ),
  };
}

/** Two whose sources are stopped while their volumes are copied: one goes through, one finds its source started again. */
export async function liveStopped(client: Client, queue: string): Promise<Record<string, Handle>> {
  const stop = { stop: true, copyVolumes: false, steps: [100] };
  return {
    'stopped-migration-moved': await play(client, queue, 4, () => undefined, stop),
    'stopped-migration-back': await play(
      client,
      queue,
      5,
      (of) => (of.after.awaitCopy = () => Promise.resolve((of.world.source = 1))),
      stop,
    ),
  };
}
