import { z } from 'zod';
import type { AccountPolicy, WorkloadPolicy } from '../domain/account.js';
import { targetWords, type MigrationOutcome, type MigrationOrder, type MigrationSurvey } from '../domain/migration.js';
import { carriedAcross, type ClusterMigrationOrder, type CrossedMove } from '../domain/cluster-migration.js';
import { carriedOver, givenUp, type Kept, type Move } from '../domain/moved.js';
import { isoTime } from '../domain/time.js';
import type { StoredRecord } from '../telemetry/port.js';
import { CommandFailure, EXIT } from './command.js';
import type { Session } from './session.js';

/** Records that are looked through, newest first. */
const MOST = 1000;

/** What the migration itself wrote; `backToFile`: who has set a policy that goes against it since. */
const bodySchema = z.looseObject({
  order: z.custom<Pick<MigrationOrder, 'workload' | 'number' | 'policyId'>>((order) => typeof order === 'object'),
  survey: z.custom<Pick<MigrationSurvey, 'copy' | 'target'>>((survey) => typeof survey === 'object' && survey !== null),
  outcome: z.custom<MigrationOutcome>().nullable(),
  backToFile: z.string().optional(),
});
const policySchema = z.object({
  workloads: z.array(z.custom<WorkloadPolicy>((one) => typeof one === 'object' && one !== null)),
});

/** The same of a move to another cluster. */
const crossingSchema = z.looseObject({
  crossing: z.custom<ClusterMigrationOrder>((order) => typeof order === 'object' && order !== null),
  outcome: z.custom<MigrationOutcome>().nullable(),
  backToFile: z.string().optional(),
});

export interface Carried {
  policy: AccountPolicy;
  kept: Kept[];
  /** The move that brought the account to another cluster than its file says; null where none did. */
  across: CrossedMove | null;
  /** Notes the migrations that the policy goes against: they are carried over no more. Once the policy is in force. */
  settle(): Promise<void>;
}

/**
 * The policy of a file with its workloads where migrations on record have brought them.
 * @param inForce the policy that runs; null where the account is started.
 * @throws CommandFailure (refused) where the file has no such pool any more.
 */
export async function whereMoved(
  session: Session,
  file: AccountPolicy,
  inForce: AccountPolicy | null,
  backToFile: boolean,
): Promise<Carried> {
  const records = (await session.store?.listRecords('migration', file.account, { limit: MOST })) ?? [];
  const found = await movesOf(session, records);
  const crossings = crossingsOf(records);
  const moves = found.map(({ move }) => move);
  const crossed = backToFile
    ? { policy: file, move: null }
    : carriedAcross(
        file,
        crossings.map(({ move }) => move),
        inForce,
      );
  const { policy, kept } = backToFile ? { policy: file, kept: [] } : carriedOver(crossed.policy, moves, inForce);
  for (const { workload, move } of kept) {
    const { pool } = move.to;
    if (pool === null || crossed.policy.pools.some(({ name }) => name === pool)) continue;
    throw new CommandFailure(
      EXIT.refused,
      `${movedWords({ workload, move })}, and the file has no pool "${pool}": keep that pool, say in the file where ${workload} is (target, pools), or give --back-to-file`,
    );
  }
  return {
    policy,
    kept,
    across: crossed.move,
    async settle() {
      const newest = crossings.filter(({ move }) => move.endedAt !== null).sort((a, b) => b.move.at - a.move.at)[0];
      if (newest !== undefined && newest.move.to.cluster !== policy.cluster) {
        for (const { record } of crossings) {
          await session.store?.putRecord({ ...record, body: { ...record.body, backToFile: session.author } });
        }
      }
      const against = new Set(givenUp(policy, moves).map(({ id }) => id));
      for (const { record, move } of found) {
        if (!against.has(move.id)) continue;
        await session.store?.putRecord({ ...record, body: { ...record.body, backToFile: session.author } });
      }
    },
  };
}

/** `api runs as api-1 on pool spot since migration shop/api/1 (2026-06-01T10:00:00Z)`. */
const movedWords = ({ workload, move: { id, copy, to, endedAt } }: Kept): string =>
  `${workload} runs as ${copy} on ${targetWords(to)} since migration ${id}${endedAt === null ? '' : ` (${isoTime(endedAt)})`}`;

/** A line each, for people. */
export const keptLines = ({ kept, across, policy }: Pick<Carried, 'kept' | 'across' | 'policy'>): string[] => [
  ...(across === null
    ? []
    : [
        `  ${policy.account} is in cluster ${policy.cluster} since migration ${across.id}${across.endedAt === null ? '' : ` (${isoTime(across.endedAt)})`}: kept; change the file, or give --back-to-file`,
      ]),
  ...kept.map((one) => `  ${movedWords(one)}: kept; change the file, or give --back-to-file`),
];

/** The same for machines. */
export const keptJson = (kept: readonly Kept[]): { workload: string; migration: string; as: string; on: string }[] =>
  kept.map(({ workload, move: { id, copy, to } }) => ({ workload, migration: id, as: copy, on: targetWords(to) }));

type Found = { record: StoredRecord & { body: z.output<typeof bodySchema> }; move: Move };

/** Migrations that moved a workload, or may have; without those that a later policy went against. */
async function movesOf({ store }: Session, records: readonly StoredRecord[]): Promise<Found[]> {
  const found: Found[] = [];
  for (const record of records) {
    const body = bodySchema.safeParse(record.body).data;
    if (body === undefined || body.backToFile !== undefined) continue;
    const { order, survey, outcome } = body;
    if (outcome !== null && outcome.result !== 'moved') continue;
    const before = policySchema.safeParse((await store?.getRecord('account', order.policyId))?.body).data;
    const was = before?.workloads.find(({ name }) => name === order.workload);
    found.push({
      record: { ...record, body },
      move: {
        ...{ id: record.id, workload: order.workload, number: order.number },
        ...{ copy: survey.copy.name, to: survey.target, endedAt: outcome?.endedAt ?? null },
        from: was === undefined ? null : { target: was.target, pools: was.pools },
      },
    });
  }
  return found;
}

type FoundCrossing = { record: StoredRecord & { body: z.output<typeof crossingSchema> }; move: CrossedMove };

/** Moves to another cluster that happened, or may have; without those that a later policy went against. */
function crossingsOf(records: readonly StoredRecord[]): FoundCrossing[] {
  return records.flatMap((record) => {
    const body = crossingSchema.safeParse(record.body).data;
    if (body === undefined || body.backToFile !== undefined) return [];
    const { crossing, outcome } = body;
    if (outcome !== null && outcome.result !== 'moved') return [];
    const move = {
      id: record.id,
      at: record.at,
      from: crossing.from,
      to: crossing.to,
      endedAt: outcome?.endedAt ?? null,
    };
    return [{ record: { ...record, body }, move }];
  });
}
