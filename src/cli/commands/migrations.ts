import { WorkflowNotFoundError } from '@temporalio/client';
import type { migration } from '../../../workflows/migration.js';
import { accountWorkflowId } from '../../../workflows/messages.js';
import { migrationStatusQuery, migrationWorkflowId } from '../../../workflows/migration-messages.js';
import { downtimeWords, targetWords, type MigrationOutcome, type MigrationState } from '../../domain/migration.js';
import { formatDuration, isoTime } from '../../domain/time.js';
import { CommandFailure, EXIT, printJson, withExamples, type RegisterCommand } from '../command.js';
import { recordSchema } from '../migration-record.js';
import { stateLines } from '../migration-words.js';
import { numberOf, withSession, type Session } from '../session.js';
import { createTable } from '../table.js';

interface Listed {
  id: string;
  at: number;
  /** Null while it runs. */
  outcome: MigrationOutcome | null;
  state: MigrationState | null;
}

export const register: RegisterCommand = (program, terminal) => {
  withExamples(
    program
      .command('migrations')
      .description('an account’s migrations: those under way, and what became of the others')
      .argument('<account>')
      .option('--limit <n>', 'newest so many', '20')
      .option('--json', 'for machines')
      .action(async (account: string, options: { limit: string; json?: boolean }) => {
        await withSession(terminal, async (session) => {
          const limit = Math.max(1, Math.round(numberOf(options.limit, '--limit')));
          const migrations = await listed(session, account, limit);
          if (migrations.length === 0) await seeThatItIsKnown(session, account);
          if (options.json === true) return printJson(terminal, { account, migrations });
          if (migrations.length === 0) return terminal.err(`${account} has begun no migration yet`);
          for (const { state } of migrations)
            if (state !== null) stateLines(state).forEach((line) => terminal.out(line));
          const table = createTable(['migration', 'began', 'took', 'result', 'to', 'downtime', 'why'], {
            colWidths: [null, null, null, null, 20, 28, 44],
          });
          for (const { id, at, outcome, state } of migrations) {
            if (outcome === null) {
              table.push([
                id,
                isoTime(at),
                '–',
                state === null ? 'unknown' : state.phase,
                '–',
                '–',
                state?.doing ?? '–',
              ]);
              continue;
            }
            table.push([
              ...[id, isoTime(at), formatDuration(Math.round(outcome.endedAt - outcome.startedAt)), outcome.result],
              outcome.target === null ? '–' : targetWords(outcome.target),
              downtimeWords(outcome.downtime),
              outcome.detail,
            ]);
          }
          terminal.out(table.toString());
        });
      }),
    'migrations shop',
  );
};

/** An account that has run, or has a migration on record, is known: a mistyped one is not told that all is well. */
async function seeThatItIsKnown({ client }: Session, account: string): Promise<void> {
  try {
    await client.workflow.getHandle(accountWorkflowId(account)).describe();
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
    throw new CommandFailure(
      EXIT.notFound,
      `there is no account ${account}, and no migration of it; \`headroom list\` shows what runs`,
    );
  }
}

async function listed(session: Session, account: string, limit: number): Promise<Listed[]> {
  const { store, client } = session;
  if (store === null) {
    throw new CommandFailure(
      EXIT.unavailable,
      'no headroom that owns a store runs here; start `headroom dev`, or set HEADROOM_HOME to its folder',
    );
  }
  const records = await store.listRecords('migration', account, { limit });
  return Promise.all(
    records.map(async ({ id, at, body }): Promise<Listed> => {
      const outcome = recordSchema.safeParse(body).data?.outcome ?? null;
      if (outcome !== null) return { id, at, outcome, state: null };
      const handle = client.workflow.getHandle<typeof migration>(migrationWorkflowId(id));
      return { id, at, outcome, state: await handle.query(migrationStatusQuery).catch(() => null) };
    }),
  );
}
