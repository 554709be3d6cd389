import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type { Activities } from '../../activities/types.js';
import type { AccountStatus } from '../../workflows/messages.js';
import type { ChangeResult, Plan } from '../../src/domain/plan.js';
import { HeadroomError } from '../../src/domain/errors.js';
import { createBudget } from '../../src/operate/metrics/budget.js';
import { createExposition, type ExpositionOptions } from '../../src/operate/metrics/exposition.js';
import { createFigures } from '../../src/operate/metrics/figures.js';
import { recordActivities } from '../../src/operate/metrics/record.js';
import { serveMetrics, type MetricsServer } from '../../src/operate/metrics/server.js';
import { watchAccounts } from '../../src/operate/metrics/watch.js';

const AT = 1_780_000_000;
const RESULTS: Record<ChangeResult, number> = { kept: 0, 'rolled-back': 0, stale: 0, stopped: 0, failed: 0 };

/** What an account's workflow would say; a part of it. */
const statusOf = (account: string, more: Partial<AccountStatus> = {}): AccountStatus => ({
  schema: 1,
  account,
  revision: 1,
  policyId: `${account}@1`,
  startedAt: AT,
  cycle: 3,
  phase: 'sleeping',
  pause: null,
  freeze: null,
  overrides: [],
  events: [],
  approval: null,
  cooling: null,
  change: null,
  toExport: [],
  changes: 0,
  verdict: null,
  forecast: [],
  blindSince: null,
  attention: null,
  lastOutcome: null,
  leadTimes: {},
  results: RESULTS,
  holds: {},
  learnt: {
    scoredTo: AT,
    bins: 0,
    violations: 0,
    capacity: 0,
    demand: 0,
    reactive: { capacity: 0, violations: 0 },
    coverage: [],
  },
  log: [],
  mode: 'auto',
  now: AT,
  nextCycleAt: AT + 300,
  summary: '',
  ...more,
});

const digest = (workload: string, atLevel: number, open = true) => ({
  workload,
  component: 'cpu' as const,
  level: 0.99,
  median: atLevel / 2,
  atLevel,
  open,
  cold: false,
});

const planOf = (account: string, replicas: number, costPerHour: number): Plan => ({
  id: `plan/${account}`,
  account,
  at: AT,
  snapshotId: 's',
  forecastId: 'f',
  verdict: { kind: 'hold', reason: 'steady', detail: '' },
  fields: [],
  blocks: [
    {
      from: AT,
      to: AT + 300,
      workloads: [{ workload: 'web', replicas, request: {}, pools: {}, shortfall: {} }],
      nodes: { general: 2 },
      costPerHour,
    },
  ],
  placements: [],
  reasons: [],
  conflict: null,
  costPerHour,
  currency: 'EUR',
  solver: { iterations: 0, objective: 0, gap: 0, warm: false, status: 'optimal' },
});

