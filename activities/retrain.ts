import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { HeadroomError, isHeadroomError } from '../src/domain/errors.js';
import { sha256 } from '../src/models/artifact.js';
import { readSnapshots, snapshotAccounts, type AccountSnapshot } from '../src/models/collect.js';
import { replaceFile } from '../src/models/files.js';
import { judge } from '../src/models/judge.js';
import { createLastValue } from '../src/models/last-value.js';
import { YOUNG_MS, type ModelLibrary } from '../src/models/library.js';
import type { TrainingSeries, TrainProgress } from '../src/models/port.js';
import { challenge, promote, reject, wasRolledBack } from '../src/models/reign.js';
import { scoreModels } from '../src/models/score.js';
import { trainModel } from '../src/models/train.js';
import type { Store } from '../src/telemetry/port.js';
import { translated } from './failures.js';
import type { CompareInput, CompareResult, RetrainActivities } from './retrain-types.js';

export interface RetrainDependencies {
  store: Store;
  models: ModelLibrary;
}

const snapshotsSchema = z.array(z.object({ account: z.string(), snapshotId: z.string(), timeZone: z.string() }));

/** Gathering, training, judging and crowning models, over the store and the folder of models. */
export function createRetraining({ store, models }: RetrainDependencies): RetrainActivities {
  const pathOf = (dataId: string): string => join(models.work, `data-${dataId}.json`);

  async function seriesOf(dataId: string, signal: AbortSignal): Promise<TrainingSeries[]> {
    return readSnapshots(store, await models.pseudonyms(), await readList(pathOf(dataId)), signal);
  }

  return {
    gather: ({ account, at, days, mostSeries }) =>
      translated(async (signal) => {
        const pseudonyms = await models.pseudonyms();
        const wanted = { account, at, days, most: mostSeries };
        const { snapshots, left } = await snapshotAccounts(store, pseudonyms, wanted, signal);
        const series = await readSnapshots(store, pseudonyms, snapshots, signal);
        const bytes = Buffer.from(JSON.stringify(snapshots));
        const dataId = sha256(bytes).slice(0, 16);
        await replaceFile(pathOf(dataId), bytes);
        return {
          dataId,
          series: series.length,
          accounts: snapshots.length,
          left,
          from: Math.min(at, ...series.map(({ start }) => start)),
          to: Math.max(0, ...series.map(({ start, step, values }) => start + step * values.length)),
        };
      }),

    train(input) {
      let progress: TrainProgress = { done: 0, note: 'reading the data' };
      return translated(
        async (signal) => {
          const { kind, dataId, cut, levels, horizon, seed } = input;
          const artifact = await trainModel(
            models.trainer(kind),
            {
              series: await seriesOf(dataId, signal),
              cut,
              levels,
              horizon,
              seed,
              signal,
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
      translated(async (signal) => compareModels(models, input, await seriesOf(input.dataId, signal))),

    crown: ({ scope, kind, id, act, ...how }) =>
      translated(async () => {
        const step = { challenge, promote, reject }[act];
        await models.champions.change(scope, kind, (state) => step(state, id, how));
      }),

    tidy: ({ inUse }) =>
      translated(async () => {
        const { removed } = await models.collect(Date.now(), YOUNG_MS);
        const lists = (await readdir(models.work)).filter((name) => /^data-[0-9a-f]{16}\.json$/.test(name));
        for (const name of lists) {
          if (!inUse.includes(name.slice(5, 21))) await rm(join(models.work, name), { force: true });
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

/** A challenger beside the champion, or beside the last value where nobody serves, on bins that neither has seen. */
export async function compareModels(
  models: ModelLibrary,
  { scope, kind, challenger, from, levels, horizon }: Omit<CompareInput, 'dataId'>,
  series: readonly TrainingSeries[],
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
  const [old, fresh] = scoreModels([before?.model ?? createLastValue(levels), next.model], series, {
    from: unseen,
    to: Number.POSITIVE_INFINITY,
    levels,
    horizon,
  });
  if (old === undefined || fresh === undefined) return say('unknown', 'nothing to compare on');
  const { better, enough, ratio, units, detail } = judge(old, fresh);
  const verdict = better ? 'better' : enough ? 'worse' : 'unknown';
  return { verdict, champion, ratio: units === 0 ? null : ratio, units, detail };
}
