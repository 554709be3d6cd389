import { existsSync } from 'node:fs';
import { isEmpty, type Holdings, type Scrubbed } from '../../telemetry/erasure.js';
import type { Forgotten } from '../../telemetry/events/forget.js';
import { SHORTEST_ID } from '../../behavior/labels.js';
import { HeadroomError, isHeadroomError } from '../../domain/errors.js';
import { CommandFailure, EXIT, printJson, withExamples, type RegisterCommand, type Terminal } from '../command.js';
import type { ErasedPoints } from '../../telemetry/influxdb/erase.js';
import type { ErasedHistories } from '../../temporal/executions.js';
import type { ErasedModels } from '../erase-models.js';
import type { InfluxOfEnvironment } from '../influxdb.js';
import type { ErasedWork } from '../erase-work.js';

interface Flags {
  user?: string;
  dryRun?: true;
  evenIfRunning?: true;
  influxdbUsage?: true;
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
      .option('--influxdb-usage', 'also its usage in InfluxDB, which others may have written (INFLUX_URL and so on)')
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
    'erase acme --influxdb-usage',
    'erase --user ada@example.org',
  );
};

/** A server that is there answers sooner; one that is not shall not be waited for twice. */
const PATIENCE_MS = 2500;

/** Histories on the server: counted or deleted; null where no server can be asked. */
async function histories(account: string, terminal: Terminal, dry: boolean): Promise<ErasedHistories | null> {
  const { createExecutions, eraseHistories } = await import('../../temporal/executions.js');
  const { retrainWorkflowId } = await import('../../../workflows/retrain-messages.js');
  const { openLibrary, scopeOf } = await import('../models.js');
  const { withSession } = await import('../session.js');
  const library = openLibrary(terminal.env);
  const retrain = existsSync(library.folder) ? retrainWorkflowId(await scopeOf(library, account)) : null;
  try {
    return await withSession(
      terminal,
      async ({ client }) => eraseHistories(createExecutions(client), account, retrain, dry),
      PATIENCE_MS,
    );
  } catch (error) {
    if (isHeadroomError(error)) return null;
    throw error;
  }
}

interface Points {
  buckets: ErasedPoints[];
  /** Why a bucket could not be reached; null where all were. */
  problem: string | null;
}

/** What the environment says of InfluxDB, read before anything is removed; null where it names none. */
async function influxFor(flags: Flags, env: NodeJS.ProcessEnv): Promise<InfluxOfEnvironment | null> {
  if ((env['INFLUX_URL'] ?? '') !== '') return (await import('../influxdb.js')).influxOfEnvironment(env, 'erase');
  if (flags.influxdbUsage === true) throw new CommandFailure(EXIT.usage, '--influxdb-usage needs INFLUX_URL');
  return null;
}

/** Copies in InfluxDB, where the environment names one; null where it does not. */
async function points(account: string, flags: Flags, influx: InfluxOfEnvironment | null): Promise<Points | null> {
  if (influx === null) return null;
  const { erasePoints } = await import('../../telemetry/influxdb/erase.js');
  const { connection, names } = influx;
  const found: Points = { buckets: [], problem: null };
  try {
    for (const bucket of [
      names.loopBucket,
      ...(flags.influxdbUsage === true ? [names.bucket, names.hourlyBucket] : []),
    ]) {
      const signal = AbortSignal.timeout(120_000);
      found.buckets.push(await erasePoints(connection, bucket, account, flags.dryRun === true, signal));
    }
  } catch (error) {
    if (!isHeadroomError(error)) throw error;
    found.problem = error.message;
  }
  return found;
}

