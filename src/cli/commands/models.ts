import type { Command } from 'commander';
import { isHeadroomError } from '../../domain/errors.js';
import { isoTime, parseDuration } from '../../domain/time.js';
import { shortId } from '../../models/artifact.js';
import type { Successions, Unreadable } from '../../models/champions.js';
import { readSnapshots, snapshotAccounts } from '../../models/collect.js';
import { YOUNG_MS, type ModelLibrary } from '../../models/library.js';
import { describeStep, keptOf, rollback, type Succession } from '../../models/reign.js';
import type { Listed } from '../../models/store.js';
import { repeatFit } from '../../models/train.js';
import { actOf } from '../act.js';
import {
  argument,
  CommandFailure,
  durationOption,
  EXIT,
  printJson,
  withExamples,
  type RegisterCommand,
  type Terminal,
} from '../command.js';
import { describeCard } from '../model-words.js';
import { openLibrary, scopeOf } from '../models.js';
import { promoteByHand, type PromoteOptions } from '../promote.js';
import { withSession } from '../session.js';
import { createTable } from '../table.js';

interface Common {
  account?: string;
  json?: boolean;
}

/** Why a model cannot serve, in words; null where it can. */
async function problemOf(library: ReturnType<typeof openLibrary>, id: string): Promise<string | null> {
  try {
    await library.load(id);
    return null;
  } catch (error) {
    if (!isHeadroomError(error)) throw error;
    return error.message;
  }
}

export const register: RegisterCommand = (program, terminal) => {
  const models = program
    .command('models')
    .description('models that were trained on many series: which serve, which wait, and back to the one before');
  withExamples(models, 'models list', 'models rollback');
  const common = (command: Command): Command =>
    command
      .option('--account <name>', 'the models of one account alone, where it has its own')
      .option('--json', 'for machines');

  withExamples(
    models
      .command('list')
      .description('what serves, what is scored beside it, and what else is there')
      .option('--json', 'for machines')
      .action((options: Common) => list(openLibrary(terminal.env), options, terminal)),
    'models list',
  );
  withExamples(
    models
      .command('show')
      .description('the card of a model: data, seed, code, backend, settings, figures')
      .argument('<id>', 'or the beginning of it')
      .option('--json', 'for machines')
      .action((id: string, options: Common) => show(openLibrary(terminal.env), id, options, terminal)),
    'models show 3f2a9c01',
  );
  withExamples(
    common(
      models.command('promote').description('make a model the champion; refused where its figures speak against it'),
    )
      .argument('<id>', 'or the beginning of it')
      .option('--reason <text>', 'why', 'promoted by hand')
      .option('--even-if-worse', 'also where its coverage is off, or it lost against the champion')
      .action(async (prefix: string, options: PromoteOptions) => {
        const { state, line } = await promoteByHand(prefix, options, terminal);
        tell(terminal, options, state, line);
      }),
    'models promote 3f2a9c01 --reason "tried on staging"',
    'models promote 3f2a9c01 --even-if-worse --reason "the champion never saw the new shop"',
  );
  withExamples(
    common(models.command('rollback').description('back to the champion before, at once'))
      .argument('[kind]', 'which kind, where several have a champion')
      .option('--reason <text>', 'why', 'rolled back by hand')
      .action(async (kind: string | undefined, options: Common & { reason: string }) => {
        const library = openLibrary(terminal.env);
        const scope = await scopeOf(library, options.account);
        const act = await actOf(terminal, options.reason);
        const state = await library.champions.change(scope, await kindOf(library, scope, kind), (before) =>
          rollback(before, act),
        );
        const now = state.champion;
        // Away from a bad model is right even where the one before cannot serve; but then it is said.
        const problem = now === null ? null : await problemOf(library, now.id);
        if (problem !== null) {
          terminal.err(`${problem}\nforecasts go without it; \`headroom models rollback\` goes one further back`);
          process.exitCode = EXIT.failed;
        }
        tell(
          terminal,
          options,
          state,
          now === null
            ? `${state.kind} has no champion any more; forecasts go without it from the next cycles on`
            : `${state.kind} ${shortId(now.id)} is champion again; the next cycles use it`,
        );
      }),
    'models rollback --reason "worse since Tuesday"',
    'models rollback booster --account shop',
  );
  withExamples(
    models
      .command('refit')
      .description('fit once more by the card, and compare the weights byte for byte')
      .argument('<id>', 'or the beginning of it')
      .option('--json', 'for machines')
      .action((id: string, options: Common) => refit(openLibrary(terminal.env), id, options, terminal)),
    'models refit 3f2a9c01',
  );
  withExamples(
    models
      .command('gc')
      .description('let go of models that neither serve nor served before nor wait')
      .addOption(
        durationOption(
          '--older-than <duration>',
          'younger ones stay: a run that is under way may be about to name them',
          argument(parseDuration),
          YOUNG_MS / 1000,
        ),
      )
      .option('--json', 'for machines')
      .action((options: Common & { olderThan: number }) => collect(openLibrary(terminal.env), options, terminal)),
    'models gc',
    'models gc --older-than 0s # no run is under way',
  );
};

