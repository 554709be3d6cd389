import { nearestShare, placeable, placementRoom } from './placement-room.js';

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
  const { weights, ...asked } = STRATEGY_SETTINGS[strategy];
  const preset = { ...asked, ...attainable(asked, written) };
  const own = written['weights'];
  return { ...preset, ...written, weights: own === undefined ? weights : isRecord(own) ? { ...weights, ...own } : own };
}

/**
 * The strategy's shares of zones and spot as far as the file's pools can give them together: what survives a zone is lowered to
 * what the others can hold; where a workload asks for that itself, the strategy's shares of spot make room for it.
 */
function attainable(
  asked: Omit<StrategySettings, 'weights'>,
  written: Record<string, unknown>,
): Partial<StrategySettings> {
  const pools = recordsOf(written['pools']).filter((pool) => pool['max'] !== 0);
  const places = pools.map((pool, index) => ({
    zone:
      pool['zone'] === undefined
        ? `pool ${index}`
        : ['provider', 'region', 'zone'].map((key) => String(pool[key] ?? '')).join('/'),
    spot: pool['capacityType'] === 'spot',
  }));
  if (places.length === 0) return {};
  const numberAt = (key: 'surviveZone' | 'spotMaxShare' | 'spotMarketMaxShare'): number =>
    typeof written[key] === 'number' ? written[key] : asked[key];
  const own = {
    surviveZone: numberAt('surviveZone'),
    spotMaxShare: numberAt('spotMaxShare'),
    spotMarketMaxShare: numberAt('spotMarketMaxShare'),
  };
  const stated = recordsOf(written['workloads']).flatMap(({ surviveZone }) =>
    typeof surviveZone === 'number' ? [surviveZone] : [],
  );
  const needed = Math.max(0, ...stated, ...(typeof written['surviveZone'] === 'number' ? [own.surviveZone] : []));
  for (const key of ['spotMarketMaxShare', 'spotMaxShare'] as const) {
    if (written[key] !== undefined) continue;
    own[key] = nearestShare(own[key], 1, (share) => {
      // The share of one market makes room as if that of all spot did, which comes after it.
      const later = key === 'spotMarketMaxShare' && written['spotMaxShare'] === undefined ? { spotMaxShare: 1 } : {};
      const shares = { ...own, ...later, surviveZone: needed, [key]: share };
      // What no share of this kind makes room for is for another limit to give.
      return placementRoom(places, shares) >= placementRoom(places, { ...shares, [key]: 1 }) - 1e-9;
    });
  }
  if (written['surviveZone'] === undefined) {
    own.surviveZone = nearestShare(own.surviveZone, 0, (share) => placeable(places, { ...own, surviveZone: share }));
  }
  return own;
}

const recordsOf = (value: unknown): Record<string, unknown>[] =>
  Array.isArray(value) ? (value as unknown[]).filter(isRecord) : [];

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
