import { createServer, type Server } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTrafficHook } from '../../activities/traffic-hook.js';
import { splitBetween, shareOf } from '../../src/cluster/kubernetes/migrate/backends.js';
import type { Migrating, MoveRequest } from '../../src/cluster/migrating.js';
import { isSigned } from '../../src/cluster/webhook/sign.js';
import { readAccountFile } from '../../src/domain/account-file.js';
import { carriedAcross, legOrder, placedAt, placeOf, type CrossedMove } from '../../src/domain/cluster-migration.js';
import { crossingOf } from '../workflow/crossing-fakes.js';

/* What a user loses where this fails: traffic that goes where nobody meant it, or an account that its own file loses. */

const SECRET = 'quiet';
const never = () => new AbortController().signal;
const policy = readAccountFile(
  `version: headroom/v1
account: shop
cluster: east
workloads: [{ name: web, components: { cpu: { request: 500m } }, replicas: { min: 1, max: 3 } }]
pools: [{ name: general, pricePerHour: 1, node: { cpu: 4 } }]
`,
  'shop.yaml',
);
const order = legOrder(crossingOf(1, { traffic: 'hook' }), { workload: 'web', backend: null }, 'traffic', 'shop@1');
const request: MoveRequest = {
  ...{ id: order.id, account: 'shop', copy: 'web', to: { pool: null, namespace: null, cluster: 'west' } },
  at: { workload: 'web', kind: 'Deployment', namespace: 'shop', name: 'web' },
  ...{ nodeSelector: {}, tolerations: [], copyVolumes: false, noTraffic: false, backend: null },
  ...{ steps: [10, 100], old: 'keep', before: '{}' },
};

