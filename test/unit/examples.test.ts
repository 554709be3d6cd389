import { readdirSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it, test } from 'vitest';
import { createAllocator, type Allocator } from '../../src/allocate/index.js';
import { checkAccountFile, readAccountFile } from '../../src/domain/account-file.js';
import { checkFleetFile } from '../../src/domain/fleet-file.js';
import { loadScenario } from '../../src/cluster/simulated/scenario.js';
import { demandOf, inputOf, stateOf } from './allocate-fixtures.js';

/* What README and docs tell a newcomer to run is there, is read, and has an answer to show. */

const FOLDER = new URL('../../examples', import.meta.url).pathname;
const files = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.yaml'));

test.each(files)('examples/%s is a file of its kind without a problem', (name) => {
  const path = `${FOLDER}/${name}`;
  const text = readFileSync(path, 'utf8');
  if (/^version: headroom-scenario/m.test(text)) expect(loadScenario(path).model.workloads.length).toBeGreaterThan(0);
  else expect(/^fleet: /m.test(text) ? checkFleetFile(text) : checkAccountFile(text)).not.toHaveProperty('problems');
});

describe('examples/market.yaml on examples/scenario-pools.yaml', () => {
  const policy = readAccountFile(readFileSync(`${FOLDER}/market.yaml`, 'utf8'), 'market.yaml');
  const { model } = loadScenario(`${FOLDER}/scenario-pools.yaml`);
  let allocator: Allocator;
  beforeAll(async () => {
    allocator = await createAllocator();
  });
  const planOf = (more = policy) => {
    const demand = [demandOf('web', 'cpu', [5, 5]), demandOf('search', 'cpu', [1.9, 1.9])];
    const state = stateOf(more, { web: 14, search: 6 }, { general: 3, spot: 2 });
    return allocator.allocate(inputOf(more, demand, { state })).plan;
  };

  it('has the workloads and the pools of its cluster', () => {
    expect(model.workloads.map(({ account, workload }) => `${account}/${workload}`)).toEqual(
      policy.workloads.map(({ name }) => `${policy.account}/${name}`),
    );
    expect(model.pools.map(({ name, node, pricePerHour, max }) => ({ name, node, pricePerHour, max }))).toEqual(
      policy.pools.map(({ name, node, pricePerHour, max }) => ({ name, node, pricePerHour, max })),
    );
  });

  it('counts on both pools, so that there is a market to lose and a pool to move to', () => {
    const [block] = planOf().blocks;
    expect(block?.nodes).toMatchObject({ general: 2, spot: 1 });
    expect(policy.workloads.find(({ name }) => name === 'search')?.mayMoveTo).toContain('spot');
  });

  it('serves all of it from the zone that is left where the spot market is lost, though half was to survive', () => {
    const left = { ...policy, pools: policy.pools.map((one) => (one.name === 'spot' ? { ...one, max: 0 } : one)) };
    const plan = planOf(left);
    expect(plan).toMatchObject({ conflict: null, check: { ok: true } });
    expect(plan.blocks[0]?.nodes['general']).toBeGreaterThan(2);
    expect(plan.blocks[0]?.workloads.every(({ shortfall }) => Object.keys(shortfall).length === 0)).toBe(true);
  });
});