function setUp(options: Partial<ExpositionOptions> = {}) {
  let wall = 1000;
  const figures = createFigures(() => wall);
  const exposition = createExposition({ figures, ...options });
  return {
    figures,
    exposition,
    pass: (ms: number) => (wall += ms),
    now: () => wall,
    /** Lines of one metric, by its labels. */
    async series(name: string, accept?: string): Promise<Record<string, number>> {
      const { body } = await exposition.render(accept);
      const lines = body.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
      return Object.fromEntries(
        lines.map((line) => [line.slice(name.length, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]),
      );
    },
  };
}

describe('metrics: what a scrape shows', () => {
  it('the latest of everything, and nothing that is not known', async () => {
    const { figures, series } = setUp();
    figures.forecasted('shop', [digest('web', 4), digest('idle', Number.NaN)]);
    figures.planned(planOf('shop', 3, 1.5));
    figures.planned(planOf('shop', 5, 2.5));
    figures.told(statusOf('shop', { forecast: [digest('web', 4), digest('idle', Number.NaN, false)] }));
    expect(await series('headroom_forecast_quantile')).toEqual({
      '{account="shop",workload="web",component="cpu"}': 4,
    });
    expect(await series('headroom_gate_open')).toEqual({
      '{account="shop",workload="web",component="cpu"}': 1,
      '{account="shop",workload="idle",component="cpu"}': 0,
    });
    expect(await series('headroom_planned_replicas')).toEqual({ '{account="shop",workload="web"}': 5 });
    expect(await series('headroom_plan_cost_per_hour')).toEqual({ '{account="shop",currency="EUR"}': 2.5 });
    // Never scored, never observed: no series, rather than a zero.
    expect(await series('headroom_coverage_ratio')).toEqual({});
    expect(await series('headroom_last_cycle_timestamp_seconds')).toEqual({});
  });

  it('counts are the workflow’s own: told twice they are counted once', async () => {
    const { figures, series } = setUp();
    const status = statusOf('shop', { holds: { steady: 7 }, results: { ...RESULTS, kept: 2 }, cycle: 9 });
    figures.told(status);
    figures.told(status);
    expect((await series('headroom_holds_total'))['{account="shop",reason="steady"}']).toBe(7);
    expect((await series('headroom_changes_total'))['{account="shop",result="kept"}']).toBe(2);
    expect(await series('headroom_cycles_total')).toEqual({ '{account="shop"}': 9 });
    // Both formats, whichever was asked for first.
    expect(
      (await series('headroom_changes_total', 'application/openmetrics-text'))['{account="shop",result="kept"}'],
    ).toBe(2);
    expect((await series('headroom_changes_total'))['{account="shop",result="kept"}']).toBe(2);
  });

  it('OpenMetrics ends in # EOF and names its counters’ families without _total', async () => {
    const { exposition } = setUp();
    const open = await exposition.render('application/openmetrics-text;version=1.0.0,text/plain;q=0.5');
    expect(open.contentType).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    expect(open.body).toContain('# TYPE headroom_holds counter\n');
    expect(open.body.endsWith('\n# EOF\n')).toBe(true);
    const text = await exposition.render('text/plain');
    expect(text.body).toContain('# TYPE headroom_holds_total counter\n');
    expect(text.body).not.toContain('# EOF');
  });

  it('an account that is silent for an hour is somebody else’s', async () => {
    const { figures, series, pass } = setUp();
    figures.planned(planOf('shop', 3, 1));
    pass(3_599_000);
    expect(await series('headroom_accounts')).toEqual({ '': 1 });
    pass(2000);
    expect(await series('headroom_accounts')).toEqual({ '': 0 });
    expect(await series('headroom_planned_replicas')).toEqual({});
  });

  it('labels carry no free text', async () => {
    const { figures, exposition } = setUp();
    figures.told(
      statusOf('shop', {
        attention: 'secret words',
        verdict: { kind: 'hold', reason: 'failed', detail: 'secret words' },
        pause: { kind: 'pause', author: 'secret words', reason: 'secret words', since: AT, until: AT },
        forecast: [{ ...digest('web', 1, false), reason: 'secret words' }],
      }),
    );
    expect((await exposition.render(undefined)).body).not.toContain('secret');
  });
});

describe('metrics: the bound of their labels', () => {
  it('beyond it, accounts and workloads are summed up under other, and said to be', async () => {
    const { figures, series } = setUp({ mostAccounts: 2, mostNames: 3 });
    for (const [index, account] of ['a', 'b', 'c', 'd'].entries()) {
      figures.forecasted(account, [digest('web', index + 1, index !== 3), digest('api', 10)]);
      figures.told(
        statusOf(account, {
          forecast: [digest('web', index + 1, index !== 3), digest('api', 10)],
          holds: { steady: 5 },
        }),
      );
    }
    expect(await series('headroom_forecast_quantile')).toEqual({
      '{account="a",workload="web",component="cpu"}': 1,
      '{account="a",workload="api",component="cpu"}': 10,
      '{account="b",workload="web",component="cpu"}': 2,
      '{account="b",workload="other",component="cpu"}': 10,
      '{account="other",workload="other",component="cpu"}': 3 + 10 + 4 + 10,
    });
    // Of gates the worst counts.
    expect((await series('headroom_gate_open'))['{account="other",workload="other",component="cpu"}']).toBe(0);
    expect((await series('headroom_holds_total'))['{account="other",reason="steady"}']).toBe(10);
    expect(await series('headroom_metrics_folded')).toEqual({ '{what="accounts"}': 2, '{what="names"}': 5 });
    // One of the folded ends: a counter never falls.
    figures.forget('d');
    expect((await series('headroom_holds_total'))['{account="other",reason="steady"}']).toBe(10);
    figures.told(statusOf('c', { holds: { steady: 6 } }));
    expect((await series('headroom_holds_total'))['{account="other",reason="steady"}']).toBe(11);
  });

  it('whatever comes and goes, there are never more names than allowed, and who has a series keeps it', () => {
    const step = fc.record({
      account: fc.integer({ min: 0, max: 5 }),
      name: fc.integer({ min: 0, max: 5 }),
      gone: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 0, max: 4 }), (steps, most) => {
        const budget = createBudget({ accounts: 3, names: most });
        const there = new Map<string, Set<string>>();
        for (const { account: number, name: index, gone } of steps) {
          const [account, name] = [`account-${number}`, `w${index}`];
          if (gone) {
            there.delete(account);
            budget.keep(new Set(there.keys()));
            continue;
          }
          const names = there.get(account) ?? new Set();
          const shown = budget.name(account, name);
          if (names.has(name)) expect(shown).toBe(name);
          if (shown === name) names.add(name);
          if (budget.account(account) === account) there.set(account, names);
          expect(there.size).toBeLessThanOrEqual(3);
          expect([...there.values()].reduce((sum, one) => sum + one.size, 0)).toBeLessThanOrEqual(most);
        }
      }),
    );
  });
});

