import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { describeTarget } from '../../src/cluster/fence.js';
import { autoscalerRecord } from '../../src/cluster/kubernetes/cache/workload-records.js';
import { cpuTarget, percentOf, shareOf, withCpuTarget } from '../../src/cluster/kubernetes/hpa-metrics.js';
import { scalingOf } from '../../src/cluster/kubernetes/read/workloads.js';
import { checkAccountFile } from '../../src/domain/account-file.js';
import { addsTo, fieldName, orderChange, raises } from '../../src/domain/change.js';
import type { ClusterState, FieldTarget, WorkloadState } from '../../src/domain/cluster.js';
import type { PlannedField, PlanSummary } from '../../src/domain/plan.js';
import { seenValue } from '../../src/domain/seen.js';

/* The target of an HPA as a field: its name, its value and owner, and which way is up. */

const target = (value: number): FieldTarget => ({ field: 'target', workload: 'web', value });
const planned = (value: number, seen: number): PlannedField => ({
  target: target(value),
  seen: { value: seen, owner: 'argocd' },
  reason: '',
});

test('its name', () => {
  expect(fieldName(target(0.9))).toBe('web.target');
  expect(describeTarget('acme', target(0.9))).toBe('acme/web target');
});

test.each<{ what: string; value: number; seen: number; up: boolean; more: boolean }>([
  { what: 'raised: reacts less', value: 0.9, seen: 0.6, up: false, more: false },
  { what: 'given back: reacts more', value: 0.6, seen: 0.9, up: true, more: true },
  { what: 'as it is', value: 0.6, seen: 0.6, up: true, more: false },
])('$what', ({ value, seen, up, more }) => {
  expect(raises(planned(value, seen))).toBe(up);
  expect(addsTo(planned(value, seen))).toBe(more);
  const plan: PlanSummary = {
    id: 'p',
    at: 0,
    verdict: { kind: 'act', source: 'forecast', detail: '' },
    fields: [planned(value, seen)],
    costPerHour: 1,
    currency: 'EUR',
    conflict: null,
    reasons: [],
  };
  const { contingency } = orderChange(plan, 'acme/7', 'acme', 100, 600);
  expect(contingency.reverse).toEqual([{ target: target(seen), owner: 'argocd' }]);
  const blind = contingency.fallbacks.find(({ trigger }) => trigger.includes('telemetry'));
  expect(blind?.answer).toMatch(up ? /keep the change/ : /roll back/);
});

const web = (more: Partial<WorkloadState> = {}): ClusterState => ({
  at: 0,
  workloads: [
    {
      workload: 'web',
      exists: true,
      replicas: 3,
      readyReplicas: 3,
      request: {},
      autoscaler: { kind: 'hpa', name: 'web', floor: 2, ceiling: 9, target: 0.6, userTarget: 0.6 },
      owners: { replicas: null, request: null, floor: null, target: 'argocd' },
      ...more,
    },
  ],
  pools: [],
});

test.each<{ what: string; state: ClusterState; seen: unknown }>([
  { what: 'value and owner', state: web(), seen: { value: 0.6, owner: 'argocd' } },
  {
    what: 'nobody’s',
    state: web({ owners: { replicas: null, request: null, floor: null, target: null } }),
    seen: { value: 0.6, owner: null },
  },
  { what: 'no autoscaler', state: web({ autoscaler: null }), seen: null },
  {
    what: 'an autoscaler without such a target',
    state: web({ autoscaler: { kind: 'scaledobject', name: 'web', floor: 2, ceiling: 9 } }),
    seen: null,
  },
  { what: 'no such workload', state: { at: 0, workloads: [], pools: [] }, seen: null },
  { what: 'a workload that is gone', state: web({ exists: false }), seen: null },
])('seen: $what', ({ state, seen }) => {
  expect(seenValue(state, target(0.9))).toEqual(seen);
});

const cpu = (percent: unknown, more: object = {}): unknown => ({
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: percent } },
  ...more,
});
const memory: unknown = {
  type: 'Resource',
  resource: { name: 'memory', target: { type: 'Utilization', averageUtilization: 70 } },
};

