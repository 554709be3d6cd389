import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createEngine } from '../../src/decide/engine.js';
import type * as PoolModule from '../../src/decide/pool.js';
import type { AllocationRequest, Decider, ForecastRequest } from '../../src/decide/port.js';
import { HeadroomError } from '../../src/domain/errors.js';
import { plainError } from '../../src/domain/plain-error.js';
import { AT, policyOf, stateOf } from './allocate-fixtures.js';

/* A thread runs compiled code: the pool of the build, as it ships. */

const BUILT = fileURLToPath(new URL('../../dist/src/decide/pool.js', import.meta.url));
const built = existsSync(BUILT);
const because = built ? '' : ' (skipped: dist/ is not built, make setup)';

const STEP = 300;
const policy = policyOf({
  level: 0.95,
  horizons: ['1h'],
  workloads: [{ name: 'web', components: { cpu: { request: 1 } }, replicas: { min: 1, max: 50 }, leadTime: '5m' }],
  pools: [{ name: 'general', pricePerHour: 0.4, node: { cpu: 4 } }],
});

const series = (bins: number, value: (index: number) => number = (index) => 5 + Math.sin(index / 5)) => ({
  start: AT - bins * STEP,
  step: STEP,
  values: Float64Array.from({ length: bins }, (_, index) => value(index)),
  censored: new Uint8Array(bins),
});

const forecastRequest = (account = 'acme'): ForecastRequest => ({
  account,
  policyId: 'p1',
  policy,
  snapshotId: 's1',
  at: AT + 15,
  leadTimes: {},
  events: [],
  bins: [{ workload: 'web', component: 'cpu', series: series(300) }],
});

const allocationRequest = (account = 'acme', more: Partial<AllocationRequest> = {}): AllocationRequest => ({
  account,
  policyId: 'p1',
  policy,
  snapshotId: 's1',
  at: AT + 15,
  forecast: null,
  state: stateOf(policy, { web: 3 }, { general: 1 }),
  overrides: [],
  events: [],
  leadTimes: {},
  raiseOnly: [],
  recent: [{ workload: 'web', component: 'cpu', series: series(12, () => 4) }],
  ...more,
});

describe.skipIf(!built)(`the decision in threads${because}`, () => {
  const threads: Worker[] = [];
  const remember = (worker: Worker): void => void threads.push(worker);
  let pool: Decider;
  const started = async (count: number): Promise<Decider> => {
    const { createDecisionPool } = (await import(BUILT)) as typeof PoolModule;
    return createDecisionPool(count);
  };
  beforeEach(async () => {
    threads.length = 0;
    process.on('worker', remember);
    pool = await started(1);
  });
  afterEach(async () => {
    await pool.close();
    process.off('worker', remember);
  });

  it('is the decision of this thread', async () => {
    const engine = await createEngine();
    const here = await engine.forecast(forecastRequest());
    const there = await pool.forecast(forecastRequest());
    expect(there).toEqual(here);
    const planHere = await engine.allocate(allocationRequest('acme', { forecast: here }));
    const planThere = await pool.allocate(allocationRequest('acme', { forecast: there }));
    expect(planThere).toEqual(planHere);
    expect(await pool.wanted('acme', policy, AT + 15)).toEqual(await engine.wanted('acme', policy, AT + 15));
    await pool.forget('acme');
    expect(await pool.wanted('acme', policy, AT + 15)).toEqual({ since: null });
  });

  it('an error keeps its kind and its words', async () => {
    // Bins that leave a hole behind what the models know.
    const later = { ...series(2), start: AT + 10 * STEP };
    const request: ForecastRequest = {
      ...forecastRequest(),
      bins: [{ workload: 'web', component: 'cpu', series: later }],
    };
    const engine = await createEngine();
    await engine.forecast(forecastRequest());
    await pool.forecast(forecastRequest());
    const caught = async (decider: Decider): Promise<unknown> =>
      decider.forecast(request).then(
        () => null,
        (error: unknown) => error,
      );
    const here = await caught(engine);
    expect(here).toBeInstanceOf(HeadroomError);
    const there = await caught(pool);
    expect(there).toMatchObject({
      kind: (here as HeadroomError).kind,
      component: (here as HeadroomError).component,
      message: (here as HeadroomError).message,
      remedy: (here as HeadroomError).remedy,
    });
  });

  it('a thread that dies fails those who wait as unavailable, and is replaced, its models with it', async () => {
    await pool.forecast(forecastRequest());
    expect((await pool.wanted('acme', policy, AT + 15)).since).toBe(AT);
    // So much to fit that nothing is answered before the thread dies.
    const long = { workload: 'web', component: 'cpu' as const, series: series(20_000) };
    const waiting = [
      pool.forecast({ ...forecastRequest('beta'), bins: [long] }),
      pool.wanted('acme', policy, AT + 15),
    ].map((one) =>
      one.then(
        () => 'answered',
        (error: unknown) => error,
      ),
    );
    await threads[0]?.terminate();
    for (const answer of await Promise.all(waiting)) {
      expect(answer).toMatchObject({ kind: 'unavailable', component: 'decide/pool' });
    }
    expect(threads).toHaveLength(2);
    // The new one knows nothing yet, the policy included, and says so by asking for everything.
    expect(await pool.wanted('acme', policy, AT + 15)).toEqual({ since: null });
    expect((await pool.forecast(forecastRequest())).series).toHaveLength(1);
  });

  it('an account keeps its thread, and accounts share them out', async () => {
    const other = await started(3);
    try {
      const accounts = Array.from({ length: 12 }, (_, index) => `account-${index}`);
      for (const account of accounts.slice(0, 3)) await other.forecast(forecastRequest(account));
      for (const account of accounts.slice(0, 3)) {
        expect((await other.wanted(account, policy, AT + 15)).since).toBe(AT);
      }
    } finally {
      await other.close();
    }
  });

  it('closed: those who wait are told, and nobody waits afterwards', async () => {
    const waiting = pool.forecast(forecastRequest()).then(
      () => 'answered',
      (error: unknown) => error,
    );
    await pool.close();
    expect(await waiting).toMatchObject({ kind: 'unavailable' });
    await expect(pool.wanted('acme', policy, AT)).rejects.toMatchObject({ kind: 'unavailable' });
    expect(threads).toHaveLength(1);
  });
});

describe('an error as plain data', () => {
  it('comes back whole', () => {
    const error = new HeadroomError({
      kind: 'conflict',
      component: 'a/b',
      action: 'doing c: d',
      problem: 'it is; so',
      remedy: 'try; again',
    });
    const { headroom } = plainError(error);
    if (headroom === null) throw new Error('lost');
    expect(new HeadroomError(headroom)).toMatchObject({
      message: error.message,
      kind: 'conflict',
      remedy: 'try; again',
    });
    expect(headroom.problem).toBe('it is; so');
  });

  it.each([
    ['another error', new TypeError('x is not a function'), /x is not a function/],
    ['a thrown string', 'broken', /^broken$/],
  ])('%s keeps its words', (_name, thrown, words) => {
    expect(plainError(thrown)).toMatchObject({ headroom: null, message: expect.stringMatching(words) as unknown });
  });
});
