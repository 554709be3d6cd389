import { HeadroomError } from '../../src/domain/errors.js';
import type { FitForecaster } from '../../src/forecast/port.js';

/**
 * The smallest forecaster that obeys the port: the empirical quantile of the last day's known bins at every horizon. It
 * keeps what it was told, so that a test can see that nothing else reached it.
 */
export function createNaiveFit(settings: { open?: () => boolean } = {}): {
  fit: FitForecaster;
  told: { fits: number; labels: number[]; values: number[]; censored: boolean[] };
} {
  const told = { fits: 0, labels: new Array<number>(), values: new Array<number>(), censored: new Array<boolean>() };
  const fit: FitForecaster = (series, options) => {
    const known = [...series.values].filter((value) => !Number.isNaN(value));
    if (known.length === 0) {
      throw new HeadroomError({
        kind: 'invalid-input',
        component: 'forecast',
        action: 'fitting',
        problem: 'no bin is known',
        remedy: 'check it',
      });
    }
    told.fits += 1;
    let lastBin = series.start + (series.values.length - 1) * series.step;
    const length = Math.round(86_400 / series.step);
    const quantile = (level: number): number => {
      const ascending = known.slice(-length).sort((a, b) => a - b);
      return ascending[Math.min(ascending.length - 1, Math.floor(level * ascending.length))] ?? 0;
    };
    return {
      get lastBin() {
        return lastBin;
      },
      data: 'fresh',
      observe(label, value, censored) {
        lastBin = label;
        told.labels.push(label);
        told.values.push(value);
        told.censored.push(censored);
        if (!Number.isNaN(value)) known.push(value);
      },
      forecast: (horizon, levels) => ({
        origin: lastBin,
        step: series.step,
        levels: [...levels],
        quantiles: Array.from({ length: horizon }, () => levels.map(quantile)),
        weights: { naive: 1 },
      }),
      forecastAll: () => [],
      drift: () => null,
      gate: () => ({
        open: settings.open?.() ?? true,
        level: options.level,
        scored: 0,
        misses: 0,
        coverage: null,
      }),
    };
  };
  return { fit, told };
}
