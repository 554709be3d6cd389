/*
 * Strategies: presets of settings that every account file has anyway. A strategy decides nothing that a file could not;
 * what the file says itself wins over it.
 */

export const STRATEGIES = ['cheapest', 'balanced', 'safest'] as const;
export type Strategy = (typeof STRATEGIES)[number];

export interface StrategySettings {
  level: number;
  hysteresis: number;
  spotMaxShare: number;
  spotMarketMaxShare: number;
  surviveZone: number;
  weights: { shortfall: number; churn: number; priceRisk: number };
}

export const STRATEGY_SETTINGS: Record<Strategy, StrategySettings> = {
  cheapest: {
    ...{ level: 0.95, hysteresis: 0.02, spotMaxShare: 1, spotMarketMaxShare: 1, surviveZone: 0 },
    weights: { shortfall: 0.5, churn: 0.5, priceRisk: 0 },
  },
  balanced: {
    ...{ level: 0.99, hysteresis: 0.05, spotMaxShare: 0.5, spotMarketMaxShare: 0.34, surviveZone: 0.33 },
    weights: { shortfall: 1, churn: 1, priceRisk: 0.5 },
  },
  safest: {
    ...{ level: 0.999, hysteresis: 0.1, spotMaxShare: 0.2, spotMarketMaxShare: 0.1, surviveZone: 0.5 },
    weights: { shortfall: 4, churn: 2, priceRisk: 1 },
  },
};

/** An account file as written, with what its strategy says where it says nothing itself. What is no file is left alone. */
export function withStrategy(written: unknown): unknown {
  if (!isRecord(written)) return written;
  const strategy = STRATEGIES.find((one) => one === written['strategy']);
  if (strategy === undefined) return written;
  const { weights, ...preset } = STRATEGY_SETTINGS[strategy];
  const own = written['weights'];
  return { ...preset, ...written, weights: own === undefined ? weights : isRecord(own) ? { ...weights, ...own } : own };
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
