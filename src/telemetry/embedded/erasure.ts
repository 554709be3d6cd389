import { z } from 'zod';
import { SHORTEST_ID, withoutId } from '../../behavior/labels.js';
import type { Holdings, StoreErasure } from '../erasure.js';
import { PREFETCH } from '../../domain/plan.js';
import { RECORD_KINDS } from '../port.js';
import type { Database } from './database.js';
import { storeError } from './errors.js';
import type { SeriesRegistry } from './series-registry.js';
import type { Session } from './session.js';
import { snapshotSetSchema } from './windows.js';
import type { WriteQueue } from './write-queue.js';

const LABELS = ['name', 'detail', 'grp'] as const;
const kindSchema = z.enum(RECORD_KINDS);

async function setsOf(session: Session, account: string): Promise<string[]> {
  const rows = await session.rows('SELECT id, body FROM snapshot_sets');
  return rows
    .filter(([, body]) => snapshotSetSchema.parse(JSON.parse(String(body))).account === account)
    .map(([id]) => String(id));
}

async function count(session: Session, account: string): Promise<Holdings> {
  const series = await session.rows(
    `SELECT kind, workload, name, count(samples.series), max(samples.ts) FROM series LEFT JOIN samples ON samples.series = series.id
     WHERE account = $1 GROUP BY series.id, kind, workload, name ORDER BY kind, workload, name`,
    [account],
  );
  const total = async (table: string): Promise<number> => {
    const [row] = await session.rows(`SELECT count(*) FROM ${table} WHERE account = $1`, [account]);
    return Number(row?.[0] ?? 0);
  };
  const records = await session.rows(
    'SELECT kind, count(*) FROM records WHERE account = $1 GROUP BY kind ORDER BY kind',
    [account],
  );
  const [newest] = await session.rows('SELECT max(ts + width) FROM behavior WHERE account = $1', [account]);
  return {
    series: series.map(([kind, workload, name, samples, last]) => ({
      kind: kind === 'metric' ? 'metric' : 'usage',
      workload: String(workload),
      name: String(name),
      samples: Number(samples),
      last: last === null ? null : Number(last),
    })),
    behavior: await total('behavior'),
    lastEvent: typeof newest?.[0] === 'number' ? newest[0] : null,
    closings: await total('behavior_parts'),
    records: Object.fromEntries(records.map(([kind, number]) => [kindSchema.parse(kind), Number(number)])),
    snapshots: (await setsOf(session, account)).length,
  };
}

const planSchema = z.looseObject({
  dataSets: z.array(z.looseObject({ dataSets: z.array(z.looseObject({ dataSet: z.string() })) })),
  reasons: z.array(z.looseObject({ binding: z.looseObject({ constraint: z.string() }) })),
});

/** Plans name the data sets that actions were told of: all of that goes where one name has the id as a word. */
async function scrubPlans(session: Session, id: string): Promise<number> {
  const found = await session.rows(
    `SELECT id, body FROM records WHERE kind = 'plan' AND contains(body, '"dataSets"') AND contains(lower(body), lower($1))`,
    [id],
  );
  let plans = 0;
  for (const [planId, body] of found) {
    const { data: plan } = planSchema.safeParse(JSON.parse(String(body)));
    if (plan === undefined) continue;
    const words = [
      ...plan.dataSets.flatMap(({ dataSets }) => dataSets.map(({ dataSet }) => dataSet)),
      // The likeliest that was left out stands in the reasons, too.
      ...plan.reasons.filter(({ binding }) => binding.constraint === PREFETCH).map((reason) => JSON.stringify(reason)),
    ];
    if (words.every((text) => withoutId(id, text) === text)) continue;
    const { dataSets: _, ...rest } = plan;
    const clean = { ...rest, reasons: plan.reasons.filter(({ binding }) => binding.constraint !== PREFETCH) };
    await session.query(`UPDATE records SET body = $1 WHERE kind = 'plan' AND id = $2`, [
      JSON.stringify(clean),
      String(planId),
    ]);
    plans += 1;
  }
  return plans;
}

/**
 * Removes what the file has of an account, in one transaction.
 * @param forget drops what other parts of the store keep of it in memory.
 */
export function createErasure(
  database: Database,
  queue: WriteQueue,
  registry: SeriesRegistry,
  forget: (account: string) => void,
): StoreErasure {
  return {
    holdings: (account) =>
      database.read(`looking at what there is of ${account}`, undefined, (session) => count(session, account)),

    async eraseAccount(account) {
      const action = `erasing ${account}`;
      const removed = await queue.run(action, async ({ session, onCommit }) => {
        const held = await count(session, account);
        const sets = await setsOf(session, account);
        await session.query(
          'DELETE FROM samples USING series WHERE samples.series = series.id AND series.account = $1',
          [account],
        );
        for (const id of sets) await session.query('DELETE FROM snapshot_sets WHERE id = $1', [id]);
        for (const table of ['series', 'retained', 'records', 'behavior', 'behavior_parts']) {
          await session.query(`DELETE FROM ${table} WHERE account = $1`, [account]);
        }
        // What the fleet works on names its accounts; the next cycle makes it anew.
        await session.query(`DELETE FROM records WHERE kind IN ('fleet-plan', 'fleet-work') AND contains(body, $1)`, [
          JSON.stringify(account),
        ]);
        onCommit(() => {
          registry.removeAccount(account);
          forget(account);
        });
        return held;
      });
      // Otherwise what was removed would stand in the write-ahead log until the next checkpoint.
      await queue.between(action, (session) => session.query('CHECKPOINT'));
      return removed;
    },

    async scrubLabels(id) {
      const action = 'removing an id from labels';
      if (id.length < SHORTEST_ID) {
        throw storeError('invalid-input', action, `it is shorter than ${SHORTEST_ID} characters`, 'it is in no label');
      }
      const scrubbed = await queue.run(action, async ({ session }) => {
        let rows = 0;
        const accounts = new Set<string>();
        for (const column of LABELS) {
          const found = await session.rows(
            `SELECT DISTINCT ${column} FROM behavior WHERE contains(lower(${column}), lower($1)) OR contains(${column}, $1)`,
            [id],
          );
          for (const [label] of found) {
            const clean = withoutId(id, String(label));
            if (clean === label) continue;
            const touched = await session.rows(`SELECT DISTINCT account FROM behavior WHERE ${column} = $1`, [
              String(label),
            ]);
            for (const [account] of touched) accounts.add(String(account));
            const { rowsChanged } = await session.query(`UPDATE behavior SET ${column} = $1 WHERE ${column} = $2`, [
              clean,
              String(label),
            ]);
            rows += rowsChanged;
          }
        }
        let profiles = 0;
        for (const account of accounts) {
          const { rowsChanged } = await session.query(`DELETE FROM records WHERE kind = 'profile' AND account = $1`, [
            account,
          ]);
          profiles += rowsChanged;
        }
        return { rows, profiles, plans: await scrubPlans(session, id) };
      });
      if (scrubbed.rows + scrubbed.plans > 0) await queue.between(action, (session) => session.query('CHECKPOINT'));
      return scrubbed;
    },

    behaviorAccounts: () =>
      database.read('looking for accounts with events', undefined, async (session) => {
        const rows = await session.rows('SELECT DISTINCT account FROM behavior ORDER BY account');
        return rows.map(([account]) => String(account));
      }),
  };
}
