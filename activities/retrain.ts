import { readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { z } from 'zod';
import { WORKLOAD_CLASSES, type WorkloadClass } from '../src/behavior/classes/class.js';
import { HeadroomError, isHeadroomError } from '../src/domain/errors.js';
import { aheadSchema } from '../src/models/ahead.js';
import { sha256 } from '../src/models/artifact.js';
import type { HyperParameters } from '../src/models/card.js';
import {
  leaveShort,
  readSnapshots,
  snapshotAccounts,
  type AccountSnapshot,
  type UsageStore,
} from '../src/models/collect.js';
import { namesIn, replaceFile } from '../src/models/files.js';
import { judge } from '../src/models/judge.js';
import { createLastValue } from '../src/models/last-value.js';
import { YOUNG_MS, type ModelLibrary } from '../src/models/library.js';
import type { TrainingSeries, TrainProgress } from '../src/models/port.js';
import { challenge, promote, reject, wasRolledBack } from '../src/models/reign.js';
import { bestOf, describeSearch, readSearch, searchable, searchModels } from '../src/models/search-run.js';
import { scoreModels } from '../src/models/score.js';
import { trainModel } from '../src/models/train.js';
import type { UsageSeries } from '../src/telemetry/port.js';
import { translated } from './failures.js';
import type { CompareInput, CompareResult, RetrainActivities } from './retrain-types.js';

export interface RetrainDependencies {
  store: UsageStore;
  models: ModelLibrary;
  /** Tells the kind of workload of a series; without it a search starts from no class. */
  classify?: ClassifySeries;
}

/** The class of a series; null where there is too little of it, or nothing here that can tell. */
export type ClassifySeries = (one: UsageSeries, timeZone: string) => Promise<WorkloadClass | null>;

/** Series of which the class is asked for: most of many are known by some of them. */
const CLASSIFIED = 60;
/** Lists, searches and checkpoints of a run that ended, or died, so long ago are swept. */
const LEFT_BEHIND_MS = 2 * 86_400_000;

const LEFT_BEHIND = /^(data-[0-9a-f]{16}\.json|search-[0-9a-f]{16}\.json|[0-9a-f]{64}\.checkpoint)$/;

const snapshotsSchema = z.array(
  z
    .object({ account: z.string(), snapshotId: z.string(), timeZone: z.string(), ahead: aheadSchema.optional() })
    .transform(({ ahead, ...one }): AccountSnapshot => ({ ...one, ...(ahead === undefined ? {} : { ahead }) })),
);

/** Gathering, training, judging and crowning models, over the store and the folder of models. */
export function createRetraining({ store, models, classify }: RetrainDependencies): RetrainActivities {
  const pathOf = (dataId: string): string => join(models.work, `data-${dataId}.json`);

  async function seriesOf(dataId: string, signal: AbortSignal): Promise<TrainingSeries[]> {
    return readSnapshots(store, await models.pseudonyms(), await readList(pathOf(dataId)), signal);
  }

  return {
    gather: ({ account, at, days, mostSeries }) =>
      translated(async (signal) => {
        const pseudonyms = await models.pseudonyms();
        const wanted = { account, at, days, most: mostSeries };
        const { snapshots, left, leftOut } = await snapshotAccounts(store, pseudonyms, wanted, signal);
        const short = leaveShort(leftOut);
        const counted = new Set<string>();
        const sample: { one: UsageSeries; timeZone: string }[] = [];
        const series = await readSnapshots(store, pseudonyms, snapshots, signal, (of, timeZone, one, enough) => {
          short(of, timeZone, one, enough);
          if (enough) counted.add(of);
          if (enough && sample.length < CLASSIFIED) sample.push({ one, timeZone });
        });
        const bytes = Buffer.from(JSON.stringify(snapshots));
        const dataId = sha256(bytes).slice(0, 16);
        await replaceFile(pathOf(dataId), bytes);
        return {
          dataId,
          series: series.length,
          accounts: counted.size,
          left,
          from: Math.min(at, ...series.map(({ start }) => start)),
          to: Math.max(0, ...series.map(({ start, step, values }) => start + step * values.length)),
          leftOut,
          class: classify === undefined ? null : await majorityOf(sample, classify, signal),
        };
      }),

    search(input) {
      let progress: TrainProgress = { done: 0, note: 'reading the data' };
      return translated(
        async (signal) => {
          const { scope, dataId, cut, levels, horizon, seed, fits } = input;
          const kinds = searchable(input.kinds);
          if (kinds.length === 0) return { searchId: null, detail: 'nothing can be chosen of these kinds' };
          const { id, found } = await searchModels(
            kinds.map((kind) => models.trainer(kind)),
            {
              ...{ series: await seriesOf(dataId, signal), cut, levels, horizon, seed, fits, signal },
              class: WORKLOAD_CLASSES.find((name) => name === input.class) ?? null,
              inUse: await settingsInUse(models, scope, kinds),
              onProgress: (next) => void (progress = next),
            },
            { work: models.work, code: models.code },
          );
          return { searchId: id, detail: describeSearch(found) };
        },
        () => progress,
      );
    },

    train(input) {
      let progress: TrainProgress = { done: 0, note: 'reading the data' };
      return translated(
        async (signal) => {
          const { kind, dataId, cut, levels, horizon, seed, searchId } = input;
          const search = searchId === undefined ? null : await readSearch(models.work, searchId);
          const hyperParameters = search === null ? null : bestOf(search, kind);
          const artifact = await trainModel(
            models.trainer(kind),
            {
              series: await seriesOf(dataId, signal),
              cut,
              levels,
              horizon,
              seed,
              signal,
              ...(hyperParameters === null ? {} : { hyperParameters }),
              ...(search === null ? {} : { search }),
              onProgress: (next) => void (progress = next),
            },
            { store: models.store, work: models.work, code: models.code },
          );
          return { id: artifact.id, bytes: artifact.weights.length, wql: artifact.card.metrics?.wql ?? null };
        },
        () => progress,
      );
    },

    compare: (input) =>
      translated(async (signal) => compareModels(models, input, await seriesOf(input.dataId, signal), signal)),

    crown: ({ scope, kind, id, act, ...how }) =>
      translated(async () => {
        const step = { challenge, promote, reject }[act];
        await models.champions.change(scope, kind, (state) => step(state, id, how));
      }),

    tidy: ({ inUse, done = [] }) =>
      translated(async () => {
        const { removed } = await models.collect(Date.now(), YOUNG_MS);
        for (const dataId of done) await rm(pathOf(dataId), { force: true });
        // Another scope may be in the middle of a run on the same folder: what is young is somebody's.
        for (const name of (await namesIn(models.work)).filter((one) => LEFT_BEHIND.test(one))) {
          if (inUse.includes(name.slice(5, 21))) continue;
          const path = join(models.work, name);
          const found = await stat(path).catch(() => null);
          if (found !== null && Date.now() - found.mtimeMs > LEFT_BEHIND_MS) await rm(path, { force: true });
        }
        return { removed: removed.length };
      }),
  };
}

async function readList(path: string): Promise<AccountSnapshot[]> {
  try {
    return snapshotsSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    throw new HeadroomError({
      kind: 'not-found',
      component: 'activities/retrain',
      action: 'reading what to train on',
      problem: `${path} is not there or damaged`,
      remedy: 'let all compute workers of a cell share one folder by HEADROOM_MODELS; the next run gathers anew',
      cause: error,
    });
  }
}

/** The class of most series; of several the first in the order of all classes, null where none has any. */
async function majorityOf(
  sample: readonly { one: UsageSeries; timeZone: string }[],
  classify: ClassifySeries,
  signal: AbortSignal,
): Promise<WorkloadClass | null> {
  const votes = new Map<WorkloadClass, number>();
  for (const { one, timeZone } of sample) {
    signal.throwIfAborted();
    const name = await classify(one, timeZone);
    if (name !== null) votes.set(name, (votes.get(name) ?? 0) + 1);
    // Each takes milliseconds of the thread that speaks with Temporal.
    await setImmediate();
  }
  let best: WorkloadClass | null = null;
  for (const name of WORKLOAD_CLASSES) {
    if ((votes.get(name) ?? 0) > (best === null ? 0 : (votes.get(best) ?? 0))) best = name;
  }
  return best;
}

/** The hyper-parameters of the champions of a scope, by kind; one that cannot be read has none. */
async function settingsInUse(
  models: ModelLibrary,
  scope: string,
  kinds: readonly string[],
): Promise<Map<string, HyperParameters>> {
  const inUse = new Map<string, HyperParameters>();
  for (const kind of kinds) {
    try {
      const { champion } = await models.champions.read(scope, kind);
      if (champion === null) continue;
      inUse.set(kind, (await models.store.get(champion.id)).card.hyperParameters);
    } catch (error) {
      if (!isHeadroomError(error)) throw error;
    }
  }
  return inUse;
}

/** A challenger beside the champion, or beside the last value where nobody serves, on bins that neither has seen. */
export async function compareModels(
  models: ModelLibrary,
  { scope, kind, challenger, from, levels, horizon }: Omit<CompareInput, 'dataId'>,
  series: readonly TrainingSeries[],
  signal?: AbortSignal,
): Promise<CompareResult> {
  const state = await models.champions.read(scope, kind);
  const champion = state.champion?.id ?? null;
  const say = (verdict: CompareResult['verdict'], detail: string): CompareResult => ({
    verdict,
    champion,
    ratio: null,
    units: 0,
    detail,
  });
  if (champion === challenger) return say('same', 'the same data and code gave the champion once more');
  if (wasRolledBack(state, challenger)) return say('worse', 'it was rolled back once');
  const next = await models.load(challenger);
  let before;
  try {
    before = champion === null ? null : await models.load(champion);
  } catch (error) {
    if (!isHeadroomError(error)) throw error;
    // A champion that cannot be loaded serves nobody: the challenger needs to beat the last value alone.
    before = null;
  }
  // What the champion was trained on later than the challenger, by hand for example, is no test of it.
  const unseen = Math.max(from, before?.artifact.card.data.to ?? 0);
  const window = { from: unseen, to: Number.POSITIVE_INFINITY, levels, horizon };
  const pair = [before?.model ?? createLastValue(levels), next.model];
  const [old, fresh] = await scoreModels(pair, series, window, signal);
  if (old === undefined || fresh === undefined) return say('unknown', 'nothing to compare on');
  const { better, enough, ratio, units, detail } = judge(old, fresh);
  const verdict = better ? 'better' : enough ? 'worse' : 'unknown';
  return { verdict, champion, ratio: units === 0 ? null : ratio, units, detail };
}
