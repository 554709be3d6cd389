import { beforeAll, describe, expect, test } from 'vitest';
import { createAllocator, proposeMigrations, unmovedBut, type Allocator } from '../../src/allocate/index.js';
import type { AccountFile } from '../../src/domain/account.js';
import { demandOf, inputOf, policyOf, stateOf } from './allocate-fixtures.js';

/* Why a plan moves nothing. Where this fails, `headroom why shop web.pool` says that there is no such number. */

type Workload = AccountFile['workloads'][number];
type Pool = AccountFile['pools'][number];

const GENERAL: Pool = { name: 'general', pricePerHour: 0.8, node: { cpu: 4 } };
const SPOT: Pool = { name: 'spot', pricePerHour: 0.79, node: { cpu: 4 } };
const WEB: Workload = { name: 'web', components: { cpu: { request: 1 } }, replicas: { min: 1, max: 50 } };

let allocator: Allocator;
beforeAll(async () => {
  allocator = await createAllocator();
});

describe('a workload that no plan proposes to move', () => {
  interface Row {
    web?: Partial<Workload>;
    pools?: Pool[];
    policy?: Partial<AccountFile>;
    placed?: Record<string, number>;
    halt?: string;
    distrusted?: boolean;
  }
  const bound = { pools: ['general'], mayMoveTo: ['general', 'spot'] };
  test.each<[string, Row, RegExp | null]>([
    ['would not save enough', { web: bound }, /spot would not save enough/],
    ['is proposed: it has no reason to stay', { web: bound, pools: [GENERAL, { ...SPOT, pricePerHour: 0.1 }] }, null],
    ['of an account with one pool', { pools: [GENERAL] }, null],
    ['has its replicas on two pools', { placed: { general: 5, spot: 3 } }, /several pools \(5 on general, 3 on spot\)/],
    [
      'runs where its file does not let it',
      { web: { pools: ['general'] }, placed: { spot: 8 }, pools: [GENERAL, { ...SPOT, pricePerHour: 0.1 }] },
      /runs on spot, and the account file lets it run on general alone/,
    ],
    ['is seen nowhere and may be anywhere', {}, /nobody knows which pool it runs on/],
    ['may go nowhere else', { web: { pools: ['general'] } }, /no pool but general: name others in its mayMoveTo/],
    [
      'does not fit elsewhere',
      { web: bound, pools: [GENERAL, { ...SPOT, node: { cpu: 0.5 } }] },
      /cannot go to spot: .*offers 500m/,
    ],
    [
      'of an account in a surprise',
      { web: bound, halt: 'nothing is moved in a surprise: throttled' },
      /surprise: throttled/,
    ],
    ['whose account file says so', { web: bound, policy: { migrations: 'never' } }, /migrations: never/],
    ['whose forecast is not acted on', { web: bound, distrusted: true }, /forecast is not acted on/],
  ])('%s', (_row, row, expected) => {
    const { web, pools = [GENERAL, SPOT], placed, halt = null } = row;
    const policy = policyOf({ workloads: [{ ...WEB, ...web }], pools, ...row.policy });
    const state = stateOf(policy, { web: 8 }, { general: 2, spot: 0 });
    const input = inputOf(policy, [demandOf('web', 'cpu', new Array<number>(24).fill(8))], {
      state: placed === undefined ? state : { ...state, workloads: state.workloads.map((one) => ({ ...one, placed })) },
    });
    const { plan, basis } = allocator.allocate(input);
    const distrusted = new Set(row.distrusted === true ? ['web'] : []);
    const proposed = halt === null ? proposeMigrations(allocator, { input, plan, basis, distrusted }) : [];
    const unmoved = unmovedBut(proposed, { input, plan, distrusted }, halt);
    expect(unmoved).toEqual(
      expected === null ? [] : [{ workload: 'web', why: expect.stringMatching(expected) as string }],
    );
  });
});
