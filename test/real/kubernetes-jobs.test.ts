import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FieldTarget } from '../../src/domain/cluster.js';
import type { TaskTarget, WorkloadTarget } from '../../src/cluster/port.js';
import { actionsOf } from '../../src/domain/actions.js';
import { accountFileSchema } from '../../src/domain/account.js';
import { actor, field, lines, type Actor } from './kubernetes-pools-world.js';
import { deployment } from './kubernetes-world.js';
import { applyObjects, eventually, kubectl, onPool, ownNamespace, poolNodes, removeNodes, uniqueName } from './real.js';

const seconds = () => Date.now() / 1000;

describe('tasks that are moved', () => {
  let scheduled = 0;
  let minute = 0;
  const task = (name: string): TaskTarget => ({
    kind: 'CronJob',
    task: name,
    namespace: namespace.name,
    name,
    schedule: { cron: `${minute} * * * *`, timeZone: 'UTC' },
  });
  const cronJob = (name: string, spec: object = {}) => ({
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: { name, namespace: namespace.name },
    spec: {
      schedule: `${minute} * * * *`,
      concurrencyPolicy: 'Forbid',
      jobTemplate: {
        metadata: { labels: { team: 'shop' } },
        spec: {
          template: { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'report:1' }] } },
        },
      },
      ...spec,
    },
  });
  const start = (name: string, value: number): FieldTarget => ({ field: 'start', task: name, scheduled, value });
  /** Jobs of a CronJob, each with when it was let run and how it ended. */
  const runs = async (name: string) =>
    (
      await lines(
        '{.metadata.ownerReferences[0].name} {.metadata.name} {.status.startTime} {.status.succeeded}',
        'jobs',
        '-n',
        namespace.name,
      )
    ).filter((line) => line.startsWith(`${name} `));
  const began = (line: string | undefined): number => Date.parse(line?.split(' ')[2] ?? '') / 1000;
  let namespace: Awaited<ReturnType<typeof ownNamespace>>;
  let acme: Actor;

  beforeAll(async () => {
    namespace = await ownNamespace('tasks');
    // A minute that the controller isn't at before all that is to be moved has been, on a slow machine either.
    scheduled = Math.ceil((seconds() + 45) / 60) * 60;
    minute = new Date(scheduled * 1000).getUTCMinutes();
    const names = ['early', 'late', 'back', 'as-is'];
    await applyObjects(
      ...names.map((name) => cronJob(name)),
      cronJob('stopped', { suspend: true }),
      cronJob('hasty', { startingDeadlineSeconds: 5 }),
      cronJob('elsewhere', { timeZone: 'Asia/Kolkata' }),
    );
    acme = actor(namespace.name, {
      tasks: [...names, 'stopped', 'hasty', 'elsewhere', 'absent'].map(task),
    });
  });
  afterAll(async () => {
    await acme.close();
    await namespace.remove();
  });
  const seen = async (name: string) => (await acme.observe()).tasks?.find((one) => one.task === name);

  test('what cannot be moved says why', async () => {
    const refusals = Object.fromEntries((await acme.observe()).tasks?.map((one) => [one.task, one.refusal]) ?? []);
    expect(refusals).toMatchObject({
      early: null,
      stopped: expect.stringContaining('suspended'),
      elsewhere: expect.stringContaining('Asia/Kolkata'),
      absent: expect.stringContaining('no CronJob'),
    });
    const refusal = async (name: string, at: number) => {
      const result = await acme.apply(start(name, at), `change/acme/0#${name}`);
      return 'detail' in result ? result.detail : result.kind;
    };
    expect(await refusal('hasty', scheduled + 30)).toContain('startingDeadlineSeconds of 5');
    expect(await refusal('late', scheduled + 3600)).toContain('beyond the next run');
    expect(await refusal('stopped', scheduled + 30)).toContain('suspended');
    expect(await refusal('elsewhere', scheduled + 30)).toContain('has no run at');
    expect(await runs('late')).toEqual([]);
  });

  test('earlier, later, put back and left alone: each runs exactly once, when it should', async () => {
    const early = seconds() + 3;
    const late = scheduled + 12;
    expect(await acme.apply(start('early', early), 'change/acme/1#0')).toEqual({ kind: 'applied', value: early });
    expect(await acme.apply(start('late', late), 'change/acme/1#1')).toEqual({ kind: 'applied', value: late });
    expect(
      await acme.apply(start('late', late), 'change/acme/1#1', { expect: { value: scheduled, owner: null } }),
    ).toEqual({
      kind: 'repeated',
      value: late,
    });
    expect(await seen('late')).toMatchObject({ moved: [{ scheduled, start: late, begun: false }] });
    await acme.apply(start('back', late), 'change/acme/1#2');
    expect(await acme.restore(start('back', scheduled), ['change/acme/1#2'], 'change/acme/1#back-2')).toEqual({
      kind: 'applied',
      value: scheduled,
    });
    expect(await seen('back')).toMatchObject({ moved: [] });

    // The one that came forward runs now, and cannot be taken back any more.
    await eventually(async () => (await runs('early'))[0]?.endsWith(' 1'));
    await eventually(async () => (await seen('early'))?.moved[0]?.begun);
    expect(await seen('early')).toMatchObject({ moved: [{ scheduled, start: early, begun: true }] });
    expect(await acme.restore(start('early', scheduled), ['change/acme/1#0'], 'change/acme/1#back-0')).toMatchObject({
      kind: 'not-found',
      detail: expect.stringContaining('has begun'),
    });
    // The schedule's own time passes, by the controller's clock: 'as-is' says that it has been there.
    await eventually(async () => (await runs('as-is'))[0]?.endsWith(' 1'));
    await eventually(async () => (await runs('late'))[0]?.endsWith(' 1'));
    await eventually(async () => (await runs('back'))[0]?.endsWith(' 1'));

    const all = { early: await runs('early'), late: await runs('late'), back: await runs('back') };
    expect([all.early.length, all.late.length, all.back.length]).toEqual([1, 1, 1]);
    expect(began(all.early[0])).toBeLessThan(scheduled);
    expect(began(all.late[0])).toBeGreaterThanOrEqual(Math.floor(late) - 1);
    expect(began(all.back[0])).toBeGreaterThanOrEqual(scheduled);
    // The controller has taken them for its own: it will not make up for them later.
    const last = async (name: string) =>
      Date.parse(await field('{.status.lastScheduleTime}', 'cronjob', name, '-n', namespace.name)) / 1000;
    for (const name of ['early', 'late', 'back']) {
      await eventually(async () => (await last(name)) === scheduled);
    }
    expect(await field('{.metadata.labels.team}', 'job', `late-${scheduled / 60}`, '-n', namespace.name)).toBe('shop');
    // What has run is nobody's to move.
    const result = await acme.apply(start('as-is', scheduled + 30), 'change/acme/2#0');
    expect(result).toMatchObject({ kind: 'moved', owner: 'cronjob-controller' });
  });

  test('no CronJob was told anything else', async () => {
    const written = await lines(
      '{.metadata.managedFields[?(@.manager=="headroom")].subresource} {.spec.schedule} {.spec.suspend}',
      'cronjobs',
      '-n',
      namespace.name,
    );
    // Its status alone, where its own controller keeps count.
    expect([...new Set(written)].sort()).toEqual([
      ` ${minute} * * * * false`,
      ` ${minute} * * * * true`,
      `status ${minute} * * * * false`,
    ]);
  });
});

