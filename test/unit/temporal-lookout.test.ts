import { WorkflowNotFoundError } from '@temporalio/common';
import type { Client } from '@temporalio/client';
import { afterEach, describe, expect, it } from 'vitest';
import type { Watch } from '../../activities/lookout.js';
import type { Cluster } from '../../src/cluster/port.js';
import type { ClusterState } from '../../src/domain/cluster.js';
import { createLookout } from '../../src/temporal/lookout.js';

/** A cluster whose pool can lose its nodes, and a client that notes what it is told. */
function world() {
  const told: { workflow: string; args: unknown[] }[] = [];
  const state: ClusterState = { at: 0, workloads: [], pools: [{ pool: 'spot', nodes: 4, readyNodes: 4, owner: null }] };
  let looks = 0;
  let failure: unknown = null;
  const lines: string[] = [];
  let clock = 1000;
  const lookout = createLookout({
    client: {
      workflow: {
        getHandle: (workflow: string) => ({
          signal: (_definition: unknown, ...args: unknown[]) => {
            if (failure !== null) return Promise.reject(failure as Error);
            told.push({ workflow, args });
            return Promise.resolve();
          },
        }),
      },
    } as unknown as Client,
    cluster: () =>
      ({
        observe: () => {
          looks += 1;
          return Promise.resolve(structuredClone(state));
        },
      }) as unknown as Cluster,
    now: () => clock,
    say: (line) => void lines.push(line),
    everyMs: 1,
  });
  const watch = (more: Partial<Watch> = {}): Watch => ({
    account: 'acme',
    cluster: 'main',
    request: { account: 'acme', workloads: [], pools: ['spot'] },
    answers: [{ key: 'market', trigger: { kind: 'spot-market', pools: ['spot'], counted: 4, ready: 2 }, for: 0 }],
    told: new Set(),
    until: 2000,
    ...more,
  });
  return {
    lookout,
    told,
    lines,
    watch,
    lose: () => state.pools.splice(0, 1, { pool: 'spot', nodes: 4, readyNodes: 0, owner: null }),
    looks: () => looks,
    fail: (error: unknown) => void (failure = error),
    at: (seconds: number) => void (clock = seconds),
    async looked(times = 3) {
      const until = looks + times;
      await expect.poll(() => looks, { interval: 5 }).toBeGreaterThanOrEqual(until);
    },
  };
}

describe('the look at clusters between cycles', () => {
  let open: ReturnType<typeof world>[] = [];
  const start = () => {
    const one = world();
    open.push(one);
    return one;
  };
  afterEach(async () => {
    await Promise.all(open.map(({ lookout }) => lookout.close()));
    open = [];
  });

  it('tells the account once of what it sees, and again only when a cycle asks anew', async () => {
    const { lookout, watch, lose, looked, told } = start();
    lookout.watch(watch());
    await looked();
    expect(told).toEqual([]);
    lose();
    await looked();
    expect(told).toEqual([
      { workflow: 'account/acme', args: [{ key: 'market', what: '0 of 4 nodes are left in spot' }] },
    ]);
    lookout.watch(watch());
    await looked();
    expect(told).toHaveLength(2);
  });

  it('waits for as long as the trigger asks, over the cycles in between', async () => {
    const { lookout, watch, lose, looked, told, at } = start();
    const answers = watch().answers.map((answer) => ({ ...answer, for: 240 }));
    lookout.watch(watch({ answers }));
    lose();
    await looked();
    at(1200);
    lookout.watch(watch({ answers }));
    await looked();
    expect(told).toEqual([]);
    at(1241);
    await looked();
    expect(told).toHaveLength(1);
  });

  it('a signal that is lost is sent again; an account that is gone is not looked at any more', async () => {
    const { lookout, watch, lose, looked, told, lines, fail, looks } = start();
    lookout.watch(watch());
    lose();
    fail(new Error('the server is away'));
    await looked();
    expect(lines[0]).toContain('watching acme: Error: the server is away');
    fail(null);
    await looked();
    expect(told).toHaveLength(1);
    lookout.watch(watch());
    fail(new WorkflowNotFoundError('gone', 'account/acme', undefined));
    await looked(1);
    const before = looks();
    await new Promise((done) => setTimeout(done, 20));
    expect(looks()).toBeLessThanOrEqual(before + 1);
  });
});
