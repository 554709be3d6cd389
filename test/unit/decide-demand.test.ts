import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decideCapacity, plausibleCeiling } from '../../src/allocate/capacity.js';
import { createCapacities } from '../../src/decide/capacities.js';
import { coverDemand } from '../../src/decide/demand.js';
import { boundForecast } from '../../src/decide/evidence.js';
import { planLead } from '../../src/decide/lead.js';
import type { AllocationRequest } from '../../src/decide/port.js';
import { demandBlocks } from '../../src/allocate/demand.js';
import type { AccountForecast } from '../../src/domain/forecast.js';
import { AT, blocksOf, demandOf, policyOf, stateOf } from './allocate-fixtures.js';

const policy = policyOf({
  level: 0.99,
  workloads: [{ name: 'web', components: { cpu: { request: 1 } }, replicas: { min: 1, max: 50 } }],
  pools: [{ name: 'general', pricePerHour: 1, node: { cpu: 4 } }],
});

const STEP = policy.step;

function forecastOf(row: number[], open = true): AccountForecast {
  return {
    id: 'f',
    account: 'acme',
    snapshotId: 's',
    at: AT,
    series: [
      {
        workload: 'web',
        component: 'cpu',
        resolutions: [
          {
            origin: AT - STEP,
            step: STEP,
            levels: [0.1, 0.5, 0.99, 0.999],
            quantiles: Array.from({ length: 24 }, () => row),
            weights: {},
          },
        ],
        gate: {
          open,
          level: 0.99,
          scored: 288,
          misses: open ? 2 : 12,
          coverage: 0.99,
          ...(open ? {} : { reason: 'off' }),
        },
        data: 'fresh',
      },
    ],
    missing: [],
  };
}

function requestOf(
  usage: number[],
  replicas: number,
  forecast: AccountForecast | null,
  changed: { throttled?: number[]; events?: AllocationRequest['events'] } = {},
): AllocationRequest {
  return {
    account: 'acme',
    policyId: 'p',
    policy,
    snapshotId: 's',
    at: AT + 15,
    forecast,
    state: stateOf(policy, { web: replicas }),
    overrides: [],
    events: changed.events ?? [],
    leadTimes: {},
    raiseOnly: [],
    recent: [
      {
        workload: 'web',
        component: 'cpu',
        series: {
          start: AT - usage.length * STEP,
          step: STEP,
          values: Float64Array.from(usage),
          censored: Uint8Array.from(changed.throttled ?? usage.map(() => 0)),
        },
      },
    ],
  };
}

const amount = fc.double({ min: 0, max: 40, noNaN: true });

