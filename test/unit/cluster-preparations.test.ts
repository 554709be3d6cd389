import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import type { WorkloadTarget } from '../../src/cluster/port.js';
import { connectSimulatedCluster, type RemoteSimulation } from '../../src/cluster/simulated/client.js';
import { serveSimulation, type SimulationServer } from '../../src/cluster/simulated/server.js';
import type { FieldTarget } from '../../src/domain/cluster.js';
import { ACCOUNT, KEY, mutation, targetOf } from '../contract/cluster.js';
import { contractScenario } from '../contract/cluster-simulated-world.js';

/*
 * Who tries prefetch lists on `headroom dev` sees nothing done where the simulated cluster keeps no book of it, and learns
 * on the first real cluster that a list names the wrong data sets.
 */

const never = () => new AbortController().signal;
const NEED = contractScenario().clock.start + 3600;
const HOOK = 'prefetch.catalogue';
const WARM = 'warm-up.fill';
const place: WorkloadTarget = {
  ...targetOf('web'),
  actions: [
    { kind: 'hook', action: HOOK, ahead: 900, hook: 'prefetch', url: 'http://localhost:1/' },
    { kind: 'hook', action: WARM, ahead: 900, hook: 'prestage', url: 'http://localhost:1/' },
  ],
};
const field = (action: string, value = NEED): FieldTarget => ({ field: 'prepared', workload: 'web', action, value });

describe('what a simulated cluster was prepared for', () => {
  let folder: string;
  let server: SimulationServer;
  let cluster: RemoteSimulation;
  const open = async () => {
    server = await serveSimulation({ scenario: contractScenario(), state: join(folder, 'state.jsonl') });
    cluster = await connectSimulatedCluster(server);
  };
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'headroom-prepared-'));
    await open();
    return async () => {
      await server.close();
      rmSync(folder, { recursive: true });
    };
  });
  const seen = async () =>
    (await cluster.observe({ account: ACCOUNT, workloads: [targetOf('web')], pools: [] }, never())).workloads[0]
      ?.prepared;
  const prepare = (action: string, more: { key?: string; value?: number; expect?: number; dataSets?: string[] } = {}) =>
    cluster.apply(
      {
        ...mutation({
          ...(more.key === undefined ? {} : { key: more.key }),
          target: field(action, more.value),
          expect: { value: more.expect ?? 0, owner: (more.expect ?? 0) === 0 ? null : 'headroom' },
        }),
        planId: 'p-1',
        ...(more.dataSets === undefined ? {} : { dataSets: more.dataSets }),
      },
      place,
      never(),
    );

  test('nothing at first: it is a book with nothing in it, and not no book', async () => {
    expect(await seen()).toEqual({});
    expect(await cluster.preparations(ACCOUNT)).toEqual([]);
  });

  test('is remembered with the data sets that it was told of, once however often it is asked', async () => {
    const dataSets = ['orders', 'a "quoted"\nlabel'];
    expect(await prepare(HOOK, { dataSets })).toEqual({ kind: 'applied', value: NEED });
    expect(await prepare(HOOK, { dataSets })).toEqual({ kind: 'repeated', value: NEED });
    expect(await seen()).toEqual({ [HOOK]: NEED });
    expect(await cluster.preparations(ACCOUNT)).toMatchObject([
      { account: ACCOUNT, workload: 'web', action: HOOK, key: KEY, needed: NEED, dataSets },
    ]);
    expect(await cluster.preparations('another')).toEqual([]);
  });

  test('outlives the process', async () => {
    await prepare(WARM, { dataSets: ['orders'] });
    const before = await cluster.preparations(ACCOUNT);
    await server.close();
    // As SIGKILL leaves it: the lock of a process that is no more.
    writeFileSync(join(folder, 'state.jsonl.lock'), '999999999');
    await open();
    expect(await seen()).toEqual({ [WARM]: NEED });
    expect(await cluster.preparations(ACCOUNT)).toEqual(before);
  });

  test('is taken back with its change, and what was done before it stays', async () => {
    await prepare(HOOK);
    await prepare(WARM);
    await prepare(HOOK, { key: 'change/acme/2#1', value: NEED + 3600, expect: NEED });
    const back = {
      key: '#back',
      changeKeys: ['change/acme/2#1'],
      account: ACCOUNT,
      owner: 'headroom',
      reason: 'no help',
    };
    expect(await cluster.restore({ ...back, target: field(HOOK) }, place, never())).toMatchObject({ kind: 'applied' });
    expect(await seen()).toEqual({ [HOOK]: NEED, [WARM]: NEED });
    expect((await cluster.preparations(ACCOUNT)).map(({ action, needed }) => [action, needed])).toEqual([
      [HOOK, NEED],
      [WARM, NEED],
    ]);
  });

  test.each<{ what: string; action: string; workload?: string; expect?: number; kind: string; detail?: RegExp }>([
    {
      what: 'an action that the account file does not have',
      action: 'prestage.none',
      kind: 'refused',
      detail: /no action/,
    },
    { what: 'seen otherwise', action: HOOK, expect: 5, kind: 'moved' },
    { what: 'a workload that is not there', action: HOOK, workload: 'gone', kind: 'not-found' },
  ])(
    '$what: $kind, and nothing is remembered',
    async ({ action, workload = 'web', expect: value = 0, kind, detail }) => {
      const target: FieldTarget = { field: 'prepared', workload, action, value: NEED };
      const result = await cluster.apply(mutation({ target, expect: { value, owner: null } }), place, never());
      expect(result.kind).toBe(kind);
      if (detail !== undefined) expect(JSON.stringify(result)).toMatch(detail);
      expect(await cluster.preparations(ACCOUNT)).toEqual([]);
    },
  );
});