async function eraseAccount(account: string, flags: Flags, terminal: Terminal): Promise<void> {
  const { forgetAtDoor, withStore } = await import('../events.js');
  const { eraseModels } = await import('../erase-models.js');
  const { eraseWork } = await import('../erase-work.js');
  const { openLibrary } = await import('../models.js');
  const { actOf } = await import('../act.js');
  const dry = flags.dryRun === true;
  const influx = await influxFor(flags, terminal.env);
  if (!dry && flags.evenIfRunning !== true) {
    const there = await histories(account, terminal, true);
    if (there === null || there.running.length > 0) {
      throw new HeadroomError({
        ...{ kind: 'refused', component: 'cli', action: `erasing ${account}` },
        problem:
          there === null
            ? 'no server says whether its loop runs'
            : `${there.running.join(', ')} runs, and would write again`,
        remedy: `\`headroom stop ${account}\` ends its loop, \`headroom retrain stop --account ${account}\` a retraining of its own; --even-if-running erases all the same`,
      });
    }
  }
  const erased = await withStore(terminal.env, async (store) => {
    const held = await store.holdings(account);
    // The reason names nobody: it stays in the line of champions after the account is gone.
    const act = await actOf(terminal, 'an account was erased, and the model was fitted on it alone');
    const models = await eraseModels(terminal.env, account, held, act, dry);
    // The door first: what it has would otherwise come to the store afterwards.
    const door = dry ? null : await forgetAtDoor(terminal.env, { account });
    const had = held.series.some(({ kind }) => kind === 'usage');
    const work = await eraseWork(openLibrary(terminal.env).work, account, had, dry);
    return { models, work, door, store: dry ? held : await store.eraseAccount(account) };
  });
  const elsewhere = {
    histories: await histories(account, terminal, dry),
    influxdb: await points(account, flags, influx),
  };
  const stays = staysOf(account, flags, elsewhere);
  const report = { account, dryRun: dry, ...erased, ...elsewhere, stays };
  // Left undone: whoever reads the exit code alone has to know.
  const failed = (elsewhere.influxdb?.problem ?? null) !== null;
  if (failed || erased.models.unreadable.length > 0) process.exitCode = EXIT.failed;
  if (flags.json === true) return printJson(terminal, report);
  const lines = [...accountLines(erased.store, erased.door, erased.models), ...otherLines(erased.work, elsewhere)];
  for (const line of lines) terminal.out(`${dry ? 'would remove' : 'removed'}: ${line}`);
  if (lines.length === 0 && isEmpty(erased.store)) terminal.out(`nothing of ${account} is here`);
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
  for (const line of stays) terminal.err(`not reached: ${line}`);
}

interface Elsewhere {
  histories: ErasedHistories | null;
  influxdb: Points | null;
}

/** What is left, with what an operator has to do about it. */
function staysOf(account: string, flags: Flags, { histories, influxdb }: Elsewhere): string[] {
  const lines: string[] = [];
  if (histories === null) {
    lines.push('histories in Temporal: no server answered; erase again where one does, or its retention removes them');
  } else {
    if (histories.running.length > 0) {
      lines.push(`the histories of ${histories.running.join(', ')}, which run: stop them and erase again`);
    }
    if (histories.pending > 0)
      lines.push(
        `${histories.pending} of these histories yet: Temporal deletes them in its own time, --dry-run shows when`,
      );
    lines.push('histories that Temporal archived, where its server is set up to: remove them from the archive');
  }
  if (influxdb === null) {
    lines.push(
      'copies by --sink influxdb: set INFLUX_URL, INFLUX_TOKEN, INFLUX_ORG and INFLUX_BUCKET, and erase again',
    );
  } else if (influxdb.problem !== null) lines.push(`copies in InfluxDB: ${influxdb.problem}`);
  if (flags.influxdbUsage !== true) {
    lines.push(
      `usage of ${account} in the telemetry that it is read from: InfluxDB's by --influxdb-usage, others' by hand`,
    );
  }
  return [
    ...lines,
    'metrics that a Prometheus scraped from Headroom, copies that other systems made, exports and backups: by hand',
    'tokens of senders, and what they send from now on: `headroom events token --remove ID`',
  ];
}

function otherLines(work: ErasedWork, { histories, influxdb }: Elsewhere): string[] {
  const lines: [number, string][] = [
    [work.lists, `${work.lists} lists of what to train on`],
    [work.checkpoints, `${work.checkpoints} checkpoints of interrupted fits`],
    [histories?.removed ?? 0, `${histories?.removed ?? 0} histories in Temporal`],
    ...(influxdb?.buckets ?? []).map(({ bucket, points: count }): [number, string] => [
      count ?? 0,
      `${count ?? 0} points in bucket ${bucket} of InfluxDB`,
    ]),
  ];
  return lines.filter(([number]) => number > 0).map(([, line]) => line);
}

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
