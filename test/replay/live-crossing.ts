import type { Client, WorkflowHandle } from '@temporalio/client';
import type { CrossingActivities } from '../../activities/crossing-types.js';
import type { MigrateActivities, MigrationRef } from '../../activities/migrate-types.js';
import type { Activities } from '../../activities/types.js';
import type { TimeScale } from '../../src/domain/time.js';
import type { clusterMigration } from '../../workflows/cluster-migration.js';
import { cancelMigrationUpdate, migrationWorkflowId } from '../../workflows/migration-messages.js';
import { createCrossingFakes, crossingOf, type CrossingFakes } from '../workflow/crossing-fakes.js';

/* Moves to another cluster: one goes through with trouble past its point of no return, one goes back, one is cancelled. */

let fakes: CrossingFakes = createCrossingFakes();

type Shared = MigrateActivities & Pick<Activities, 'verify'>;

/** The activities of the move that is played now; migrations within a cluster are answered by the others. */
export function crossingWith(others: Shared): Shared & CrossingActivities {
  const is = ({ order }: Pick<MigrationRef, 'order'>): boolean => order.cross !== undefined;
  return {
    ...others,
    surveyMigration: (input) => (is(input) ? fakes : others).surveyMigration(input),
    writeMigration: (input) => (is(input) ? fakes : others).writeMigration(input),
    awaitCopy: (input) => (is(input) ? fakes : others).awaitCopy(input),
    awaitSource: (input) => (is(input) ? fakes : others).awaitSource(input),
    watchMigration: (input) => (is(input) ? fakes : others).watchMigration(input),
    warmWorkload: (input) => (is(input) ? fakes : others).warmWorkload(input),
    confirmAsBefore: (input) => (is(input) ? fakes : others).confirmAsBefore(input),
    verify: (input) => (input.changeId.includes('/@') ? fakes : others).verify(input),
    openCrossing: (input) => fakes.openCrossing(input),
    placeAccount: (input) => fakes.placeAccount(input),
    recordCrossing: (input) => fakes.recordCrossing(input),
    recordCrossingOutcome: (input) => fakes.recordCrossingOutcome(input),
  };
}

const SCALE: TimeScale = { wallEpochMs: 0, epoch: 0, factor: 1 };

type Handle = WorkflowHandle<typeof clusterMigration>;

async function play(
  client: Client,
  queue: string,
  number: number,
  prepare: (of: CrossingFakes, handle: () => Handle) => void,
): Promise<Handle> {
  fakes = createCrossingFakes();
  let handle: Handle | null = null;
  prepare(fakes, () => {
    if (handle === null) throw new Error('the move has not started');
    return handle;
  });
  const order = crossingOf(number);
  handle = await client.workflow.start<typeof clusterMigration>('clusterMigration', {
    workflowId: migrationWorkflowId(order.id),
    taskQueue: queue,
    args: [{ order, scale: SCALE, queues: { light: queue, cluster: queue } }],
  });
  await handle.result();
  return handle;
}

/** @returns the handles of the ended workflows, by the file that their history goes into. */
export async function liveCrossings(client: Client, queue: string): Promise<Record<string, Handle>> {
  return {
    'crossing-moved': await play(client, queue, 1, (of) => {
      of.loseNext['web traffic:route-10'] = ['connection refused'];
      of.failNext['api source:lower'] = ['final: forbidden'];
    }),
    'crossing-went-back': await play(client, queue, 2, (of) => {
      of.failNext['api traffic:unroute'] = ['final: forbidden'];
      of.at['web traffic:route-100'] = () => Promise.resolve((of.errorRate.target = 0.4));
    }),
    'crossing-cancelled': await play(client, queue, 3, (of, handle) => {
      of.at['api target:ready'] = async () => {
        delete of.at['api target:ready'];
        await handle().executeUpdate(cancelMigrationUpdate, { args: [{ author: 'ann', reason: 'no' }] });
      };
    }),
  };
}
