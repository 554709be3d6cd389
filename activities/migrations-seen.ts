import { z } from 'zod';
import type { Dependencies } from './dependencies.js';
import { translated } from './failures.js';
import type { Activities } from './types.js';

/** What is read of a record: what the migration wrote of its own end. */
const recordSchema = z.object({
  outcome: z.object({ result: z.string(), detail: z.string(), endedAt: z.number() }).nullable().catch(null),
});
/** Records that are looked through; older ones bear neither numbers nor rests that still count. */
const MOST = 1000;

/** An account's migrations as the store has them: what it may begin, and what became of what it began. */
export function createMigrationsSeen(
  deps: Pick<Dependencies, 'store' | 'histories'>,
): Pick<Activities, 'lookAtMigrations'> {
  return {
    lookAtMigrations: ({ account, workload, began }) =>
      translated(async () => {
        const records = await deps.store.listRecords('migration', account, { limit: MOST });
        const running: string[] = [];
        let last = 0;
        let endedAt: number | null = null;
        let outcome: { result: string; detail: string; endedAt: number } | null = null;
        for (const { id, body } of records) {
          const ended = recordSchema.safeParse(body).data?.outcome ?? null;
          // One that was terminated has no end on record, and runs no more.
          if (ended === null && (await deps.histories.isRunning(`migration/${id}`))) running.push(id);
          if (id === began) outcome = ended;
          if (!id.startsWith(`${account}/${workload}/`)) continue;
          last = Math.max(last, Number(id.split('/').at(-1)) || 0);
          if (ended !== null) endedAt = Math.max(endedAt ?? 0, ended.endedAt);
        }
        const known = began === null || records.some(({ id }) => id === began);
        if (!known && (await deps.histories.isRunning(`migration/${began}`))) running.push(began);
        return { running, last, endedAt, outcome };
      }),
  };
}