describe('among the metrics', () => {
  test.each<{ what: string; metrics: unknown[]; found: unknown }>([
    { what: 'none', metrics: [], found: null },
    { what: 'memory alone', metrics: [memory], found: null },
    { what: 'behind another', metrics: [memory, cpu(60)], found: { index: 1, percent: 60 } },
    { what: 'beyond the request', metrics: [cpu(150)], found: { index: 0, percent: 150 } },
    { what: 'two of them', metrics: [cpu(60), cpu(70)], found: null },
    { what: 'garbled', metrics: [cpu('sixty'), null, 3], found: null },
    { what: 'zero', metrics: [cpu(0)], found: null },
  ])('$what', ({ metrics, found }) => {
    expect(cpuTarget(metrics)).toEqual(found);
  });

  test('one number changes, whatever else there is', () => {
    fc.assert(
      fc.property(
        fc.array(fc.jsonValue(), { maxLength: 3 }),
        fc.array(fc.jsonValue(), { maxLength: 3 }),
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 200 }),
        (before, after, was, is) => {
          const metrics = [...before, cpu(was, { note: 'kept' }), ...after];
          const at = cpuTarget(metrics);
          expect(at).toEqual({ index: before.length, percent: was });
          if (at === null) return;
          expect(withCpuTarget(metrics, at, is)).toEqual([...before, cpu(is, { note: 'kept' }), ...after]);
          expect(metrics[before.length]).toEqual(cpu(was, { note: 'kept' }));
        },
      ),
    );
  });

  test('a share of whole percents comes back as it was, to the last bit', () => {
    for (let percent = 1; percent <= 200; percent++) {
      const written = Number((percent / 100).toFixed(2));
      expect(shareOf(percent)).toBe(written);
      expect(percentOf(written)).toBe(percent);
    }
  });
});

describe('of an HPA', () => {
  const hpa = (
    more: object = {},
    annotations: Record<string, string> = {},
    managers: string[] = ['argocd'],
  ): unknown => ({
    metadata: {
      name: 'web',
      namespace: 'acme',
      uid: 'u',
      resourceVersion: '1',
      annotations,
      managedFields: managers.map((manager) => ({
        manager,
        operation: 'Apply',
        fieldsV1: { 'f:spec': { 'f:metrics': {} } },
      })),
      ...more,
    },
    spec: { scaleTargetRef: { kind: 'Deployment', name: 'web' }, maxReplicas: 9, metrics: [memory, cpu(90)] },
  });
  const see = (object: unknown) => scalingOf('Deployment', 'web', [autoscalerRecord(object)], []);

  test.each<{ what: string; object: unknown; autoscaler: object; owner: string | null | undefined }>([
    { what: 'a user’s', object: hpa(), autoscaler: { target: 0.9, userTarget: 0.9 }, owner: 'argocd' },
    {
      what: 'Headroom’s, with the user’s noted',
      object: hpa({}, { 'headroom.dev/user-target': '60' }, ['headroom']),
      autoscaler: { target: 0.9, userTarget: 0.6 },
      owner: 'headroom',
    },
    {
      what: 'a user’s again, whatever is noted',
      object: hpa({}, { 'headroom.dev/user-target': '60' }, ['headroom', 'kubectl']),
      autoscaler: { target: 0.9, userTarget: 0.9 },
      owner: 'kubectl',
    },
    { what: 'nobody’s', object: hpa({}, {}, []), autoscaler: { target: 0.9, userTarget: 0.9 }, owner: null },
  ])('$what', ({ object, autoscaler, owner }) => {
    const seen = see(object);
    expect(seen.autoscaler).toMatchObject(autoscaler);
    expect(seen.targetOwner).toBe(owner);
  });

  test('Headroom’s, with a garbled note: the user’s is not known', () => {
    const seen = see(hpa({}, { 'headroom.dev/user-target': 'sixty' }, ['headroom']));
    expect(seen.autoscaler).toMatchObject({ target: 0.9 });
    expect(seen.autoscaler).not.toHaveProperty('userTarget');
  });

  test('one that KEDA made has none to be written', () => {
    const seen = see(hpa({ ownerReferences: [{ kind: 'ScaledObject', name: 'web' }] }));
    expect(seen.autoscaler).toMatchObject({ kind: 'scaledobject' });
    expect(seen.autoscaler).not.toHaveProperty('target');
    expect(seen).not.toHaveProperty('targetOwner');
  });
});

test.each<{ what: string; text: string; problem: RegExp | null }>([
  { what: 'consent', text: '{ target: { max: 0.85 } }', problem: null },
  { what: 'none', text: '{}', problem: null },
  { what: 'a target without a maximum', text: '{ target: {} }', problem: /missing/ },
  { what: 'beyond the request', text: '{ target: { max: 1.2 } }', problem: /1/ },
  { what: 'percent instead of a share', text: '{ target: { max: 85 } }', problem: /1/ },
  { what: 'a fraction of a percent', text: '{ target: { max: 0.855 } }', problem: /whole percentage/ },
  { what: 'misspelt', text: '{ target: { maximum: 0.85 } }', problem: /did you mean|known here: max/ },
])('account file: $what', ({ text, problem }) => {
  const result = checkAccountFile(`version: headroom/v1
account: acme
workloads:
  - name: web
    components: { cpu: { request: 500m } }
    replicas: { min: 1, max: 10 }
    autoscaler: ${text}
pools: [{ name: general, pricePerHour: 0.2, node: { cpu: 4 } }]
`);
  if (problem === null) expect(result).toHaveProperty('policy');
  else expect('problems' in result ? result.problems.map((one) => one.problem).join('; ') : '').toMatch(problem);
});
