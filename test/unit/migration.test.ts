import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { changedLabels, selectedBy, turned } from '../../src/cluster/kubernetes/migrate/labels.js';
import type { RestObjects } from '../../src/cluster/kubernetes/migrate/rest.js';
import { roomProblem } from '../../src/cluster/kubernetes/migrate/room.js';
import { seenWorkload, type SeenWorkload } from '../../src/cluster/kubernetes/migrate/seen.js';
import { planVolumes } from '../../src/cluster/kubernetes/migrate/volumes.js';
import { sameRules, shareOfCopy, weighted } from '../../src/cluster/kubernetes/migrate/weights.js';
import { createEngine } from '../../src/cluster/simulated/engine.js';
import { buildScenario } from '../../src/cluster/simulated/scenario.js';
import type { MoveRequest, MoveWrite } from '../../src/cluster/migrating.js';
import { choosePool, poolProblems } from '../../src/domain/choose-pool.js';
import { readAccountFile } from '../../src/domain/account-file.js';
import { copyName, readSteps } from '../../src/domain/migration.js';

/* The pure parts of a migration. What is lost where these fail: traffic to the wrong pods, or a route that is not given back. */

describe('weights of a route', () => {
  const COPIES = { web: 'web-1' };
  const ref = fc.record({
    name: fc.constantFrom('web', 'other'),
    weight: fc.option(fc.integer({ min: 0, max: 100 }), { nil: undefined }),
  });
  const rules = fc.array(fc.record({ backendRefs: fc.array(ref, { maxLength: 3 }) }), { maxLength: 3 });

  it('are as before at 0 percent, and are told from anything else at any other', () => {
    fc.assert(
      fc.property(rules, fc.integer({ min: 1, max: 100 }), (before, percent) => {
        expect(sameRules(weighted(before, COPIES, 'shop', 0), before)).toBe(true);
        const now = weighted(before, COPIES, 'shop', percent);
        const led = before.some(({ backendRefs }) =>
          backendRefs.some(({ name, weight }) => name === 'web' && weight !== 0),
        );
        expect(shareOfCopy(now, COPIES, 'shop')).toBeCloseTo(led ? percent : 0, 9);
        if (led) expect(sameRules(now, before)).toBe(false);
      }),
    );
  });

  it('leave to others what they had: each backend of a rule keeps its share, and the copy takes of the source’s alone', () => {
    const before = [
      {
        backendRefs: [
          { name: 'web', weight: 3 },
          { name: 'other', weight: 1 },
        ],
      },
    ];
    expect(weighted(before, COPIES, 'shop', 25)).toEqual([
      {
        backendRefs: [
          { name: 'web', weight: 225 },
          { name: 'web-1', weight: 75 },
          { name: 'other', weight: 100 },
        ],
      },
    ]);
  });

  it('of a Service of that name in another namespace are nobody’s to move', () => {
    const before = [{ backendRefs: [{ name: 'web', namespace: 'elsewhere' }] }];
    expect(weighted(before, COPIES, 'shop', 50)).toEqual(before);
  });
});

test.each<{ row: string; selectors: Record<string, string>[]; changed: Record<string, string> | null }>([
  { row: 'one selector', selectors: [{ app: 'web' }], changed: { app: 'web-1' } },
  {
    row: 'one label that serves several',
    selectors: [{ app: 'web', tier: 'a' }, { app: 'web' }],
    changed: { app: 'web-1' },
  },
  {
    row: 'selectors with nothing in common',
    selectors: [{ app: 'web' }, { tier: 'a' }],
    changed: { app: 'web-1', tier: 'web-1' },
  },
  { row: 'a selector that finds everything', selectors: [{}], changed: null },
])('labels of the copy: $row', ({ selectors, changed }) => {
  const labels = changedLabels(selectors, 'web-1');
  expect(labels).toEqual(changed);
  const pods = { app: 'web', tier: 'a', ...labels };
  for (const selector of labels === null ? [] : selectors) {
    expect(selectedBy(selector, pods)).toBe(false);
    expect(selectedBy(turned(selector, labels ?? {}), pods)).toBe(true);
  }
});

test.each([
  ['10,50,100', [10, 50, 100]],
  ['10', [10, 100]],
  ['100', [100]],
])('steps %s', (text, steps) => {
  expect(readSteps(text)).toEqual(steps);
});
test.each(['', '0', '50,10', '10,10', '101', 'half', '12.5', 'NaN', '1e9'])('steps "%s" are refused', (text) => {
  expect(() => readSteps(text)).toThrow(RangeError);
});