describe('what the live cycle covers is what replay would have decided', () => {
  it('for any quantile, usage, capacity and gate', () => {
    fc.assert(
      fc.property(
        fc.option(amount, { nil: null }),
        fc.array(fc.tuple(fc.option(amount, { nil: Number.NaN }), amount, fc.boolean()), {
          minLength: 3,
          maxLength: 12,
        }),
        fc.boolean(),
        fc.integer({ min: 1, max: 30 }),
        (quantile, bins, open, replicas) => {
          const usage = bins.map(([used]) => used);
          const throttled = bins.map(([, , cut]) => (cut ? 1 : 0));
          const capacity = bins.map(([, ready]) => ready);
          const request = requestOf(usage, replicas, quantile === null ? null : forecastOf([0, 0, 0, 0], open), {
            throttled,
          });
          const known = quantile === null ? [] : [{ ...demandOf('web', 'cpu', [quantile, quantile]), level: 0.99 }];
          const first = AT - bins.length * STEP;
          const covered = coverDemand(request, {
            forecast: known,
            until: [],
            blocks: 2,
            during: (_w, _c, label) => capacity[(label - first) / STEP] ?? NaN,
          });
          const replayed = decideCapacity({
            quantile,
            gateOpen: quantile === null || open,
            level: 0.99,
            evidence: { peak: NaN, bins: 0 },
            guard: {
              usage: usage.slice(-3),
              throttled: throttled.slice(-3),
              capacity: capacity.slice(-3),
              asked: replicas,
              bounds: { min: 0, max: Number.POSITIVE_INFINITY },
            },
          });
          // Replay has no maximum; the policy's ends what usage alone asks for.
          const wanted = Math.min(replayed.capacity, Math.max(50, quantile ?? 0));
          expect(covered.demand[0]?.blocks[0]?.atLevel).toBe(wanted);
        },
      ),
    );
  });

  it.each([
    {
      name: 'a reduction is not undone because usage before it was above the capacity after it',
      usage: [9, 7, 5],
      ready: [10, 10, 6],
      quantile: 6,
      expected: 6,
      guarded: 0,
    },
    {
      name: 'usage at the capacity of its own bin lifts the floor',
      usage: [5, 5, 6],
      ready: [6, 6, 6],
      quantile: 5,
      expected: 6.6,
      guarded: 1,
    },
    {
      name: 'after a restart nothing is known of past capacity: usage alone saturates nothing',
      usage: [9, 7, 5],
      ready: [NaN, NaN, NaN],
      quantile: 6,
      expected: 6,
      guarded: 0,
    },
  ])('$name', ({ usage, ready, quantile, expected, guarded }) => {
    const request = requestOf(usage, 6, forecastOf([0, 0, 0, 0]));
    const covered = coverDemand(request, {
      forecast: [demandOf('web', 'cpu', [quantile])],
      until: [],
      blocks: 1,
      during: (_w, _c, label) => ready[(label - (AT - 3 * STEP)) / STEP] ?? NaN,
    });
    expect(covered.demand[0]?.blocks[0]?.atLevel).toBeCloseTo(expected);
    expect(covered.guarded).toHaveLength(guarded);
  });

  it('leaves out a workload of which nothing was ever known, rather than plan zero', () => {
    const request = requestOf([], 0, null);
    request.state.workloads = [];
    expect(coverDemand(request, { forecast: [], until: [], blocks: 3, during: () => NaN }).demand).toEqual([]);
  });

  it('a closed gate lifts every block to what usage asks for, and says so', () => {
    const request = requestOf([7, 7, 7], 12, forecastOf([1, 2, 3, 4], false));
    const covered = coverDemand(request, {
      forecast: [demandOf('web', 'cpu', [3, 3, 3, 3, 20])],
      until: [],
      blocks: 5,
      during: () => 12,
    });
    expect(covered.demand[0]?.blocks.map((block) => block.atLevel)).toEqual([10, 10, 10, 10, 20]);
    expect(covered.guarded).toEqual([{ workload: 'web', component: 'cpu', reason: 'off', closed: true }]);
  });
});

describe('capacity goes at once and comes a lead later', () => {
  it.each([
    { name: 'what is needed until the first block is kept', until: 8, replicas: 10, first: 5, expected: 8 },
    { name: 'no more than is there: nothing can be raised in time', until: 20, replicas: 10, first: 5, expected: 10 },
    { name: 'a higher first block counts', until: 8, replicas: 10, first: 12, expected: 12 },
    { name: 'nothing before it', until: null, replicas: 10, first: 5, expected: 5 },
  ])('$name', ({ until, replicas, first, expected }) => {
    const covered = coverDemand(requestOf([3, 3, 3], replicas, forecastOf([0, 0, 0, 0])), {
      forecast: [demandOf('web', 'cpu', [first, first])],
      until: until === null ? [] : [demandOf('web', 'cpu', [until])],
      blocks: 2,
      during: () => replicas,
    });
    expect(covered.demand[0]?.blocks.map((block) => block.atLevel)).toEqual([expected, first]);
  });

  const pools = (leads: [number, 'fixed' | 'variable'][]) =>
    policyOf({
      workloads: [{ name: 'web', components: { cpu: { request: 1 } }, replicas: { min: 1, max: 5 }, leadTime: '100s' }],
      pools: leads.map(([lead, size], index) => ({
        name: `p${index}`,
        pricePerHour: 1,
        node: { cpu: 4 },
        size,
        max: 5,
        leadTime: `${lead}s`,
      })),
    });
  it.each([
    {
      name: 'measured',
      leads: [[60, 'variable']] as [number, 'fixed' | 'variable'][],
      measured: { web: 200 } as Record<string, number>,
      lead: 200,
    },
    {
      name: 'first guess',
      leads: [[60, 'variable']] as [number, 'fixed' | 'variable'][],
      measured: { other: 300 } as Record<string, number>,
      lead: 100,
    },
    {
      name: 'measured on reductions alone',
      leads: [[180, 'variable']] as [number, 'fixed' | 'variable'][],
      measured: { web: 2 } as Record<string, number>,
      lead: 180,
    },
    {
      name: 'the quicker pool',
      leads: [
        [600, 'variable'],
        [120, 'variable'],
      ] as [number, 'fixed' | 'variable'][],
      measured: { web: 2 } as Record<string, number>,
      lead: 120,
    },
    {
      name: 'nodes that are there',
      leads: [
        [600, 'variable'],
        [600, 'fixed'],
      ] as [number, 'fixed' | 'variable'][],
      measured: { web: 2 } as Record<string, number>,
      lead: 2,
    },
  ])('the lead that is planned with: $name', ({ leads, measured, lead }) => {
    expect(planLead(pools(leads), measured)).toBe(lead);
  });
});

