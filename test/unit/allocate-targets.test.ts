import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { createAllocator, type AllocationInput, type Allocator } from '../../src/allocate/index.js';
import type { AccountFile } from '../../src/domain/account.js';
import { raises } from '../../src/domain/change.js';
import type { FieldOwner, WorkloadState } from '../../src/domain/cluster.js';
import type { Plan } from '../../src/domain/plan.js';
import { withoutReductions } from '../../src/decide/engine.js';
import { AT, blocksOf, demandOf, inputOf, simple, stateOf } from './allocate-fixtures.js';

/* How strongly an HPA reacts beneath a plan: as its user set it, unless the plan stands in for it. */

let allocator: Allocator;
beforeAll(async () => {
  allocator = await createAllocator();
});

type Autoscaler = NonNullable<WorkloadState['autoscaler']>;
interface Case {
  /** Cores in each block; a replica has one. */
  demand?: number[];
  max?: number | null;
  seen?: Partial<Autoscaler>;
  /** The note of the user's own target is gone. */
  unknown?: boolean;
  owners?: { floor?: FieldOwner; target?: FieldOwner };
  distrust?: string | null;
  trust?: AllocationInput['trust'];
  file?: Partial<AccountFile['workloads'][number]>;
  parts?: Parameters<typeof simple>[0];
  input?: Partial<AllocationInput>;
}

/** `web`, six replicas by the floor of its HPA, whose user wants 60 %; the file agrees to 90 %. */
function planned(options: Case): Plan {
  const { demand = [6, 6], max = 0.9, distrust = null } = options;
  const policy = simple(
    { ownership: 'floor', ...options.parts },
    { ...(max === null ? {} : { autoscaler: { target: { max } } }), ...options.file },
  );
  const state = stateOf(policy, { web: 6 }, { general: 2 });
  const web = state.workloads[0];
  if (web === undefined) throw new Error('no web');
  const { target = 0.6, userTarget = 0.6, ...more } = options.seen ?? {};
  const user = options.unknown === true ? {} : { userTarget };
  web.autoscaler = { kind: 'hpa', name: 'web', floor: 6, ceiling: 40, userFloor: 1, target, ...user, ...more };
  web.owners = { replicas: 'hpa/web', request: null, floor: 'headroom', target: 'argocd', ...options.owners };
  const input = inputOf(policy, [demandOf('web', 'cpu', demand)], {
    state,
    blocks: blocksOf(demand.length),
    trust: options.trust ?? [{ workload: 'web', distrust }],
    ...options.input,
  });
  return allocator.allocate(input).plan;
}

const targetOf = (plan: Plan) => plan.fields.find(({ target }) => target.field === 'target');
const RAISED = { seen: { target: 0.9 }, owners: { target: 'headroom' } } satisfies Case;

