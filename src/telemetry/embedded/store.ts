import { z } from 'zod';
import { COMPONENTS, type Component } from '../../domain/component.js';
import type { Sample } from '../../domain/series.js';
import { binStart } from '../../domain/time.js';
import type { BehaviorStore } from '../events/port.js';
import type { StoreErasure } from '../erasure.js';
import type { KnownUsage, Snapshot, Store, UsageCatalogue, UsageQuery, UsageWindow } from '../port.js';
import { BEHAVIOR_SCHEMA, createBehavior } from './behavior.js';
import { createRetained, type Compaction } from './compaction.js';
import { openDatabase } from './database.js';
import { createErasure } from './erasure.js';
import { storeError } from './errors.js';
import { createRecords } from './records.js';
import { createSampleLog, orderSamples, visitRows, watermarkInFile, type RowVisitor } from './sample-log.js';
import { SCHEMA, SCHEMA_VERSION } from './schema.js';
import {
  createSeriesRegistry,
  keyOf,
  recentWatermark,
  refuseTooFine,
  type KnownSeries,
  type SeriesName,
  type SeriesRegistry,
} from './series-registry.js';
import { int, type Session } from './session.js';
import {
  createBinning,
  gridOf,
  parseSnapshotId,
  snapshotId,
  snapshotSetId,
  snapshotSetSchema,
  type SnapshotSet,
} from './windows.js';
import { covers, visitTail } from './tail.js';
import { createWriteQueue, type WriteQueue } from './write-queue.js';

const optionsSchema = z.strictObject({
  path: z.string().min(1),
  retentionDays: z.number().min(1).default(120),
  memoryLimit: z
    .string()
    .regex(/^\d+(\.\d+)?\s*(MB|GB|MiB|GiB)$/)
    .default('128MB'),
  threads: z.int().min(1).max(64).default(1),
});

export interface EmbeddedStoreOptions {
  /** The DuckDB file, made where there is none; `:memory:` for tests. */
  path: string;
  /** How much of the past {@link EmbeddedStore.compact} leaves. Default 120. */
  retentionDays?: number;
  /** What DuckDB may keep in memory, see {@link storeMemory}. Default 128MB. */
  memoryLimit?: string;
  /** Default 1: the reads of a cycle are too small to be shared, and the other cores have forecasts to make. */
  threads?: number;
}

export interface EmbeddedStore extends Store, BehaviorStore, StoreErasure, UsageCatalogue {
  /** Drops what is past retention; idempotent, and safe beside reads and writes. */
  compact(now: number): Promise<Compaction>;
}

/** The variable that says how much memory the store may take. */
export const STORE_MEMORY = 'HEADROOM_STORE_MEMORY';

/**
 * The memory limit that the environment asks for; none where it says nothing.
 * @throws HeadroomError `invalid-input` where it is no amount.
 */
export function storeMemory(env: NodeJS.ProcessEnv): { memoryLimit?: string } {
  const given = env[STORE_MEMORY]?.trim() ?? '';
  if (given === '') return {};
  const { success } = optionsSchema.shape.memoryLimit.safeParse(given);
  if (success) return { memoryLimit: given };
  throw storeError('invalid-input', `reading ${STORE_MEMORY}`, `"${given}" is no amount`, 'write it as 512MB or 1GB');
}

/**
 * The embedded store: one DuckDB file, owned by one process.
 * @throws HeadroomError `unavailable`: another process has the file, or the folder is not there; `invalid-input`: the
 * file is damaged; `full`: no space left (also from every write; nothing is lost, and it works again with space).
 */
