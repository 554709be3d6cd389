import { MockActivityEnvironment } from '@temporalio/testing';
import { describe, expect, it } from 'vitest';
import { createApply } from '../../activities/apply.js';
import { createDataSets, toldOf } from '../../activities/data-sets.js';
import type { Dependencies } from '../../activities/dependencies.js';
import { createOptimize } from '../../activities/optimize.js';
import { createPolicies } from '../../activities/policies.js';
import { summarizePlan } from '../../src/allocate/index.js';
import type { BehaviorRow } from '../../src/behavior/events.js';
import type { AccountPolicy } from '../../src/domain/account.js';
import { createEngine } from '../../src/decide/engine.js';
import { orderChange } from '../../src/domain/change.js';
import type { Mutation } from '../../src/domain/cluster.js';
import type { PlanSummary } from '../../src/domain/plan.js';
import { createEmbeddedStore } from '../../src/telemetry/embedded/store.js';
import type { BehaviorQuery, BehaviorSource } from '../../src/telemetry/events/port.js';
import { simple, stateOf } from './allocate-fixtures.js';
import { HOUR, MONDAY, row } from './behavior-world.js';

/* What a cache is told to fetch before people come: the wrong list, or none, and the first of them wait. */

const DAY = 24 * HOUR;
const END = MONDAY + 21 * DAY;
const signal = new AbortController().signal;

/** `orders` is read from nine to ten on every day, `archive` on the first of three weeks alone. */
const rows: BehaviorRow[] = Array.from({ length: 21 }, (_, day) => {
  const at = MONDAY + day * DAY;
  return [
    row({ at: at + 9 * HOUR, width: 900, detail: 'orders', events: 20 }),
    ...(day < 7 ? [row({ at: at + 15 * HOUR, width: 900, detail: 'archive', events: 9 })] : []),
    ...[8, 10, 12, 14, 16].map((hour) => row({ at: at + hour * HOUR, width: 900, events: 5 })),
  ];
}).flat();

function world(all = rows) {
  const asked: BehaviorQuery[] = [];
  let broken: Error | null = null;
  const dataSets = createDataSets({
    readEvents: (query) => {
      asked.push(query);
      if (broken !== null) return Promise.reject(broken);
      return Promise.resolve(all.filter(({ at }) => at >= query.from && at < query.to));
    },
  });
  return { dataSets, asked, breakWith: (error: Error | null) => void (broken = error) };
}

const policy = (parts: object = { atLeast: 0.5 }): AccountPolicy =>
  simple({}, { warmUp: [{ name: 'fill', ahead: '15m', image: 'fill', dataSets: parts }] });
const TEN_TO_NINE = END + 9 * HOUR - 600;

describe('which data sets the loop tells an action of', () => {
  it('those of the hour that it prepares for, above the probability asked for', async () => {
    const { dataSets } = world();
    const [need] = await dataSets.of('acme', policy(), TEN_TO_NINE, signal);
    expect(need).toMatchObject({ workload: 'web', action: 'warm-up.fill', from: END + 9 * HOUR });
    expect(need?.dataSets.map(({ dataSet }) => dataSet)).toEqual(['orders']);
    expect(need?.dataSets[0]?.probability).toBeGreaterThan(0.7);
    expect(need?.next?.dataSet).toBe('archive');
    const [night] = await dataSets.of('acme', policy(), END + 3 * HOUR - 600, signal);
    expect(night?.dataSets).toEqual([]);
    const [all] = await world().dataSets.of('acme', policy({ atLeast: 0.01, most: 1 }), TEN_TO_NINE, signal);
    expect(all?.dataSets.map(({ dataSet }) => dataSet)).toEqual(['orders']);
  });

  it('asks the store once an hour, and only for accounts whose file asks', async () => {
    const { dataSets, asked } = world();
    const first = await dataSets.of('acme', policy(), TEN_TO_NINE, signal);
    const reads = asked.length;
    expect(await dataSets.of('acme', policy(), TEN_TO_NINE + 300, signal)).toEqual(first);
    expect(asked.length).toBe(reads);
    await dataSets.of('acme', policy(), TEN_TO_NINE + HOUR, signal);
    // The hour that is new, and what is not settled yet; not the eight weeks again.
    expect(asked.length).toBe(reads + 2);
    expect(await dataSets.of('other', simple(), TEN_TO_NINE, signal)).toEqual([]);
    expect(asked.every(({ account }) => account === 'acme')).toBe(true);
  });

  it('a store that fails midway leaves no half-read profile behind', async () => {
    const { dataSets, breakWith } = world();
    const before = await world().dataSets.of('acme', policy(), TEN_TO_NINE, signal);
    breakWith(new Error('down'));
    await expect(dataSets.of('acme', policy(), TEN_TO_NINE, signal)).rejects.toThrow('down');
    breakWith(null);
    expect(await dataSets.of('acme', policy(), TEN_TO_NINE, signal)).toEqual(before);
  });

  it.each([
    { name: 'as the record says', body: { dataSets: [told('web', ['orders', 'customers'])] }, names: 2 },
    { name: 'another workload’s', body: { dataSets: [told('api', ['orders'])] }, names: 0 },
    { name: 'a plan from before there were any', body: { id: 'p' }, names: 0 },
    { name: 'no record', body: undefined, names: 0 },
  ])('an action is told of a plan: $name', ({ body, names }) =>
    expect(toldOf(body, 'web', 'warm-up.fill')).toHaveLength(names),
  );
});

