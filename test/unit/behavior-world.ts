import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { BehaviorRow } from '../../src/behavior/events.js';

/* Accounts whose true rates are known, as the rows that the door would store of them. */

export const MONDAY = 1_780_272_000; // 2026-06-01T00:00:00Z
export const HOUR = 3600;
export const WEEK = 604_800;

export function randomOf(seed: number) {
  const generator = xoroshiro128plus(seed);
  const uniform = (): number => 1 - uniformFloat64(generator);
  const normal = (): number => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  const poisson = (mean: number): number => {
    if (mean > 60) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal()));
    const limit = Math.exp(-mean);
    let product = uniform();
    let count = 0;
    while (product > limit) {
      product *= uniform();
      count += 1;
    }
    return count;
  };
  return { uniform, normal, poisson };
}

export const row = (more: Partial<BehaviorRow> & Pick<BehaviorRow, 'at'>): BehaviorRow => ({
  ...{ kind: 'operation', width: HOUR, name: 'query', detail: null, group: null, merged: [], users: 9, events: 1 },
  ...{ complexity: null, sessions: null, inputRate: null, ...more },
});

export interface WorldOperation {
  name: string;
  /** Events an hour at its height. */
  peak: number;
  group?: string;
  /** Variance over mean; 1 is Poisson's. */
  dispersion?: number;
}

/** Office hours with a peak at eleven, little at night, a quarter of it at the weekend. */
export function office(at: number): number {
  const hour = Math.floor((at % 86_400) / HOUR);
  const day = Math.floor((at - MONDAY) / 86_400) % 7;
  const curve = hour < 7 || hour > 19 ? 0.05 : 1 - Math.abs(hour - 11) / 12;
  return curve * (day >= 5 ? 0.25 : 1);
}

export function simulate(
  operations: readonly WorldOperation[],
  options: { from?: number; hours: number; seed: number; scale?: number },
): BehaviorRow[] {
  const { poisson } = randomOf(options.seed);
  const rows: BehaviorRow[] = [];
  const from = options.from ?? MONDAY;
  for (let at = from; at < from + options.hours * HOUR; at += HOUR) {
    for (const { name, peak, group = null, dispersion = 1 } of operations) {
      const mean = peak * (options.scale ?? 1) * office(at);
      const events = dispersion * poisson(mean / dispersion);
      if (events > 0) rows.push(row({ at, name, group, events }));
    }
  }
  return rows;
}
