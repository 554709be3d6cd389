import { describe, expect, test } from 'vitest';
import { ApiRefusal } from '../../src/cluster/kubernetes/calls.js';
import type { LiveObject, ObjectApi } from '../../src/cluster/kubernetes/objects.js';
import { releaseMarks } from '../../src/cluster/kubernetes/release.js';
import type { FieldPlace } from '../../src/cluster/port.js';

/* An account that ends has to let go of its objects, of all of them, and of nothing else. */

const mark = (account: string): string => JSON.stringify({ key: `change/${account}/3#0`, value: 5 });
const object = (name: string, annotations: Record<string, string>): LiveObject => ({
  apiVersion: 'v1',
  kind: 'X',
  metadata: { name, uid: name, resourceVersion: '1', annotations },
});
const PLACES: FieldPlace[] = [
  { kind: 'Deployment', workload: 'web', namespace: 'acme', name: 'web' },
  { kind: 'Pool', pool: 'general', karpenter: { nodePool: 'general', weight: true } },
];

function server(objects: Record<string, LiveObject[]>, refusals: Record<string, ApiRefusal[]> = {}) {
  const patched: [string, unknown][] = [];
  const api: Pick<ObjectApi, 'list' | 'read' | 'update'> = {
    list: ({ plural }) => {
      const refusal = refusals[plural]?.shift();
      return refusal === undefined ? Promise.resolve(objects[plural] ?? []) : Promise.reject(refusal);
    },
    read: ({ plural, name }) => {
      const found = objects[plural]?.find(({ metadata }) => metadata.name === name);
      return found === undefined ? Promise.reject(new ApiRefusal('not-found', 'gone')) : Promise.resolve(found);
    },
    update: (ref, fields) => {
      const refusal = refusals[`${ref.plural}/${ref.name}`]?.shift();
      if (refusal !== undefined) return Promise.reject(refusal);
      patched.push([`${ref.plural}/${ref.name}`, fields]);
      return Promise.resolve(object(ref.name, {}));
    },
  };
  return { api: api as ObjectApi, patched };
}
const release = (of: ObjectApi) => releaseMarks(of, 'acme', PLACES, new AbortController().signal);
const without = (...names: string[]) => ({
  metadata: { resourceVersion: '1', annotations: Object.fromEntries(names.map((name) => [name, null])) },
});

describe('an account that gives up its claims', () => {
  test('takes its own marks off, wherever they stand; others’, and what users had set, stay', async () => {
    const { api, patched } = server({
      deployments: [
        object('web', {
          'headroom.dev/change-replicas': mark('acme'),
          'headroom.dev/change-request.cpu': mark('acme'),
        }),
        object('theirs', { 'headroom.dev/change-replicas': mark('globex') }),
        object('garbled', { 'headroom.dev/change-replicas': 'change/acme/3' }),
      ],
      horizontalpodautoscalers: [
        object('web', { 'headroom.dev/change-floor': mark('acme'), 'headroom.dev/user-floor': '2' }),
      ],
      nodepools: [object('general', { 'headroom.dev/account': 'acme', 'headroom.dev/change-weight': mark('acme') })],
    });
    const names = (await release(api)).map(({ object: name, problem }) => `${name} ${problem ?? 'free'}`);
    expect(names).toEqual([
      'Deployment acme/web free',
      'HorizontalPodAutoscaler acme/web free',
      'NodePool general free',
    ]);
    expect(patched).toMatchObject([
      ['deployments/web', without('headroom.dev/change-replicas', 'headroom.dev/change-request.cpu')],
      ['horizontalpodautoscalers/web', without('headroom.dev/change-floor')],
      ['nodepools/general', without('headroom.dev/account', 'headroom.dev/change-weight')],
    ]);
    expect(JSON.stringify(patched)).not.toContain('user-floor');
  });

  test.each([
    { row: 'no KEDA and no Karpenter', on: 'scaledobjects', kind: 'not-found', told: [] },
    { row: 'ScaledObjects that may not be seen', on: 'scaledobjects', kind: 'forbidden', told: [] },
    { row: 'Deployments that may not be seen', on: 'deployments', kind: 'forbidden', told: ['deployments: no'] },
  ] as const)('$row: the rest is freed', async ({ on, kind, told }) => {
    const autoscaled = { horizontalpodautoscalers: [object('web', { 'headroom.dev/change-floor': mark('acme') })] };
    const { api, patched } = server(autoscaled, { [on]: [new ApiRefusal(kind, 'no')] });
    const problems = (await release(api)).flatMap(({ object: name, problem }) =>
      problem === null ? [] : [`${name}: ${problem}`],
    );
    expect(problems).toEqual(told);
    expect(patched.map(([name]) => name)).toEqual(['horizontalpodautoscalers/web']);
  });

  test.each([
    { row: 'moved in between: tried again', kind: 'conflict', problem: null, writes: 1 },
    { row: 'gone in between: free', kind: 'not-found', problem: null, writes: 0 },
    { row: 'not to be written: told', kind: 'forbidden', problem: 'no', writes: 0 },
  ] as const)('an object that is $row', async ({ kind, problem, writes }) => {
    const deployments = [object('web', { 'headroom.dev/change-replicas': mark('acme') })];
    const { api, patched } = server({ deployments }, { 'deployments/web': [new ApiRefusal(kind, 'no')] });
    expect(await release(api)).toEqual([{ object: 'Deployment acme/web', problem }]);
    expect(patched).toHaveLength(writes);
  });
});
