import { join } from 'node:path';
import { packUpdate, unpackUpdate } from '../src/domain/federated.js';
import {
  initialNetworkWeights,
  clipUpdate,
  type LocalOptions,
  type LocalUpdate,
} from '../src/forecast/neural/local.js';
import { loadNetwork, packNetwork } from '../src/forecast/neural/model.js';
import { readSettings } from '../src/forecast/neural/settings.js';
import { sha256 } from '../src/models/artifact.js';
import { cutSeries, readSnapshots, snapshotAccounts } from '../src/models/collect.js';
import { modelsError } from '../src/models/errors.js';
import { createCellFiles, withNoise, type CellFiles } from '../src/models/federated-cell.js';
import type { TrainingSeries } from '../src/models/port.js';
import { scoreModels } from '../src/models/score.js';
import type { FederateActivities, FederationPlan } from './federate-types.js';
import { translated } from './failures.js';
import type { RetrainDependencies } from './retrain.js';

/** Some steps on the cell's own series, wherever they run. */
export type TrainLocally = (
  series: readonly TrainingSeries[],
  weights: Float32Array,
  options: LocalOptions,
) => Promise<LocalUpdate>;

/** Not trained here, and of no cell's data: what a card of averaged weights says did the arithmetic. */
const BACKEND = 'federated';
const DAY = 86_400;

/** One cell of a federation, next to its own store. What it gives away is clipped and noised before it leaves this file. */
export function createFederation({
  store,
  models,
  trainLocally,
}: RetrainDependencies & { trainLocally: TrainLocally }): FederateActivities {
  const settingsOf = (plan: FederationPlan) => readSettings({ network: plan.network, ...plan.settings });
  const filesOf = (plan: FederationPlan): CellFiles =>
    createCellFiles(join(models.work, 'federated'), plan.id, () =>
      initialNetworkWeights(settingsOf(plan), plan.levels, plan.seed),
    );

  /** The cell's series; what lies behind the cut is there for scoring alone. */
  async function ownSeries(plan: FederationPlan, to: number, signal: AbortSignal): Promise<TrainingSeries[]> {
    const pseudonyms = await models.pseudonyms();
    const days = plan.days + (to - plan.cut) / DAY;
    const wanted = { account: null, at: to, days, most: plan.mostSeries };
    const { snapshots } = await snapshotAccounts(store, pseudonyms, wanted, signal);
    return readSnapshots(store, pseudonyms, snapshots, signal);
  }

  return {
    cellRound: ({ plan }) => translated(async () => ({ round: await filesOf(plan).round() })),

    applyPart: ({ plan, round, part, parts, value }) =>
      translated(async () => {
        const files = filesOf(plan);
        if ((await files.round()) > round) return { round: await files.round() };
        await files.putPart(round, part, unpackUpdate([value]));
        if (part + 1 < parts) return { round };
        const before = await files.weights(round);
        const mean = new Float32Array(before.length);
        let at = 0;
        for (let k = 0; k < parts; k++) {
          const values = await files.part(round, k);
          if (at + values.length > mean.length) throw misfit(plan, at + values.length, mean.length);
          mean.set(values, at);
          at += values.length;
        }
        if (at !== mean.length) throw misfit(plan, at, mean.length);
        await files.putWeights(
          round + 1,
          before.map((weight, k) => weight + (mean[k] ?? 0)),
        );
        return { round: round + 1 };
      }),

    cellTrain: ({ plan, round }) =>
      translated(async (signal) => {
        const files = filesOf(plan);
        let own = await files.update(round);
        if (own === null) {
          const series = cutSeries(await ownSeries(plan, plan.cut, signal), plan.cut);
          const trained = await trainLocally(series, await files.weights(round), {
            settings: settingsOf(plan),
            levels: plan.levels,
            horizon: plan.horizon,
            // Another draw of origins in each round; cells differ by their data.
            seed: plan.seed + 7919 * (round + 1),
            steps: plan.steps,
            signal,
          });
          const { bins, loss, steps } = trained;
          const update = withNoise(clipUpdate(trained.update, plan.clip), plan.noise * plan.clip);
          own = { update, bins, loss, steps };
          await files.putUpdate(round, own);
        }
        return { parts: packUpdate(own.update).length, bins: own.bins, loss: own.loss, steps: own.steps };
      }),

    cellPart: ({ plan, round, part }) =>
      translated(async () => {
        const own = await filesOf(plan).update(round);
        const value = own === null ? undefined : packUpdate(own.update)[part];
        if (value !== undefined) return value;
        const problem = `this cell has no part ${part} of round ${round}`;
        throw modelsError('not-found', `reading an update of ${plan.id}`, problem, 'let the cell train again');
      }),

    finishFederation: ({ plan, rounds, steps }) =>
      translated(async (signal) => {
        const files = filesOf(plan);
        const { levels, horizon, seed, cut } = plan;
        const settings = settingsOf(plan);
        const weights = packNetwork({ settings, levels, horizon, steps }, await files.weights(rounds));
        const series = await ownSeries(plan, cut + 14 * DAY, signal);
        const window = { from: cut, to: Number.POSITIVE_INFINITY, levels, horizon };
        const [score] = await scoreModels([loadNetwork(weights)], series, window, signal);
        const artifact = await models.store.put(
          {
            kind: `neural-${plan.network}`,
            levels,
            horizon,
            // No cell knows the series of the others, nor their bytes: the name of the federation stands for them, and
            // such a fit is not repeated. Figures would be of this cell's data alone, and the id another in each.
            data: {
              from: cut - plan.days * DAY,
              to: cut,
              step: Math.max(1, steps[0]),
              series: [],
              hash: sha256(plan.id),
            },
            seed,
            backend: BACKEND,
            code: models.code,
            hyperParameters: { ...settings, rounds, steps: plan.steps, updateClip: plan.clip, updateNoise: plan.noise },
            metrics: null,
          },
          weights,
        );
        await files.keepOnly(rounds);
        return { id: artifact.id, wql: score?.metrics?.wql ?? null };
      }),
  };
}

const misfit = (plan: FederationPlan, given: number, wanted: number): Error =>
  modelsError(
    'invalid-input',
    `taking in a mean of ${plan.id}`,
    `it has ${given} values for ${wanted} weights`,
    'let all cells run the same build',
  );
