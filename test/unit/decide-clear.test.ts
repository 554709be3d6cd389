import { expect, test } from 'vitest';
import { clearOfLimit } from '../../src/decide/clear.js';
import { createEngine } from '../../src/decide/engine.js';
import { AT, demandOf, policyOf, stateOf } from './allocate-fixtures.js';

/*
 * Load that fills its replicas to the last bit. What a user loses where this fails: an account that goes up and down for
 * ever under a constant load, each time through a bin at its limit.
 */

const policyWith = (utilization: number | null) =>
  policyOf({
    ...{ level: 0.99, horizons: ['2h'] },
    workloads: [
      {
        name: 'web',
        components: { cpu: { request: 1, ...(utilization === null ? {} : { utilization }) } },
        ...{ replicas: { min: 1, max: 50 }, leadTime: '5m' },
      },
    ],
    pools: [{ name: 'general', pricePerHour: 0.4, node: { cpu: 4 } }],
  });
const STEP = 300;
const recentOf = (value: number, bins = 12) => [
  {
    ...{ workload: 'web', component: 'cpu' as const },
    series: {
      ...{ start: AT - bins * STEP, step: STEP, values: new Float64Array(bins).fill(value) },
      censored: new Uint8Array(bins),
    },
  },
];
const blockOf = (median: number, atLevel: number, far: number) => ({ lower: median, median, atLevel, far });

test.each([
  ['known exactly, no spread', blockOf(6, 6, 6), null, 5, 6.006],
  ['at the very peak of the last hour', blockOf(6, 6, 6.4), null, 6, 6.006],
  ['with a spread', blockOf(5.5, 6, 6.4), null, 5.7, 6],
  ['with an unused share that the file asks for', blockOf(6, 6, 6), 0.8, 6, 6],
  ['nothing at all', blockOf(0, 0, 0), null, 0, 0],
  ['a peak that is not known', blockOf(5.5, 6, 6.4), null, Number.NaN, 6],
])('a forecast %s', (_name, block, utilization, recent, expected) => {
  const [series] = [{ ...demandOf('web', 'cpu', [6]), blocks: [block] }];
  const [cleared] = clearOfLimit(series === undefined ? [] : [series], policyWith(utilization), recentOf(recent));
  expect(cleared?.blocks[0]?.atLevel).toBeCloseTo(expected, 9);
  expect(cleared?.blocks[0]?.far).toBeGreaterThanOrEqual(cleared?.blocks[0]?.atLevel ?? Number.NaN);
});

test('a constant load at the limit of whole replicas comes to rest one replica above it', async () => {
  const policy = policyWith(null);
  const engine = await createEngine();
  const days = 3 * 288;
  const forecast = await engine.forecast({
    ...{ account: 'acme', policyId: 'p', policy, snapshotId: 's', at: AT + 15, leadTimes: {}, events: [] },
    bins: recentOf(6, days),
  });
  const planned: number[] = [];
  let replicas = 8;
  for (let cycle = 0; cycle < 6; cycle++) {
    const plan = await engine.allocate({
      ...{ account: 'acme', policyId: 'p', policy, snapshotId: 's', at: AT + 15 + cycle, forecast },
      ...{ state: stateOf(policy, { web: replicas }, { general: 3 }), overrides: [], events: [], leadTimes: {} },
      ...{ raiseOnly: [], recent: recentOf(6) },
    });
    const field = plan.fields.find(({ target }) => target.field === 'replicas');
    replicas = field?.target.value ?? replicas;
    planned.push(replicas);
  }
  expect(planned).toEqual([7, 7, 7, 7, 7, 7]);
  await engine.close();
});