describe('from the rows to the Job', () => {
  const TARGET = { field: 'prepared' as const, workload: 'web', action: 'warm-up.fill', value: END + 9 * HOUR };

  async function through(readEvents: BehaviorSource['readEvents']) {
    const store = await createEmbeddedStore({ path: ':memory:' });
    await store.putRecord({ kind: 'account', id: 'p1', account: 'acme', at: END, body: policy() });
    const usage = { account: 'acme', series: [{ workload: 'web', component: 'cpu' as const }], step: 300 };
    const snapshot = await store.takeSnapshot({ ...usage, from: END, to: TEN_TO_NINE }, TEN_TO_NINE, signal);
    const engine = await createEngine();
    const applied: Mutation[] = [];
    const state = stateOf(policy(), { web: 4 }, { general: 4 });
    for (const workload of state.workloads) workload.prepared = {};
    const deps: Dependencies = {
      ...{ store, source: store, behavior: { readEvents }, decider: engine },
      fence: { read: () => Promise.resolve(null) },
      histories: { fetch: () => Promise.resolve(null), isRunning: () => Promise.resolve(false) },
      cluster: () => ({
        ...{ name: 'main', close: () => Promise.resolve(), observe: () => Promise.resolve(state) },
        apply: (mutation) => {
          applied.push(mutation);
          return Promise.resolve({ kind: 'applied', value: mutation.target.value });
        },
        restore: () => expect.fail('nothing goes back'),
        release: () => Promise.resolve([]),
      }),
    };
    const policies = createPolicies(store);
    const run = new MockActivityEnvironment();
    const { optimize } = createOptimize(deps, policies, summarizePlan);
    const answers: { plan: PlanSummary }[] = [];
    await run.run(async () => {
      answers.push(
        await optimize({
          ...{ account: 'acme', policyId: 'p1', snapshotId: snapshot.id, at: TEN_TO_NINE, forecastId: null },
          ...{ state, overrides: [], events: [], leadTimes: {}, raiseOnly: [] },
        }),
      );
    });
    const plan = answers[0]?.plan ?? expect.fail('no plan');
    // As the workflow makes it: of the summary alone.
    const [mutation] = orderChange(plan, 'acme/1', 'acme', TEN_TO_NINE, 600).mutations.filter(
      ({ target }) => target.field === 'prepared',
    );
    if (mutation !== undefined) {
      await run.run(createApply(deps, policies).apply, { policyId: 'p1', mutation, fenced: true });
    }
    await engine.close();
    await store.close();
    return { plan, applied, history: JSON.stringify([plan, mutation]) };
  }

  it('the cluster is told the names, and no history has them', async () => {
    const { applied, history } = await through((query) =>
      Promise.resolve(rows.filter(({ at }) => at >= query.from && at < query.to)),
    );
    expect(applied).toMatchObject([{ target: TARGET, dataSets: ['orders'] }]);
    expect(history).toContain('1 data set likely to be read');
    expect(history).not.toContain('orders');
  });

  it('where nobody can say what will be read the plan is made without, and says so', async () => {
    const { plan, applied } = await through(() => Promise.reject(new Error('the store is down')));
    expect(applied).toEqual([]);
    expect(plan.verdict.detail).toContain('nobody is told which data sets will be read: the store is down');
  });
});

function told(workload: string, names: string[]) {
  const dataSets = names.map((dataSet) => ({ dataSet, probability: 0.9 }));
  return { workload, action: 'warm-up.fill', from: END, dataSets, next: null };
}
