import { isEmpty, type Holdings, type Scrubbed } from '../../telemetry/erasure.js';
import type { Forgotten } from '../../telemetry/events/forget.js';
import { SHORTEST_ID } from '../../behavior/labels.js';
import { HeadroomError, isHeadroomError } from '../../domain/errors.js';
import { CommandFailure, EXIT, printJson, withExamples, type RegisterCommand, type Terminal } from '../command.js';
import type { ErasedModels } from '../erase-models.js';

interface Flags {
  user?: string;
  dryRun?: true;
  evenIfRunning?: true;
  json?: true;
}

export const register: RegisterCommand = (program, terminal) => {
  withExamples(
    program
      .command('erase')
      .description('remove an account’s data, or a user’s, wherever Headroom keeps them; says what it removed')
      .argument('[account]')
      .option('--user <id>', 'instead of an account: the raw id of a user, as senders write it')
      .option('--dry-run', 'say what would be removed of the account, and leave it')
      .option('--even-if-running', 'also while the account’s loop runs, or nobody can tell')
      .option('--json', 'for machines')
      .action(async (account: string | undefined, flags: Flags) => {
        if ((account === undefined) === (flags.user === undefined)) {
          throw new CommandFailure(EXIT.usage, 'give an account, or --user ID');
        }
        if (account !== undefined) await eraseAccount(account, flags, terminal);
        else await eraseUser((flags.user ?? '').trim(), flags, terminal);
      }),
    'erase acme --dry-run',
    'erase acme',
    'erase --user ada@example.org',
  );
};

/** Whether the account's workflow runs; null where no server can be asked. */
async function runs(account: string, terminal: Terminal): Promise<boolean | null> {
  const { accountWorkflowId } = await import('../../../workflows/messages.js');
  const { WorkflowNotFoundError } = await import('@temporalio/client');
  const { withSession } = await import('../session.js');
  try {
    return await withSession(terminal, async ({ client }) => {
      const { status } = await client.workflow.getHandle(accountWorkflowId(account)).describe();
      return status.name === 'RUNNING';
    });
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    if (isHeadroomError(error)) return null;
    throw error;
  }
}

async function eraseAccount(account: string, flags: Flags, terminal: Terminal): Promise<void> {
  const { forgetAtDoor, withStore } = await import('../events.js');
  const { eraseModels } = await import('../erase-models.js');
  const { actOf } = await import('../act.js');
  const dry = flags.dryRun === true;
  const running = dry || flags.evenIfRunning === true ? false : await runs(account, terminal);
  if (running !== false) {
    throw new HeadroomError({
      ...{ kind: 'refused', component: 'cli', action: `erasing ${account}` },
      problem: running === true ? 'its loop runs, and would write again' : 'no server says whether its loop runs',
      remedy: `\`headroom stop ${account}\` ends it; --even-if-running erases all the same`,
    });
  }
  const erased = await withStore(terminal.env, async (store) => {
    const held = await store.holdings(account);
    // The reason names nobody: it stays in the line of champions after the account is gone.
    const act = await actOf(terminal, 'an account was erased, and the model was fitted on it alone');
    const models = await eraseModels(terminal.env, account, held, act, dry);
    // The door first: what it has would otherwise come to the store afterwards.
    const door = dry ? null : await forgetAtDoor(terminal.env, { account });
    return { models, door, store: dry ? held : await store.eraseAccount(account) };
  });
  const report = { account, dryRun: dry, ...erased, stays: STAYS };
  // Left undone: whoever reads the exit code alone has to know.
  if (erased.models.unreadable.length > 0) process.exitCode = EXIT.failed;
  if (flags.json === true) return printJson(terminal, report);
  for (const line of accountLines(erased.store, erased.door, erased.models)) {
    terminal.out(`${dry ? 'would remove' : 'removed'}: ${line}`);
  }
  if (isEmpty(erased.store) && erased.models.artifacts.length === 0 && waitedNothing(erased.door)) {
    terminal.out(`nothing of ${account} is here`);
  }
  for (const { scope, kind, id, instead } of erased.models.fallen) {
    const after = instead === null ? 'nothing serves in its place' : `${instead.slice(0, 12)} serves again`;
    terminal.out(`${dry ? 'would fall' : 'fell'}: ${kind} ${id.slice(0, 12)}, champion of ${scope}; ${after}`);
  }
  for (const { scope, kind, problem } of erased.models.unreadable) {
    terminal.err(`left as it is: ${scope}/${kind}, which may name a model of this account; ${problem}`);
  }
  if (erased.models.shared.length > 0) {
    terminal.out(`stays: ${erased.models.shared.length} models fitted on many accounts, weights alone`);
  }
  for (const line of STAYS) terminal.err(`not reached: ${line}`);
}