function tell(terminal: Terminal, options: Common, state: Succession, line: string): void {
  if (options.json === true) printJson(terminal, state);
  else terminal.out(line);
}

/** Names what could not be read; where something was left undone by it, the command has failed. */
function tellUnreadable(terminal: Terminal, unreadable: readonly Unreadable[], undone: string): void {
  for (const { scope, kind, problem } of unreadable) terminal.err(`${scope}/${kind}: ${problem}; ${undone}`);
  if (unreadable.length > 0) process.exitCode = EXIT.failed;
}

async function collect(
  library: ModelLibrary,
  options: Common & { olderThan: number },
  terminal: Terminal,
): Promise<void> {
  const { removed, unreadable } = await library.collect(Date.now(), 1000 * options.olderThan);
  if (options.json === true) printJson(terminal, { removed, unreadable });
  else terminal.out(`${removed.length} models let go`);
  tellUnreadable(terminal, unreadable, 'no model of this kind was let go');
}

/** The kind that is meant where none is named: the only one with a champion. */
async function kindOf(library: ModelLibrary, scope: string, kind: string | undefined): Promise<string> {
  if (kind !== undefined) return kind;
  const { states, unreadable } = await library.champions.all();
  const served = states.filter((one) => one.scope === scope && one.champion !== null);
  const unclear = unreadable.filter((one) => one.scope === scope);
  if (unclear[0] !== undefined) throw new CommandFailure(EXIT.usage, `name the kind; ${unclear[0].problem}`);
  if (served.length === 1 && served[0] !== undefined) return served[0].kind;
  throw served.length === 0
    ? new CommandFailure(EXIT.refused, 'no kind has a champion; `headroom models list` shows what there is')
    : new CommandFailure(EXIT.usage, `name the kind: ${served.map((one) => one.kind).join(', ')}`);
}

const roleIn = (state: Succession, id: string): string | null =>
  state.champion?.id === id
    ? 'champion'
    : state.challenger?.id === id
      ? 'challenger'
      : state.earlier.some((one) => one.id === id)
        ? 'earlier'
        : null;

/** Every scope in which an artifact has a part. */
const placesOf = ({ states }: Successions, id: string): { scope: string; role: string }[] =>
  states.flatMap((state) => {
    const role = roleIn(state, id);
    return role === null ? [] : [{ scope: state.scope, role }];
  });

/** Artifacts that a succession names and the folder does not have: as bad as damaged ones. */
function missingOf(states: readonly Succession[], artifacts: readonly Listed[]): Listed[] {
  const there = new Set(artifacts.map(({ id }) => id));
  const named = new Set(states.flatMap(keptOf));
  return [...named]
    .filter((id) => !there.has(id))
    .map((id) => ({ id, bytes: 0, card: null, problem: 'its file is not there' }));
}