test('a copy of a copy does not grow a tail, and another number is another name', () => {
  expect(copyName('web', 'web', 1)).toBe('web-1');
  expect(copyName('web-1', 'web', 2)).toBe('web-2');
  expect(copyName('web-v2', 'web', 3)).toBe('web-v2-3');
});

describe('volumes of a StatefulSet', () => {
  const api = {
    select: () => Promise.resolve([]),
    find: ({ kind }: { kind: string }) =>
      Promise.resolve({
        metadata: { name: kind },
        ...(kind === 'PersistentVolumeClaim' ? { spec: { storageClassName: 'fast' } } : { provisioner: 'csi.example' }),
      }),
  } as unknown as RestObjects;
  const planned = (policy: object | null, over: Partial<MoveRequest>) => {
    const template = { spec: { containers: [{ name: 'main' }] } };
    const source = seenWorkload(
      { group: 'apps', version: 'v1', plural: 'statefulsets', kind: 'StatefulSet', namespace: 'shop', name: 'db' },
      {
        ...{ apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name: 'db' } },
        spec: {
          ...{ replicas: 2, selector: { matchLabels: { app: 'db' } }, template },
          volumeClaimTemplates: [{ metadata: { name: 'data' } }],
          ...(policy === null ? {} : { persistentVolumeClaimRetentionPolicy: policy }),
        },
      },
    );
    const request = { at: { namespace: 'shop' }, copy: 'db-1', copyVolumes: true, ...over } as MoveRequest;
    return planVolumes(api, source, request, new AbortController().signal);
  };
  test.each<[string, object | null, boolean]>([
    ['says nothing', null, true],
    ['keeps them', { whenDeleted: 'Retain', whenScaled: 'Retain' }, true],
    ['deletes them with it', { whenDeleted: 'Delete', whenScaled: 'Retain' }, false],
    ['deletes them where it is stopped', { whenDeleted: 'Retain', whenScaled: 'Delete' }, false],
  ])('are copied where its retention policy %s: those of the old one stay', async (_row, policy, copied) => {
    for (const stop of [false, true]) {
      const { plans, refusals } = await planned(policy, { stop });
      expect(plans.map(({ claim, copy }) => `${claim} ${copy}`)).toEqual([
        ...['data-db-0 data-db-1-0', 'data-db-1 data-db-1-1'],
      ]);
      expect(refusals).toEqual(copied ? [] : [expect.stringContaining('set both to Retain')]);
    }
  });
  test('are refused where nobody said what becomes of what is written meanwhile', async () => {
    const { refusals } = await planned(null, { copyVolumes: false });
    expect(refusals).toEqual([expect.stringMatching(/--stop-for-volumes.*--copy-volumes/)]);
  });
});

describe('the cheapest pool', () => {
  const choose = (pools: string, more = '') => {
    const policy = readAccountFile(
      `version: headroom/v1
account: shop
workloads: [{ name: web, components: { cpu: { request: 2 }, memory: { request: 4Gi } }, replicas: { min: 1, max: 3 }${more} }]
pools: [${pools}]`,
      'test.yaml',
    );
    const [workload] = policy.workloads;
    if (workload === undefined) throw new Error('no workload');
    return choosePool(policy, workload);
  };
  const GENERAL = '{ name: general, pricePerHour: 1, node: { cpu: 8, memory: 32Gi } }';
  test.each([
    [
      'by the share of a node that a replica takes',
      `${GENERAL}, { name: big, pricePerHour: 3, node: { cpu: 32, memory: 128Gi } }`,
      '',
      'big',
    ],
    [
      'by its scarcest component',
      `${GENERAL}, { name: flat, pricePerHour: 0.9, node: { cpu: 32, memory: 8Gi } }`,
      '',
      'general',
    ],
    [
      'not one that it does not fit',
      `${GENERAL}, { name: tiny, pricePerHour: 0.01, node: { cpu: 1, memory: 1Gi } }`,
      '',
      'general',
    ],
    [
      'not the one that it is bound to',
      `${GENERAL}, { name: dear, pricePerHour: 9, node: { cpu: 8, memory: 32Gi } }`,
      ', pools: [general], mayMoveTo: [general, dear]',
      'dear',
    ],
    [
      'not one that its pools leave out',
      `${GENERAL}, { name: cheap, pricePerHour: 0.1, node: { cpu: 8, memory: 32Gi } }`,
      ', pools: [general]',
      null,
    ],
    ['none', GENERAL, ', pools: [general]', null],
  ])('%s', (_row, pools, more, pool) => {
    const { target, words } = choose(pools, more);
    expect(target?.pool ?? null).toBe(pool);
    expect(words).not.toBe('');
  });
});