export async function createEmbeddedStore(options: EmbeddedStoreOptions): Promise<EmbeddedStore> {
  const { path, retentionDays, memoryLimit, threads } = optionsSchema.parse(options);
  const registry = createSeriesRegistry();
  const sets = new Map<string, SnapshotSet>();
  const retained = createRetained(registry, () => queue);

  const onOpen = async (session: Session): Promise<void> => {
    for (const statement of [...SCHEMA, ...BEHAVIOR_SCHEMA]) await session.query(statement);
    const [row] = await session.rows('SELECT version FROM store');
    if (row === undefined) await session.query('INSERT INTO store VALUES ($1)', [int(SCHEMA_VERSION)]);
    else if (Number(row[0]) !== SCHEMA_VERSION) {
      throw storeError(
        'refused',
        `opening ${path}`,
        `it has layout ${String(row[0])}, and this version knows ${SCHEMA_VERSION}`,
        'use the version that wrote it, or start with another file',
      );
    }
    await registry.load(session);
    await retained.load(session);
  };

  const database = await openDatabase({ path, memoryLimit, threads, readers: 2, onOpen });
  const queue: WriteQueue = createWriteQueue(database);
  const log = createSampleLog(registry, (account) => retained.since(account));
  const records = createRecords(database, queue);

  const write = async (entries: readonly { name: SeriesName; samples: readonly Sample[] }[]) => {
    const merged = new Map<string, { name: SeriesName; samples: Sample[] }>();
    for (const { name, samples } of entries) {
      const entry = merged.get(keyOf(name));
      if (entry === undefined) merged.set(keyOf(name), { name, samples: [...samples] });
      else for (const sample of samples) entry.samples.push(sample);
    }
    const batches = [...merged.values()].map(({ name, samples }) => ({ name, samples: orderSamples(name, samples) }));
    if (batches.every(({ samples }) => samples.times.length === 0)) return { written: 0 };
    return { written: await queue.run('writing telemetry', (transaction) => log.write(transaction, batches)) };
  };

  const known = (query: Pick<UsageQuery, 'account' | 'series'>): (KnownSeries | undefined)[] =>
    query.series.map(({ workload, component }) =>
      registry.find({ kind: 'usage', account: query.account, workload, name: component }),
    );
  const unique = (series: readonly (KnownSeries | undefined)[]): KnownSeries[] => [
    ...new Set(series.filter((one) => one !== undefined)),
  ];

  /** Rows of a window: of the series whose newest rows reach that far from memory, of the others from the file. */
  const visit = async (
    series: readonly KnownSeries[],
    window: { from: number; to: number; watermark: number },
    visitor: RowVisitor,
    action: string,
    signal: AbortSignal,
  ): Promise<void> => {
    signal.throwIfAborted();
    database.assertOpen(action);
    if (window.from >= window.to) return;
    const inFile: KnownSeries[] = [];
    for (const one of series) {
      if (!covers(one.tail, window.from)) inFile.push(one);
      else visitTail(one.tail, window, (time, value, censored) => visitor(one.id, time, value, censored));
    }
    if (inFile.length === 0) return;
    await database.read(action, signal, (session) => visitRows(session, inFile, window, visitor, signal));
  };

  /** Reads bins of [from, to) of the rows as of a watermark; rows before `dataFrom` count as missing. */
  const readWindow = async (
    query: UsageQuery,
    as: { watermark: number; dataFrom: number },
    action: string,
    signal: AbortSignal,
  ): Promise<UsageWindow> => {
    const grid = gridOf(query, query.series.length, action);
    const series = known(query);
    const binning = createBinning(
      query,
      series.map((one) => one?.id),
      grid,
    );
    const window = { from: Math.max(grid.from, as.dataFrom), to: grid.to, watermark: as.watermark };
    await visit(unique(series), window, binning.visit, action, signal);
    return binning.finish();
  };

  const setOf = async (id: string, action: string): Promise<SnapshotSet | null> => {
    const cached = sets.get(id);
    if (cached !== undefined) return cached;
    const [row] = await database.read(action, undefined, (session) =>
      session.rows('SELECT body FROM snapshot_sets WHERE id = $1', [id]),
    );
    if (row === undefined) return null;
    const set = snapshotSetSchema.parse(JSON.parse(String(row[0])));
    sets.set(id, set);
    return set;
  };

  /** Writes down once what a family of snapshots is of. */
  const keepSet = async (set: SnapshotSet): Promise<string> => {
    const id = snapshotSetId(set);
    if (sets.has(id)) return id;
    await queue.run('taking a snapshot', async ({ session, onCommit }) => {
      await session.query('INSERT INTO snapshot_sets VALUES ($1, $2) ON CONFLICT DO NOTHING', [
        id,
        JSON.stringify(set),
      ]);
      onCommit(() => sets.set(id, set));
    });
    return id;
  };

  return {
    name: 'embedded',
    ...createBehavior(database, queue),
    ...createErasure(database, queue, registry, (account) => {
      retained.forget(account);
      records.forget(account);
      for (const [id, set] of sets) if (set.account === account) sets.delete(id);
    }),

    writeUsage: (batches) =>
      write(
        batches.map(({ key, samples }) => ({
          name: { kind: 'usage', account: key.account, workload: key.workload, name: key.component },
          samples,
        })),
      ),
    writeMetrics: (batches) =>
      write(
        batches.map(({ account, workload, metric, samples }) => ({
          name: { kind: 'metric', account, workload, name: metric },
          samples,
        })),
      ),

    usageSeries: (account) => Promise.resolve(usageOf(registry, account)),

    async readUsage(query, signal) {
      signal.throwIfAborted();
      const action = `reading usage of ${query.account}`;
      for (const series of known(query)) refuseTooFine(series, query.step, action);
      const dataFrom = retained.since(query.account);
      return readWindow(query, { watermark: registry.seq(), dataFrom }, action, signal);
    },

    async readMetric(query, signal) {
      signal.throwIfAborted();
      const { account, workload, metric, from, to } = query;
      const series = registry.find({ kind: 'metric', account, workload, name: metric });
      if (series === undefined) return null;
      let sum = 0;
      let count = 0;
      const window = { from, to, watermark: registry.seq() };
      const action = `reading ${metric} of ${account}/${workload}`;
      const add: RowVisitor = (_series, _time, value) => {
        sum += value;
        count += 1;
      };
      await visit([series], window, add, action, signal);
      return count === 0 ? null : sum / count;
    },

    async takeSnapshot(query, takenAt, signal): Promise<Snapshot> {
      signal.throwIfAborted();
      const action = `taking a snapshot of ${query.account}`;
      const series = known(query);
      for (const one of series) refuseTooFine(one, query.step, action);
      const { from, to, step } = gridOf(query, query.series.length, action);
      const set: SnapshotSet = {
        account: query.account,
        step,
        series: query.series.map(({ workload, component }) => ({ workload, component })),
      };
      const dataFrom = Math.max(from, Math.min(to, retained.since(query.account)));
      let watermark = 0;
      const inFile: KnownSeries[] = [];
      for (const one of unique(series)) {
        const recent = recentWatermark(one, dataFrom, to);
        if (recent === undefined) inFile.push(one);
        else watermark = Math.max(watermark, recent);
      }
      if (inFile.length > 0) {
        const older = await database.read(action, signal, (session) => watermarkInFile(session, inFile, dataFrom, to));
        watermark = Math.max(watermark, older);
      }
      const id = snapshotId({ set: await keepSet(set), from, to, dataFrom, watermark });
      return { id, account: query.account, from, to, step, series: set.series, watermark, takenAt };
    },

    async readSnapshot(id, signal, since) {
      signal.throwIfAborted();
      const action = `reading snapshot ${id}`;
      const name = parseSnapshotId(id);
      const set = name === null ? null : await setOf(name.set, action);
      if (name === null || set === null) {
        throw storeError('not-found', action, 'there is no such snapshot', 'take a new one');
      }
      if (name.dataFrom < retained.since(set.account) && name.dataFrom < name.to) {
        throw storeError('not-found', action, 'some of its bins are past retention', 'take a new one');
      }
      const from = since === undefined ? name.from : Math.min(name.to, Math.max(name.from, binStart(since, set.step)));
      return readWindow({ ...set, from, to: name.to }, name, action, signal);
    },

    putRecord: (record) => records.put(record),
    putRecords: (kind, all) => records.putAll(kind, all),
    getRecord: (kind, id) => records.get(kind, id),
    getRecords: (kind, ids) => records.some(kind, ids),
    listRecords: (kind, account, options) => records.list(kind, account, options),
    recordsAfter: (kind, account, after, limit) => records.after(kind, account, after, limit),
    newestRecords: (kind) => records.newest(kind),
    compact: (now) => retained.compact(now, retentionDays),

    async close() {
      await queue.drain();
      await database.close();
    },
  };
}

const WANTED = new Map<string, Component>(COMPONENTS.map((component) => [component, component]));

function usageOf(registry: SeriesRegistry, account: string | null): KnownUsage[] {
  const accounts = account === null ? registry.accounts() : [account];
  return accounts
    .sort()
    .flatMap((one) => registry.ofAccount(one))
    .flatMap(({ kind, account: of, workload, name, interval }) => {
      const component = WANTED.get(name);
      return kind === 'usage' && component !== undefined ? [{ account: of, workload, component, interval }] : [];
    })
    .sort(
      (a, b) => compare(a.account, b.account) || compare(a.workload, b.workload) || compare(a.component, b.component),
    );
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
