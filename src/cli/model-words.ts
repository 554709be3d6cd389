import { isoTime } from '../domain/time.js';
import type { CardSearch, HyperParameters, ModelCard, ModelMetrics } from '../models/card.js';

/* What a card says, line by line, for a person. */

export function describeCard(id: string, card: ModelCard, bytes: number): string[] {
  const { data, code } = card;
  const settings = Object.entries(card.hyperParameters).map(([name, value]) => `${name} ${String(value)}`);
  return [
    `model      ${id}`,
    `kind       ${card.kind}, ${bytes} bytes of weights, on ${card.backend}`,
    `data       ${data.series.length} series, ${isoTime(data.from)} to ${isoTime(data.to)}, hash ${data.hash.slice(0, 12)}`,
    `code       ${code.version}, build ${code.build}; seed ${card.seed}`,
    `answers    levels ${card.levels.join(', ')} up to ${card.horizon} s ahead`,
    `settings   ${settings.join(', ')}`,
    ...describeFigures(card.metrics),
    ...describeTrials(card.search),
  ];
}

/** How the settings were chosen: one line a fit, the best of each effort first. */
function describeTrials(search: CardSearch | undefined): string[] {
  if (search === undefined) return [];
  const { fits, validation, trials } = search;
  const from = search.class === null ? 'no class in particular' : `what suits ${search.class}`;
  const sorted = [...trials].sort((a, b) => b.effort - a.effort || (a.loss ?? Infinity) - (b.loss ?? Infinity));
  return [
    `search     ${trials.length} fits of ${fits}, from ${from}, judged on ${isoTime(validation.from)} to ${isoTime(validation.to)}`,
    ...sorted.map(({ kind, hyperParameters, effort, loss }) => {
      const settings = Object.entries(hyperParameters).map(([name, value]) => `${name} ${rounded(value)}`);
      const share = effort === 1 ? 'whole' : `${Math.round(100 * effort)} %`;
      const end = loss === null ? 'came to no end' : `WQL ${loss.toPrecision(4)}`;
      return `           ${end}, ${share} of a fit: ${kind} ${settings.length === 0 ? 'as usual' : settings.join(', ')}`;
    }),
  ];
}

const rounded = (value: HyperParameters[string]): string =>
  typeof value === 'number' ? String(Number(value.toPrecision(4))) : String(value);

/** Losses, and coverage beside the level that it should reach. */
export function describeFigures(metrics: ModelMetrics | null): string[] {
  if (metrics === null) return ['figures    none: too little data was held back'];
  const { rmse, mae, r2, mase, wql, coverage, origins } = metrics;
  const figures = Object.entries({ WQL: wql, MASE: mase, RMSE: rmse, MAE: mae, 'R²': r2 });
  return [
    `figures    ${figures.map(([name, value]) => `${name} ${value.toPrecision(4)}`).join(', ')} from ${origins} origins`,
    `coverage   ${coverage.map(({ level, reached }) => `${level}: ${reached.toFixed(3)}`).join(', ')}`,
  ];
}
