import { MockActivityEnvironment } from '@temporalio/testing';
import { describe, expect, test } from 'vitest';
import type { WatchInput } from '../../activities/migrate-types.js';
import { createMigration, type Accounts, type MigrateDependencies } from '../../activities/migrate.js';
import type { AccountPolicy } from '../../src/domain/account.js';
import { readAccountFile } from '../../src/domain/account-file.js';
import { HeadroomError } from '../../src/domain/errors.js';
import { REAL_TIME } from '../../src/domain/time.js';
import type { MoveLook } from '../../src/cluster/migrating.js';
import { orderOf } from '../workflow/migration-fakes.js';

/* What a migration reads. Where this fails, one that was asked for ends before it began, or a gap is not told. */

const POLICY = readAccountFile(
  `version: headroom/v1
account: acme
mode: auto
workloads: [{ name: web, components: { cpu: { request: 1 } }, replicas: { min: 1, max: 3 }}]
pools: [{ name: spot, pricePerHour: 1, node: { cpu: 8 } }]`,
  'acme.yaml',
);
const ID = 'acme@2-run';
const order = orderOf(1, { policyId: ID });

/** A store in memory, a cluster whose surveys and looks are given. */
function world(over: { accounts?: Partial<Accounts>; store?: Map<string, AccountPolicy>; look?: () => MoveLook }) {
  const store = over.store ?? new Map<string, AccountPolicy>();
  const survey = {
    ...{ refusals: [], source: { words: 'web', replicas: 1, ready: 1 }, copy: { words: 'web-1', name: 'web-1' } },
    traffic: { kind: 'none', words: '', steps: [] },
    ...{ images: [], volumes: [], reverse: [], before: '' },
  };
  const partial = {
    store: {
      getRecord: (_kind: string, id: string) => Promise.resolve(store.has(id) ? { body: store.get(id) } : null),
      putRecord: ({ id, body }: { id: string; body: AccountPolicy }) => Promise.resolve(void store.set(id, body)),
    },
    cluster: () => ({
      migrating: { survey: () => Promise.resolve(survey), look: () => Promise.resolve(over.look?.()) },
    }),
    fence: { read: () => Promise.resolve(null) },
    accounts: {
      paused: () => Promise.resolve(null),
      setPolicy: () => Promise.resolve(null),
      policy: () => Promise.resolve(null),
      ...over.accounts,
    },
  };
  return { store, activities: createMigration(partial as unknown as MigrateDependencies) };
}

const inside = <A, R>(work: (input: A) => Promise<R>, input: A, info = {}): Promise<R> =>
  new MockActivityEnvironment(info).run(work, input);

describe('a policy that was set a moment ago, and which no cycle has sent to the store yet', () => {
  const known = (policyId: string) => ({ policy: () => Promise.resolve({ policyId, policy: POLICY, at: 60 }) });

  test('is asked of the account, and kept: what comes later finds it, whatever the account is told meanwhile', async () => {
    const { store, activities } = world({ accounts: known(ID) });
    expect(await inside(activities.surveyMigration, { order })).toMatchObject({ refusals: [], warm: [] });
    expect(store.get(ID)).toEqual(POLICY);
  });

  test.each<[string, Partial<Accounts>]>([
    ['the account has another one by now', known('acme@3-run')],
    ['the account does not run', { policy: () => Promise.resolve(null) }],
  ])('is waited for where %s', async (_row, accounts) => {
    const { store, activities } = world({ accounts });
    // Retried by Temporal, unlike what is refused.
    await expect(inside(activities.surveyMigration, { order })).rejects.toMatchObject({
      ...{ type: 'unavailable', nonRetryable: false, message: expect.stringContaining(ID) as string },
    });
    expect(store.size).toBe(0);
  });

  test('is not asked for where the store is there and has it, nor where the store says that something is wrong', async () => {
    const asked = { policy: () => Promise.reject(new Error('asked')) };
    const { activities } = world({ accounts: asked, store: new Map([[ID, POLICY]]) });
    expect(await inside(activities.surveyMigration, { order })).toMatchObject({ refusals: [] });
    const broken = world({ accounts: asked });
    Object.assign(broken.store, {
      has: () => {
        throw new HeadroomError({
          ...{ kind: 'refused', component: 'telemetry', action: 'reading', problem: 'no', remedy: 'none' },
        });
      },
    });
    await expect(inside(broken.activities.surveyMigration, { order })).rejects.toMatchObject({ type: 'refused' });
  });
});

describe('traffic that is watched', () => {
  const look = (over: Partial<MoveLook>): MoveLook => ({
    ...{ source: { replicas: 3, ready: 3 }, copy: { replicas: 3, ready: 3, troubles: [] }, weight: 50, images: null },
    ...{ mayTake: 3, claim: order.id, made: [], running: null, counted: null },
    ...over,
  });
  const input = (): WatchInput => ({
    ...{ order, target: { pool: 'spot', namespace: null, cluster: null }, copy: 'web-1', before: '' },
    ...{ for: 0, scale: REAL_TIME, weight: 50, fenced: false },
  });
  const watched = async (unserved: number) => {
    const at = Date.now() / 1000 - 40;
    const heartbeatDetails = { seconds: 2, resolution: 1, requests: null, last: { at, unserved } };
    const { activities } = world({ store: new Map([[ID, POLICY]]), look: () => look({}) });
    return (await inside(activities.watchMigration, input(), { heartbeatDetails })).downtime;
  };

  test('by a worker that takes over from one that died: nobody looked in between, and the downtime says so', async () => {
    const { seconds, resolution } = await watched(0);
    expect(seconds).toBe(2);
    expect(resolution).toBeGreaterThanOrEqual(40);
  });

  test('goes on from what the last one saw: half unserved then is half unserved until it is seen otherwise', async () => {
    const { seconds, resolution } = await watched(0.5);
    expect(seconds).toBeCloseTo(2 + resolution / 2, 6);
  });
});
