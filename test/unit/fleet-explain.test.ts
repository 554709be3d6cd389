import { describe, expect, it } from 'vitest';
import { explainAccount, explainNodes } from '../../src/allocate/fleet/explain.js';
import { createFleetSolver, type FleetInput } from '../../src/allocate/fleet/index.js';

const GIB = 2 ** 30;
const common = {
  capacityType: 'on-demand' as const,
  node: { cpu: 16, memory: 64 * GIB },
  size: 'variable' as const,
  min: 0,
  now: 1,
  warm: 0,
  readyFrom: 0,
  startPrice: 0,
  interruptionsPerHour: 0,
  recoverySeconds: 0,
};
const input: FleetInput = {
  blocks: [{ from: 0, to: 3600 }],
  pools: [
    { ...common, name: 'cheap', pricePerHour: 0.5, max: 1 },
    { ...common, name: 'dear', pricePerHour: 1, max: 9 },
    { ...common, name: 'idle', pricePerHour: 5, max: 9 },
  ],
  accounts: [
    {
      name: 'a',
      weight: 20,
      guaranteed: {},
      pools: null,
      demand: { cpu: [40], memory: [80 * GIB] },
      spotMaxShare: 1,
      budgetPerHour: null,
      running: [],
      placementPerHour: {},
      movePrice: 0,
    },
  ],
};
const plan = (await createFleetSolver()).solve(input);

describe('why a number of the fleet’s plan is what it is', () => {
  it.each([
    [0, 'its maximum of 1 nodes', 'the same cpu on pool dear, 0.5 an hour a node more'],
    [1, '24 cpu are placed on it', 'the same cpu on pool idle, 4 an hour a node more'],
    [2, 'nothing is placed on it', null],
  ])('pool %i', (pool, bound, alternative) => {
    const reason = explainNodes(input, plan, pool, 0);
    expect(reason.bound).toContain(bound);
    expect(reason.alternative?.words ?? null).toBe(alternative);
  });

  it('a full pool says what one more node would save', () => {
    // 16 cores that now cost 1 on the dear pool would cost 0.5.
    expect(explainNodes(input, plan, 0, 0).price).toBeCloseTo(0.5, 6);
  });

  it('an account says where it runs, and what the next best place would cost', () => {
    const reason = explainAccount(input, plan, 0, 0);
    expect(reason.what).toContain('40 % on cheap, 60 % on dear');
    expect(reason.bound).toBe('its own demand');
    expect(reason.alternative?.costPerHour).toBeGreaterThanOrEqual(0);
  });
});
