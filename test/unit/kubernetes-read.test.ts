import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { disruptionRecord, limitRangeRecord, quotaRecord } from '../../src/cluster/kubernetes/cache/limit-records.js';
import { nodeRecord, podRecord, type PodRecord } from '../../src/cluster/kubernetes/cache/placement-records.js';
import { selects, selectorSchema } from '../../src/cluster/kubernetes/cache/schemas.js';
import {
  autoscalerRecord,
  scaledObjectRecord,
  workloadRecord,
} from '../../src/cluster/kubernetes/cache/workload-records.js';
import { boundsOf } from '../../src/cluster/kubernetes/read/bounds.js';
import { disruptionOf } from '../../src/cluster/kubernetes/read/disruption.js';
import { quotasOf } from '../../src/cluster/kubernetes/read/quotas.js';
import { rolloutOf, troublesOf } from '../../src/cluster/kubernetes/read/troubles.js';
import { scalingOf } from '../../src/cluster/kubernetes/read/workloads.js';

const metadata = (name: string, more: object = {}) => ({
  name,
  namespace: 'acme',
  uid: name,
  resourceVersion: '7',
  ...more,
});
const container = (name: string, requests: object, limits: object = {}) => ({ name, resources: { requests, limits } });
const workload = (containers: object[], more: { replicas?: number; status?: object; pod?: object } = {}) =>
  workloadRecord({
    metadata: metadata('web', { generation: 2 }),
    spec: {
      ...(more.replicas === undefined ? {} : { replicas: more.replicas }),
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers, ...more.pod } },
    },
    status: { observedGeneration: 2, updatedReplicas: 1, ...more.status },
  });
const web = workload([
  container('main', { cpu: '500m', memory: '1Gi' }, { cpu: '2' }),
  container('side', { cpu: '100m' }),
]);
const pod = (status: object, spec: object = {}): PodRecord =>
  podRecord({
    metadata: metadata('p'),
    spec: { containers: [container('main', { cpu: '500m' })], nodeName: 'n', ...spec },
    status,
  });

describe('why a pod is not ready', () => {
  const waiting = (reason: string, message = '') => ({
    phase: 'Pending',
    containerStatuses: [{ name: 'main', state: { waiting: { reason, message } } }],
  });
  test.each([
    { row: 'ready', status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] }, trouble: null },
    {
      row: 'back-off after crashes',
      status: waiting('CrashLoopBackOff', 'back-off 5m0s'),
      trouble: ['crash-looping', 'container main: back-off 5m0s'],
    },
    {
      row: 'an image that cannot be pulled',
      status: waiting('ImagePullBackOff'),
      trouble: ['image-pull', 'container main: ImagePullBackOff'],
    },
    {
      row: 'a missing secret',
      status: waiting('CreateContainerConfigError', 'secret "x" not found'),
      trouble: ['cannot-start', 'container main: secret "x" not found'],
    },
    {
      row: 'on its way',
      status: waiting('ContainerCreating'),
      trouble: ['starting', 'its containers are being started'],
    },
    {
      row: 'no node has room',
      status: {
        phase: 'Pending',
        conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes' }],
      },
      trouble: ['unschedulable', '0/3 nodes'],
    },
    {
      row: 'a probe that fails',
      status: {
        phase: 'Running',
        conditions: [{ type: 'Ready', status: 'False', message: 'containers with unready status: [main]' }],
      },
      trouble: ['not-ready', 'containers with unready status: [main]'],
    },
    {
      row: 'an init container that crashes, before all else',
      status: {
        phase: 'Pending',
        initContainerStatuses: [{ name: 'init', state: { waiting: { reason: 'CrashLoopBackOff' } } }],
      },
      trouble: ['crash-looping', 'container init: CrashLoopBackOff'],
    },
    {
      row: 'ready, with a resize that its node has no room for',
      status: {
        phase: 'Running',
        conditions: [
          { type: 'Ready', status: 'True' },
          { type: 'PodResizePending', status: 'True', reason: 'Deferred', message: 'no room' },
        ],
      },
      trouble: ['resize-pending', 'Deferred: no room'],
    },
  ])('$row', ({ status, trouble }) => {
    const found = pod(status).trouble;
    expect(found === null ? null : [found.reason, found.words]).toEqual(trouble);
  });

  test('a message of any length is cut to what a history has room for', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 2000 }), (message) => {
        const { trouble } = pod({ phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', message }] });
        expect(trouble?.words.length).toBeLessThanOrEqual(200);
      }),
    );
  });

  test('the most frequent is told first, what the controller may not make before all; those that leave do not count', () => {
    const stuck = pod({ phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', message: 'full' }] });
    const crash = pod(waiting('CrashLoopBackOff'));
    const leaving = { ...crash, leaving: true };
    const denied = workload([], {
      replicas: 9,
      status: {
        conditions: [{ type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: 'exceeded quota' }],
      },
    });
    expect(troublesOf(denied, [crash, stuck, stuck, leaving, leaving, leaving])).toEqual([
      { reason: 'not-created', pods: 6, words: 'exceeded quota' },
      { reason: 'unschedulable', pods: 2, words: 'full' },
      { reason: 'crash-looping', pods: 1, words: 'container main: CrashLoopBackOff' },
    ]);
  });

  test.each([
    { row: 'done', status: { updatedReplicas: 1 }, words: null },
    {
      row: 'not seen by its controller',
      status: { observedGeneration: 1 },
      words: 'its controller has not seen the change yet',
    },
    { row: 'under way', status: { updatedReplicas: 0 }, words: '0 of 1 replicas run the present template' },
  ])('a rollout that is $row', ({ status, words }) => expect(rolloutOf(workload([], { status }))).toBe(words));
});

