import type { AccountPolicy } from '../domain/account.js';
import type { PlanSettings } from '../domain/plan.js';

/** What an account's strategy came to, with what the file says itself and what nobody said. */
export const settingsOf = (policy: AccountPolicy): PlanSettings => ({
  strategy: policy.strategy ?? null,
  level: policy.level,
  hysteresis: policy.hysteresis,
  spotMaxShare: policy.spotMaxShare,
  spotMarketMaxShare: policy.spotMarketMaxShare ?? 1,
  surviveZone: policy.surviveZone ?? 0,
  weights: { shortfall: 1, churn: 1, priceRisk: 0, ...policy.weights },
});
