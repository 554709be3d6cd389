import { beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '../../src/decide/engine.js';
import { summarizePlan } from '../../src/allocate/index.js';
import { bandwidthLines } from '../../src/cli/bandwidth-words.js';
import type { AllocationRequest, Decider } from '../../src/decide/port.js';
import { MIB } from '../../src/domain/bandwidth.js';
import type { AccountForecast } from '../../src/domain/forecast.js';
import { AT, policyOf, stateOf } from './allocate-fixtures.js';

const STEP = 300;
const DAY = 86_400;

const policy = policyOf({
  horizons: ['2h', '1d'],
  workloads: [
    { name: 'web', components: { network: { request: '20Mi' } }, replicas: { min: 1, max: 50 }, leadTime: '5m' },
  ],
  pools: [{ name: 'general', pricePerHour: 0.4, node: { cpu: 4 } }],
  bandwidth: [{ name: 'uplink', max: '500Mi', ahead: '15m', pricePerHour: 0.1, beyondPerGiB: 0.1 }],
});

/** Four days of traffic between 40 and 120 MiB/s, once up and down a day. */
const traffic = {
  start: AT - 4 * DAY,
  step: STEP,
  values: Float64Array.from({ length: (4 * DAY) / STEP }, (_, index) => {
    const at = AT - 4 * DAY + index * STEP;
    return (80 + 40 * Math.sin((2 * Math.PI * at) / DAY) + 3 * Math.sin(index * 1.7)) * MIB;
  }),
  censored: new Uint8Array((4 * DAY) / STEP),
};

describe('bandwidth in a cycle', () => {
  let engine: Decider;
  let forecast: AccountForecast;
  const request = (more: Partial<AllocationRequest> = {}): AllocationRequest => ({
    ...{ account: 'acme', policyId: 'p1', policy, snapshotId: 's1', at: AT + 15, forecast, leadTimes: {} },
    ...{ state: stateOf(policy, { web: 7 }, { general: 2 }), overrides: [], events: [], raiseOnly: [] },
    recent: [{ workload: 'web', component: 'network', series: tail() }],
    ...more,
  });
  const tail = () => ({
    ...traffic,
    start: AT - 12 * STEP,
    values: traffic.values.slice(-12),
    censored: traffic.censored.slice(-12),
  });
  beforeAll(async () => {
    engine = await createEngine();
    forecast = await engine.forecast({
      ...{ account: 'acme', policyId: 'p1', policy, snapshotId: 's1', at: AT + 15, leadTimes: {}, events: [] },
      bins: [{ workload: 'web', component: 'network', series: traffic }],
    });
  });

  it('a day of blocks follows the forecast, and an announced event is reserved for', async () => {
    const plan = await engine.allocate(request());
    const [planned] = plan.bandwidth ?? [];
    expect(planned?.undecided).toBeNull();
    expect(planned?.blocks.length).toBeGreaterThan(20);
    const reserved = planned?.blocks.map(({ reserve }) => reserve / MIB) ?? [];
    expect(Math.max(...reserved)).toBeGreaterThan(100);
    expect(Math.min(...reserved)).toBeLessThan(60);
    const from = planned?.blocks[1]?.from ?? 0;
    const event = { name: 'launch', from, to: from + 3600, expect: { multiplier: 3 }, uncertainty: 0.1, author: 'a' };
    const told = await engine.allocate(request({ events: [event] }));
    expect(told.bandwidth?.[0]?.blocks[1]?.reserve).toBeGreaterThan(2 * (planned?.blocks[1]?.reserve ?? 0));
  });

  it('stands in the summary that a history has, and in what plan prints', async () => {
    const plan = await engine.allocate(request());
    expect(summarizePlan(plan).reasons.map(({ number }) => number)).toContain('uplink.bandwidth');
    const text = bandwidthLines(plan).join('\n');
    expect(text).toContain('MiB/s');
    expect(text).toContain('uplink');
    expect(text).toContain('… and');
  });

  it.each([
    { name: 'stale telemetry', more: { raiseOnly: ['web'] }, why: 'stale' },
    { name: 'no forecast', more: { forecast: null }, why: 'there is no forecast' },
  ])('$name: nothing is bought, and never zero either', async ({ more, why }) => {
    const plan = await engine.allocate(request(more));
    expect(plan.bandwidth).toEqual([
      { link: 'uplink', workloads: ['web'], undecided: expect.stringContaining(why), blocks: [] },
    ]);
    expect(plan.reasons.some(({ number }) => number === 'uplink.bandwidth')).toBe(false);
    expect(bandwidthLines(plan).join('\n')).toContain(why);
  });

  it('an account that reserves none has a plan without a word of it', async () => {
    const { bandwidth: _, ...without } = policy;
    const plan = await engine.allocate(request({ policy: without }));
    expect(plan).not.toHaveProperty('bandwidth');
  });
});