describe('a hook that leads traffic between clusters', () => {
  let server: Server;
  let hook: Migrating;
  let weight: number;
  let led: number[];
  let answer: ((asked: number) => { code: number; body: string }) | null;

  beforeEach(async () => {
    [weight, led, answer] = [0, [], null];
    server = createServer((incoming, outgoing) => {
      let body = '';
      incoming.on('data', (chunk: Buffer) => (body += chunk.toString()));
      incoming.on('end', () => {
        const header = (name: string): string | undefined => [incoming.headers[name]].flat()[0];
        const sent = { timestamp: header('headroom-timestamp'), signature: header('headroom-signature'), body };
        if (!isSigned(SECRET, sent, Date.now() / 1000)) return void outgoing.writeHead(401).end();
        const asked = JSON.parse(body) as { action: string; weight?: number };
        const special = asked.weight === undefined ? undefined : answer?.(asked.weight);
        if (special !== undefined) return void outgoing.writeHead(special.code).end(special.body);
        if (asked.action === 'lead') led.push((weight = asked.weight ?? -1));
        outgoing.end(JSON.stringify({ weight }));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const trafficHook = { url: `http://127.0.0.1:${port}/lead`, secretFrom: 'HEADROOM_WEBHOOK_LB', timeout: 5 };
    hook = createTrafficHook({ ...policy, trafficHook }, order, { HEADROOM_WEBHOOK_LB: SECRET });
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });
  const write = (what: Parameters<Migrating['write']>[1]) => hook.write(request, what, never());

  it('is asked with a signature, repeats change nothing, and what is in force is what it says', async () => {
    expect((await hook.survey(request, never())).refusals).toEqual([]);
    for (let turn = 0; turn < 2; turn++)
      expect((await write({ kind: 'route', weight: 10, from: 0 })).kind).toBe('done');
    expect((await hook.look(request, never())).weight).toBe(10);
    expect((await write({ kind: 'route', weight: 100, from: 10 })).kind).toBe('done');
    expect((await write({ kind: 'hand-over' })).kind).toBe('done');
    expect((await write({ kind: 'unroute' })).kind).toBe('done');
    expect(led).toEqual([10, 100, 0]);
  });

  it('a weight that somebody else has set is never led over', async () => {
    weight = 70;
    expect(await write({ kind: 'route', weight: 50, from: 10 })).toMatchObject({
      ...{ kind: 'moved', detail: expect.stringContaining('70% of the traffic is led to west, not 10%') as string },
    });
    expect(led).toEqual([]);
  });

  it.each([
    [
      'another weight than was asked for',
      { code: 200, body: '{"weight":3}' },
      /leads 3% of the traffic over, not the 10%/,
    ],
    ['no weight', { code: 200, body: 'ok' }, /does not say which weight/],
    ['an error', { code: 500, body: 'broken' }, /it answers 500: broken/],
  ])('an answer of %s is no success', async (_name, special, words) => {
    answer = () => special;
    const said = await write({ kind: 'route', weight: 10, from: 0 }).catch((error: unknown) => error);
    expect(said instanceof Error ? said.message : JSON.stringify(said)).toMatch(words);
    expect(said).not.toMatchObject({ kind: 'done' });
  });

  it.each([
    ['no hook in the account file', {}, /nothing leads traffic between the clusters/],
    [
      'a worker without the secret',
      { trafficHook: { url: 'http://127.0.0.1:9/', secretFrom: 'HEADROOM_WEBHOOK_X', timeout: 1 } },
      /HEADROOM_WEBHOOK_X is not set/,
    ],
  ])('%s is refused before anything is touched', async (_name, more, words) => {
    const { refusals } = await createTrafficHook({ ...policy, ...more }, order, {}).survey(request, never());
    expect(refusals.join()).toMatch(words);
  });
});

describe('weights of a route between clusters', () => {
  const between = {
    ...{ from: [{ kind: 'Service' as const, name: 'web' }], namespace: 'shop' },
    to: { kind: 'ServiceImport' as const, name: 'web-west' },
  };
  const other = { backendRefs: [{ name: 'other', port: 80, weight: 7 }] };
  const rules = [
    {
      backendRefs: [
        { name: 'web', port: 80, weight: 3 },
        { name: 'canary', weight: 1 },
      ],
    },
    other,
  ];

  it.each([0, 1, 10, 50, 99, 100])(
    '%i %% of what led to the source; others keep their share, other rules all',
    (percent) => {
      const split = splitBetween(rules, between, percent);
      expect(shareOf(split, between)).toBeCloseTo(percent);
      expect(split[1]).toEqual(other);
      const [first] = split as { backendRefs: { name: string; weight: number }[] }[];
      const sum = (names: string[]): number =>
        (first?.backendRefs ?? []).filter(({ name }) => names.includes(name)).reduce((all, ref) => all + ref.weight, 0);
      expect(sum(['web', 'web-west']) / sum(['canary'])).toBeCloseTo(3);
    },
  );
  it('settled, nothing is left that leads to the source, and back is as it was', () => {
    const settled = splitBetween(rules, between, 'settled');
    expect(settled[0]).toEqual({
      backendRefs: [
        { group: 'multicluster.x-k8s.io', kind: 'ServiceImport', name: 'web-west', port: 80, weight: 3 },
        { name: 'canary', weight: 1 },
      ],
    });
    expect(splitBetween(rules, between, 0)).toEqual(rules);
  });
});

describe('the file of an account that is in another cluster by now', () => {
  const there = { ...placeOf(policy), cluster: 'west', pools: policy.pools.map((pool) => ({ ...pool, name: 'spot' })) };
  const move: CrossedMove = { id: 'shop/@west/1', at: 1, from: placeOf(policy), to: there, endedAt: 2 };
  const back: CrossedMove = { id: 'shop/@east/1', at: 3, from: there, to: placeOf(policy), endedAt: 4 };
  const moved = placedAt(policy, there);

  it.each<[string, CrossedMove[], typeof policy | null, string, string | null]>([
    ['no move', [], policy, 'east', null],
    ['a move, and the policy in force is there', [move], moved, 'west', 'shop/@west/1'],
    ['a move, and none runs', [move], null, 'west', 'shop/@west/1'],
    ['a move without an end, and none runs', [{ ...move, endedAt: null }], null, 'east', null],
    ['a move without an end that has told the account', [{ ...move, endedAt: null }], moved, 'west', 'shop/@west/1'],
    ['a move that somebody went against since', [move], policy, 'east', null],
    ['a move there and back', [move, back], policy, 'east', null],
  ])('%s', (_name, moves, inForce, cluster, by) => {
    const carried = carriedAcross(policy, moves, inForce);
    expect(carried.policy.cluster).toBe(cluster);
    expect(carried.move?.id ?? null).toBe(by);
  });
  it('says something else of its pools: it counts as it is', () => {
    const file = { ...policy, pools: policy.pools.map((pool) => ({ ...pool, pricePerHour: 9 })) };
    expect(carriedAcross(file, [move], moved)).toEqual({ policy: file, move: null });
  });
  it('brings all else along', () => {
    const file = { ...policy, level: 0.9 };
    expect(carriedAcross(file, [move], moved).policy).toEqual({ ...moved, level: 0.9 });
  });
});