describe('a pool that is named by hand', () => {
  const problems = (more: string, name = 'spot', node = '{ cpu: 8, memory: 32Gi }, region: us, provider: aws') => {
    const policy = readAccountFile(
      `version: headroom/v1
account: shop
workloads: [{ name: web, components: { cpu: { request: 2 }, memory: { request: 4Gi } }, replicas: { min: 1, max: 3 }${more} }]
pools: [{ name: general, pricePerHour: 1, node: { cpu: 8, memory: 32Gi }, region: eu, provider: aws }, { name: spot, pricePerHour: 1, node: ${node} }]`,
      'test.yaml',
    );
    const [workload] = policy.workloads;
    if (workload === undefined) throw new Error('no workload');
    return poolProblems(policy, workload, name);
  };
  const SMALL = '{ cpu: 1, memory: 32Gi }';
  test.each<[row: string, problems: string[], words: RegExp[]]>([
    ['may be any that nothing speaks against', problems(''), []],
    ['that the file does not have', problems('', 'mars'), [/no pool "mars": it has general, spot/]],
    [
      'where its data must not be',
      problems(', residency: { regions: [eu] }'),
      [/data of web may be in eu alone, and pool spot is in us of aws; name a pool there/],
    ],
    [
      'that does not say where it is',
      problems(', residency: { providers: [aws] }', 'spot', '{ cpu: 8, memory: 32Gi }'),
      [/in aws alone, and pool spot does not say where it is/],
    ],
    ['where its data may be', problems(', residency: { regions: [eu] }', 'general'), []],
    ['outside its pools', problems(', pools: [general]'), [/run on general alone.*mayMoveTo: \[spot\]/]],
    ['that it may be moved to', problems(', pools: [general], mayMoveTo: [general, spot]'), []],
    ['whose nodes are too small', problems('', 'spot', SMALL), [/asks for 2 of cpu, and a node of pool spot offers 1/]],
    ['that may have no node', problems('', 'spot', '{ cpu: 8 }, max: 0'), [/max: 0/]],
    [
      'with several of these',
      problems(', pools: [general], residency: { regions: [eu] }', 'spot', `${SMALL}, region: us`),
      [/general alone/, /in eu alone/, /offers 1/],
    ],
  ])('%s', (_row, found, words) => {
    expect(found).toHaveLength(words.length);
    for (const [index, word] of words.entries()) expect(found[index]).toMatch(word);
  });
});

describe('nodes that are there', () => {
  const source = (...requests: Record<string, string>[]): SeenWorkload =>
    seenWorkload(DEPLOYMENT_REF, {
      ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web', uid: 'u', resourceVersion: '1' } },
      spec: {
        selector: { matchLabels: { app: 'web' } },
        template: {
          spec: { containers: requests.map((one, index) => ({ name: `c${index}`, resources: { requests: one } })) },
        },
      },
    });
  const node = (allocatable: Record<string, string>) => ({ status: { allocatable } });
  const at = { workload: 'web', kind: 'Deployment' as const, namespace: 'shop', name: 'web' };
  const SPOT = { 'headroom.dev/pool': 'spot' };
  test.each<[string, Record<string, string>[], Record<string, string>[], Record<string, string>, RegExp | null]>([
    ['with room', [{ cpu: '2' }, { cpu: '500m' }], [{ cpu: '1' }, { cpu: '2500m' }], SPOT, null],
    ['too small for its containers together', [{ cpu: '2' }, { cpu: '1' }], [{ cpu: '2900m' }], SPOT, /3 cpu.*2.9/],
    ['without a device that it asks for', [{ 'nvidia.com/gpu': '1' }], [{ 'nvidia.com/gpu': '0' }], SPOT, /gpu/],
    [
      'one of which has the cores, another the memory',
      [{ cpu: '2', memory: '8Gi' }],
      [
        { cpu: '4', memory: '4Gi' },
        { cpu: '1', memory: '16Gi' },
      ],
      SPOT,
      /none has room for all/,
    ],
    ['none of which is there yet', [{ cpu: '2' }], [], SPOT, null],
    [
      'that Karpenter makes as they are wanted',
      [{ cpu: '9' }],
      [{ cpu: '1' }],
      { 'karpenter.sh/nodepool': 'spot' },
      null,
    ],
  ])('%s', (_row, requests, nodes, nodeSelector, words) => {
    const problem = roomProblem(source(...requests), nodes.map(node), { at, nodeSelector });
    if (words === null) expect(problem).toBeNull();
    else expect(problem).toMatch(words);
  });
});
const DEPLOYMENT_REF = {
  ...{ group: 'apps', version: 'v1', plural: 'deployments', kind: 'Deployment', namespace: 'shop', name: 'web' },
};

