import { describe, expect, test } from 'vitest';
import type { CoveredDemand } from '../../src/decide/demand.js';
import type { AllocationRequest } from '../../src/decide/port.js';
import { trustIn } from '../../src/decide/trust.js';
import type { AccountForecast, SeriesForecast } from '../../src/domain/forecast.js';
import { AT, policyOf, stateOf } from './allocate-fixtures.js';

/* When an autoscaler may react less than its user wants: a user loses the net under the plan where this says yes too often. */

const policy = policyOf({
  ownership: 'floor',
  workloads: [
    {
      name: 'web',
      components: { cpu: { request: 1 }, memory: { request: 1 } },
      replicas: { min: 1, max: 50 },
      autoscaler: { target: { max: 0.9 } },
    },
    { name: 'api', components: { cpu: { request: 1 } }, replicas: { min: 1, max: 50 } },
  ],
  pools: [{ name: 'general', pricePerHour: 0.4, node: { cpu: 4, memory: 8 } }],
});

const gate = { level: 0.99, scored: 288, misses: 29, coverage: 0.9 };
const series = (component: 'cpu' | 'memory', more: Partial<SeriesForecast> = {}): SeriesForecast => ({
  workload: 'web',
  component,
  resolutions: [],
  gate: { ...gate, open: true },
  data: 'fresh',
  ...more,
});
const forecast = (of: SeriesForecast[] = [series('cpu'), series('memory')]): AccountForecast => ({
  id: 'f1',
  account: 'acme',
  snapshotId: 's1',
  at: AT,
  series: of,
  missing: [],
});
const closed = series('cpu', { gate: { ...gate, open: false, reason: 'covers 90 % of 99 %' } });

const usage = (workload: string, component: 'cpu' | 'memory', values: number[]) => ({
  workload,
  component,
  series: { start: AT - 900, step: 300, values: Float64Array.from(values), censored: new Uint8Array(values.length) },
});
const known = [usage('web', 'cpu', [1, 1, Number.NaN]), usage('web', 'memory', [1, 1, 1])];

const request = (more: Partial<AllocationRequest> = {}): AllocationRequest => ({
  account: 'acme',
  policyId: 'p1',
  policy,
  snapshotId: 's1',
  at: AT,
  forecast: forecast(),
  state: stateOf(policy),
  overrides: [],
  events: [],
  leadTimes: {},
  raiseOnly: [],
  recent: known,
  ...more,
});
const guarded = (workload: string): CoveredDemand => ({
  demand: [],
  guarded: [{ workload, component: 'cpu', reason: 'usage was throttled', closed: false }],
});
const quiet: CoveredDemand = { demand: [], guarded: [] };

describe('trust', () => {
  test.each<{ what: string; given: AllocationRequest; covered?: CoveredDemand; distrust: RegExp | null }>([
    { what: 'open gates, fresh data, a silent guard', given: request(), distrust: null },
    { what: 'the newest bin is late', given: request(), distrust: null },
    { what: 'the guard acts for another', given: request(), covered: guarded('api'), distrust: null },
    { what: 'the guard acts', given: request(), covered: guarded('web'), distrust: /guard.*throttled/ },
    {
      what: 'a closed gate',
      given: request({ forecast: forecast([closed, series('memory')]) }),
      distrust: /gate of cpu is closed: covers 90/,
    },
    {
      what: 'too little history',
      given: request({ forecast: forecast([series('cpu', { data: 'cold' }), series('memory')]) }),
      distrust: /too little is known of cpu/,
    },
    { what: 'stale data', given: request({ raiseOnly: ['web'] }), distrust: /stale/ },
    { what: 'no forecast', given: request({ forecast: null }), distrust: /no forecast/ },
    { what: 'no forecast of memory', given: request({ forecast: forecast([series('cpu')]) }), distrust: /of memory/ },
    {
      what: 'no recent bin of memory',
      given: request({ recent: [usage('web', 'cpu', [1]), usage('web', 'memory', [Number.NaN])] }),
      distrust: /no recent usage of memory/,
    },
    { what: 'no recent series at all', given: request({ recent: [] }), distrust: /no recent usage of cpu/ },
  ])('$what', ({ given, covered = quiet, distrust }) => {
    const { trust = [] } = trustIn(given, covered);
    expect(trust.map(({ workload }) => workload)).toEqual(['web']);
    if (distrust === null) expect(trust[0]?.distrust).toBeNull();
    else expect(trust[0]?.distrust).toMatch(distrust);
  });

  test('where nobody agreed, nothing is said', () => {
    const plain = { ...policy, workloads: policy.workloads.filter(({ name }) => name === 'api') };
    expect(trustIn(request({ policy: plain }), quiet)).toEqual({});
  });
});
