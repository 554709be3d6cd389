import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkReservations } from '../../src/allocate/index.js';
import { planBandwidth, type BandwidthInput } from '../../src/allocate/bandwidth/index.js';
import { costOf, excessOf, reserveFor } from '../../src/allocate/bandwidth/reserve.js';
import { trafficOf } from '../../src/allocate/bandwidth/traffic.js';
import type { AccountFile } from '../../src/domain/account.js';
import { checkAccountFile } from '../../src/domain/account-file.js';
import { GIB_PER_MIB_HOUR, MIB, type ReservedBlock } from '../../src/domain/bandwidth.js';
import type { SeriesForecast } from '../../src/domain/forecast.js';
import { probit } from '../../src/domain/normal.js';
import type { Plan } from '../../src/domain/plan.js';
import { AT, policyOf } from './allocate-fixtures.js';

const HOUR = 3600;
const STEP = 300;
const LEVELS = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999];

type Link = NonNullable<AccountFile['bandwidth']>[number];

const file = (link: Partial<Link> = {}, more: Partial<AccountFile> = {}) =>
  policyOf({
    workloads: [
      { name: 'web', components: { network: { request: '10Mi' } }, replicas: { min: 1, max: 50 } },
      { name: 'api', components: { cpu: { request: 1 } }, replicas: { min: 1, max: 50 } },
    ],
    pools: [{ name: 'general', pricePerHour: 0.4, node: { cpu: 4 } }],
    bandwidth: [{ name: 'uplink', max: '1000Mi', pricePerHour: 0.1, beyondPerGiB: 0.1, ...link }],
    ...more,
  });

/** A normal forecast of `mean` and `deviation` MiB/s by bin, from AT on. */
function series(
  shape: (bin: number) => { mean: number; deviation: number },
  { workload = 'web', bins = 48, step = STEP, origin = AT - STEP }: Partial<Shape> = {},
): SeriesForecast {
  const quantiles = Array.from({ length: bins }, (_, bin) => {
    const { mean, deviation } = shape(bin);
    return LEVELS.map((level) => Math.max(0, (mean + deviation * probit(level)) * MIB));
  });
  return {
    workload,
    component: 'network',
    resolutions: [{ origin, step, levels: LEVELS, quantiles, weights: {} }],
    gate: { open: true, level: 0.99, scored: 288, misses: 0, coverage: 0.99 },
    data: 'fresh',
  };
}
interface Shape {
  workload: string;
  bins: number;
  step: number;
  origin: number;
}

const inputOf = (policy: BandwidthInput['policy'], more: Partial<BandwidthInput> = {}): BandwidthInput => ({
  policy,
  at: AT,
  series: [series(() => ({ mean: 100, deviation: 10 }))],
  distrust: () => null,
  nodes: [{ from: AT, to: AT + 86_400, costPerHour: 1 }],
  ...more,
});

const firstOf = (input: BandwidthInput) => {
  const block = planBandwidth(input).bandwidth[0]?.blocks[0];
  if (block === undefined) throw new Error('nothing was decided');
  return block;
};

