import { systemForecast, systemGrid, type SystemAccount, type SystemForecast } from '../decide/system.js';
import type { AccountPolicy } from '../domain/account.js';
import { HeadroomError } from '../domain/errors.js';
import type { AccountForecast } from '../domain/forecast.js';
import { formatDuration, isoTime } from '../domain/time.js';
import type { Store } from '../telemetry/port.js';
import { resolveTarget } from '../temporal/connection.js';
import { printJson, type Terminal } from './command.js';
import { findStore } from './find-store.js';
import { readable } from './readable.js';
import { createTable } from './table.js';

/** Past usage that says how accounts rise and fall together: a fortnight has every weekday twice. */
const PAST = 14 * 86_400;
/** Accounts whose usage is read at once. */
const AT_ONCE = 4;

/** What {@link readSystem} reads; it writes nothing. */
export type SystemStore = Pick<Store, 'newestRecords' | 'listRecords' | 'getRecord' | 'readUsage'>;

/**
 * The load of all accounts, from their newest forecasts in the store and their past usage.
 * @throws HeadroomError `not-found` where no account has a forecast.
 */
export async function readSystem(
  store: SystemStore,
  options: { horizon: number; levels: readonly number[]; seed: number },
  signal: AbortSignal,
): Promise<SystemForecast> {
  const newest = await store.newestRecords('forecast');
  const found: { forecast: AccountForecast; policy: AccountPolicy | null }[] = [];
  for (const { account } of newest.sort((a, b) => a.account.localeCompare(b.account))) {
    const [record] = await store.listRecords('forecast', account, { limit: 1 });
    if (record === undefined) continue;
    const forecast = record.body as AccountForecast;
    const policy =
      forecast.policyId === undefined
        ? (await store.listRecords('account', account, { limit: 1 }))[0]
        : await store.getRecord('account', forecast.policyId);
    found.push({ forecast, policy: (policy?.body ?? null) as AccountPolicy | null });
  }
  if (found.length === 0) {
    throw new HeadroomError({
      kind: 'not-found',
      component: 'cli/forecast',
      action: 'adding up the forecasts of all accounts',
      problem: 'the store has none',
      remedy: '`headroom start` starts an account; its first cycle writes one',
    });
  }
  const grid = systemGrid(
    found.map(({ forecast }) => forecast),
    options.horizon,
  );
  const accounts: SystemAccount[] = [];
  for (let first = 0; first < found.length; first += AT_ONCE) {
    const some = found.slice(first, first + AT_ONCE).map(async (one): Promise<SystemAccount> => {
      const series = one.forecast.series.map(({ workload, component }) => ({ workload, component }));
      if (series.length === 0 || grid.step === 0) return { ...one, usage: [] };
      const to = grid.origin + grid.step;
      const query = { account: one.forecast.account, series, from: to - PAST, to, step: grid.step };
      const window = await store.readUsage(query, signal);
      return { ...one, usage: window.series };
    });
    accounts.push(...(await Promise.all(some)));
  }
  return systemForecast(accounts, grid, options);
}

/** `headroom forecast --system`. */
export async function printSystem(
  options: { horizon: number; levels: readonly number[]; json?: true },
  terminal: Terminal,
): Promise<void> {
  const { runtime } = await resolveTarget(terminal.env);
  const store = findStore(terminal.env, runtime);
  if (store === null) {
    throw new HeadroomError({
      kind: 'unavailable',
      component: 'cli/forecast',
      action: 'adding up the forecasts of all accounts',
      problem: 'no store is known here',
      remedy: 'start `headroom dev` or a worker, or set HEADROOM_STORE_URL and HEADROOM_STORE_TOKEN',
    });
  }
  try {
    const system = await readSystem(store, { ...options, seed: 1 }, AbortSignal.timeout(300_000));
    if (options.json === true) printJson(terminal, { ...system, origin: isoTime(system.origin) });
    else print(system, terminal);
  } finally {
    await store.close();
  }
}

function print(system: SystemForecast, terminal: Terminal): void {
  const { color } = terminal;
  const names = system.levels.map((level) => `p${+(level * 100).toFixed(3)}`);
  for (const one of system.components) {
    terminal.out(
      `${color.bold(one.component)} in ${one.unit}: ${one.series} series of ${one.accounts} account(s), ` +
        `bins of ${formatDuration(system.step)}`,
    );
    const table = createTable(['bin', ...names]);
    one.quantiles.forEach((row, index) => {
      table.push([isoTime(system.origin + (index + 1) * system.step), ...row.map(readable)]);
    });
    table.push(['mean of all bins', ...one.mean.map(readable)]);
    table.push(['covers all bins', ...one.covering.map(readable)]);
    terminal.out(table.toString());
    terminal.out(color.dim(`each series by itself would ask for ${readable(one.apart)} at ${names.at(-1) ?? ''}`));
  }
  for (const { account, workload, component, reason } of system.missing) {
    const what = [account, workload, component].filter((part) => part !== undefined).join('/');
    terminal.err(color.yellow(`not in it: ${what}: ${reason}`));
  }
}