describe('what one replica may request', () => {
  const range = (limits: object[]) => [limitRangeRecord({ metadata: metadata('sizes'), spec: { limits } })];
  test.each([
    { row: 'its container’s own limit', limits: [], cpu: { max: 2.1 } },
    { row: 'a smaller maximum of a container', limits: [{ type: 'Container', max: { cpu: '1' } }], cpu: { max: 1.1 } },
    {
      row: 'a minimum of a container',
      limits: [{ type: 'Container', min: { cpu: '200m' } }],
      cpu: { min: 0.3, max: 2.1 },
    },
    { row: 'a maximum of the pod', limits: [{ type: 'Pod', max: { cpu: '1500m' } }], cpu: { max: 1.5 } },
    {
      row: 'a limit of so many times the request',
      limits: [{ type: 'Container', maxLimitRequestRatio: { cpu: '4' } }],
      cpu: { min: 0.6, max: 2.1 },
    },
    {
      row: 'claims of volumes are nothing to it',
      limits: [{ type: 'PersistentVolumeClaim', max: { storage: '1Gi' } }],
      cpu: { max: 2.1 },
    },
  ])('$row', ({ limits, cpu }) => {
    const bounds = boundsOf(web, range(limits));
    expect(bounds.cpu?.max).toBeCloseTo(cpu.max, 9);
    if (!('min' in cpu) || cpu.min === undefined) expect(bounds.cpu?.min).toBeUndefined();
    else expect(bounds.cpu?.min).toBeCloseTo(cpu.min, 9);
  });

  test('what is not requested has no bounds', () => {
    expect(boundsOf(workload([container('main', {})]), range([{ type: 'Container', max: { cpu: '1' } }]))).toEqual({});
  });
});

describe('what a quota leaves', () => {
  const quota = (hard: object, used: object, spec: object = {}) => [
    quotaRecord({ metadata: metadata('compute'), spec, status: { hard, used } }),
  ];
  const counted = (record = web, count = 2) => [
    {
      workload: 'web',
      record,
      pods: Array.from({ length: count }, () => ({ ...pod({}), requests: record.requests, limits: record.limits })),
    },
  ];

  test.each([
    { row: 'what others use is theirs', hard: { 'requests.cpu': '10' }, used: { 'requests.cpu': '5200m' }, room: 6 },
    { row: 'cpu is short for its requests', hard: { cpu: '10' }, used: { cpu: '1200m' }, room: 10 },
    { row: 'by pods', hard: { pods: '10' }, used: { pods: '5' }, room: 7 },
    {
      row: 'by limits, which a plan does not choose',
      hard: { 'limits.cpu': '10' },
      used: { 'limits.cpu': '4' },
      room: 10,
    },
    { row: 'one that is overrun leaves what is there', hard: { pods: '1' }, used: { pods: '2' }, room: 1 },
    {
      row: 'books that are behind the pods do not make room of nothing',
      hard: { pods: '10' },
      used: { pods: '0' },
      room: 10,
    },
  ])('$row', ({ hard, used, room }) => {
    const [state] = quotasOf('acme', quota(hard, used), counted());
    expect(state?.room).toBeCloseTo(room, 9);
  });

  test.each([
    { row: 'services', hard: { services: '5' } },
    { row: 'storage of claims', hard: { 'requests.storage': '5Gi' } },
    { row: 'memory limits that it does not have', hard: { 'limits.memory': '5Gi' } },
  ])('$row are nothing to a plan', ({ hard }) => expect(quotasOf('acme', quota(hard, {}), counted())).toEqual([]));

  test.each([
    { row: 'pods that end', spec: { scopes: ['Terminating'] }, counts: false },
    { row: 'pods that do not end', spec: { scopes: ['NotTerminating'] }, counts: true },
    { row: 'pods without requests', spec: { scopes: ['BestEffort'] }, counts: false },
    {
      row: 'a priority class',
      spec: { scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: ['gold'] }] } },
      counts: false,
    },
    {
      row: 'all but a priority class',
      spec: {
        scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'NotIn', values: ['gold'] }] },
      },
      counts: true,
    },
  ])('a quota of $row: $counts', ({ spec, counts }) => {
    expect(quotasOf('acme', quota({ pods: '5' }, {}, spec), counted())).toHaveLength(counts ? 1 : 0);
  });
});

