import { setTimeout as delay } from 'node:timers/promises';
import type { Client, Connection } from '@temporalio/client';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeResults } from '../../bench/result.js';
import { connectClient } from '../../src/temporal/connection.js';
import { accountWorkflowId, overrideSignal, pauseSignal, resumeSignal } from '../../workflows/messages.js';
import { diagnosis } from './diagnosis.js';
import { eventually } from './real.js';
import { startWebhook, type Webhook } from './trouble.js';
import { openWorld, WORKLOADS, type World } from './world.js';

/*
 * The worker is killed with SIGKILL at random moments while accounts go from one change of two workloads to the next. What
 * an operator loses where this fails: a change that is lost, made twice, or left half way. `make chaos` runs 200 kills and
 * writes bench/results/chaos.json.
 */

const KILLS = Number(process.env['CHAOS_KILLS'] ?? 20);
const WRITES_RESULT = process.env['CHAOS_RESULT'] !== undefined;
const SEED = Number(process.env['CHAOS_SEED'] ?? 4);
/** Seconds. */
const PATIENCE = 1200;
/** After so many kills each account gets the time to come to something. */
const BREATH = 10;
const ACCOUNTS = ['chaos-a', 'chaos-b', 'chaos-c'];

describe('SIGKILL of the worker at random moments', () => {
  const random = xoroshiro128plus(SEED);
  const between = (low: number, high: number): number => uniformInt(random, low, high);
  let world: World;
  let webhook: Webhook;
  let client: Client;
  let connection: Connection;

  beforeAll(async () => {
    world = await openWorld({ accounts: ACCOUNTS, workload: { replicas: { min: 1, max: 12 } } });
    // A write takes its time, so that a kill often meets one.
    webhook = await startWebhook(world.plane, 'slow', () => between(100, 900));
    const { address } = world.stand.temporal;
    ({ client, connection } = await connectClient({ options: { address }, namespace: 'default' }));
  });
  afterAll(async () => {
    await connection?.close();
    await webhook?.close();
    await world?.close();
  });

  /** Both workloads in one change: what is asked for during a pause is planned together after it. */
  async function ask(account: string, wanted: readonly number[]): Promise<void> {
    const handle = client.workflow.getHandle(accountWorkflowId(account));
    const stamp = { author: 'chaos', reason: 'chaos', since: world.now(), until: world.now() + 30 * 86_400 };
    await handle.signal(pauseSignal, { kind: 'pause', ...stamp });
    for (const [index, workload] of WORKLOADS.entries()) {
      const target = { field: 'replicas' as const, workload, value: wanted[index] ?? 1 };
      await handle.signal(overrideSignal, { kind: 'override', id: `chaos-${workload}`, target, ...stamp });
    }
    await handle.signal(resumeSignal, { author: 'chaos', reason: 'chaos' });
  }

  it(`${KILLS} kills: no change lost, none applied twice, none left half way`, { timeout: 60 * 60_000 }, async () => {
    const halfWay: string[] = [];
    const met: Record<string, number> = {};
    let ended = false;
    let asked = 0;
    /** Requests that stand, by account. */
    const stood = new Map<string, number>();

    /** One account: asks for another pair, waits until it stands, and so on. */
    const drive = async (account: string): Promise<number[]> => {
      let wanted = [3, 3];
      while (!ended) {
        const next = wanted.map((value) => (value + between(1, 5)) % 8 || 8);
        await ask(account, next);
        asked += 1;
        const before = wanted;
        wanted = next;
        // Half way is what lies between two writes; it must not last once no change runs.
        await eventually(async () => {
          const seen = await world.replicas(account);
          return seen.join() === wanted.join();
          // Killed again and again, an account may come no further for long; it has to when that ends.
        }, 1800).catch(async (error: unknown) => {
          const is = (await world.replicas(account)).join();
          halfWay.push(`${account}: ${before.join()} → ${wanted.join()} is ${is}\n${await diagnosis(world, account)}`);
          throw new Error(halfWay.join('\n'), { cause: error });
        });
        stood.set(account, (stood.get(account) ?? 0) + 1);
        await delay(between(0, 2500));
      }
      return wanted;
    };
    const drivers = ACCOUNTS.map(drive);
    const failed = Promise.all(drivers).catch((error: unknown) => {
      ended = true;
      throw error;
    });
    failed.catch(() => undefined);

    for (let kill = 0; kill < KILLS && !ended; kill++) {
      await delay(between(500, 6000));
      for (const activity of await underWay(client)) met[activity] = (met[activity] ?? 0) + 1;
      await world.worker.kill();
      await world.restartWorker();
      // On a slow machine a worker may be killed before it comes to anything: then nothing is on its way to be met.
      if (kill % BREATH === BREATH - 1) {
        const before = new Map(stood);
        const still = (): string[] =>
          ACCOUNTS.filter((account) => (stood.get(account) ?? 0) <= (before.get(account) ?? 0));
        await eventually(async () => ended || still().length === 0, PATIENCE).catch(async (error: unknown) => {
          const found = await Promise.all(still().map((account) => diagnosis(world, account)));
          throw new Error(`after ${kill + 1} kills ${still().join()} came no further\n${found.join('\n')}`, {
            cause: error,
          });
        });
      }
    }
    ended = true;
    const wanted = await failed;
    // Whatever was on its way comes to its end.
    const histories = await eventually(async () => {
      const all = await Promise.all(
        ACCOUNTS.map(async (account) => ({
          ...(await world.stand.history(account)),
          status: await world.stand.status(account),
        })),
      );
      const quiet = all.every(({ status }) => status.verdict?.kind === 'hold' && status.verdict.reason === 'steady');
      return quiet && all;
    }, PATIENCE);

    expect(halfWay).toEqual([]);
    for (const [index, account] of ACCOUNTS.entries()) {
      expect({ account, replicas: await world.replicas(account) }).toEqual({ account, replicas: wanted[index] });
    }
    const changes = histories.flatMap((history) => history.changes);
    expect(changes.filter(({ restored }) => !restored)).toEqual([]);
    // Every write that the API server took, by the key of its change: each once.
    const writes = (await world.writes()).filter(({ code }) => code < 300);
    const count = new Map<string, number>();
    for (const { namespace, name, keys } of writes) {
      for (const key of keys) {
        const id = `${namespace}/${name} ${key}`;
        count.set(id, (count.get(id) ?? 0) + 1);
      }
    }
    const twice = [...count].filter(([, times]) => times > 1);
    expect(twice).toEqual([]);
    // And none that is on record as kept was lost: its writes are in the API server's log.
    const written = new Set(writes.flatMap(({ keys }) => keys));
    const lost = changes.flatMap(({ changeId, result, applied }) => {
      const found = [...written].filter((key) => new RegExp(`^change/${changeId}#\\d+$`).test(key)).length;
      return result === 'kept' && found < applied ? [`${changeId}: ${found} of ${applied}`] : [];
    });
    expect(lost).toEqual([]);
    expect(changes.length).toBeGreaterThan(KILLS / 4);
    if (WRITES_RESULT) {
      report({
        asked,
        changes,
        writes: writes.length,
        met,
        lost: lost.length,
        twice: twice.length,
        halfWay: halfWay.length,
      });
    }
  });

  function report(found: {
    asked: number;
    changes: { result: string }[];
    writes: number;
    met: Record<string, number>;
    lost: number;
    twice: number;
    halfWay: number;
  }): void {
    const results = found.changes.reduce<Record<string, number>>(
      (sum, { result }) => ({ ...sum, [result]: (sum[result] ?? 0) + 1 }),
      {},
    );
    const note = `${KILLS} kills (seed ${SEED}) over ${found.changes.length} changes ${JSON.stringify(results)}, ${found.writes} writes taken by the API server; kills met ${JSON.stringify(found.met)}`;
    const zero = { unit: 'changes', goal: 0, better: 'lower' as const };
    writeResults('chaos', [
      { metric: 'lost', value: found.lost, ...zero, note },
      { metric: 'applied twice', value: found.twice, ...zero },
      { metric: 'left half way', value: found.halfWay, ...zero },
    ]);
  }
});

/** Activities of changes that are on their way now; `waiting` where a change runs none. */
async function underWay(client: Client): Promise<string[]> {
  const found: string[] = [];
  for await (const { workflowId, runId } of client.workflow.list({
    query: "WorkflowType = 'change' AND ExecutionStatus = 'Running'",
  })) {
    const { raw } = await client.workflow.getHandle(workflowId, runId).describe();
    const names = (raw.pendingActivities ?? []).map(({ activityType }) => activityType?.name ?? '');
    found.push(...(names.length === 0 ? ['waiting'] : names));
  }
  return found.length === 0 ? ['no change'] : found;
}
