import type { V1CronJob, V1Job, V1Node, V1PodSpec } from '@kubernetes/client-node';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { markName } from '../../src/cluster/kubernetes/marks.js';
import {
  actionJobName,
  imagesOf,
  listed,
  warmUpJob,
  type ActionRun,
} from '../../src/cluster/kubernetes/provision/action-jobs.js';
import { fits, isOpen } from '../../src/cluster/kubernetes/provision/node-match.js';
import {
  cannotMove,
  nextRun,
  occurrenceJob,
  statusWith,
  statusWithout,
} from '../../src/cluster/kubernetes/provision/occurrence-job.js';
import { warmUpSchema } from '../../src/domain/preparation.js';
import { placeholderRequests } from '../../src/cluster/kubernetes/provision/placeholder-pods.js';

const at = (text: string): number => Date.parse(text) / 1000;
const TWO = at('2026-03-03T02:00:00Z');
const NOON = at('2026-03-02T12:00:00Z');

const cronJob = (spec: Partial<NonNullable<V1CronJob['spec']>> = {}, status: V1CronJob['status'] = {}): V1CronJob => ({
  metadata: {
    name: 'report',
    namespace: 'acme',
    uid: 'u1',
    resourceVersion: '7',
    creationTimestamp: new Date('2026-01-01T00:00:00Z'),
  },
  spec: {
    schedule: '0 2 * * *',
    jobTemplate: { spec: { template: { spec: { containers: [] } }, ttlSecondsAfterFinished: 60 } },
    ...spec,
  },
  status,
});

/** As Kubernetes reads a value: `$$` is a dollar, `$(NAME)` another variable's value. */
const expandedByKubernetes = (value: string): string =>
  value.replaceAll(/\$(\$|\([^)]*\))/g, (_, rest: string) => (rest === '$' ? '$' : 'EXPANDED'));

describe('an occurrence of a CronJob', () => {
  test.each([
    { row: 'an hour later', job: cronJob(), start: TWO + 3600, now: NOON, words: null },
    { row: 'an hour earlier', job: cronJob(), start: TWO - 3600, now: NOON, words: null },
    {
      row: 'in its own time zone',
      job: cronJob({ schedule: '0 3 * * *', timeZone: 'Europe/Berlin' }),
      start: TWO + 60,
      now: NOON,
      words: null,
    },
    {
      row: 'another time zone',
      job: cronJob({ timeZone: 'Asia/Kolkata' }),
      start: TWO + 60,
      now: NOON,
      words: 'has no run at',
    },
    { row: 'suspended', job: cronJob({ suspend: true }), start: TWO + 60, now: NOON, words: 'suspended' },
    { row: 'beyond the next', job: cronJob(), start: TWO + 86_400, now: NOON, words: 'beyond the next run' },
    { row: 'before the one before', job: cronJob(), start: TWO - 86_400, now: NOON, words: 'before the run before' },
    {
      row: 'too late for its deadline',
      job: cronJob({ startingDeadlineSeconds: 60 }),
      start: TWO + 61,
      now: NOON,
      words: 'startingDeadlineSeconds of 60',
    },
    { row: 'about to run', job: cronJob(), start: TWO + 600, now: TWO - 5, words: 'about to run' },
    {
      row: 'over',
      job: cronJob({}, { lastScheduleTime: new Date(TWO * 1000) }),
      start: TWO + 600,
      now: NOON,
      words: 'has run already',
    },
    {
      row: 'one comes before it',
      job: cronJob({ schedule: '0 * * * *' }),
      start: TWO + 600,
      now: NOON,
      words: 'still to come',
    },
  ])('$row', ({ job, start, now, words }) => {
    const answer = cannotMove(job, { scheduled: TWO, start }, now);
    if (words === null) expect(answer).toBeNull();
    else expect(answer).toContain(words);
  });

  test('what comes next is what the controller has not made yet', () => {
    const hourly = (last: string | null) =>
      cronJob({ schedule: '0 * * * *' }, last === null ? {} : { lastScheduleTime: new Date(last) });
    expect(nextRun(hourly(null), NOON + 600)).toBe(NOON + 3600);
    expect(nextRun(hourly('2026-03-02T13:00:00Z'), NOON + 600)).toBe(NOON + 2 * 3600);
    // It is due, and the controller may be at it.
    expect(nextRun(hourly('2026-03-02T11:00:00Z'), NOON + 10)).toBe(NOON);
  });

  test('its books say what the controller’s own would, and are put back as they were', () => {
    const before = new Date('2026-03-02T02:00:00Z');
    const other = { uid: 'other', name: 'report-1' };
    const owner = cronJob({}, { lastScheduleTime: before, active: [other] });
    const job = occurrenceJob(owner, { account: 'acme', task: 't', scheduled: TWO, start: TWO + 60 }, {});
    job.metadata = { ...job.metadata, uid: 'j1', resourceVersion: '9' };
    expect(job.metadata.name).toBe(`report-${TWO / 60}`);
    expect(job.spec).toMatchObject({ suspend: true, ttlSecondsAfterFinished: 60 });
    const made = statusWith(owner, job, TWO);
    expect(made?.status.lastScheduleTime).toBe('2026-03-03T02:00:00Z');
    expect(made?.status.active.map(({ uid }) => uid)).toEqual(['other', 'j1']);
    const kept = cronJob({}, { lastScheduleTime: new Date(TWO * 1000), active: made?.status.active ?? [] });
    expect(statusWith(kept, job, TWO)).toBeNull();
    expect(statusWithout(kept, job, TWO)?.status).toEqual({
      lastScheduleTime: '2026-03-02T02:00:00Z',
      active: [other],
    });
    // The controller has gone on since: its books are not turned back.
    const gone = cronJob({}, { lastScheduleTime: new Date((TWO + 86_400) * 1000) });
    expect(statusWithout(gone, job, TWO)).toBeNull();
    const first = occurrenceJob(cronJob(), { account: 'acme', task: 't', scheduled: TWO, start: TWO }, {});
    expect(statusWithout(kept, first, TWO)?.status.lastScheduleTime).toBeNull();
  });
});

