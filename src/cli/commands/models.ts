import type { Command } from 'commander';
import { userInfo } from 'node:os';
import { isHeadroomError } from '../../domain/errors.js';
import { isoTime, REAL_TIME, simulatedNow } from '../../domain/time.js';
import { shortId } from '../../models/artifact.js';
import type { ModelCard } from '../../models/card.js';
import { readSnapshots, snapshotAccounts } from '../../models/collect.js';
import type { ModelLibrary } from '../../models/library.js';
import { describeStep, promote, rollback, type Act, type Succession } from '../../models/reign.js';
import type { Listed } from '../../models/store.js';
import { repeatFit } from '../../models/train.js';
import { homeFolder, readRuntimeFile } from '../../temporal/home.js';
import { CommandFailure, EXIT, printJson, withExamples, type RegisterCommand, type Terminal } from '../command.js';
import { openLibrary, scopeOf } from '../models.js';
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
    common(models.command('promote').description('make a model the champion, whatever it was scored at'))
      .argument('<id>', 'or the beginning of it')
      .option('--reason <text>', 'why', 'promoted by hand')
      .action(async (prefix: string, options: Common & { reason: string }) => {
        const library = openLibrary(terminal.env);
        // It is loaded as a worker would: what cannot serve is refused here, not at the next cycle.
        const { artifact } = await library.load(await library.store.find(prefix));
        const { id, card } = artifact;
        const act = await actOf(terminal, options.reason);
        const scope = await scopeOf(library, options.account);
        const state = await library.champions.change(scope, card.kind, (before) => promote(before, id, act));
        tell(terminal, options, state, `${card.kind} ${shortId(id)} is champion; the next cycles use it`);
      }),
    'models promote 3f2a9c01 --reason "tried on staging"',
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
      .option('--json', 'for machines')
      .action(async (options: Common) => {
        const library = openLibrary(terminal.env);
        const removed = await library.store.collect(await library.champions.kept(), Date.now(), 0);
        if (options.json === true) printJson(terminal, { removed });
        else terminal.out(`${removed.length} models let go`);
      }),
    'models gc',
  );
};

async function actOf({ env }: Terminal, reason: string): Promise<Act> {
  const scale = (await readRuntimeFile(homeFolder(env)))?.scale ?? REAL_TIME;
  const at = Math.round(simulatedNow(scale, Date.now()));
  return { at, by: env['HEADROOM_AUTHOR'] ?? userInfo().username, reason };
}

function tell(terminal: Terminal, options: Common, state: Succession, line: string): void {
  if (options.json === true) printJson(terminal, state);
  else terminal.out(line);
}

/** The kind that is meant where none is named: the only one with a champion. */
async function kindOf(library: ModelLibrary, scope: string, kind: string | undefined): Promise<string> {
  if (kind !== undefined) return kind;
  const served = (await library.champions.all()).filter((one) => one.scope === scope && one.champion !== null);
  if (served.length === 1 && served[0] !== undefined) return served[0].kind;
  throw served.length === 0
    ? new CommandFailure(EXIT.refused, 'no kind has a champion; `headroom models list` shows what there is')
    : new CommandFailure(EXIT.usage, `name the kind: ${served.map((one) => one.kind).join(', ')}`);
}

const roleOf = (state: Succession | undefined, id: string): string =>
  state === undefined
    ? ''
    : state.champion?.id === id
      ? 'champion'
      : state.challenger?.id === id
        ? 'challenger'
        : state.earlier.some((one) => one.id === id)
          ? 'earlier'
          : '';

async function list(library: ModelLibrary, options: Common, terminal: Terminal): Promise<void> {
  const [states, artifacts] = [await library.champions.all(), await library.store.list()];
  const rows = artifacts.map((one) => {
    const state = states.find((candidate) => roleOf(candidate, one.id) !== '');
    return { ...one, scope: state?.scope ?? null, role: roleOf(state, one.id) };
  });
  if (options.json === true) return printJson(terminal, { folder: library.folder, models: rows, successions: states });
  if (rows.length === 0) {
    terminal.err(`no models in ${library.folder}; \`headroom retrain start\` trains them`);
    return;
  }
  const table = createTable(['model', 'kind', 'scope', 'role', 'data up to', 'series', 'WQL', 'backend']);
  for (const row of rows) table.push([shortId(row.id), ...cells(row, row.scope, row.role)]);
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
  if (card === null) return ['–', scope ?? '–', role === '' ? 'damaged' : `${role}, damaged`, '–', '–', '–', '–'];
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
  const states = (await library.champions.all()).filter((state) => state.history.some((step) => step.id === id));
  if (options.json === true) {
    const history = states.flatMap((state) =>
      state.history.filter((step) => step.id === id).map((step) => ({ scope: state.scope, ...step })),
    );
    return printJson(terminal, { id, bytes: weights.length, card, history });
  }
  for (const line of describe(id, card, weights.length)) terminal.out(line);
  for (const state of states) {
    for (const step of state.history.filter((one) => one.id === id)) {
      terminal.out(`${state.scope}  ${isoTime(step.at)} ${describeStep(step)}`);
    }
  }
}

function describe(id: string, card: ModelCard, bytes: number): string[] {
  const { data, metrics, code } = card;
  const settings = Object.entries(card.hyperParameters).map(([name, value]) => `${name} ${String(value)}`);
  const lines = [
    `model      ${id}`,
    `kind       ${card.kind}, ${bytes} bytes of weights, on ${card.backend}`,
    `data       ${data.series.length} series, ${isoTime(data.from)} to ${isoTime(data.to)}, hash ${data.hash.slice(0, 12)}`,
    `code       ${code.version}, build ${code.build}; seed ${card.seed}`,
    `answers    levels ${card.levels.join(', ')} up to ${card.horizon} s ahead`,
    `settings   ${settings.join(', ')}`,
  ];
  if (metrics === null) return [...lines, 'figures    none: too little data was held back'];
  const { rmse, mae, r2, mase, wql, coverage, origins } = metrics;
  const figures = Object.entries({ WQL: wql, MASE: mase, RMSE: rmse, MAE: mae, 'R²': r2 });
  return [
    ...lines,
    `figures    ${figures.map(([name, value]) => `${name} ${value.toPrecision(4)}`).join(', ')} from ${origins} origins`,
    `coverage   ${coverage.map(({ level, reached }) => `${level}: ${reached.toFixed(3)}`).join(', ')}`,
  ];
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
