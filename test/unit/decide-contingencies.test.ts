import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { planBlocks } from '../../src/allocate/blocks.js';
import { prepareAnswers } from '../../src/decide/contingencies.js';
import { createEngine } from '../../src/decide/engine.js';
import type { AllocationRequest, Decider, PrepareRequest } from '../../src/decide/port.js';
import { refreshed, shareOf, stateAfter } from '../../src/domain/answer.js';
import { addsTo, fieldName } from '../../src/domain/change.js';
import { hasMoved, type ContingencySet, type PreparedAnswer } from '../../src/domain/contingency.js';
import type { AccountForecast } from '../../src/domain/forecast.js';
import type { Series } from '../../src/domain/series.js';
import { seenValue } from '../../src/domain/seen.js';
import { AT, demandOf, policyOf, stateOf } from './allocate-fixtures.js';

const STEP = 300;
const DAY = 86_400;

/** Web runs on spot nodes of one market, and may run on dearer ones on demand. */
const policy = policyOf({
  level: 0.95,
  horizons: ['2h'],
  workloads: [{ name: 'web', components: { cpu: { request: 1 } }, replicas: { min: 1, max: 60 }, leadTime: '5m' }],
  pools: [
    {
      name: 'spot-a',
      capacityType: 'spot',
      provider: 'aws',
      zone: 'eu-1a',
      pricePerHour: 0.1,
      node: { cpu: 4 },
      leadTime: '2m',
    },
    { name: 'steady', pricePerHour: 0.4, node: { cpu: 4 }, leadTime: '2m' },
  ],
});

function usage(days = 4, at = AT): Series {
  const count = (days * DAY) / STEP;
  const start = at - count * STEP;
  return {
    start,
    step: STEP,
    values: Float64Array.from({ length: count }, (_, index) => {
      const time = start + index * STEP;
      return 8 + 4 * Math.sin((2 * Math.PI * time) / DAY) + 0.2 * Math.sin(index * 1.7);
    }),
    censored: new Uint8Array(count),
  };
}

const tail = (series: Series, bins: number): Series => ({
  ...series,
  start: series.start + (series.values.length - bins) * series.step,
  values: series.values.slice(-bins),
  censored: series.censored.slice(-bins),
});