describe('bandwidth reserved ahead', () => {
  it('one block of one normal demand: the newsvendor’s quantile of the two prices', () => {
    // A reservation of 0.1 against 0.1 · 3.516 for the same by use: worth it while it is wanted 28.4 % of the time.
    const ratio = 0.1 / (0.1 * GIB_PER_MIB_HOUR);
    const exact = 100 + 10 * probit(1 - ratio);
    const { reserve, bound, busy } = firstOf(inputOf(file()));
    expect(bound).toBe('price');
    expect(Math.abs(reserve / MIB - exact)).toBeLessThanOrEqual(1);
    expect(busy).toBeCloseTo(ratio, 1);
  });

  it.each([
    { name: 'use is cheaper than a reservation: none', link: { beyondPerGiB: 0.02 }, reserve: 0, bound: 'price' },
    { name: 'a reservation for nothing: all', link: { pricePerHour: 0, unit: '10Mi' }, reserve: 140, bound: 'price' },
    { name: 'both for nothing: none', link: { pricePerHour: 0, beyondPerGiB: 0 }, reserve: 0, bound: 'price' },
    { name: 'the most that there is', link: { max: '90Mi' }, reserve: 90, bound: 'maximum' },
    { name: 'whole units', link: { unit: '64Mi' }, reserve: 128, bound: 'price' },
  ])('$name', ({ link, reserve, bound }) => {
    expect(firstOf(inputOf(file(link)))).toMatchObject({ reserve: reserve * MIB, bound });
  });

  it('where nothing gets beyond, the level of the account is covered, by whole units', () => {
    const level = file({ beyondPerGiB: undefined }, { level: 0.999 });
    const { reserve, bound, beyond, costPerHour } = firstOf(inputOf(level));
    expect(bound).toBe('level');
    expect(reserve / MIB).toBe(Math.ceil(100 + 10 * probit(0.999)));
    expect(beyond).toBeLessThan(0.01 * MIB);
    expect(costPerHour).toBeCloseTo((0.1 * reserve) / MIB, 6);
  });

  it('a budget binds what is bought, never what would only cost more by use', () => {
    const capped = file({ beyondPerGiB: undefined }, { budget: { perHour: 6 } });
    expect(firstOf(inputOf(capped))).toMatchObject({ reserve: 50 * MIB, bound: 'budget' });
    const free = firstOf(inputOf(file()));
    const metered = firstOf(inputOf(file({}, { budget: { perHour: 6 } })));
    expect(metered).toMatchObject({ reserve: free.reserve, overBudget: true });
    expect(firstOf(inputOf(file({}, { budget: { perHour: 60 } })))).not.toHaveProperty('overBudget');
  });

  it('two links share what the budget leaves, the first of the file first', () => {
    const policy = policyOf({
      budget: { perHour: 9 },
      workloads: ['web', 'api'].map((name) => ({
        ...{ name, components: { network: { request: '10Mi' } }, replicas: { min: 1, max: 50 } },
      })),
      pools: [{ name: 'general', pricePerHour: 0.4, node: { cpu: 4 } }],
      bandwidth: ['web', 'api'].map((name) => ({
        ...{ name: `${name}-line`, workloads: [name], max: '50Mi', pricePerHour: 0.1 },
      })),
    });
    const of = (workload: string) => series(() => ({ mean: 100, deviation: 10 }), { workload });
    const { bandwidth } = planBandwidth(inputOf(policy, { series: [of('web'), of('api')] }));
    expect(bandwidth.map(({ blocks }) => (blocks[0]?.reserve ?? 0) / MIB)).toEqual([50, 30]);
  });

  it('begins with the first block that can still be reserved, and never before', () => {
    const { from, by, to } = firstOf(inputOf(file({ ahead: '30m' }), { at: AT + 1 }));
    expect(AT % HOUR).toBe(0);
    expect([from, to, by]).toEqual([AT + HOUR, AT + 2 * HOUR, AT + HOUR / 2]);
    expect(firstOf(inputOf(file({ ahead: '30m' }), { at: AT + HOUR / 2 + 1 })).from).toBe(AT + 2 * HOUR);
  });

  it('a peak of a third of the block is worth reserving where the rest is idle, and one of a tenth is not', () => {
    const peak = (bins: number) =>
      firstOf(inputOf(file(), { series: [series((bin) => ({ mean: bin % 12 < bins ? 100 : 10, deviation: 0.001 }))] }))
        .reserve / MIB;
    expect(peak(4)).toBe(100);
    expect(peak(1)).toBe(10);
  });

  it('is not decided on what is not known, and the link says why', () => {
    const cases = [
      inputOf(file(), { series: [] }),
      inputOf(file(), { distrust: () => 'its telemetry is stale or missing' }),
      inputOf(file(), { series: [series(() => ({ mean: 1, deviation: 1 }), { bins: 3 })] }),
    ].map((input) => planBandwidth(input));
    for (const { bandwidth, reasons } of cases) {
      expect(reasons).toEqual([]);
      expect(bandwidth[0]?.blocks).toEqual([]);
    }
    expect(cases.map(({ bandwidth }) => bandwidth[0]?.undecided)).toEqual([
      'web: there is no forecast of network',
      'web: its telemetry is stale or missing',
      expect.stringContaining('longer horizons'),
    ]);
  });

  it('says what bound it, its price and the next best', () => {
    const { reasons } = planBandwidth(inputOf(file({ max: '90Mi' })));
    const [reason] = reasons;
    expect(reason).toMatchObject({ number: 'uplink.bandwidth', value: 90 * MIB, unit: 'bytes/s' });
    expect(reason?.binding).toMatchObject({ constraint: 'bandwidth-maximum' });
    // One MiB/s more is wanted nearly always: by use it costs 0.35, reserved 0.1.
    expect((reason?.binding.pricePerHour ?? 0) * MIB).toBeCloseTo(0.1 - 0.84 * 0.3516, 1);
    expect(reason?.rejected.map(({ alternative }) => alternative)).toEqual(['89 MiB/s reserved', 'nothing reserved']);
    expect(reason?.rejected.every(({ costPerHour }) => (costPerHour ?? 0) > 0)).toBe(true);
  });

  it('says how often the next unit would be used, which is less than what it takes to pay', () => {
    const { reasons } = planBandwidth(inputOf(file({ unit: '20Mi' })));
    const found = /the next 20 MiB\/s would be used ([\d.]+) % of the time.* pays from ([\d.]+) % on/.exec(
      reasons[0]?.binding.words ?? '',
    );
    const [used, from] = [Number(found?.[1]), Number(found?.[2])];
    expect(from).toBeCloseTo(28.4, 1);
    expect(used).toBeLessThan(from);
    expect(used).toBeGreaterThan(0);
  });

  it('links of one file: names, workloads and units that contradict each other are refused', () => {
    const text = JSON.stringify({
      version: 'headroom/v1',
      account: 'acme',
      workloads: [
        { name: 'web', components: { network: { request: '1Mi' } }, replicas: { min: 1, max: 2 } },
        { name: 'job', components: { cpu: { request: 1 } }, replicas: { min: 1, max: 2 } },
      ],
      pools: [{ name: 'general', pricePerHour: 1, node: { cpu: 4 } }],
      bandwidth: [
        { name: 'a', max: '10Mi', pricePerHour: 1 },
        { name: 'a', workloads: ['job'], max: '1k', pricePerHour: 1, block: '7m' },
        { name: 'b', workloads: ['web', 'wbe'], max: '10Mi', pricePerHour: 1 },
      ],
    });
    const checked = checkAccountFile(text);
    const words = 'problems' in checked ? checked.problems.map(({ problem }) => problem).join('\n') : '';
    for (const said of [
      '"a" is named twice',
      'no component network',
      'less than one unit',
      'no multiple',
      'counted twice',
      'did you mean "web"',
    ])
      expect(words).toContain(said);
  });
});

