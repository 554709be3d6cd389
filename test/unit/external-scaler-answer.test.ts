import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isHeadroomError } from '../../src/domain/errors.js';
import type { AccountForecast } from '../../src/domain/forecast.js';
import type { Plan } from '../../src/domain/plan.js';
import { answerQuery, describeMetric, type AccountRecords } from '../../src/operate/external-scaler/answer.js';
import { metricNameOf, readQuery, type ScalerQuery } from '../../src/operate/external-scaler/query.js';
import { AT, policyOf } from './allocate-fixtures.js';

const policy = policyOf({
  step: 300,
  cycle: 300,
  staleAfter: 900,
  workloads: [
    {
      name: 'web',
      components: { cpu: { request: '2', utilization: 0.5 } },
      replicas: { min: 0, max: 50 },
      leadTime: 600,
    },
  ],
  pools: [{ name: 'general', pricePerHour: 1, node: { cpu: 8 }, size: 'fixed' }],
});

const query = (parts: Partial<ScalerQuery> = {}): ScalerQuery => ({
  namespace: 'acme',
  account: 'acme',
  workload: 'web',
  metric: 'replicas',
  level: null,
  ahead: null,
  target: null,
  activation: 0,
  ...parts,
});

/** Twelve blocks of five minutes, the first at AT. */
function planOf(replicas: readonly number[]): Plan {
  return {
    id: 'p-1',
    account: 'acme',
    at: AT,
    snapshotId: 's',
    forecastId: 'f-1',
    verdict: { kind: 'hold', reason: 'steady', detail: '' },
    fields: [],
    blocks: replicas.map((count, index) => ({
      from: AT + index * 300,
      to: AT + (index + 1) * 300,
      workloads: [{ workload: 'web', replicas: count, request: {}, pools: {}, shortfall: {} }],
      nodes: {},
      costPerHour: 1,
    })),
    placements: [],
    reasons: [],
    conflict: null,
    costPerHour: 1,
    currency: 'USD',
    solver: { iterations: 1, objective: 1, gap: 0, warm: false, status: 'Optimal' },
  };
}

/** Known up to the bin that ends at AT; quantiles at 0.5 and 0.99 of the bins after it. */
function forecastOf(demand: readonly (readonly [number, number])[], parts: Partial<AccountForecast> = {}) {
  const forecast: AccountForecast = {
    id: 'f-1',
    account: 'acme',
    snapshotId: 's',
    at: AT,
    series: [
      {
        workload: 'web',
        component: 'cpu',
        resolutions: [
          {
            origin: AT - 300,
            step: 300,
            levels: [0.5, 0.99],
            quantiles: demand.map((row) => [...row]),
            weights: { persistence: 1 },
          },
        ],
        gate: { open: true, level: 0.99, scored: 0, misses: 0, coverage: null },
        data: 'fresh',
      },
    ],
    missing: [],
    ...parts,
  };
  return forecast;
}

const rising = Array.from({ length: 12 }, (_, index) => [index, 2 * index] as const);
const known = (parts: Partial<AccountRecords> = {}): AccountRecords => ({
  policy,
  plan: planOf([3, 3, 5, 8, 8, 8, 4, 4, 4, 4, 4, 4]),
  forecast: forecastOf(rising),
  ...parts,
});

const kindOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (isHeadroomError(error)) return error.kind;
    throw error;
  }
  return 'answered';
};

