import { isoTime } from '../domain/time.js';
import type { ModelCard, ModelMetrics } from '../models/card.js';

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
  ];
}

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
