import { describe, expect, it } from 'vitest';
import type { AccountPolicy } from '../../src/domain/account.js';
import { CRITICALITY_WEIGHT, levelOf, policyProblems } from '../../src/domain/policy-rules.js';
import { policyOf } from './allocate-fixtures.js';

const web = { name: 'web', components: { cpu: { request: 1 } }, replicas: { min: 1, max: 5 } };
const pool = { name: 'general', pricePerHour: 1, node: { cpu: 4 } };
const good = { workloads: [web], pools: [pool] };
const event = { name: 'sale', from: 1000, to: 2000 };
const task = { name: 'nightly', workload: 'web', cron: '0 2 * * *', duration: '1h', demand: { cpu: 1 } };
const blackout = { name: 'night', reason: 'batch' };

describe('what a schema cannot say', () => {
  it('a policy without contradictions has no problem', () => {
    expect(policyProblems(policyOf(good))).toEqual([]);
  });

  it.each<[string, Parameters<typeof policyOf>[0]]>([
    [
      'a pool of other nodes that no workload is on',
      {
        workloads: [{ ...web, pools: ['general'] }],
        pools: [pool, { ...pool, name: 'cache', node: { memory: 4e9 } }],
      },
    ],
    [
      'a zone to be lost, of two',
      {
        ...good,
        surviveZone: 0.5,
        pools: [
          { ...pool, zone: 'a' },
          { ...pool, name: 'other', zone: 'b' },
        ],
      },
    ],
    [
      'one name for objects of two kinds and in two namespaces',
      {
        ...good,
        workloads: [
          web,
          { ...web, name: 'set', target: { kind: 'StatefulSet', name: 'web' } },
          { ...web, name: 'elsewhere', target: { namespace: 'other', name: 'web' } },
        ],
      },
    ],
    ['what a strategy says of zones, where there is one', { ...good, strategy: 'safest', surviveZone: 0.5 }],
  ])('%s is no problem', (_name, policy) => {
    expect(policyProblems(policyOf(policy))).toEqual([]);
  });

  it.each<[string, Parameters<typeof policyOf>[0], string, RegExp]>([
    [
      'a minimum above its maximum',
      { ...good, workloads: [{ ...web, replicas: { min: 6, max: 5 } }] },
      'workloads.0.replicas.min',
      /minimum 6 is above maximum 5/,
    ],
    [
      'two workloads on one object, which would undo each other',
      {
        ...good,
        workloads: [
          { ...web, target: { name: 'db' } },
          { ...web, name: 'api', target: { name: 'db' } },
        ],
      },
      'workloads.1.target',
      /Deployment acme\/db is what "web" drives already/,
    ],
    [
      'two workloads on one object, of which one says the namespace and one has it by default',
      {
        ...good,
        namespace: 'shop',
        workloads: [
          { ...web, target: { namespace: 'shop', name: 'api' } },
          { ...web, name: 'api' },
        ],
      },
      'workloads.1.target',
      /Deployment shop\/api is what "web" drives already/,
    ],
    [
      'two workloads that look for one object by the same labels',
      {
        ...good,
        workloads: [
          { ...web, target: { selector: { app: 'x', tier: 'y' } } },
          { ...web, name: 'api', target: { selector: { tier: 'y', app: 'x' } } },
        ],
      },
      'workloads.1.target',
      /Deployment in acme with app=x,tier=y is what "web" drives already/,
    ],
    [
      'a task twice, which no plan could place',
      { ...good, tasks: [task, { ...task, cron: '0 4 * * *' }] },
      'tasks.1.name',
      /task "nightly" is named twice/,
    ],
    ['a workload twice', { ...good, workloads: [web, web] }, 'workloads.1.name', /named twice/],
    ['a pool twice', { ...good, pools: [pool, pool] }, 'pools.1.name', /named twice/],
    [
      'a pool’s minimum above its maximum',
      { ...good, pools: [{ ...pool, min: 3, max: 2 }] },
      'pools.0.min',
      /minimum 3 is above maximum 2/,
    ],
    [
      'a guaranteed share that its pools can never have',
      { ...good, pools: [{ ...pool, node: { cpu: 4 }, max: 2 }], guaranteedShare: { cpu: 9 } },
      'guaranteedShare.cpu',
      /9 is above 8, all that its pools can have/,
    ],
    [
      'a pool whose nodes name nothing, and would hold everything',
      { ...good, pools: [{ ...pool, node: {} }] },
      'pools.0.node',
      /offers nothing/,
    ],
    [
      'a pool whose nodes have nothing of what a workload asks for',
      { ...good, pools: [{ ...pool, node: { memory: 4e9 } }] },
      'pools.0.node',
      /offers no cpu, which "web" asks for/,
    ],
    ['a zone to be lost where no pool says its zone', { ...good, surviveZone: 0.5 }, 'surviveZone', /name their zones/],
    [
      'a zone to be lost where there is one',
      { ...good, surviveZone: 0.5, pools: [{ ...pool, zone: 'a' }] },
      'surviveZone',
      /none can be lost/,
    ],
    ['a pool without capacity', { ...good, pools: [{ ...pool, node: { cpu: 0 } }] }, 'pools.0.node', /offers nothing/],
    [
      'no component',
      { ...good, workloads: [{ ...web, components: {} }] },
      'workloads.0.components',
      /names no component/,
    ],
    [
      'a request of nothing',
      { ...good, workloads: [{ ...web, components: { cpu: { request: 0 } } }] },
      'workloads.0.components.cpu.request',
      /above 0/,
    ],
    [
      'a grid with nothing in it',
      { ...good, workloads: [{ ...web, components: { cpu: { request: 1, grid: [0, 1] } } }] },
      'workloads.0.components.cpu.grid',
      /above 0/,
    ],
    [
      'a pool that is not',
      { ...good, workloads: [{ ...web, pools: ['gpu'] }] },
      'workloads.0.pools',
      /pool "gpu" is not defined/,
    ],
    [
      'a task of no workload',
      { ...good, tasks: [{ name: 't', workload: 'api', cron: '0 0 * * *', duration: '1h', demand: { cpu: 1 } }] },
      'tasks.0.workload',
      /"api" is not defined/,
    ],
    [
      'an event that ends before it begins',
      { ...good, events: [{ ...event, to: 1000, multiplier: 2 }] },
      'events.0.to',
      /after from/,
    ],
    ['an event that says nothing', { ...good, events: [event] }, 'events.0', /either multiplier or demand/],
    [
      'an event that says both',
      { ...good, events: [{ ...event, multiplier: 2, demand: { cpu: 1 } }] },
      'events.0',
      /not both/,
    ],
    [
      'an event of no workload',
      { ...good, events: [{ ...event, multiplier: 2, workloads: ['api'] }] },
      'events.0.workloads',
      /"api" is not defined/,
    ],
    ['a blackout without a time', { ...good, blackouts: [blackout] }, 'blackouts.0', /either cron with duration/],
    [
      'a blackout with both',
      { ...good, blackouts: [{ ...blackout, cron: '0 0 * * *', duration: '1h', from: 1, to: 2 }] },
      'blackouts.0',
      /either cron with duration/,
    ],
    [
      'a blackout that ends before it begins',
      { ...good, blackouts: [{ ...blackout, from: 2000, to: 1000 }] },
      'blackouts.0.to',
      /after from/,
    ],
    ['a cycle shorter than the step', { ...good, cycle: '1m', step: '5m' }, 'cycle', /shorter than the step/],
  ])('%s is named, with its place', (_name, parts, path, words) => {
    const problems = policyProblems(policyOf(parts));
    expect(problems.map((problem) => problem.path.join('.'))).toEqual([path]);
    expect(problems[0]?.problem).toMatch(words);
  });

  it('all of them at once', () => {
    const problems = policyProblems(
      policyOf({ ...good, cycle: '1m', workloads: [{ ...web, replicas: { min: 6, max: 5 }, pools: ['gpu'] }] }),
    );
    expect(problems).toHaveLength(3);
  });
});

describe('the level of a component', () => {
  const policy = (account: number, workload?: number, component?: number): AccountPolicy =>
    policyOf({
      ...good,
      level: account,
      workloads: [
        {
          ...web,
          ...(workload === undefined ? {} : { level: workload }),
          components: { cpu: { request: 1, ...(component === undefined ? {} : { level: component }) } },
        },
      ],
    });
  it.each([
    ['the account’s', policy(0.9), 0.9],
    ['the workload’s before the account’s', policy(0.9, 0.95), 0.95],
    ['its own before both', policy(0.9, 0.95, 0.99), 0.99],
    ['its own before the account’s', policy(0.9, undefined, 0.99), 0.99],
  ])('%s', (_name, given, level) => {
    const [workload] = given.workloads;
    if (workload === undefined) throw new Error('no workload');
    expect(levelOf(given, workload, 'cpu')).toBe(level);
  });

  it('what is more critical weighs more', () => {
    const { low, normal, high, critical } = CRITICALITY_WEIGHT;
    expect([low, normal, high, critical]).toEqual([low, normal, high, critical].sort((a, b) => a - b));
    expect(new Set([low, normal, high, critical]).size).toBe(4);
  });
});