describe('every reservation', () => {
  const atoms = fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 12 });

  it('costs least of all whole units, by brute force', () => {
    fc.assert(
      fc.property(
        atoms,
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 0, max: 20 }),
        fc.double({ min: 0, max: 4, noNaN: true }),
        fc.double({ min: 0, max: 8, noNaN: true }),
        fc.integer({ min: 0, max: 40 }),
        (values, unit, most, price, beyondPrice, least) => {
          const sorted = Float64Array.from(values).sort();
          const weights = new Float64Array(values.length).fill(1 / values.length);
          const excess = excessOf({ values: sorted, weights, atLevel: 0 });
          const terms = { unit, most, price, beyondPrice, least };
          const { units } = reserveFor(excess, terms);
          // By hand: no sum of the code's is used.
          const cost = (count: number): number =>
            price * unit * count +
            (beyondPrice * values.reduce((sum, one) => sum + Math.max(0, one - unit * count), 0)) / values.length;
          const low = Math.min(most, Math.ceil(least / unit));
          const candidates = Array.from({ length: most - low + 1 }, (_, index) => low + index);
          const best = Math.min(...candidates.map(cost));
          expect(candidates).toContain(units);
          expect(cost(units)).toBeLessThanOrEqual(best + 1e-9 * (1 + best));
          expect(costOf(excess, terms, units)).toBeCloseTo(cost(units), 9);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('passes the independent checker, and one that was tampered with does not', () => {
    fc.assert(
      fc.property(
        fc.record({
          mean: fc.double({ min: 0, max: 200, noNaN: true }),
          deviation: fc.double({ min: 0.1, max: 60, noNaN: true }),
          swing: fc.double({ min: 0, max: 1, noNaN: true }),
          price: fc.double({ min: 0.01, max: 1, noNaN: true }),
          beyond: fc.option(fc.double({ min: 0.001, max: 1, noNaN: true }), { nil: undefined }),
          unit: fc.integer({ min: 1, max: 40 }),
          max: fc.integer({ min: 40, max: 400 }),
          budget: fc.option(fc.double({ min: 1, max: 40, noNaN: true }), { nil: undefined }),
        }),
        ({ mean, deviation, swing, price, beyond, unit, max, budget }) => {
          const policy = file(
            { pricePerHour: price, beyondPerGiB: beyond, unit: unit * MIB, max: max * MIB },
            budget === undefined ? {} : { budget: { perHour: budget } },
          );
          const own = series((bin) => ({ mean: mean * (1 + swing * Math.sin(bin)), deviation }));
          const { bandwidth } = planBandwidth(inputOf(policy, { series: [own] }));
          const plan = (planned: typeof bandwidth): Plan => ({ ...EMPTY, bandwidth: planned });
          const facts = { policy, at: AT, traffic: [{ workload: 'web', resolutions: [binsOf(own)] }] };
          expect(bandwidth[0]?.blocks.length).toBeGreaterThan(0);
          expect(checkReservations(facts, plan(bandwidth))).toEqual([]);
          const tampered = (change: (block: ReservedBlock) => object): typeof bandwidth =>
            bandwidth.map((one) => ({
              ...one,
              blocks: one.blocks.map((block, index) => (index === 0 ? { ...block, ...change(block) } : block)),
            }));
          for (const change of [
            tampered(({ reserve }) => ({ reserve: reserve + unit * MIB })),
            tampered(({ reserve }) => ({ reserve: reserve + (unit * MIB) / 2 })),
            tampered(() => ({ by: AT - 1 })),
            tampered(({ from }) => ({ from: from + STEP })),
            tampered(() => ({ reserve: (max + 1) * unit * MIB })),
            tampered(({ costPerHour }) => ({ costPerHour: costPerHour * 2 + 1 })),
          ])
            expect(checkReservations(facts, plan(change))).not.toEqual([]);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('one unit more or less of what is not optimal is found by the checker, from the forecast alone', () => {
    const policy = file();
    const own = series(() => ({ mean: 100, deviation: 10 }));
    const facts = { policy, at: AT, traffic: [{ workload: 'web', resolutions: [binsOf(own)] }] };
    const at = (reserve: number): string[] => {
      const [planned] = planBandwidth(inputOf(policy, { series: [own] })).bandwidth;
      const traffic = trafficOf([{ series: own, level: 0.99 }], AT + HOUR, AT + 2 * HOUR);
      if (planned === undefined || traffic === null) throw new Error('nothing was decided');
      const excess = excessOf(traffic);
      const beyond = excess.beyond(reserve * MIB);
      const costPerHour = 0.1 * reserve + (beyond / MIB) * 0.1 * GIB_PER_MIB_HOUR;
      const [first, ...rest] = planned.blocks;
      if (first === undefined) throw new Error('nothing was decided');
      const blocks = [{ ...first, reserve: reserve * MIB, beyond, costPerHour }, ...rest];
      return checkReservations(facts, { ...EMPTY, bandwidth: [{ ...planned, blocks }] }).map(({ words }) => words);
    };
    expect(at(105)).toEqual([]);
    expect(at(80).join()).toContain('one unit more');
    expect(at(160).join()).toContain('one unit less');
  });
});

const binsOf = ({ resolutions }: SeriesForecast) =>
  (resolutions[0]?.quantiles ?? []).map((values, bin) => ({
    ...{ from: AT + bin * STEP, to: AT + (bin + 1) * STEP },
    ...{ levels: LEVELS, values },
  }));

const EMPTY: Plan = {
  ...{ id: 'p', account: 'acme', at: AT, snapshotId: 's', forecastId: 'f', fields: [], blocks: [], placements: [] },
  ...{ reasons: [], conflict: null, costPerHour: 0, currency: 'USD' },
  verdict: { kind: 'hold', reason: 'steady', detail: '' },
  solver: { iterations: 0, objective: 0, gap: 0, warm: false, status: 'optimal' },
};
