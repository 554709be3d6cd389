import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildScenario, loadScenario } from '../../src/cluster/simulated/scenario.js';

const good = () => ({
  version: 'headroom-scenario/v1',
  clock: { start: '2026-05-04T00:00:00Z' },
  pools: [{ name: 'general', node: { cpu: 4 }, pricePerHour: 1 }],
  accounts: [
    { name: 'acme', workloads: [{ name: 'web', replicas: 2, components: { cpu: { request: '500m', demand: 1 } } }] },
  ],
  faults: [{ kind: 'api-down', from: '2026-05-04T01:00:00Z', to: '2026-05-04T02:00:00Z' }],
});
const build = (raw: unknown) => buildScenario(raw, { what: 'scenario.yaml', directory: '.' });

/** The good one with one field (a dotted path) set. */
function without(path: string, value: unknown): unknown {
  const root: unknown = good();
  const steps = path.split('.');
  const last = steps.pop() ?? '';
  let at: unknown = root;
  for (const step of steps) at = Object.entries(Object(at)).find(([key]) => key === step)?.[1];
  Object.assign(Object(at), { [last]: value });
  return root;
}

describe('scenario file', () => {
  test.each([
    { path: 'clock.start', value: 'yesterday', words: 'clock.start: "yesterday" is not a time' },
    { path: 'clock.factor', value: 0, words: 'clock.factor:' },
    { path: 'tick', value: 7, words: 'tick: 7 must divide a minute' },
    { path: 'sedd', value: 1, words: 'sedd' },
    { path: 'accounts', value: [], words: 'accounts:' },
    { path: 'accounts.0.workloads.0.replicas', value: -1, words: 'accounts[0].workloads[0].replicas:' },
    {
      path: 'accounts.0.workloads.0.components.cpu.request',
      value: 'lots',
      words: 'cpu.request: "lots" is not a quantity',
    },
    { path: 'accounts.0.workloads.0.components', value: {}, words: 'accounts[0].workloads[0].components: names none' },
    { path: 'accounts.0.workloads.0.pools', value: ['gold'], words: 'workloads[0].pools: pool "gold" is not defined' },
    {
      path: 'accounts.0.workloads.0.hpa',
      value: { floor: 5, ceiling: 2, target: 0.5 },
      words: 'workloads[0].hpa.floor: is above the ceiling',
    },
    {
      path: 'accounts.0.workloads.0.hpa',
      value: { floor: 1, ceiling: 2, target: 0.5, component: 'gpu' },
      words: 'hpa.component: the workload has no gpu',
    },
    { path: 'pools.0.min', value: 2000, words: 'pools[0].min: 2000 is above max 1000' },
    { path: 'faults.0.to', value: '2026-05-04T00:30:00Z', words: 'faults[0].to: is not after from' },
    { path: 'faults.0.kind', value: 'earthquake', words: 'faults[0].kind' },
    {
      path: 'faults.0',
      value: { kind: 'stock-out', from: 1, to: 2, pool: 'gold' },
      words: 'faults[0].pool: pool "gold" is not defined',
    },
    {
      path: 'faults.0',
      value: {
        kind: 'foreign-write',
        at: 1,
        target: { field: 'replicas', account: 'acme', workload: 'ghost', value: 1 },
      },
      words: 'faults[0].target.workload: workload "acme/ghost" is not defined',
    },
    {
      path: 'faults.0',
      value: { kind: 'foreign-write', at: 1, target: { field: 'floor', account: 'acme', workload: 'web', value: 1 } },
      words: 'faults[0].target.field: the workload has no hpa',
    },
    {
      path: 'faults.0',
      value: { kind: 'foreign-write', at: 1, target: { field: 'nodes', pool: 'gold', value: 1 } },
      words: 'faults[0].target.pool: pool "gold" is not defined',
    },
  ])('$path = $value is refused, the field named', ({ path, value, words }) => {
    expect(() => build(without(path, value))).toThrow(words);
  });

  test('amounts, durations and times are read as in the account file; defaults are filled in', () => {
    const { model, clock } = build({ ...good(), clock: { start: '2026-05-04T00:00:30Z', history: '1h' } });
    expect(clock).toEqual({ start: 1777852830, factor: 1, mode: 'run' });
    // The engine begins with a whole minute.
    expect(model.start).toBe(1777849200);
    expect(model.workloads[0]?.components[0]?.request).toBe(0.5);
    expect(model.tick).toBe(15);
  });
});

describe('demand from CSV', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'headroom-scenario-'));
    const rows = ['2026-05-04T00:00:00Z,1,9', '2026-05-04T00:05:00Z,,9', '2026-05-04T00:10:00Z,3,9'];
    writeFileSync(join(folder, 'good.csv'), ['timestamp,cpu,other', ...rows].join('\n'));
    writeFileSync(join(folder, 'word.csv'), 'timestamp,cpu\n0,1\n300,many\n');
    writeFileSync(join(folder, 'time.csv'), 'timestamp,cpu\n0,1\nnoon,2\n');
    writeFileSync(join(folder, 'twice.csv'), 'timestamp,cpu\n0,1\n0,2\n');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const load = (demand: object) => {
    const file = join(folder, 'scenario.json');
    writeFileSync(file, JSON.stringify(without('accounts.0.workloads.0.components.cpu.demand', demand)));
    return loadScenario(file);
  };

  test('is found beside the scenario, scaled, and shifted to where it is played', () => {
    const start = 1777852800;
    const plain = load({ csv: 'good.csv', column: 'cpu' }).model.workloads[0]?.components[0];
    expect([0, 300, 600].map((at) => plain?.demand(start + at))).toEqual([1, Number.NaN, 3]);
    const moved = load({ csv: 'good.csv', column: 'cpu', scale: 2, start: start + 86_400 }).model.workloads[0]
      ?.components[0];
    expect([0, 86_400, 87_000].map((at) => moved?.demand(start + at))).toEqual([Number.NaN, 2, 6]);
  });

  test.each([
    { demand: { csv: 'good.csv', column: 'gpu' }, words: 'no column "gpu" (it has timestamp, cpu, other)' },
    { demand: { csv: 'word.csv', column: 'cpu' }, words: 'word.csv row 3, column "cpu": "many" is not a number' },
    { demand: { csv: 'time.csv', column: 'cpu' }, words: 'time.csv row 3, column "timestamp": "noon" is not a time' },
    { demand: { csv: 'twice.csv', column: 'cpu' }, words: 'row 3: time 0 is there twice' },
    { demand: { csv: 'none.csv', column: 'cpu' }, words: 'none.csv' },
  ])('$demand.csv/$demand.column is refused, row and column named', ({ demand, words }) => {
    expect(() => load(demand)).toThrow(words);
  });

  test('another file makes another scenario: a journal belongs to one', () => {
    const before = load({ csv: 'good.csv', column: 'cpu' }).fingerprint;
    expect(load({ csv: 'good.csv', column: 'cpu' }).fingerprint).toBe(before);
    expect(load({ csv: 'good.csv', column: 'other' }).fingerprint).not.toBe(before);
  });

  test('a scenario that is not there, or no YAML, is said so', () => {
    expect(() => loadScenario(join(folder, 'ghost.yaml'))).toThrow('ghost.yaml');
    const file = join(folder, 'broken.yaml');
    writeFileSync(file, 'accounts: [');
    expect(() => loadScenario(file)).toThrow('write YAML or JSON');
  });
});