const STAYS = [
  'histories in Temporal, until its retention is over: policies and decisions, no events',
  'copies that --sink or another system made, and backups',
  'tokens of senders, and what they send from now on: `headroom events token --remove ID`',
];

const waitedNothing = (door: Forgotten | null): boolean => door === null || door.events + door.cells + door.seen === 0;

function accountLines(held: Holdings, door: Forgotten | null, models: ErasedModels): string[] {
  const samples = held.series.reduce((sum, one) => sum + one.samples, 0);
  const lines: [number, string][] = [
    [held.series.length, `${held.series.length} series with ${samples} samples`],
    [held.behavior, `${held.behavior} rows of behaviour`],
    [held.snapshots, `${held.snapshots} families of snapshots`],
    ...Object.entries(held.records).map(([kind, number]): [number, string] => [number, `${number} records: ${kind}`]),
    [models.artifacts.length, `${models.artifacts.length} models of its own`],
    [models.champions ? 1 : 0, 'the line of its champions'],
  ];
  if (door !== null) {
    lines.push([door.events, `${door.events} events that waited for their bins`]);
    lines.push([door.cells + door.seen, 'what waited at the door for its day']);
  }
  return lines.filter(([number]) => number > 0).map(([, line]) => line);
}

async function eraseUser(user: string, flags: Flags, terminal: Terminal): Promise<void> {
  if (user === '') throw new CommandFailure(EXIT.usage, '--user is empty');
  if (flags.dryRun === true) throw new CommandFailure(EXIT.usage, '--dry-run is for accounts');
  const { forgetAtDoor, withStore } = await import('../events.js');
  const door = await forgetAtDoor(terminal.env, { user });
  const labels: Scrubbed | null =
    user.length < SHORTEST_ID ? null : await withStore(terminal.env, (store) => store.scrubLabels(user));
  // The id itself is not repeated: the answer may be kept in a log.
  const report = { door, labels, stored: STORED };
  if (flags.json === true) return printJson(terminal, report);
  const waited = door ?? { events: 0, cells: 0, seen: 0, locked: 0 };
  terminal.out(`removed: ${waited.events} events that waited for their bins`);
  terminal.out(`removed: ${waited.cells} cells that waited for their day, ${waited.seen} places last seen`);
  if (labels === null) terminal.out(`an id shorter than ${SHORTEST_ID} characters was never looked for in labels`);
  else {
    terminal.out(`cleaned: ${labels.rows} stored rows whose labels had the id as a word`);
    terminal.out(`removed: ${labels.profiles} profiles with such labels; they are built anew from the rows`);
    if (labels.plans > 0) terminal.out(`cleaned: ${labels.plans} plans that told actions of such data sets`);
  }
  if (waited.locked > 0) {
    terminal.err(`${waited.locked} events wait under a key that is not there: nobody can tell whose they are`);
    process.exitCode = EXIT.failed;
  }
  terminal.err(STORED);
}

const STORED =
  'stored rows are sums over several persons without any pseudonym: nobody, this program included, can tell what in ' +
  'them was one user’s, so that nothing can be taken out of them again';
