import { beforeAll, describe, expect, it } from 'vitest';
import { createEngine, attribute, withoutReductions } from '../../src/decide/engine.js';
import type { AllocationRequest, Decider, ForecastRequest } from '../../src/decide/port.js';
import type { PlannedField, Plan } from '../../src/domain/plan.js';
import type { Series } from '../../src/domain/series.js';
import type { AccountForecast } from '../../src/domain/forecast.js';
import { AT, policyOf, stateOf } from './allocate-fixtures.js';

const STEP = 300;
const DAY = 86_400;

const policy = policyOf({
  level: 0.95,
  horizons: ['2h'],
  workloads: [{ name: 'web', components: { cpu: { request: 1 } }, replicas: { min: 1, max: 50 }, leadTime: '5m' }],
  pools: [{ name: 'general', pricePerHour: 0.4, node: { cpu: 4 } }],
});

/** Four days that go up and down once a day between 4 and 12 cores; they end at AT. */
function usage(days = 4): Series {
  const count = (days * DAY) / STEP;
  const start = AT - count * STEP;
  return {
    start,
    step: STEP,
    values: Float64Array.from({ length: count }, (_, index) => {
      const at = start + index * STEP;
      return 8 + 4 * Math.sin((2 * Math.PI * at) / DAY) + 0.2 * Math.sin(index * 1.7);
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

const bins = (series: Series) => [{ workload: 'web', component: 'cpu' as const, series }];

const forecastRequest = (series: Series): ForecastRequest => ({
  account: 'acme',
  policyId: 'p1',
  policy,
  snapshotId: 's1',
  at: AT + 15,
  leadTimes: {},
  events: [],
  bins: bins(series),
});

const allocationRequest = (more: Partial<AllocationRequest> & { replicas?: number }): AllocationRequest => {
  const { replicas = 10, ...rest } = more;
  return {
    account: 'acme',
    policyId: 'p1',
    policy,
    snapshotId: 's1',
    at: AT + 15,
    forecast: null,
    state: stateOf(policy, { web: replicas }, { general: Math.ceil(replicas / 4) }),
    overrides: [],
    events: [],
    leadTimes: {},
    raiseOnly: [],
    recent: bins(tail(usage(1), 12)),
    ...rest,
  };
};

const replicasOf = (plan: Plan): number | undefined =>
  plan.fields.find(({ target }) => target.field === 'replicas')?.target.value;

const lastUsage = tail(usage(1), 1).values[0] ?? Number.NaN;

describe('the engine, from bins to a plan', () => {
  let engine: Decider;
  let forecast: AccountForecast;
  beforeAll(async () => {
    engine = await createEngine();
    forecast = await engine.forecast(forecastRequest(usage()));
  });

  it('raises what is too little for the forecast, and says that it was the forecast', async () => {
    const plan = await engine.allocate(allocationRequest({ forecast, replicas: 2, account: 'raised' }));
    expect(plan.verdict).toMatchObject({ kind: 'act' });
    expect(replicasOf(plan)).toBeGreaterThanOrEqual(Math.ceil(lastUsage));
    expect(replicasOf(plan)).toBeLessThan(2 * lastUsage);
    expect(plan.forecastId).toBe(forecast.id);
  });

  it('lowers what is far too much', async () => {
    const plan = await engine.allocate(allocationRequest({ forecast, replicas: 45 }));
    expect(plan.verdict).toMatchObject({ kind: 'act', source: 'forecast' });
    expect(replicasOf(plan)).toBeLessThan(45);
    expect(replicasOf(plan)).toBeGreaterThanOrEqual(Math.ceil(lastUsage));
  });

  it('never lowers a workload whose data are stale', async () => {
    const plan = await engine.allocate(allocationRequest({ forecast, replicas: 45, raiseOnly: ['web'] }));
    expect(plan.fields.filter(({ target }) => 'workload' in target)).toEqual([]);
    expect(plan.fields.filter(({ target, seen }) => target.value < seen.value)).toEqual([]);
  });

  it('decides the same twice, warm or cold', async () => {
    const request = allocationRequest({ forecast, replicas: 2 });
    const [first, second] = [await engine.allocate(request), await engine.allocate(request)];
    await engine.forget('acme');
    const other = await createEngine();
    await other.forecast(forecastRequest(usage()));
    const cold = await other.allocate(request);
    expect(second.fields).toEqual(first.fields);
    expect(cold.fields).toEqual(first.fields);
    // What was forgotten is made anew, for the rows below.
    forecast = await engine.forecast(forecastRequest(usage()));
  });

  it('without a forecast, the guard raises what is throttled', async () => {
    const recent = tail(usage(1), 12);
    recent.values.fill(4);
    recent.censored.fill(1);
    const plan = await engine.allocate(
      allocationRequest({ account: 'guarded', replicas: 4, recent: bins(recent), forecast: null }),
    );
    expect(plan.verdict).toMatchObject({ kind: 'act', source: 'guard' });
    expect(replicasOf(plan)).toBeGreaterThanOrEqual(6);
    expect(plan.forecastId).toBe('none');
  });

  it('without a forecast and without a single reading, nothing is touched', async () => {
    const recent = tail(usage(1), 12);
    recent.values.fill(Number.NaN);
    const plan = await engine.allocate(allocationRequest({ account: 'blind', recent: bins(recent) }));
    expect(plan.fields.filter(({ target }) => 'workload' in target)).toEqual([]);
    expect(plan.verdict.kind).toBe('hold');
  });

  it('with its gate closed, the forecast may not lower what usage asks for, and the account says why', async () => {
    const closed: AccountForecast = {
      ...forecast,
      series: forecast.series.map((series) => ({
        ...series,
        gate: { ...series.gate, open: false, reason: 'covers 90 %, states 95 %' },
        resolutions: series.resolutions.map((resolution) => ({
          ...resolution,
          quantiles: resolution.quantiles.map((row) => row.map(() => 0.1)),
        })),
      })),
    };
    const request = allocationRequest({ account: 'reactive', forecast: closed, replicas: 45 });
    const plan = await engine.allocate(request);
    const open = await engine.allocate({
      ...request,
      account: 'trusting',
      forecast: { ...closed, series: closed.series.map((one) => ({ ...one, gate: { ...one.gate, open: true } })) },
    });
    expect(replicasOf(plan)).toBeGreaterThanOrEqual(Math.ceil(lastUsage));
    expect(replicasOf(open)).toBeLessThan(lastUsage);
    expect(plan.verdict.detail).toContain('covers 90 %, states 95 %');
  });

  it('knows no account before it was given its bins, and none after it was told to forget', async () => {
    expect(await engine.wanted('acme', policy, AT + 15)).toEqual({ since: AT });
    await engine.forget('acme');
    expect(await engine.wanted('acme', policy, AT + 15)).toEqual({ since: null });
  });
});

const field = (workload: string, seen: number, value: number): PlannedField => ({
  target: { field: 'replicas', workload, value },
  seen: { value: seen, owner: 'headroom' },
  reason: '',
});
const nodes = (seen: number, value: number): PlannedField => ({
  target: { field: 'nodes', pool: 'general', value },
  seen: { value: seen, owner: null },
  reason: '',
});

const planOf = (
  fields: PlannedField[],
  verdict: Plan['verdict'] = { kind: 'act', source: 'forecast', detail: 'go' },
): Plan => ({
  id: 'p',
  account: 'acme',
  at: AT,
  snapshotId: 's',
  forecastId: 'f',
  verdict,
  fields,
  blocks: [],
  placements: [],
  reasons: [],
  conflict: null,
  costPerHour: 1,
  currency: 'EUR',
  solver: { iterations: 0, objective: 0, gap: 0, warm: false, status: 'optimal' },
});

describe('without reductions', () => {
  it.each([
    ['nothing is stale', [field('web', 5, 3)], [], [field('web', 5, 3)]],
    ['a raise of a stale workload stays', [field('web', 3, 5)], ['web'], [field('web', 3, 5)]],
    ['a reduction of a stale workload goes', [field('web', 5, 3), field('api', 2, 4)], ['web'], [field('api', 2, 4)]],
    ['a reduction of a fresh one stays', [field('api', 5, 3), field('web', 5, 3)], ['web'], [field('api', 5, 3)]],
    ['a pool that stale workloads may need is not lowered', [nodes(5, 3)], ['web'], []],
    ['a pool may go up', [nodes(3, 5)], ['web'], [nodes(3, 5)]],
  ])('%s', (_name, fields, stale, kept) => {
    const plan = withoutReductions(planOf(fields), stale);
    expect(plan.fields).toEqual(kept);
    expect(plan.verdict.kind).toBe(kept.length === 0 ? 'hold' : 'act');
  });
});

describe('attribution', () => {
  const guarded = (closed: boolean) => ({
    demand: [],
    guarded: [{ workload: 'web', component: 'cpu' as const, reason: 'throttled', closed }],
  });
  const steady: Plan['verdict'] = { kind: 'hold', reason: 'steady', detail: 'as it is' };
  it.each([
    [
      'nothing guarded',
      planOf([field('web', 2, 4)]),
      { demand: [], guarded: [] },
      { source: 'forecast', detail: 'go' },
    ],
    [
      'the guard asked for it',
      planOf([field('web', 2, 4)]),
      guarded(false),
      { source: 'guard', detail: 'go (guard: web/cpu: throttled)' },
    ],
    [
      'the guard asked for something else',
      planOf([field('api', 2, 4)]),
      guarded(false),
      { source: 'forecast', detail: 'go' },
    ],
    [
      'steady, its gate closed',
      planOf([], steady),
      guarded(true),
      { reason: 'coverage', detail: 'reactive: web/cpu: throttled' },
    ],
    [
      'not ours to write, its gate closed: both are said',
      planOf([], { ...steady, reason: 'not-ours' }),
      guarded(true),
      { reason: 'not-ours', detail: 'as it is; reactive: web/cpu: throttled' },
    ],
    ['steady, its gate open', planOf([], steady), guarded(false), { reason: 'steady' }],
    [
      'a hold for another reason keeps it',
      planOf([], { ...steady, reason: 'blackout' }),
      guarded(true),
      { reason: 'blackout' },
    ],
  ])('%s', (_name, plan, covered, verdict) => {
    expect(attribute(plan, covered).verdict).toMatchObject(verdict);
  });
});