describe('metrics: what the activities tell', () => {
  const never = (): never => {
    throw new Error('not part of this test');
  };
  const activities = (parts: Partial<Activities>): Activities => ({
    observe: never,
    forecast: never,
    optimize: never,
    learn: never,
    answer: never,
    release: never,
    recordContingency: never,
    revalidate: never,
    apply: never,
    awaitReady: never,
    verify: never,
    rollback: never,
    confirm: never,
    recordOutcome: never,
    exportHistory: never,
    lookAtMigrations: never,
    ...parts,
  });
  const seen = { snapshotId: 's', freshness: [], state: { at: AT, workloads: [], pools: [] }, freeze: null };

  it('an attempt that is repeated is one cycle, timed from its first beginning', async () => {
    const { figures, exposition, series, pass, now } = setUp();
    let attempts = 0;
    const recorded = recordActivities(
      activities({
        observe: async () => {
          pass(1000);
          attempts += 1;
          if (attempts === 1) {
            throw new HeadroomError({ kind: 'unavailable', component: 'x', action: 'y', problem: 'z', remedy: 'w' });
          }
          return seen;
        },
        optimize: async () => {
          pass(500);
          return { plan: planOf('shop', 1, 1) };
        },
      }),
      figures,
      exposition.timings,
      now,
    );
    const ref = { account: 'shop', policyId: 'p' };
    await expect(recorded.observe({ ...ref, at: AT })).rejects.toThrow('z');
    await recorded.observe({ ...ref, at: AT });
    // Its answer got lost on the way: the same again.
    await recorded.observe({ ...ref, at: AT });
    await recorded.optimize({
      ...ref,
      at: AT + 3,
      snapshotId: 's',
      forecastId: null,
      state: seen.state,
      overrides: [],
      events: [],
      leadTimes: {},
      raiseOnly: [],
    });
    expect(await series('headroom_cycles_total')).toEqual({ '{account="shop"}': 1 });
    expect(await series('headroom_cycle_duration_seconds_sum')).toEqual({ '': 3.5 });
    expect(await series('headroom_cycle_duration_seconds_count')).toEqual({ '': 1 });
    expect(await series('headroom_activity_failures_total')).toEqual({ '{activity="observe",kind="unavailable"}': 1 });
    expect((await series('headroom_activity_duration_seconds_count'))['{activity="observe"}']).toBe(3);
  });
});

describe('metrics: the watch', () => {
  it('asks each account, forgets who ended, and keeps what it knows while nobody answers', async () => {
    const { figures, series } = setUp();
    let running = ['a', 'b'];
    let down = false;
    const asked: string[] = [];
    const watch = watchAccounts({
      watched: {
        running: async () => {
          if (down) throw new Error('Temporal is away');
          return running;
        },
        status: async (account) => {
          asked.push(account);
          return statusOf(account, { holds: { steady: 1 }, nextCycleAt: account === 'a' ? AT + 300 : null });
        },
      },
      figures,
      everyMs: 1_000_000,
      now: () => AT,
    });
    await watch.look();
    expect(asked.sort()).toEqual(['a', 'b']);
    asked.length = 0;
    // One that sleeps is left alone; what it says would be the same.
    await watch.look();
    expect(asked).toEqual(['b']);
    down = true;
    await watch.look();
    expect(await series('headroom_accounts')).toEqual({ '': 2 });
    down = false;
    running = ['a'];
    await watch.look();
    expect(await series('headroom_accounts')).toEqual({ '': 1 });
    await watch.close();
  });
});

describe('metrics: the port', () => {
  let server: MetricsServer | null = null;
  afterEach(async () => {
    await server?.close();
    server = null;
  });
  const serve = async (readiness: Record<string, () => Promise<unknown>>, port = 0) =>
    (server = await serveMetrics({
      port,
      host: '127.0.0.1',
      render: async () => ({ contentType: 'text/plain', body: 'x 1\n' }),
      readiness,
      patience: 0.05,
    }));

  it.each([
    ['all is there', { temporal: async () => 1, store: async () => 1 }, 200, 'ok\n'],
    [
      'one fails',
      {
        temporal: async () => {
          throw new Error('a secret address');
        },
        store: async () => 1,
      },
      503,
      'not ready: temporal\n',
    ],
    ['one is silent', { temporal: async () => 1, store: () => new Promise(() => {}) }, 503, 'not ready: store\n'],
  ])('/readyz where %s', async (_, readiness, status, body) => {
    const { url } = await serve(readiness);
    const response = await fetch(`${url}/readyz`);
    expect([response.status, await response.text()]).toEqual([status, body]);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  it.each([
    ['/metrics', 'GET', 200],
    ['/metrics?x=1', 'GET', 200],
    ['/metrics', 'POST', 405],
    ['/', 'GET', 404],
  ])('%s %s answers %i', async (path, method, status) => {
    const { url } = await serve({});
    expect((await fetch(url + path, { method })).status).toBe(status);
  });

  it('a port that is taken is refused, with the option that names another', async () => {
    const { url } = await serve({});
    await expect(
      serveMetrics({
        port: Number(new URL(url).port),
        host: '127.0.0.1',
        render: async () => ({ contentType: '', body: '' }),
        readiness: {},
      }),
    ).rejects.toThrow('--metrics-port');
  });
});