describe('the number that KEDA gets', () => {
  it.each([
    ['now and nothing ahead: the block of now', { ahead: 0 }, 10, 3],
    ['the lead time ahead: what will be needed when a pod that starts now is ready', {}, 10, 5],
    ['further ahead: the highest on the way', { ahead: 1200 }, 10, 8],
    ['before the first block: the first block', { ahead: 0 }, -200, 3],
  ])('planned replicas, %s', (_, parts, after, value) => {
    expect(answerQuery(query(parts), known(), AT + after)).toMatchObject({ value, target: 1, active: true });
  });

  it('planned replicas: a fall ahead does not let go of what is needed now', () => {
    const records = known({ plan: planOf([8, 4, 4, 4]) });
    expect(answerQuery(query(), records, AT + 10).value).toBe(8);
    expect(answerQuery(query(), records, AT + 300).value).toBe(4);
  });

  it.each([
    ['at the policy’s level', {}, 4, 1],
    ['at the median', { level: 0.5 }, 2, 1],
    ['with a target of its own', { target: 4 }, 4, 4],
  ])('forecast demand %s', (_, parts, value, target) => {
    const answer = answerQuery(query({ metric: 'cpu', ...parts }), known(), AT + 10);
    expect(answer.value).toBeCloseTo(value, 6);
    // One replica of 2 cores may be used by half.
    expect(answer.target).toBe(target);
  });

  it('the coarse resolution speaks where the fine one ends', () => {
    const forecast = forecastOf(rising.slice(0, 4));
    forecast.series[0]?.resolutions.push({
      origin: AT - 3600,
      step: 3600,
      levels: [0.5, 0.99],
      quantiles: [
        [1, 50],
        [1, 90],
      ],
      weights: {},
    });
    const records = known({ forecast });
    expect(answerQuery(query({ metric: 'cpu', ahead: 600 }), records, AT).value).toBeCloseTo(4, 6);
    expect(answerQuery(query({ metric: 'cpu', ahead: 1500 }), records, AT).value).toBeCloseTo(50, 6);
    expect(answerQuery(query({ metric: 'cpu', ahead: 3700 }), records, AT).value).toBeCloseTo(90, 6);
  });

  it.each([
    ['a plan of no replicas', known({ plan: planOf(Array<number>(12).fill(0)) }), {}, false],
    ['the first replica is needed within the lead time', known({ plan: planOf([0, 0, 1, 1]) }), {}, true],
    ['the first replica is needed after the lead time', known({ plan: planOf([0, 0, 0, 0, 1, 1]) }), {}, false],
    ['demand at the activation', known(), { metric: 'cpu', activation: 4 } as const, false],
    ['demand above the activation', known(), { metric: 'cpu', activation: 3.9 } as const, true],
  ])('active: %s', (_, records, parts, active) => {
    expect(answerQuery(query(parts), records, AT + 10).active).toBe(active);
  });

  it('says when to look again: at the edge after which the answer is another', () => {
    const records = known({ plan: planOf([0, 0, 0, 0, 1, 1]) });
    const { until } = answerQuery(query(), records, AT + 10);
    expect(answerQuery(query(), records, until - 1).active).toBe(false);
    let at = AT + 10;
    for (let looks = 0; looks < 5 && !answerQuery(query(), records, at).active; looks++) {
      at = answerQuery(query(), records, at).until;
    }
    expect(at).toBe(AT + 1200 - 600);
  });
});

