import { z } from 'zod';
import { createProfile, NO_PEERS, type BehaviorProfile } from '../src/behavior/profile/profile.js';
import type { AccountPolicy } from '../src/domain/account.js';
import { actionsOf } from '../src/domain/actions.js';
import type { DataSetNeed } from '../src/domain/plan.js';
import type { EpochSeconds } from '../src/domain/time.js';
import type { BehaviorSource } from '../src/telemetry/events/port.js';

/*
 * The prefetch list of the loop: which data sets will be read in the hour that an action prepares for. Profiles are kept
 * for accounts whose file asks for it, and made anew once a day, which also brings in what came late.
 */

const HOUR = 3600;
const DAY = 86_400;
const WEEK = 7 * DAY;
/** As `headroom behavior` reads: older rows hardly count. */
const WEEKS = 8;
const MOST_ROWS = 200_000;
/** A bin of events closes and arrives within so long after its end; later rows come with tomorrow's profile. */
const SETTLED = 1800;

/** Accounts whose profiles are kept; the one asked for longest ago goes first. */
const MOST_ACCOUNTS = 500;

interface Kept {
  profile: BehaviorProfile;
  builtAt: EpochSeconds;
  /** Rows before this moment are in. */
  until: EpochSeconds;
  timeZone: string;
  /** By action and hour: what was said. */
  said: Map<string, DataSetNeed>;
}

export interface DataSets {
  /** For each action of the policy that asked: what is likely to be read in the hour that it prepares for now. */
  of(account: string, policy: AccountPolicy, at: EpochSeconds, signal: AbortSignal): Promise<DataSetNeed[]>;
}

/** @param source where rows of behaviour are read. */
export function createDataSets(source: BehaviorSource): DataSets {
  const accounts = new Map<string, Kept>();

  async function advance(account: string, kept: Kept, to: EpochSeconds, signal: AbortSignal): Promise<void> {
    for (let from = kept.until; from < to; from = Math.min(to, from + WEEK)) {
      const query = { account, from, to: Math.min(to, from + WEEK), limit: MOST_ROWS };
      kept.profile.add(await source.readEvents(query, signal));
      kept.until = query.to;
    }
    kept.profile.close(to);
  }

  async function profileOf(account: string, timeZone: string, at: EpochSeconds, signal: AbortSignal): Promise<Kept> {
    const to = Math.floor((at - SETTLED) / HOUR) * HOUR;
    const known = accounts.get(account);
    const isGood = known !== undefined && known.timeZone === timeZone && at < known.builtAt + DAY && known.until <= to;
    const kept = isGood
      ? known
      : { profile: createProfile({ timeZone }), builtAt: at, until: to - WEEKS * WEEK, timeZone, said: new Map() };
    // A read that fails midway leaves a half-fed profile behind: it counts only when all of it is in.
    accounts.delete(account);
    await advance(account, kept, to, signal);
    accounts.set(account, kept);
    const oldest = accounts.keys().next().value;
    if (accounts.size > MOST_ACCOUNTS && oldest !== undefined) accounts.delete(oldest);
    return kept;
  }

  return {
    async of(account, policy, at, signal) {
      const asked = policy.workloads.flatMap((workload) =>
        actionsOf(workload).flatMap(({ action, ahead, dataSets }) =>
          dataSets === undefined
            ? []
            : [{ workload: workload.name, action, from: Math.floor((at + ahead) / HOUR) * HOUR, ...dataSets }],
        ),
      );
      if (asked.length === 0) {
        accounts.delete(account);
        return [];
      }
      const keyOf = (one: (typeof asked)[number]): string => JSON.stringify(one);
      const known = accounts.get(account);
      if (known === undefined || asked.some((one) => !known.said.has(keyOf(one)))) {
        const kept = await profileOf(account, policy.timeZone, at, signal);
        // What came since the last settled hour says what is being read now; it is not learnt from yet.
        const fresh = await source.readEvents({ account, from: kept.until, to: at, limit: MOST_ROWS }, signal);
        const present = createProfile({ timeZone: policy.timeZone }, NO_PEERS, kept.profile.state());
        present.add(fresh);
        kept.said.clear();
        for (const one of asked) {
          const { workload, action, from, atLeast, most } = one;
          const list = present.prefetch({ at: from, most: Number.POSITIVE_INFINITY, atLeast: 0 });
          const likely = list.filter(({ probability }) => probability >= atLeast).slice(0, most);
          const short = ({ dataSet, probability }: (typeof list)[number]) => ({
            dataSet,
            probability: Number(probability.toFixed(3)),
          });
          const left = list[likely.length];
          const next = left === undefined ? null : short(left);
          kept.said.set(keyOf(one), { workload, action, from, dataSets: likely.map(short), next });
        }
      }
      const { said } = accounts.get(account) ?? { said: new Map<string, DataSetNeed>() };
      return asked.flatMap((one) => said.get(keyOf(one)) ?? []);
    },
  };
}

const named = z.object({ dataSet: z.string(), probability: z.number() });
const planSchema = z.object({
  dataSets: z.array(z.object({ workload: z.string(), action: z.string(), dataSets: z.array(named) })),
});

/** What the record of a plan tells an action of data sets, the likeliest first; none where it was told nothing. */
export function toldOf(body: unknown, workload: string, action: string): string[] {
  const told = planSchema.safeParse(body).data?.dataSets ?? [];
  const own = told.find((one) => one.workload === workload && one.action === action);
  return own?.dataSets.map(({ dataSet }) => dataSet) ?? [];
}
