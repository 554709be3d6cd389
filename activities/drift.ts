import type { AccountForecast, SeriesForecast } from '../src/domain/forecast.js';

/**
 * Told when the forecasts of an account begin to miss: whoever trains models wants to know.
 * @param series by account, workload and component: whose telling may be known already.
 */
export type TellDrift = (account: string, reason: string, series: string[]) => Promise<void>;

/**
 * Watches forecasts: a gate that closes says that demand has left what the models knew, errors that have grown for long say
 * so earlier. Each series is told once, and again only after both were over; a restarted worker may tell once more, which
 * the receiver bears.
 */
export function createDriftWatch(tell: TellDrift): (forecast: AccountForecast) => Promise<void> {
  const told = new Set<string>();
  return async ({ account, series }) => {
    const news: { key: string; words: string }[] = [];
    for (const one of series) {
      const key = `${account}/${one.workload}/${one.component}`;
      const trouble = troubleOf(one);
      if (trouble === null) told.delete(key);
      else if (!told.has(key)) news.push({ key, words: `${one.workload}/${one.component}: ${trouble}` });
    }
    if (news.length === 0) return;
    for (const { key } of news) told.add(key);
    const some = news.slice(0, 3).map(({ words }) => words);
    try {
      await tell(
        account,
        `forecasts of ${account} miss (${some.join('; ')})`,
        news.map(({ key }) => key),
      );
    } catch (error) {
      // Nobody heard it: the next forecast says it again.
      for (const { key } of news) told.delete(key);
      throw error;
    }
  };
}

function troubleOf({ gate, drift, data }: SeriesForecast): string | null {
  if (data === 'cold') return null;
  if (!gate.open) return gate.reason ?? 'its coverage is off';
  return drift === undefined ? null : `its errors are ${drift.times.toFixed(1)} × what they used to be`;
}
