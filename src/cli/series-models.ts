import type { Command } from 'commander';
import { HeadroomError } from '../domain/errors.js';
import { isoTime, type EpochSeconds } from '../domain/time.js';
import { fitWithOwn, isOwnModel, OWN_MODELS, type OwnModel } from '../forecast/booster/own.js';
import { fitForecaster } from '../forecast/forecaster.js';
import type { GlobalModel } from '../forecast/global.js';
import { loadModels, modelNames, MODELS } from '../forecast/models/registry.js';
import type { FitForecaster, FittedForecaster } from '../forecast/port.js';
import { shortId } from '../models/artifact.js';
import { CELL_SCOPE } from '../models/library.js';
import { argument, type Terminal } from './command.js';
import { openLibrary, scopeOf, servingOf } from './models.js';

/* The models that `forecast` and `backtest` fit to a file: those of the series, trees of its own, champions of the home. */

/** What `--models` names. */
export interface ChosenModels {
  /** Of the registry; absent for the default ones. */
  named?: string[];
  /** Trees that are trained on the file's own history. */
  own: OwnModel[];
}

export interface ModelOptions {
  models?: ChosenModels;
  /** True, or the account whose own models come before those of the cell. */
  withChampions?: true | string;
}

/** The default models by one name, for whoever wants others beside them. */
const DEFAULT = 'default';
const KNOWN = (): string[] => [DEFAULT, ...modelNames(), ...OWN_MODELS];

const chosen = (text: string): ChosenModels => {
  const given = text.split(',').map((part) => part.trim());
  const unknown = given.find((name) => !KNOWN().includes(name));
  if (unknown !== undefined) throw new RangeError(`"${unknown}" is no model; there are ${KNOWN().join(', ')}`);
  const own = OWN_MODELS.filter((name) => given.includes(name));
  const named = given.filter((name) => name !== DEFAULT && !isOwnModel(name));
  if (!given.includes(DEFAULT)) return { named: [...new Set(named)], own };
  return named.length === 0 ? { own } : { named: [...MODELS.map(({ name }) => name), ...new Set(named)], own };
};

export const withModels = (command: Command): Command =>
  command
    .option(
      '--models <list>',
      `instead of the default ones, beside persistence: ${KNOWN().join(', ')}`,
      argument(chosen),
    )
    .option(
      '--with-champions [account]',
      'also the trained models that serve (`headroom models list`); those of an account where it has its own',
    );

/** A champion that takes part. */
export interface Champion {
  kind: string;
  id: string;
  /** As the weights name it. */
  name: string;
  /** The first moment that it was not trained on. */
  trainedTo: string;
}

export interface SeriesModels {
  fit: FitForecaster;
  /** Of the newest fit: the models that took part and their weights; and the champions among them, where asked for. */
  tookPart(): { weights: Record<string, number>; champions?: Champion[] };
  /** Says where a champion has seen what is to be forecast from `origin` on. */
  check(origin: EpochSeconds): void;
}

/**
 * @throws HeadroomError `not-found` where champions are asked for and none serves.
 */
export async function seriesModels({ models, withChampions }: ModelOptions, terminal: Terminal): Promise<SeriesModels> {
  await loadModels(models?.named);
  const served =
    withChampions === undefined ? [] : await championsOf(withChampions === true ? undefined : withChampions, terminal);
  const globals = served.map(({ model }) => model);
  const named = models?.named;
  const champions = served.map(({ kind, id, model, trainedTo }) => ({
    kind,
    id,
    name: model.name,
    trainedTo: isoTime(trainedTo),
  }));
  const said = new Set<string>();
  const say = (note: string): void => {
    // A rolling forecast is fitted many times.
    if (!said.has(note)) terminal.err(terminal.color.yellow(note));
    said.add(note);
  };
  let newest: FittedForecaster | null = null;
  const base: FitForecaster = (series, options) =>
    (newest = fitForecaster(series, {
      ...options,
      ...(named === undefined ? {} : { models: named }),
      globals: [...globals, ...(options.globals ?? [])],
    }));
  return {
    fit: fitWithOwn(base, models?.own ?? [], say),
    tookPart: () => ({
      weights: newest?.forecast(1, [0.5]).weights ?? {},
      ...(withChampions === undefined ? {} : { champions }),
    }),
    check(origin) {
      for (const { kind, id, trainedTo } of served) {
        if (trainedTo <= origin) continue;
        say(
          `${kind} ${shortId(id)} was trained on data up to ${isoTime(trainedTo)}, after the origin ${isoTime(origin)}: ` +
            'where this very series was among them it knows what it forecasts',
        );
      }
    },
  };
}

/** The champions of the cell, or an account's own before them, loaded. */
async function championsOf(
  account: string | undefined,
  terminal: Terminal,
): Promise<{ kind: string; id: string; trainedTo: EpochSeconds; model: GlobalModel }[]> {
  const library = openLibrary(terminal.env);
  const own = await scopeOf(library, account);
  const { sound, troubles } = await servingOf(library, [...new Set([own, CELL_SCOPE])]);
  for (const trouble of troubles) terminal.err(terminal.color.yellow(trouble));
  const kinds = [...new Set(sound.map(({ kind }) => kind))].sort();
  if (kinds.length === 0) {
    throw new HeadroomError({
      kind: 'not-found',
      component: 'cli/models',
      action: 'taking up the champions',
      problem: `no trained model serves in ${library.folder}`,
      remedy: '`headroom retrain start` trains some, `headroom models list` shows them; or leave --with-champions out',
    });
  }
  return Promise.all(
    kinds.flatMap((kind) => {
      const of = (scope: string) => sound.find((one) => one.kind === kind && one.scope === scope);
      const champion = of(own) ?? of(CELL_SCOPE);
      if (champion === undefined) return [];
      return library
        .load(champion.id)
        .then(({ artifact, model }) => ({ kind, id: champion.id, trainedTo: artifact.card.data.to, model }));
    }),
  );
}
