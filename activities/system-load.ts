import { z } from 'zod';
import { COMPONENTS } from '../src/domain/component.js';
import { isHeadroomError } from '../src/domain/errors.js';
import type { EpochSeconds } from '../src/domain/time.js';
import { systemLoadOf, type LoadedSeries, type SystemLoad } from '../src/forecast/system-load.js';
import type { Store } from '../src/telemetry/port.js';

/*
 * How busy the whole system is, for the trained models of any account: read from the store once an hour, and never what a
 * forecast fails by.
 */

const HOUR = 3600;
/** Four weeks that fits look back on, and a week before them to compare with. */
const PAST = 35 * 86_400;
/** Of more accounts so many, evenly among their names, say as much. */
const MOST_ACCOUNTS = 64;
const AT_ONCE = 4;

const policySchema = z.object({
  workloads: z.array(z.object({ name: z.string(), components: z.partialRecord(z.enum(COMPONENTS), z.unknown()) })),
});

type LoadStore = Pick<Store, 'newestRecords' | 'listRecords' | 'readUsage'>;

export interface SystemLoads {
  /**
   * Null where fewer than two accounts are there, or the store could not be read.
   * @param wait for the hour that is new; else what is known goes, and the new one is read meanwhile.
   */
  at(at: EpochSeconds, wait: boolean): Promise<SystemLoad | null>;
}

const PATIENCE_MS = 60_000;

export function createSystemLoads(store: LoadStore): SystemLoads {
  let hour = Number.NaN;
  let known: SystemLoad | null = null;
  let reading: Promise<void> | null = null;
  return {
    async at(at, wait) {
      const now = Math.floor(at / HOUR);
      if (now !== hour && reading === null) {
        reading = read(store, now * HOUR, AbortSignal.timeout(PATIENCE_MS))
          .then((load) => {
            known = load;
            hour = now;
          })
          // What was known goes on; the next forecast tries again.
          .catch(() => undefined)
          .finally(() => void (reading = null));
      }
      if (wait) await reading;
      return known;
    },
  };
}

async function read(store: LoadStore, to: EpochSeconds, signal: AbortSignal): Promise<SystemLoad | null> {
  const names = (await store.newestRecords('account')).map(({ account }) => account).sort();
  if (names.length < 2) return null;
  const stride = Math.max(1, names.length / MOST_ACCOUNTS);
  const some = Array.from({ length: Math.min(MOST_ACCOUNTS, names.length) }, (_, k) => names[Math.floor(k * stride)]);
  const all: LoadedSeries[] = [];
  for (let first = 0; first < some.length; first += AT_ONCE) {
    const parts = some.slice(first, first + AT_ONCE).flatMap((one) => (one === undefined ? [] : [one]));
    all.push(...(await Promise.all(parts.map((account) => usageOf(store, account, to, signal)))).flat());
  }
  return systemLoadOf(all);
}

async function usageOf(
  store: LoadStore,
  account: string,
  to: EpochSeconds,
  signal: AbortSignal,
): Promise<LoadedSeries[]> {
  const [record] = await store.listRecords('account', account, { limit: 1 });
  const policy = policySchema.safeParse(record?.body).data;
  const series = (policy?.workloads ?? []).flatMap(({ name, components }) =>
    COMPONENTS.filter((component) => components[component] !== undefined).map((component) => ({
      workload: name,
      component,
    })),
  );
  if (series.length === 0) return [];
  try {
    const window = await store.readUsage({ account, series, from: to - PAST, to, step: HOUR }, signal);
    return window.series.map((one) => one.series);
  } catch (error) {
    // Samples of more than an hour apart say nothing of an hour.
    if (isHeadroomError(error) && error.kind === 'invalid-input') return [];
    throw error;
  }
}
