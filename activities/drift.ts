import type { AccountForecast } from '../src/domain/forecast.js';

/** Told when the forecasts of an account begin to miss: whoever trains models wants to know. */
export type TellDrift = (account: string, reason: string) => Promise<void>;

/**
 * Watches the gates of forecasts: one that closes says that demand has left what the models knew. Told once when it
 * closes, and again only after it was open; a restarted worker may tell once more, which the receiver bears.
 */
export function createDriftWatch(tell: TellDrift): (forecast: AccountForecast) => Promise<void> {
  const closed = new Set<string>();
  return async ({ account, series }) => {
    const news: string[] = [];
    for (const { workload, component, gate, data } of series) {
      const key = `${account} ${workload} ${component}`;
      if (gate.open || data === 'cold') closed.delete(key);
      else if (!closed.has(key)) {
        closed.add(key);
        news.push(`${workload}/${component}: ${gate.reason ?? 'its coverage is off'}`);
      }
    }
    if (news.length > 0) await tell(account, `forecasts of ${account} miss (${news.slice(0, 3).join('; ')})`);
  };
}
