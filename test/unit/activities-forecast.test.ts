import { describe, expect, it } from 'vitest';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createForecast } from '../../activities/forecast.js';
import { createPolicies } from '../../activities/policies.js';
import type { ForecastRequest } from '../../src/decide/port.js';
import type { AnnouncedEvent } from '../../src/domain/control.js';
import { eventsOf } from '../../src/models/ahead.js';
import { createEmbeddedStore } from '../../src/telemetry/embedded/store.js';
import { AT, simple } from './allocate-fixtures.js';

/* A campaign that is over explains what it did to the past: forgotten, it would be learnt as the normal. */

const event = (name: string, from: number): AnnouncedEvent => ({
  ...{ name, from, to: from + 3600, expect: { multiplier: 3 }, uncertainty: 0.2, author: 'ada' },
});

describe('announced events', () => {
  it('are remembered once they have begun, and given to the fits that look back', async () => {
    const store = await createEmbeddedStore({ path: ':memory:' });
    const policy = simple();
    await store.putRecord({ kind: 'account', id: 'p1', account: 'acme', at: AT, body: policy });
    const asked: ForecastRequest[] = [];
    let since: number | null = AT;
    const { forecast } = createForecast(
      {
        ...{ store, source: store, cluster: () => expect.fail('no cluster is asked') },
        fence: { read: () => Promise.resolve(null) },
        histories: { fetch: () => Promise.resolve(null), isRunning: () => Promise.resolve(false) },
        decider: {
          wanted: () => Promise.resolve({ since }),
          forecast: (request) => {
            asked.push(request);
            return Promise.resolve({ ...request, id: `f${asked.length}`, series: [], missing: [] });
          },
          allocate: () => expect.fail('nothing is planned'),
          prepare: () => expect.fail('nothing is prepared'),
          forget: () => Promise.resolve(),
          close: () => Promise.resolve(),
        },
      },
      createPolicies(store),
    );
    const run = async (at: number, events: AnnouncedEvent[]) => {
      const series = [{ workload: 'web', component: 'cpu' as const }];
      const query = { account: 'acme', series, from: at - 3600, to: at, step: policy.step };
      const { id: snapshotId } = await store.takeSnapshot(query, at, new AbortController().signal);
      const input = { account: 'acme', policyId: 'p1', snapshotId, at, leadTimes: {}, events };
      await new MockActivityEnvironment().run(forecast, input);
    };
    const [now, never] = [event('now', AT - 600), event('never', AT + 7200)];
    await run(AT, [now, never]);
    expect((await eventsOf(store, 'acme')).map(({ name }) => name)).toEqual(['now']);
    expect(asked[0]).not.toHaveProperty('past');
    since = null;
    // The workflow has let go of it by now.
    await run(AT + 3 * 86_400, []);
    expect(asked[1]?.past).toEqual([now]);
    // Announced otherwise after it had begun: the later word holds.
    const later = { ...now, from: now.from + 300 };
    await run(AT + 300, [later]);
    expect(await eventsOf(store, 'acme')).toEqual([later]);
    expect((await store.eraseAccount('acme')).records).toMatchObject({ event: 2 });
    await store.close();
  });
});