describe('what is done before capacity is needed', () => {
  const pool = uniqueName('pull');
  let namespace: Awaited<ReturnType<typeof ownNamespace>>;
  let acme: Actor;
  const needed = Math.round(seconds()) + 600;
  const prepared = (action: string, value: number): FieldTarget => ({
    field: 'prepared',
    workload: 'web',
    action,
    value,
  });
  const jobs = (action: string) =>
    lines(
      '{.status.succeeded} {.spec.completions}',
      'jobs',
      '-n',
      namespace.name,
      '-l',
      `headroom.dev/action=${action}`,
    );

  beforeAll(async () => {
    namespace = await ownNamespace('prepare');
    await applyObjects(...poolNodes(pool, 3));
    const web = deployment({ namespace: namespace.name, name: 'web', replicas: 1 });
    Object.assign(web.spec.template.spec, onPool(pool));
    await applyObjects(web);
    const policy = accountFileSchema.parse({
      version: 'headroom/v1',
      account: namespace.name,
      workloads: [
        {
          name: 'web',
          components: { cpu: { request: '100m' } },
          replicas: { min: 1, max: 9 },
          prepull: {},
          warmUp: [{ name: 'cache', image: 'warmer:1', environment: { REGION: 'eu' }, requests: { cpu: '50m' } }],
        },
      ],
      pools: [{ name: pool, pricePerHour: 1, node: { cpu: 8 } }],
    });
    const [workload] = policy.workloads;
    const target: WorkloadTarget = {
      workload: 'web',
      kind: 'Deployment',
      namespace: namespace.name,
      name: 'web',
      actions: workload === undefined ? [] : actionsOf(workload),
    };
    acme = actor(namespace.name, { workloads: [target] });
    await eventually(async () =>
      (
        await lines('{.status.conditions[?(@.type=="Ready")].status}', 'nodes', '-l', `headroom.dev/pool=${pool}`)
      ).every((status) => status === 'True'),
    );
  });
  afterAll(async () => {
    await acme.close();
    await namespace.remove();
    await removeNodes(pool);
  });
  const seen = async () => (await acme.observe()).workloads[0]?.prepared;

  test('images are pulled on every node where the workload may run, by pods that run nothing of theirs', async () => {
    expect(await seen()).toEqual({});
    expect(await acme.apply(prepared('prepull', needed), 'change/acme/1#0')).toEqual({
      kind: 'applied',
      value: needed,
    });
    await eventually(async () => (await jobs('prepull'))[0] === '3 3');
    const pods = await lines(
      '{.spec.nodeName} {.spec.volumes[0].image.reference} {.spec.containers[0].args[0]}',
      'pods',
      '-n',
      namespace.name,
      '-l',
      'headroom.dev/action=prepull',
    );
    expect(pods.sort()).toEqual([0, 1, 2].map((index) => `${pool}-${index} registry.example/app:1 -v`));
    expect(await seen()).toEqual({ prepull: needed });
    expect(await acme.apply(prepared('prepull', needed), 'change/acme/1#0')).toEqual({
      kind: 'repeated',
      value: needed,
    });
    expect(await jobs('prepull')).toHaveLength(1);
  });

  test('a warm-up Job runs to its end, told what for, and nothing of the workload rolls', async () => {
    expect(await acme.apply(prepared('warm-up.cache', needed), 'change/acme/2#0')).toMatchObject({ kind: 'applied' });
    await eventually(async () => (await jobs('warm-up.cache'))[0]?.startsWith('1 '));
    const environment = await lines(
      '{.spec.template.spec.containers[0].env[*].name}',
      'jobs',
      '-n',
      namespace.name,
      '-l',
      'headroom.dev/action=warm-up.cache',
    );
    expect(environment).toEqual(['REGION HEADROOM_ACCOUNT HEADROOM_WORKLOAD HEADROOM_NEEDED_AT']);
    // One template ever: the mark is on the Deployment, not on its pods.
    expect(await lines('{.metadata.name}', 'replicasets', '-n', namespace.name)).toHaveLength(1);
  });

  test('rolled back: the Job is gone, and what was done before stands as done', async () => {
    const later = needed + 900;
    await acme.apply(prepared('warm-up.cache', later), 'change/acme/3#0');
    expect(await jobs('warm-up.cache')).toHaveLength(2);
    expect(
      await acme.restore(prepared('warm-up.cache', needed), ['change/acme/3#0'], 'change/acme/3#back-0', 'headroom'),
    ).toEqual({ kind: 'applied', value: needed });
    await eventually(async () => (await jobs('warm-up.cache')).length === 1);
    expect(await seen()).toMatchObject({ 'warm-up.cache': needed });
  });

  test('an action that the account file does not have is refused', async () => {
    const result = await acme.apply(prepared('warm-up.nothing', needed), 'change/acme/4#0', {
      expect: { value: 0, owner: null },
    });
    expect(result).toMatchObject({ kind: 'refused' });
    await kubectl(['delete', 'deployment', 'web', '-n', namespace.name]);
    expect(
      await acme.apply(prepared('prepull', needed + 1800), 'change/acme/5#0', {
        expect: { value: needed, owner: 'headroom' },
      }),
    ).toMatchObject({
      kind: 'not-found',
    });
  });
});