describe('what a disruption budget promises', () => {
  const budget = (name: string, spec: object) => disruptionRecord({ metadata: metadata(name), spec });
  const selector = { matchLabels: { app: 'web' } };
  test.each([
    { row: 'a number', budgets: [budget('a', { selector, minAvailable: 3 })], found: { name: 'a', minAvailable: 3 } },
    {
      row: 'the strictest of several',
      budgets: [budget('a', { selector, minAvailable: 2 }), budget('b', { selector: {}, minAvailable: 4 })],
      found: { name: 'b', minAvailable: 4 },
    },
    { row: 'a share follows the replicas', budgets: [budget('a', { selector, minAvailable: '50%' })], found: null },
    {
      row: 'so many missing follow the replicas',
      budgets: [budget('a', { selector, maxUnavailable: 1 })],
      found: null,
    },
    {
      row: 'of others',
      budgets: [budget('a', { selector: { matchLabels: { app: 'db' } }, minAvailable: 3 })],
      found: null,
    },
    { row: 'without a selector, of none', budgets: [budget('a', { minAvailable: 3 })], found: null },
  ])('$row', ({ budgets, found }) => expect(disruptionOf(web, budgets)).toEqual(found));
});

describe('what scales a workload', () => {
  const hpa = (more: object = {}) =>
    autoscalerRecord({
      metadata: metadata('web-hpa', more),
      spec: { scaleTargetRef: { kind: 'Deployment', name: 'web' }, maxReplicas: 9 },
    });
  const scaled = scaledObjectRecord({ metadata: metadata('web-scaler'), spec: { scaleTargetRef: { name: 'web' } } });
  const keda = hpa({ ownerReferences: [{ kind: 'ScaledObject', name: 'web-scaler' }] });

  test.each([
    { row: 'nothing', hpas: [], objects: [], found: null },
    {
      row: 'an HPA, from 1 where it does not say',
      hpas: [hpa()],
      objects: [],
      found: { kind: 'hpa', name: 'web-hpa', floor: 1, ceiling: 9 },
    },
    {
      row: 'a ScaledObject before the HPA that it made, from 0 to 100 where it does not say',
      hpas: [keda],
      objects: [scaled],
      found: { kind: 'scaledobject', name: 'web-scaler', floor: 0, ceiling: 100 },
    },
    {
      row: 'a ScaledObject that is not seen: by its HPA, under its own name',
      hpas: [keda],
      objects: [],
      found: { kind: 'scaledobject', name: 'web-scaler', floor: 1, ceiling: 9 },
    },
  ])('$row', ({ hpas, objects, found }) => {
    const { autoscaler } = scalingOf('Deployment', 'web', hpas, objects);
    if (found === null) expect(autoscaler).toBeNull();
    else expect(autoscaler).toMatchObject(found);
  });
});

describe('selectors', () => {
  test.each<{ selector: object; labels: Record<string, string>; yes: boolean }>([
    { selector: {}, labels: {}, yes: true },
    { selector: { matchLabels: { a: '1' } }, labels: { a: '1', b: '2' }, yes: true },
    { selector: { matchLabels: { a: '1' } }, labels: { a: '2' }, yes: false },
    {
      selector: { matchExpressions: [{ key: 'a', operator: 'In', values: ['1', '2'] }] },
      labels: { a: '2' },
      yes: true,
    },
    { selector: { matchExpressions: [{ key: 'a', operator: 'NotIn', values: ['1'] }] }, labels: {}, yes: true },
    { selector: { matchExpressions: [{ key: 'a', operator: 'Exists' }] }, labels: {}, yes: false },
    { selector: { matchExpressions: [{ key: 'a', operator: 'DoesNotExist' }] }, labels: { a: '' }, yes: false },
    { selector: { matchExpressions: [{ key: 'a', operator: 'Near' }] }, labels: { a: '1' }, yes: false },
  ])('$selector on $labels: $yes', ({ selector, labels, yes }) => {
    expect(selects(selectorSchema.parse(selector), labels)).toBe(yes);
  });
});

describe('a pod is charged', () => {
  test('its containers and sidecars, or its largest init container, and overhead', () => {
    const spec = {
      initContainers: [
        { ...container('proxy', { cpu: '200m' }), restartPolicy: 'Always' },
        container('migrate', { cpu: '2' }),
      ],
      overhead: { cpu: '50m' },
    };
    expect(pod({}, spec).requests['cpu']).toBeCloseTo(2.25, 9);
    expect(pod({}, { ...spec, initContainers: spec.initContainers.slice(0, 1) }).requests['cpu']).toBeCloseTo(0.75, 9);
  });
});

test.each([
  { row: 'plain', spec: {}, leaving: false },
  {
    row: 'marked by Karpenter',
    spec: { taints: [{ key: 'karpenter.sh/disrupted', effect: 'NoSchedule' }] },
    leaving: true,
  },
  {
    row: 'marked by Cluster Autoscaler',
    spec: { taints: [{ key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' }] },
    leaving: true,
  },
  {
    row: 'only thought of',
    spec: { taints: [{ key: 'DeletionCandidateOfClusterAutoscaler', effect: 'PreferNoSchedule' }] },
    leaving: false,
  },
])('a node $row is leaving: $leaving', ({ spec, leaving }) => {
  expect(nodeRecord({ metadata: metadata('n'), spec }).leaving).toBe(leaving);
});
