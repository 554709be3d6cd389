import type { MigrationInput } from '../../workflows/migration-messages.js';
import type { migrationSurvey } from '../../workflows/prefetch.js';
import type { MigrationSurvey } from '../domain/migration.js';
import { CommandFailure, EXIT } from './command.js';
import { runningMigrations } from './running-migrations.js';
import type { Session } from './session.js';

/** What a migration would do, with nothing touched. @throws CommandFailure refused while a freeze or a pause stands. */
export async function surveyAhead(session: Session, input: MigrationInput): Promise<MigrationSurvey> {
  const { account, workload } = input.order;
  const survey = await session.client.workflow.execute<typeof migrationSurvey>('migrationSurvey', {
    workflowId: `migration-survey/${account}/${workload}/${Date.now()}`,
    taskQueue: input.queues.light,
    args: [input],
  });
  if ('kind' in survey) throw new CommandFailure(EXIT.refused, survey.detail);
  return survey;
}

/**
 * For whoever does not wait for the end: what stands in the way now.
 * @throws CommandFailure refused with all of it, each with its remedy; nothing was started.
 */
export async function refuseAhead(session: Session, input: MigrationInput): Promise<void> {
  const { account, workload } = input.order;
  // One that has just begun has not claimed the workload yet: a survey does not see it.
  const other = (await runningMigrations(session, account)).find((id) => id.startsWith(`${account}/${workload}/`));
  if (other !== undefined) {
    throw new CommandFailure(
      EXIT.refused,
      `migration ${other} moves ${workload} now; wait for its end, or take it back: headroom migrate cancel ${account} ${workload}`,
    );
  }
  const { refusals } = await surveyAhead(session, input);
  if (refusals.length > 0) throw new CommandFailure(EXIT.refused, refusals.join('\n'));
}
