import { setWorkflowOptions } from '@temporalio/workflow';
import type { Halted, PrefetchResult } from '../activities/migrate-types.js';
import type { MigrationSurvey } from '../src/domain/migration.js';
import { simulatedNow } from '../src/domain/time.js';
import { looking } from './migration-activities.js';
import type { MigrationInput, PrefetchWorkflowInput } from './migration-messages.js';

/** Fills caches ahead of predicted reads, by itself. */
export async function prefetch(input: PrefetchWorkflowInput): Promise<PrefetchResult> {
  const { account, policyId, at, workload, dry } = input;
  return looking(input.queues, 'caches are filled ahead of predicted reads').prefetch({
    ...{ account, policyId, at, workload, dry },
    key: `change/${account}/prefetch-${Math.floor(at)}`,
  });
}
setWorkflowOptions({ versioningBehavior: 'PINNED' }, prefetch);

/** What a migration would do, and what stands in its way: reads alone. */
export async function migrationSurvey({ order, queues, scale }: MigrationInput): Promise<MigrationSurvey | Halted> {
  return looking(queues, 'what would it do?').surveyMigration({ order, at: simulatedNow(scale, Date.now()) });
}
setWorkflowOptions({ versioningBehavior: 'PINNED' }, migrationSurvey);
