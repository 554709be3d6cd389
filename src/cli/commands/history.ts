import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bodiesOf } from '../../../activities/bodies.js';
import type { ChangeOutcome, Contingency } from '../../domain/plan.js';
import { fieldName } from '../../domain/change.js';
import { formatDuration, isoTime } from '../../domain/time.js';
import type { Store } from '../../telemetry/port.js';
import { createHistories } from '../../temporal/histories.js';
import { CommandFailure, EXIT, printJson, withExamples, type RegisterCommand, type Terminal } from '../command.js';
import { operatorHistory } from '../operator-history.js';
import { createTable } from '../table.js';
import { numberOf, withSession, type Session } from '../session.js';

interface Options {
  limit: string;
  export?: string;
  operators?: boolean;
  json?: boolean;
}

export const register: RegisterCommand = (program, terminal) => {
  withExamples(
    program
      .command('history')
      .description('an account’s changes and what became of them; --export writes their workflow histories')
      .argument('<account>')
      .option('--limit <n>', 'newest so many', '20')
      .option('--export <folder>', 'write the Temporal history of each as JSON, replayable, also past retention')
      .option('--operators', 'who told it what instead: pauses, overrides, policies, approvals, freezes')
      .option('--json', 'for machines')
      .action(async (name: string, options: Options) => {
        await withSession(terminal, async (session) => {
          const limit = Math.max(1, Math.round(numberOf(options.limit, '--limit')));
          if (options.operators === true) return showOperators(terminal, session, name, limit, options.json === true);
          const store = storeOf(session);
          const records = await store.listRecords('outcome', name, { limit });
          const outcomes = records.map((record) => record.body as ChangeOutcome);
          if (options.export !== undefined) {
            const files = await exportTo(options.export, outcomes, session, store);
            if (options.json === true) printJson(terminal, { account: name, files });
            else terminal.out(`${files.length} histories written to ${options.export}`);
            return;
          }
          const changes = await withWrites(outcomes, store);
          if (options.json === true) return printJson(terminal, { account: name, changes });
          if (changes.length === 0) return terminal.err(`${name} has ended no change yet`);
          const table = createTable(['change', 'began', 'took', 'result', 'wrote', 'why'], {
            colWidths: [null, null, null, null, 40, 50],
          });
          for (const change of changes) {
            table.push([
              change.changeId,
              isoTime(change.startedAt),
              formatDuration(Math.round(change.endedAt - change.startedAt)),
              change.result,
              change.back.map(writtenWords).join('\n'),
              change.firedBy === undefined
                ? change.detail
                : `answers ${change.firedBy.key} (${change.firedBy.what}): ${change.detail}`,
            ]);
          }
          terminal.out(table.toString());
        });
      }),
    'history shop',
    'history shop --export ./histories',
    'history shop --operators',
  );
};

/** From Temporal's own record of what reached the account, which is there without a store of ours. */
async function showOperators(
  terminal: Terminal,
  session: Session,
  account: string,
  limit: number,
  asJson: boolean,
): Promise<void> {
  const found = await operatorHistory(session, account, limit);
  if (found === null) {
    throw new CommandFailure(
      EXIT.notFound,
      `the Temporal server knows no account ${account}; headroom list has those that run`,
    );
  }
  const { told, whole } = found;
  if (asJson) return printJson(terminal, { account, operators: told, whole });
  if (told.length === 0)
    return terminal.err(`nobody has told ${account} anything that the Temporal server still keeps`);
  const table = createTable(['at', 'who', 'what', 'why'], { colWidths: [null, null, 80, 40] });
  for (const { at, author, what, reason } of told) table.push([isoTime(at), author ?? '–', what, reason]);
  terminal.out(table.toString());
  if (!whole)
    terminal.err('older ones are there, or were not looked for: give a higher --limit, or see the Temporal UI');
}

function storeOf(session: Session): Store {
  if (session.store !== null) return session.store;
  throw new CommandFailure(
    EXIT.unavailable,
    'no headroom that owns a store runs here; start `headroom dev`, or set HEADROOM_HOME to its folder',
  );
}

/** A field that a change wrote; `after` is null in records that do not say it. */
export interface Written {
  field: string;
  before: number;
  after: number | null;
}

/** What each change wrote, in its order: as many records are asked for at once as one question may name. */
export async function withWrites(
  outcomes: readonly ChangeOutcome[],
  store: Pick<Store, 'getRecords'>,
): Promise<(ChangeOutcome & { back: Written[] })[]> {
  const known = await bodiesOf(
    store,
    'contingency',
    outcomes.map(({ changeId }) => changeId),
  );
  return outcomes.map((outcome) => ({
    ...outcome,
    back: writtenBy(known.get(outcome.changeId) as Contingency | undefined),
  }));
}

function writtenBy(contingency: Contingency | undefined): Written[] {
  if (contingency === undefined) return [];
  const after = new Map(contingency.writes?.map(({ field, to }) => [field, to]));
  return contingency.reverse.map(({ target }) => {
    const field = fieldName(target);
    return { field, before: target.value, after: after.get(field) ?? null };
  });
}

/** `web.replicas 3 → 5` */
export const writtenWords = ({ field, before, after }: Written): string =>
  after === null ? `${field} (was ${before})` : `${field} ${before} → ${after}`;

/** From the store where they were exported, else from the server, which keeps them for its retention. */
async function exportTo(folder: string, outcomes: ChangeOutcome[], session: Session, store: Store): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const files: string[] = [];
  for (const { changeId, planId } of outcomes) {
    // What a stop put back is on record, and no workflow of its own.
    if (planId === '') continue;
    const workflowId = `change/${changeId}`;
    const record = await store.getRecord('history', workflowId);
    const history = record === null ? await createHistories(session.client).fetch(workflowId) : record.body;
    const file = join(folder, `${workflowId.replaceAll('/', '-')}.json`);
    await writeFile(file, `${JSON.stringify(history, null, 1)}\n`);
    files.push(file);
  }
  return files;
}