describe('where a pod could run', () => {
  const node = (
    labels: Record<string, string>,
    more: Partial<NonNullable<V1Node['spec']>> = {},
    ready = 'True',
  ): V1Node => ({
    metadata: { name: 'n', labels },
    spec: more,
    status: { conditions: [{ type: 'Ready', status: ready }] },
  });
  const affinity = (operator: string, values?: string[]): V1PodSpec => ({
    containers: [],
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [
            { matchExpressions: [{ key: 'pool', operator, ...(values === undefined ? {} : { values }) }] },
          ],
        },
      },
    },
  });
  const taints = [{ key: 'pool', value: 'a', effect: 'NoSchedule' }];
  const tolerating = (toleration: object): V1PodSpec => ({ containers: [], tolerations: [toleration] });
  test.each([
    { row: 'asks for nothing', pod: { containers: [] }, on: node({}), fit: true },
    { row: 'selects', pod: { containers: [], nodeSelector: { pool: 'a' } }, on: node({ pool: 'a' }), fit: true },
    {
      row: 'selects another',
      pod: { containers: [], nodeSelector: { pool: 'b' } },
      on: node({ pool: 'a' }),
      fit: false,
    },
    { row: 'In', pod: affinity('In', ['a', 'b']), on: node({ pool: 'b' }), fit: true },
    { row: 'NotIn, absent', pod: affinity('NotIn', ['a']), on: node({}), fit: true },
    { row: 'Exists, absent', pod: affinity('Exists'), on: node({}), fit: false },
    { row: 'DoesNotExist', pod: affinity('DoesNotExist'), on: node({ pool: 'a' }), fit: false },
    { row: 'Gt', pod: affinity('Gt', ['3']), on: node({ pool: '4' }), fit: true },
    { row: 'Lt, no number', pod: affinity('Lt', ['3']), on: node({ pool: 'x' }), fit: false },
    { row: 'an operator to come', pod: affinity('Near', ['a']), on: node({ pool: 'a' }), fit: false },
    { row: 'tainted', pod: { containers: [] }, on: node({}, { taints }), fit: false },
    { row: 'tolerated by value', pod: tolerating({ key: 'pool', value: 'a' }), on: node({}, { taints }), fit: true },
    {
      row: 'tolerated at another effect',
      pod: tolerating({ key: 'pool', value: 'a', effect: 'NoExecute' }),
      on: node({}, { taints }),
      fit: false,
    },
    { row: 'tolerates everything', pod: tolerating({ operator: 'Exists' }), on: node({}, { taints }), fit: true },
    {
      row: 'only preferred not to',
      pod: { containers: [] },
      on: node({}, { taints: [{ key: 'x', effect: 'PreferNoSchedule' }] }),
      fit: true,
    },
  ])('$row: $fit', ({ pod, on, fit }) => expect(fits(pod, on)).toBe(fit));

  test.each([
    { row: 'ready', on: node({}), open: true },
    { row: 'not ready', on: node({}, {}, 'Unknown'), open: false },
    { row: 'cordoned', on: node({}, { unschedulable: true }), open: false },
  ])('$row: open $open', ({ on, open }) => expect(isOpen(on)).toBe(open));
});