describe('requests of a simulated cluster', () => {
  const START = Date.UTC(2026, 5, 1) / 1000;
  const pool = (name: string) => ({
    name,
    node: { cpu: 8 },
    pricePerHour: 1,
    nodes: 1,
    max: 9,
    provision: { median: 60, spread: 0 },
  });
  const scenario = {
    ...{ version: 'headroom-scenario/v1', clock: { start: '2026-06-01T00:00:00Z', mode: 'manual' } },
    pools: [pool('old'), pool('new'), { ...pool('tiny'), node: { cpu: '500m' } }],
    accounts: [
      {
        name: 'shop',
        workloads: [
          {
            ...{ name: 'web', replicas: 2, pools: ['old'], podStart: { median: 60, spread: 0 } },
            components: { cpu: { request: 1, demand: 1 } },
          },
        ],
      },
    ],
  };
  const request: MoveRequest = {
    ...{
      id: 'shop/web/1',
      account: 'shop',
      at: { workload: 'web', kind: 'Deployment', namespace: 'shop', name: 'web' },
    },
    ...{ copy: 'web-1', to: { pool: 'new', namespace: null, cluster: null }, nodeSelector: {}, tolerations: [] },
    ...{ copyVolumes: false, noTraffic: false, backend: null, steps: [100], old: 'remove', before: null },
  };
  const engine = () => createEngine(buildScenario(scenario, { what: 'test', directory: '.' }).model);
  const play = (...writes: (readonly [at: number, write: MoveWrite])[]) => {
    const of = engine();
    for (const [at, write] of writes) {
      of.advanceTo(START + at);
      expect(of.move(request, write).kind).toBe('done');
    }
    of.advanceTo(START + 600);
    return of;
  };

  it('that are led to a copy that is not ready are lost, for as long as it is not', () => {
    const of = play(
      [0, { kind: 'claim' }],
      [0, { kind: 'copy', replicas: 2 }],
      [15, { kind: 'route', weight: 50, from: 0 }],
    );
    // Half of the traffic, from 15 s to 60 s.
    expect(of.lookMove(request).counted).toMatchObject({ seconds: 22.5 });
    expect(of.requestLog('shop/web/1').filter(({ unserved }) => unserved > 0)).toHaveLength(3);
  });

  it('are all served where it is ready first; then the workload is the copy, and its usage one series', () => {
    const of = play(
      ...([
        [0, { kind: 'claim' }],
        [0, { kind: 'copy', replicas: 2 }],
        [120, { kind: 'route', weight: 100, from: 0 }],
      ] as const),
      ...([
        [180, { kind: 'hand-over' }],
        [180, { kind: 'lower', replicas: 0 }],
        [240, { kind: 'retire' }],
      ] as const),
    );
    expect(of.requestLog('shop/web/1').every(({ unserved }) => unserved === 0)).toBe(true);
    const state = of.observe({ account: 'shop', workloads: [request.at], pools: ['old', 'new'] });
    expect(state.workloads[0]).toMatchObject({ exists: true, replicas: 2, readyReplicas: 2 });
    expect(of.workloads).toHaveLength(1);
    expect(of.workloads[0]?.components[0]?.record.usage.column.at(5)).toBeCloseTo(1, 9);
  });

  it('are refused a pool on whose nodes a replica has no room, as it is by now', () => {
    const of = engine();
    const to = (pool: string) => of.survey({ ...request, to: { ...request.to, pool } }).refusals.join();
    expect(to('new')).toBe('');
    expect(to('tiny')).toContain('asks for 1 of cpu, and a node of pool tiny offers 500m');
  });

  it('of what went back are as if it had never begun', () => {
    const of = play(
      ...([
        [0, { kind: 'claim' }],
        [0, { kind: 'copy', replicas: 2 }],
        [120, { kind: 'route', weight: 50, from: 0 }],
      ] as const),
      ...([
        [180, { kind: 'unroute' }],
        [180, { kind: 'discard' }],
        [180, { kind: 'release' }],
      ] as const),
    );
    const plain = engine();
    plain.advanceTo(START + 600);
    const asked = { account: 'shop', workloads: [request.at], pools: ['old'] };
    expect(of.observe(asked)).toEqual(plain.observe(asked));
    expect(of.lookMove(request)).toMatchObject({ claim: null, made: [], weight: 0, counted: { unserved: 0 } });
  });
});