describe('the rule', () => {
  test.each<{ what: string; given: Case; value: number | null; words?: string }>([
    { what: 'agreed to, trusted, covered: raised', given: {}, value: 0.9, words: 'covers what the forecast asks for' },
    { what: 'already as high: not written again', given: RAISED, value: null },
    { what: 'nobody agreed: left alone', given: { max: null }, value: null },
    { what: 'the user wants more than was agreed to: left alone', given: { max: 0.5 }, value: null },
    {
      what: 'the forecast is not trusted: left as the user set it',
      given: { distrust: 'the gate of cpu is closed' },
      value: null,
    },
    {
      what: 'the forecast is not trusted any more: given back',
      given: { ...RAISED, distrust: 'the gate of cpu is closed' },
      value: 0.6,
      words: 'the gate of cpu is closed',
    },
    { what: 'nothing is known of trust: given back', given: { ...RAISED, trust: [] }, value: 0.6 },
    {
      what: 'consent was withdrawn: given back',
      given: { ...RAISED, max: null },
      value: 0.6,
      words: 'does not agree',
    },
    { what: 'consent was lowered: followed', given: { ...RAISED, max: 0.8 }, value: 0.8 },
    {
      what: 'replicas are Headroom’s own now: given back',
      given: { ...RAISED, file: { ownership: 'own' } },
      value: 0.6,
      words: 'own',
    },
    {
      what: 'the floor belongs to somebody else and stays too low: given back',
      given: { ...RAISED, owners: { floor: 'kubectl', target: 'headroom' }, demand: [12, 12] },
      value: 0.6,
      words: 'its floor stays at 6, and the plan wants 12',
    },
    {
      what: 'the plan runs into its maximum: given back',
      given: { ...RAISED, demand: [12, 12], file: { replicas: { min: 1, max: 8 } } },
      value: 0.6,
      words: 'leaves cpu short',
    },
    {
      what: 'what the user set is not known: left as it is',
      given: { ...RAISED, unknown: true, distrust: 'closed' },
      value: null,
    },
    {
      what: 'a blackout: nothing is written',
      given: {
        ...RAISED,
        distrust: 'closed',
        parts: {
          blackouts: [{ name: 'fair', from: String(AT - 60), to: String(AT + 3600), reason: 'hands off' }],
        },
      },
      value: null,
    },
  ])('$what', ({ given, value, words }) => {
    const field = targetOf(planned(given));
    expect(field?.target.value ?? null).toBe(value);
    if (words !== undefined) expect(field?.reason).toContain(words);
  });

  test('without an HPA target there is nothing to write, and the verdict says so', () => {
    const policy = simple({ ownership: 'floor' }, { autoscaler: { target: { max: 0.9 } } });
    const { plan } = allocator.allocate(
      inputOf(policy, [demandOf('web', 'cpu', [1])], { trust: [{ workload: 'web', distrust: null }] }),
    );
    expect(targetOf(plan)).toBeUndefined();
    expect(plan.verdict.detail).toContain('web has no HPA with a CPU utilization target');
  });
});

describe('its order', () => {
  test('the floor is raised before the target', () => {
    const { fields } = planned({ demand: [12, 12] });
    expect(fields.map(({ target }) => target.field)).toEqual(['nodes', 'floor', 'target']);
  });

  test('the target is raised before a floor is lowered', () => {
    const { fields } = planned({ demand: [2, 2] });
    expect(fields.map(({ target }) => target.field)).toEqual(['target', 'floor']);
  });

  test('it is given back before anything else', () => {
    const { fields } = planned({ ...RAISED, demand: [12, 12], distrust: 'the guard decides' });
    expect(fields.map(({ target }) => target.field)).toEqual(['target', 'nodes', 'floor']);
  });
});

describe('what it counts as', () => {
  test('raised, it takes reactive capacity away: never on stale data, and put back where nothing can be read', () => {
    const plan = planned({ demand: [12, 12] });
    expect(plan.fields.every(raises)).toBe(false);
    expect(withoutReductions(plan, ['web']).fields.map(({ target }) => target.field)).toEqual(['nodes', 'floor']);
  });

  test('given back, it takes nothing away', () => {
    const plan = planned({ ...RAISED, distrust: 'stale' });
    expect(plan.fields.every(raises)).toBe(true);
    expect(withoutReductions(plan, ['web']).fields).toEqual(plan.fields);
  });

  test('why says what it is, and what else it could have been', () => {
    const why = planned({}).reasons.find(({ number }) => number === 'web.target');
    expect(why).toMatchObject({ value: 0.9, rejected: [{ alternative: '60 %, as its user set it' }] });
    const closed = planned({ distrust: 'the gate is closed' }).reasons.find(({ number }) => number === 'web.target');
    expect(closed).toMatchObject({ value: 0.6, rejected: [{ alternative: '90 %, as agreed to' }] });
    expect(closed?.binding.words).toContain('the gate is closed');
  });
});

test('whatever is seen and agreed to: between the user’s target and the agreed one, and the user’s without trust', () => {
  const share = fc.integer({ min: 1, max: 100 }).map((percent) => percent / 100);
  fc.assert(
    fc.property(share, share, share, fc.boolean(), (user, seen, max, trusted) => {
      const plan = planned({
        max,
        seen: { target: Math.max(user, seen), userTarget: user },
        owners: { target: 'headroom' },
        distrust: trusted ? null : 'closed',
      });
      const value = targetOf(plan)?.target.value ?? Math.max(user, seen);
      expect(value).toBe(trusted ? Math.max(user, max) : user);
    }),
    { numRuns: 40 },
  );
});