describe('names and sizes', () => {
  const run = (more: Partial<ActionRun> = {}): ActionRun => ({
    account: 'acme',
    at: { workload: 'web', kind: 'Deployment', namespace: 'acme', name: 'web' },
    action: 'prepull',
    needed: NOON,
    ...more,
  });
  test('a Job has one name for what it is for, short enough for a label, and another for anything else', () => {
    const long = 'w'.repeat(63);
    const names = [
      run(),
      run({ needed: NOON + 1 }),
      run({ account: 'other' }),
      run({
        action: `warm-up.${'c'.repeat(40)}`,
        at: { workload: long, kind: 'Deployment', namespace: 'a', name: 'x' },
      }),
    ].map(actionJobName);
    expect(new Set(names).size).toBe(names.length);
    expect(actionJobName(run())).toBe(names[0]);
    for (const name of names) expect(name).toMatch(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
  });
  test('a mark’s name fits an annotation, and actions that begin alike are told apart', () => {
    const mark = (action: string) => markName({ field: 'prepared', workload: 'web', action, value: 1 });
    const long = [mark(`prefetch.${'a'.repeat(62)}b`), mark(`prefetch.${'a'.repeat(62)}c`)];
    expect(new Set(long).size).toBe(2);
    for (const name of [...long, mark('prepull')]) expect(name.split('/')[1]?.length ?? 99).toBeLessThanOrEqual(63);
  });
  const warmUp = (parts: object) => warmUpSchema.parse({ name: 'fill', image: 'fill', ...parts });
  const environmentOf = (job: V1Job) =>
    Object.fromEntries((job.spec?.template.spec?.containers[0]?.env ?? []).map(({ name, value }) => [name, value]));
  test('a warm-up is told the data sets only where it asked, and its file cannot say otherwise', () => {
    const told = run({ dataSets: ['orders', 'customers'] });
    const environment = { HEADROOM_DATA_SETS: 'mine', OTHER: 'x' };
    expect(environmentOf(warmUpJob(told, warmUp({ dataSets: {}, environment })))).toMatchObject({
      ...{ HEADROOM_DATA_SETS: '["orders","customers"]', OTHER: 'x' },
    });
    expect(environmentOf(warmUpJob(told, warmUp({})))).not.toHaveProperty('HEADROOM_DATA_SETS');
    expect(environmentOf(warmUpJob(run(), warmUp({ dataSets: {} })))).toMatchObject({ HEADROOM_DATA_SETS: '[]' });
  });
  test('labels of any kind come out of the list as they went in, in one line of bounded length', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 256 }), { maxLength: 100 }), (names) => {
        const text = listed(names);
        expect(Buffer.byteLength(text)).toBeLessThanOrEqual(16_384);
        expect(text).not.toMatch(/[\n\r\0]/);
        const read = z.array(z.string()).parse(JSON.parse(expandedByKubernetes(text)));
        expect(read).toEqual(names.slice(0, read.length));
        if (names.every((name) => name.length < 20)) expect(read.length).toBe(names.length);
      }),
      { numRuns: 200 },
    );
    expect(expandedByKubernetes(listed(['$(HEADROOM_ACCOUNT)', '$$(X)']))).toBe('["$(HEADROOM_ACCOUNT)","$$(X)"]');
  });
  test('every image once, init containers first', () => {
    const containers = [
      { name: 'a', image: 'app:1' },
      { name: 'b', image: 'side:2' },
      { name: 'c', image: 'app:1' },
    ];
    const pod = { containers, initContainers: [{ name: 'i', image: 'init:1', imagePullPolicy: 'Always' }] };
    expect(imagesOf(pod)).toEqual([
      { image: 'init:1', pullPolicy: 'Always' },
      { image: 'app:1', pullPolicy: undefined },
      { image: 'side:2', pullPolicy: undefined },
    ]);
    expect(imagesOf(undefined)).toEqual([]);
  });
  test.each([
    { row: 'a node', node: { cpu: 8, memory: 2 ** 35 }, share: 1, requests: { cpu: '8000m', memory: String(2 ** 35) } },
    { row: 'a tenth, rounded down', node: { cpu: 0.7 }, share: 0.1, requests: { cpu: '70m' } },
    { row: 'devices are whole', node: { cpu: 4, gpu: 2 }, share: 0.25, requests: { cpu: '1000m' } },
    { row: 'devices of a node', node: { gpu: 2 }, share: 1, requests: { 'nvidia.com/gpu': '2' } },
    { row: 'nothing that pods ask for', node: { network: 1e9 }, share: 1, requests: {} },
  ])('a placeholder of $row', ({ node, share, requests }) =>
    expect(placeholderRequests({ node, share })).toEqual(requests),
  );
});