describe('the ceiling of evidence on the live forecast', () => {
  const evidence = { peak: 10, bins: 2304 };
  const ceiling = plausibleCeiling(evidence, 0.99);

  it('cuts what a model asks for beyond anything seen, and leaves the rest as it is', () => {
    const bounded = boundForecast(forecastOf([2, 5, 400, 900]), () => evidence);
    const [row] = bounded.series[0]?.resolutions[0]?.quantiles ?? [];
    expect(row?.slice(0, 2)).toEqual([2, 5]);
    expect(row?.[2]).toBeCloseTo(ceiling);
    expect(row?.[3]).toBeCloseTo(plausibleCeiling(evidence, 0.999));
  });

  it('does not cut an announced event: nothing that was seen speaks against it', () => {
    const event = {
      name: 'sale',
      from: AT,
      to: AT + 3600,
      expect: { multiplier: 4 },
      uncertainty: 0,
      author: 'test',
    };
    const request = requestOf([8, 8, 8], 12, forecastOf([6, 8, 9, 10]), { events: [event] });
    const forecast = boundForecast(forecastOf([6, 8, 9, 10]), () => evidence);
    const blocks = blocksOf(1, STEP);
    const demand = demandBlocks({ forecast, policy, blocks, events: [event] });
    const covered = coverDemand(request, { forecast: demand, until: [], blocks: 1, during: () => 12 });
    expect(covered.demand[0]?.blocks[0]?.atLevel).toBeGreaterThan(2 * ceiling);
  });
});

describe('ready capacity of past bins', () => {
  const seen = (entries: [number, number][]) => {
    const capacities = createCapacities();
    for (const [at, replicas] of entries) capacities.note('acme', stateOf(policy, { web: replicas }), at, STEP);
    return capacities;
  };
  it.each([
    {
      name: 'the mean of both ends',
      entries: [
        [AT + 15, 4],
        [AT + STEP + 20, 8],
      ] as [number, number][],
      label: AT,
      is: 6,
    },
    { name: 'one end alone', entries: [[AT + STEP + 20, 8]] as [number, number][], label: AT, is: 8 },
    {
      name: 'a second look counts',
      entries: [
        [AT + 15, 4],
        [AT + 200, 6],
      ] as [number, number][],
      label: AT,
      is: 6,
    },
    { name: 'no cycle looked', entries: [[AT + 15, 4]] as [number, number][], label: AT - 10 * STEP, is: NaN },
  ])('$name', ({ entries, label, is }) => {
    expect(seen(entries).during('acme', 'web', 'cpu', label, STEP)).toBe(is);
  });

  it('are one account’s own, and gone once forgotten', () => {
    const capacities = seen([[AT, 4]]);
    expect(capacities.during('other', 'web', 'cpu', AT, STEP)).toBeNaN();
    capacities.forget('acme');
    expect(capacities.during('acme', 'web', 'cpu', AT, STEP)).toBeNaN();
  });
});