describe('never zero for what is not known', () => {
  const gone = { workload: 'web', component: 'cpu', reason: 'stale', detail: 'last seen an hour ago' } as const;
  const closed = forecastOf(rising);
  for (const series of closed.series) series.gate = { ...series.gate, open: false, reason: 'too many misses' };
  const old = forecastOf(rising);
  for (const series of old.series) for (const one of series.resolutions) one.origin -= 1200;

  it.each([
    ['no plan yet', query(), known({ plan: null }), 10],
    ['a plan without its forecast', query(), known({ forecast: null }), 10],
    ['a plan older than it may be', query(), known(), 901],
    ['a plan whose data are missing', query(), known({ forecast: forecastOf(rising, { missing: [gone] }) }), 10],
    ['a fresh plan on old data', query(), known({ forecast: old }), 10],
    ['a plan that has no series of it', query(), known({ forecast: forecastOf(rising, { series: [] }) }), 10],
    ['a plan that ended', query({ ahead: 0 }), known({ plan: planOf([3]) }), 301],
    ['no forecast yet', query({ metric: 'cpu' }), known({ forecast: null }), 10],
    ['an old forecast', query({ metric: 'cpu' }), known(), 901],
    ['a forecast on old data', query({ metric: 'cpu' }), known({ forecast: old }), 10],
    ['a missing series', query({ metric: 'cpu' }), known({ forecast: forecastOf(rising, { missing: [gone] }) }), 10],
    ['a gate that is closed', query({ metric: 'cpu' }), known({ forecast: closed }), 10],
  ])('%s is unavailable', (_, asked, records, after) => {
    expect(kindOf(() => answerQuery(asked, records, AT + after))).toBe('unavailable');
  });

  it.each([
    ['a namespace of another account', query({ namespace: 'rival' }), 'not-found'],
    ['a workload that the account has not', query({ workload: 'db' }), 'not-found'],
    ['a component that the workload has not', query({ metric: 'gpu' }), 'invalid-input'],
    ['further ahead than a plan reaches', query({ ahead: 90_000 }), 'invalid-input'],
    ['further ahead than the forecast reaches', query({ metric: 'cpu', ahead: 90_000 }), 'invalid-input'],
  ])('%s: %s', (_, asked, kind) => {
    expect(kindOf(() => answerQuery(asked, known(), AT + 10))).toBe(kind);
  });

  it.each<[string, { namespace?: string; target?: string }, string, string]>([
    ['the account’s name where the file says nothing', {}, 'acme', 'other'],
    ['the account’s namespace', { namespace: 'shops' }, 'shops', 'acme'],
    ['the target’s namespace before that', { namespace: 'shops', target: 'web-ns' }, 'web-ns', 'shops'],
  ])('a ScaledObject has to be in %s', (_, parts, good, bad) => {
    const [web] = policy.workloads;
    if (web === undefined) throw new Error('no workload');
    const { namespace, target } = parts;
    const own = {
      ...policy,
      ...(namespace === undefined ? {} : { namespace }),
      workloads: [{ ...web, target: { ...web.target, ...(target === undefined ? {} : { namespace: target }) } }],
    };
    expect(describeMetric(query({ namespace: good }), own).target).toBe(1);
    expect(kindOf(() => describeMetric(query({ namespace: bad }), own))).toBe('not-found');
  });

  it('another’s workload and one that is not there get the same answer, word for word', () => {
    const words = (asked: ScalerQuery) => {
      try {
        describeMetric(asked, policy);
      } catch (error) {
        return error instanceof Error ? error.message.replaceAll(asked.workload, '*') : '';
      }
      return 'answered';
    };
    const other = words(query({ namespace: 'rival' }));
    expect(other).not.toBe('answered');
    expect(words(query({ namespace: 'rival', workload: 'nothing' }))).toBe(other);
  });

  it('an answer is a number of the records or none at all, at any time', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -600, max: 8000 }),
        fc.integer({ min: 0, max: 3000 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 }),
        (after, ahead, replicas) => {
          const records = known({ plan: planOf(replicas) });
          try {
            const { value, until } = answerQuery(query({ ahead }), records, AT + after);
            expect(replicas).toContain(value);
            expect(until).toBeGreaterThan(AT + after);
          } catch (error) {
            if (!isHeadroomError(error)) throw error;
            expect(['unavailable', 'invalid-input']).toContain(error.kind);
          }
        },
      ),
    );
  });
});

describe('the metadata of a trigger', () => {
  const reference = (scalerMetadata: Record<string, string>, namespace = 'acme') => ({
    name: 'web',
    namespace,
    scalerMetadata: { account: 'acme', workload: 'web', ...scalerMetadata },
  });

  it('reads what it needs and leaves KEDA’s own settings be', () => {
    const read = readQuery(reference({ scalerAddress: 'x:6000', enableTLS: 'true', metric: 'memory', ahead: '15m' }));
    expect(read).toEqual(query({ metric: 'memory', ahead: 900 }));
    expect(metricNameOf({ ...read, account: 'Acme.Eu' })).toBe('headroom-acme-eu-web-memory');
  });

  it.each([
    ['no account', { account: '' }, 'account'],
    ['a metric that is none', { metric: 'qps' }, 'metric'],
    ['a level of 99', { metric: 'cpu', level: '99' }, 'level'],
    ['a level for replicas', { level: '0.9' }, 'level'],
    ['an ahead without a unit', { ahead: '15' }, 'ahead'],
    ['a target of zero', { target: '0' }, 'target'],
    ['a negative activation', { activation: '-1' }, 'activation'],
    ['a misspelt key', { wrkload: 'web' }, 'wrkload'],
  ])('%s is refused and named', (_, metadata, named) => {
    expect(() => readQuery(reference(metadata))).toThrow(new RegExp(`${named}.*its metadata takes`));
  });

  it('no namespace is no tenant', () => {
    expect(() => readQuery(reference({}, ''))).toThrow(/namespace/);
  });
});
