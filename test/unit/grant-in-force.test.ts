import { describe, expect, it } from 'vitest';
import { grantInForce, mayRunOn, sharesPool, type Grant } from '../../src/domain/grant.js';
import { AT, policyOf, stateOf } from './allocate-fixtures.js';

/* What binds an account: a wrong answer here takes from it what it is guaranteed, or lets it take what is another's. */

const web = {
  name: 'web',
  components: { cpu: { request: 1 }, memory: { request: '1Gi' } },
  replicas: { min: 1, max: 9 },
};
const pools = [{ name: 'general', pricePerHour: 1, node: { cpu: 4 } }];
const plain = policyOf({ workloads: [web], pools });
const guaranteed = policyOf({ workloads: [web], pools, guaranteedShare: { cpu: 3 } });
const GIB = 2 ** 30;

const grant = (more: Partial<Grant> = {}): Grant => ({
  ...{ account: 'acme', planId: 'fleet/1', at: AT, until: AT + 900, granted: { cpu: 8, memory: 4 * GIB } },
  ...{ asked: { cpu: 8 }, pools: {}, words: 'all that it asked for' },
  ...more,
});

describe('the grant in force', () => {
  it.each([
    {
      name: 'live: as granted, until its end',
      given: { grant: grant(), shared: true },
      says: { source: 'fleet', until: AT + 900, amounts: { cpu: 8, memory: 4 * GIB } },
    },
    {
      name: 'at its very end it is over: what is guaranteed, and of the rest what runs',
      given: { grant: grant({ until: AT }), shared: true },
      says: { source: 'guaranteed', until: AT, amounts: { cpu: 3, memory: 5 * GIB } },
    },
    {
      name: 'over for long',
      given: { grant: grant({ until: AT - 86_400 }), shared: true },
      says: { source: 'guaranteed', amounts: { cpu: 3, memory: 5 * GIB }, words: expect.stringContaining('1d ago') },
    },
    {
      name: 'never granted, under a fleet: the same, of every component',
      given: { grant: null, shared: true },
      says: { source: 'guaranteed', until: null, amounts: { cpu: 3, memory: 5 * GIB } },
    },
  ])('$name', ({ given, says }) => {
    expect(grantInForce(guaranteed, stateOf(guaranteed, { web: 5 }), AT, given)).toMatchObject(says);
  });

  it.each([
    ['no fleet shares its pools', { grant: null, shared: false }],
    ['one did, and was stopped', { grant: grant(), shared: false }],
    ['one did, was stopped, and its grants are over', { grant: grant({ until: AT - 1 }), shared: false }],
  ])('an account is as it would be alone where %s', (_name, given) => {
    expect(grantInForce(guaranteed, stateOf(guaranteed, { web: 5 }), AT, given)).toBeNull();
  });

  it('without any guaranteed share a silent fleet takes nothing away, and lets nothing be added', () => {
    const found = grantInForce(plain, stateOf(plain, { web: 5 }), AT, { grant: grant({ until: AT }), shared: true });
    expect(found?.amounts).toEqual({ cpu: 5, memory: 5 * GIB });
    expect(found?.words).toMatch(/of cpu, memory it has no guaranteed share and keeps what it has/);
  });

  it('a workload that the cluster does not have runs nothing', () => {
    const state = stateOf(plain, { web: 5 });
    const gone = { ...state, workloads: state.workloads.map((one) => ({ ...one, exists: false })) };
    expect(grantInForce(plain, gone, AT, { grant: null, shared: true })?.amounts).toEqual({ cpu: 0, memory: 0 });
  });

  it.each([
    { pool: 'general', cluster: 'main', shared: true },
    { pool: 'general', cluster: 'edge', shared: false },
    { pool: 'spot', cluster: 'main', shared: false },
  ])('pool $pool of cluster $cluster is shared: $shared', ({ pool, cluster, shared }) => {
    expect(sharesPool(plain, { name: pool, cluster })).toBe(shared);
    expect(mayRunOn(plain, { name: pool, cluster })).toBe(shared);
  });

  it.each([
    { name: 'all, where none is named', pools: undefined, expected: true },
    { name: 'the one that is named', pools: ['general'], expected: true },
    { name: 'none that it may only move to', pools: ['spot'], expected: false },
  ])('a workload runs on $name', ({ pools, expected }) => {
    const [pool, workload] = [plain.pools[0], plain.workloads[0]];
    if (pool === undefined || workload === undefined) expect.fail('the account has neither');
    const policy = {
      ...plain,
      pools: [pool, { ...pool, name: 'spot' }],
      workloads: [{ ...workload, mayMoveTo: ['general', 'spot'], ...(pools === undefined ? {} : { pools }) }],
    };
    expect(mayRunOn(policy, { name: 'general', cluster: 'main' })).toBe(expected);
  });
});