async function list(library: ModelLibrary, options: Common, terminal: Terminal): Promise<void> {
  const [successions, artifacts] = [await library.champions.all(), await library.store.list()];
  const { states, unreadable } = successions;
  const rows = [...artifacts, ...missingOf(states, artifacts)].map((one) => {
    const scopes = placesOf(successions, one.id);
    // The first alone, as readers of earlier releases know it.
    return { ...one, scope: scopes[0]?.scope ?? null, role: scopes[0]?.role ?? '', scopes };
  });
  tellUnreadable(terminal, unreadable, 'what serves there is not known');
  if (options.json === true) {
    return printJson(terminal, { folder: library.folder, models: rows, successions: states, unreadable });
  }
  if (rows.length === 0) {
    terminal.err(`no models in ${library.folder}; \`headroom retrain start\` trains them`);
    return;
  }
  const table = createTable(['model', 'kind', 'scope', 'role', 'data up to', 'series', 'WQL', 'backend']);
  for (const row of rows) {
    const places = row.scopes.length === 0 ? [{ scope: null, role: '' }] : row.scopes;
    for (const { scope, role } of places) table.push([shortId(row.id), ...cells(row, scope, role)]);
  }
  terminal.out(table.toString());
  for (const state of states) {
    const last = state.history.at(-1);
    if (last !== undefined) {
      terminal.out(terminal.color.dim(`${state.scope}/${state.kind}: ${isoTime(last.at)} ${describeStep(last)}`));
    }
  }
}

function cells(listed: Listed, scope: string | null, role: string): string[] {
  const { card } = listed;
  if (card === null) {
    const state = listed.bytes === 0 ? 'missing' : 'damaged';
    return ['–', scope ?? '–', role === '' ? state : `${role}, ${state}`, '–', '–', '–', '–'];
  }
  return [
    card.kind,
    scope ?? '–',
    role === '' ? '–' : role,
    isoTime(card.data.to),
    String(card.data.series.length),
    card.metrics === null ? '–' : card.metrics.wql.toPrecision(4),
    card.backend,
  ];
}

async function show(library: ModelLibrary, prefix: string, options: Common, terminal: Terminal): Promise<void> {
  const id = await library.store.find(prefix);
  const { card, weights } = await library.store.get(id);
  const { states: all, unreadable } = await library.champions.all();
  const states = all.filter((state) => state.history.some((step) => step.id === id));
  tellUnreadable(terminal, unreadable, 'its history is left out');
  if (options.json === true) {
    const history = states.flatMap((state) =>
      state.history.filter((step) => step.id === id).map((step) => ({ scope: state.scope, ...step })),
    );
    return printJson(terminal, { id, bytes: weights.length, card, history });
  }
  for (const line of describeCard(id, card, weights.length)) terminal.out(line);
  for (const state of states) {
    for (const step of state.history.filter((one) => one.id === id)) {
      terminal.out(`${state.scope}  ${isoTime(step.at)} ${describeStep(step)}`);
    }
  }
}

async function refit(library: ModelLibrary, prefix: string, options: Common, terminal: Terminal): Promise<void> {
  const artifact = await library.store.get(await library.store.find(prefix));
  const { from, to } = artifact.card.data;
  const { signal } = new AbortController();
  const result = await withSession(terminal, async ({ store }) => {
    if (store === null) {
      throw new CommandFailure(EXIT.unavailable, 'no store is in reach; start `headroom dev` or a worker');
    }
    const pseudonyms = await library.pseudonyms();
    const wanted = { account: null, at: to, days: Math.ceil((to - from) / 86_400) + 1, most: Number.POSITIVE_INFINITY };
    const { snapshots } = await snapshotAccounts(store, pseudonyms, wanted, signal);
    const series = await readSnapshots(store, pseudonyms, snapshots, signal);
    const place = { store: library.store, work: library.work, code: library.code };
    const trainer = library.trainer(artifact.card.kind);
    return repeatFit(trainer, artifact, series, { signal }, place);
  }).catch((error: unknown) => {
    if (isHeadroomError(error) && error.kind === 'refused') throw new CommandFailure(EXIT.refused, error.message);
    throw error;
  });
  if (!result.same) process.exitCode = EXIT.failed;
  if (options.json === true) printJson(terminal, result);
  else terminal.out(`${shortId(result.id)}: ${result.detail}`);
}