describe('answers, prepared beside a plan', () => {
  let engine: Decider;
  let forecast: AccountForecast;
  beforeAll(async () => {
    engine = await createEngine();
    forecast = await engine.forecast({
      account: 'acme',
      policyId: 'p1',
      policy,
      snapshotId: 's1',
      at: AT + 15,
      leadTimes: {},
      events: [],
      bins: [{ workload: 'web', component: 'cpu', series: usage() }],
    });
  });

  const requestOf = (more: Partial<AllocationRequest> = {}): AllocationRequest => ({
    account: 'acme',
    policyId: 'p1',
    policy,
    snapshotId: 's1',
    at: AT + 15,
    forecast,
    state: stateOf(policy, { web: 12 }, { 'spot-a': 3 }),
    overrides: [],
    events: [],
    leadTimes: {},
    raiseOnly: [],
    recent: [{ workload: 'web', component: 'cpu', series: tail(usage(1), 12) }],
    ...more,
  });
  const prepared = async (
    more: Partial<AllocationRequest> = {},
  ): Promise<{ request: PrepareRequest; set: ContingencySet }> => {
    const request = requestOf(more);
    const whole = { ...request, plan: await engine.allocate(request) };
    return { request: whole, set: await engine.prepare(whole) };
  };
  const answerTo = (set: ContingencySet, key: string): PreparedAnswer => {
    const found = set.answers.find((one) => one.key === key);
    if (found === undefined) throw new Error(`no answer to ${key}: ${JSON.stringify(set.absent)}`);
    return found;
  };
  const valueOf = (answer: PreparedAnswer, name: string): number | undefined =>
    answer.plan.fields.find(({ target }) => fieldName(target) === name)?.target.value;

  it('demand above the 99th percentile: more replicas than the plan has, at a cost that is told', async () => {
    const { set, request } = await prepared();
    const answer = answerTo(set, 'demand');
    const planned = request.plan.blocks[0]?.workloads[0]?.replicas ?? Number.NaN;
    expect(valueOf(answer, 'web.replicas')).toBeGreaterThan(planned);
    expect(answer.extraPerHour).toBeGreaterThanOrEqual(0);
    expect(answer.extraPerHour).toBeCloseTo(answer.plan.costPerHour - request.plan.costPerHour, 6);
    // What is watched is stated bin by bin: the 99.9th percentile is above the 99th, and that above the plan's own level.
    const [watched] = set.watched;
    expect(watched?.above.length).toBeGreaterThanOrEqual(12);
    for (const [index, above] of (watched?.above ?? []).entries())
      expect(watched?.far[index]).toBeGreaterThanOrEqual(above);
  });

  it('one surprised workload raises itself and the nodes that it takes, and nobody else', async () => {
    const names = ['web', 'api', 'batch'];
    const several = policyOf({
      level: 0.95,
      horizons: ['2h'],
      workloads: names.map((name) => ({
        ...{ name, components: { cpu: { request: 1 } }, replicas: { min: 1, max: 60 }, leadTime: '5m' },
      })),
      pools: [{ name: 'steady', pricePerHour: 0.4, node: { cpu: 2 }, leadTime: '2m' }],
    });
    const own = await createEngine();
    const bins = names.map((workload) => ({ workload, component: 'cpu' as const, series: usage() }));
    const request: AllocationRequest = {
      ...requestOf(),
      policy: several,
      state: stateOf(several, { web: 12, api: 12, batch: 12 }, { steady: 18 }),
      recent: bins.map((one) => ({ ...one, series: tail(one.series, 12) })),
      forecast: await own.forecast({
        ...{
          account: 'acme',
          policyId: 'p1',
          policy: several,
          snapshotId: 's1',
          at: AT + 15,
          leadTimes: {},
          events: [],
        },
        bins,
      }),
    };
    const set = await own.prepare({ ...request, plan: await own.allocate(request) });
    const answer = answerTo(set, 'demand');
    const all = valueOf(answer, 'steady.nodes') ?? Number.NaN;
    const written = (workloads?: string[]): Record<string, number> =>
      Object.fromEntries(
        refreshed(shareOf(answer, workloads), request.state).fields.map(({ target }) => [
          fieldName(target),
          target.value,
        ]),
      );
    expect(Object.keys(written()).sort()).toEqual(['api.replicas', 'batch.replicas', 'steady.nodes', 'web.replicas']);
    const web = written(['web']);
    expect(Object.keys(web).sort()).toEqual(['steady.nodes', 'web.replicas']);
    expect(web['web.replicas']).toBe(valueOf(answer, 'web.replicas'));
    expect(web['steady.nodes']).toBeLessThan(all);
    // The replicas that come have a node.
    expect((web['steady.nodes'] ?? 0) * 2).toBeGreaterThanOrEqual(24 + (web['web.replicas'] ?? 0));
    expect(written(names)).toEqual(written());
    // What the plan raises itself comes whoever is surprised.
    const raising = {
      ...answer,
      shares: { nodes: {}, planned: { 'api.replicas': 13, 'steady.nodes': 20 } },
    };
    expect(shareOf(raising, ['web']).map(({ target }) => [fieldName(target), target.value])).toEqual(
      expect.arrayContaining([
        ['api.replicas', 13],
        ['steady.nodes', 20],
        ['web.replicas', valueOf(answer, 'web.replicas')],
      ]),
    );
  });

  it('a spot market lost: its capacity is had on demand, and nothing of the lost pool is written', async () => {
    const { set, request } = await prepared();
    const answer = answerTo(set, 'spot-market/aws/eu-1a');
    const spot = Math.ceil(request.plan.blocks[0]?.nodes['spot-a'] ?? 0);
    expect(spot).toBeGreaterThan(0);
    expect(valueOf(answer, 'steady.nodes')).toBeGreaterThanOrEqual(spot);
    expect(answer.plan.fields.map(({ target }) => fieldName(target))).not.toContain('spot-a.nodes');
    expect(answer.pools).toEqual(['spot-a']);
    expect(answer.extraPerHour).toBeGreaterThan(0);
  });

  it('a pool that cannot grow: what it was to have comes from another', async () => {
    const { set } = await prepared({ state: stateOf(policy, { web: 4 }, { 'spot-a': 1 }) });
    const answer = answerTo(set, 'pool-stuck/spot-a');
    expect(answer.trigger).toMatchObject({ kind: 'pool-stuck', pool: 'spot-a' });
    expect(answer.for).toBe(240);
    expect(valueOf(answer, 'steady.nodes')).toBeGreaterThan(0);
    expect(valueOf(answer, 'spot-a.nodes')).toBeUndefined();
    // The plan's own raise is part of the answer: it may not have been carried out.
    expect(valueOf(answer, 'web.replicas')).toBeGreaterThan(4);
  });

  it('a forecast gone wrong: the recent peak with room above it, without the forecast', async () => {
    const { set } = await prepared();
    const peak = Math.max(...tail(usage(1), 12).values);
    expect(valueOf(answerTo(set, 'forecast'), 'web.replicas')).toBeGreaterThanOrEqual(Math.ceil(peak / 0.7));
  });

  it('telemetry gone: the highest of the hours ahead', async () => {
    const { set, request } = await prepared();
    const telemetry = set.answers.find(({ key }) => key === 'telemetry');
    const most = Math.max(...request.plan.blocks.map((block) => block.workloads[0]?.replicas ?? 0));
    const first = request.plan.blocks[0]?.workloads[0]?.replicas ?? 0;
    if (most > first)
      expect(valueOf(telemetry ?? answerTo(set, 'telemetry'), 'web.replicas')).toBeGreaterThanOrEqual(most);
    else expect(set.absent.map(({ surprise }) => surprise)).toContain('telemetry');
  });

  it('telemetry gone: blocks are taken whole, so that it covers more than four hours, and says to when', async () => {
    const { request } = await prepared();
    const blocks = planBlocks({ ...policy, horizons: [DAY] }, AT + 15, 2);
    const rising = [
      demandOf(
        'web',
        'cpu',
        blocks.map((_, index) => 1 + index),
      ),
    ];
    const covered = new Map<string, number>();
    const set = prepareAnswers(request, {
      stated: () => [],
      solve(_, { name, demand }) {
        covered.set(name, demand?.(rising, blocks)[0]?.blocks[0]?.atLevel ?? 0);
        const field = { field: 'replicas' as const, workload: 'web', value: 50 };
        return { ...request.plan, fields: [{ target: field, seen: { value: 9, owner: null }, reason: 'more' }] };
      },
    });
    const soon = blocks.filter(({ from }) => from < request.at + 4 * 3600);
    const until = soon.at(-1)?.to ?? 0;
    expect(until).toBeGreaterThan(request.at + 4 * 3600);
    expect(covered.get('telemetry')).toBe(soon.length);
    expect(answerTo(set, 'telemetry').until).toBe(until);
    // What covers no time ahead names none.
    expect(answerTo(set, 'forecast').until).toBeUndefined();
  });

  it('without a forecast there is nothing to exceed; the set says so, and what needs none is there', async () => {
    const { set } = await prepared({ forecast: null });
    expect(set.watched).toEqual([]);
    expect(set.absent).toContainEqual({
      surprise: 'demand',
      why: 'there is no forecast yet whose percentiles could be exceeded',
    });
    expect(set.answers.map(({ key }) => key)).toContain('spot-market/aws/eu-1a');
  });

  it('a market that carries nothing and a pool that is not to grow need no answer, and that is said', async () => {
    const { set } = await prepared({ state: stateOf(policy, { web: 12 }, { steady: 3 }) });
    const why = Object.fromEntries(set.absent.map((one) => [one.surprise, one.why]));
    expect(why['spot-market']).toBe('the plan counts on no spot nodes');
  });

  it('the budget is obeyed: no answer costs more than the account may', async () => {
    const tight = { ...policy, budget: { perHour: 0.5 } };
    const { set } = await prepared({ policy: tight, account: 'poor' });
    for (const { plan } of set.answers) expect(plan.costPerHour).toBeLessThanOrEqual(0.5 + 1e-9);
  });

  it('while a market is lost, plans do not count on it, and do not take back what stands in for it', async () => {
    const state = stateOf(policy, { web: 12 }, { 'spot-a': 0, steady: 3 });
    const free = await engine.allocate(requestOf({ state, account: 'free' }));
    const lasting = await engine.allocate(
      requestOf({ state, account: 'lost', surprises: [{ what: 'lost', pools: ['spot-a'], workloads: [] }] }),
    );
    const nodes = (plan: typeof free) =>
      Object.fromEntries(
        plan.fields.flatMap(({ target }) => (target.field === 'nodes' ? [[target.pool, target.value]] : [])),
      );
    // The plan that knows nothing of it goes back to the cheap nodes at once.
    expect(nodes(free)['spot-a']).toBeGreaterThan(0);
    expect(nodes(lasting)['spot-a']).toBeUndefined();
    expect(nodes(lasting)['steady'] ?? 3).toBeGreaterThanOrEqual(3);
  });

  it('while a surprise lasts, what its answer raised is not lowered, and the hold says why', async () => {
    const state = stateOf(policy, { web: 45 }, { 'spot-a': 12 });
    const plan = await engine.allocate(
      requestOf({ state, account: 'held', surprises: [{ what: 'demand above', pools: [], workloads: ['web'] }] }),
    );
    expect(plan.fields).toEqual([]);
    expect(plan.verdict).toMatchObject({ kind: 'hold', reason: 'surprised' });
  });

  it('whatever is there when it fires, an answer only raises, and wants nothing twice', async () => {
    const { set } = await prepared();
    fc.assert(
      fc.property(fc.nat({ max: 60 }), fc.nat({ max: 15 }), fc.nat({ max: 15 }), (web, spot, steady) => {
        const state = stateOf(policy, { web }, { 'spot-a': spot, steady });
        for (const answer of set.answers) {
          const { fields } = refreshed(answer.plan.fields, state);
          expect(fields.every(addsTo)).toBe(true);
          for (const { target, seen } of fields) expect(seenValue(state, target)).toEqual(seen);
          expect(refreshed(answer.plan.fields, stateAfter(state, fields)).fields).toEqual([]);
        }
      }),
    );
  });

  it('a field that a person took since is left to them', async () => {
    const { set } = await prepared();
    const state = stateOf(policy, { web: 5 }, { 'spot-a': 3 });
    const [web] = state.workloads;
    if (web !== undefined) web.owners.replicas = 'kubectl';
    const { fields, left } = refreshed(answerTo(set, 'demand').plan.fields, state);
    expect(fields.map(({ target }) => fieldName(target))).not.toContain('web.replicas');
    expect(left).toEqual(['web.replicas is kubectl’s by now']);
  });

  it.each([
    ['the same', { 'web.replicas': 10 }, { 'web.replicas': 10 }, false],
    ['one more', { 'web.replicas': 2 }, { 'web.replicas': 3 }, false],
    ['a tenth more of many', { 'web.replicas': 40 }, { 'web.replicas': 44 }, false],
    ['a quarter more', { 'web.replicas': 40 }, { 'web.replicas': 51 }, true],
    ['two more of few', { 'web.replicas': 2 }, { 'web.replicas': 4 }, true],
    ['a pool that is new', {}, { 'steady.nodes': 1 }, true],
    ['a pool that is gone', { 'steady.nodes': 1 }, {}, true],
  ])('another set is prepared when the plan has moved: %s', (_name, before, now, moved) => {
    expect(hasMoved(before, now)).toBe(moved);
  });
});
