import { metricLines, usageLines } from '../../src/telemetry/influxdb/lines.js';
import { MockActivityEnvironment } from '@temporalio/testing';
import { describe, expect, it } from 'vitest';
import type { Dependencies } from '../../activities/dependencies.js';
import { createObserve } from '../../activities/observe.js';
import { createPolicies } from '../../activities/policies.js';
import type { ObserveResult } from '../../activities/types.js';
import { createEmbeddedStore } from '../../src/telemetry/embedded/store.js';
import { createInfluxTelemetry } from '../../src/telemetry/influxdb/source.js';
import { createInfluxWriter } from '../../src/telemetry/influxdb/writer.js';
import { serveTrouble } from '../contract/trouble-proxy.js';
import { usageSourceContract } from '../contract/usage-source.js';
import { policyOf } from '../workflow/fakes.js';
import { ownBucket } from './influxdb-bucket.js';
import { real } from './real.js';

const readOnly =
  'the source reads; what is written goes through the writer, and test/real/influxdb-writer.test.ts tests it';

usageSourceContract(
  'influxdb, the real server',
  async () => {
    const bucket = await ownBucket();
    const between = await serveTrouble(real.influx.url);
    const writer = createInfluxWriter(bucket.connection, { bucket: bucket.name });
    return {
      source: createInfluxTelemetry({ ...bucket.access, url: between.url, timeout: 1 }),
      async load(key, samples) {
        await writer.write(usageLines({ key, samples: [...samples] }));
        await writer.flush();
      },
      async loadMetric(key, samples) {
        await writer.write(metricLines({ ...key, samples: [...samples] }));
        await writer.flush();
      },
      make: between.make,
      async close() {
        await between.close();
        await bucket.remove();
      },
    };
  },
  {
    'a repeated write writes nothing': readOnly,
    'a correction is read, and an older snapshot keeps its bytes': readOnly,
    'a snapshot of the same content has the same id': readOnly,
    'late data is not in a snapshot taken before': readOnly,
    'a snapshot is read from any bin on': readOnly,
    'records are replaced by kind and id, and listed for their account alone': readOnly,
    'records are read on from a place, oldest first': readOnly,
    'records of one kind are written together, or not at all': readOnly,
  },
);

describe('a cycle that reads InfluxDB', () => {
  /** 2026-01-05T00:00:00Z; the policy's step is an hour. */
  const T = 1_767_571_200;
  const HOUR = 3600;

  it.each([
    ['silent', 'unavailable'],
    ['cut-off', 'unavailable'],
    ['dripping', 'unavailable'],
    ['unauthorized', 'refused'],
  ] as const)('holds when the server is %s: no bin is written, none is zero; then it goes on', async (kind, type) => {
    const bucket = await ownBucket();
    const between = await serveTrouble(real.influx.url);
    const store = await createEmbeddedStore({ path: ':memory:' });
    const writer = createInfluxWriter(bucket.connection, { bucket: bucket.name });
    const key = { account: 'acme', workload: 'web', component: 'cpu' as const };
    const samples = Array.from({ length: 12 }, (_, hour) => ({ at: T + hour * HOUR, value: 1 + hour }));
    await writer.write(usageLines({ key, samples }));
    await writer.flush();
    let url = between.url;
    const deps: Dependencies = {
      store,
      get source() {
        return createInfluxTelemetry({ ...bucket.access, url, timeout: 3 });
      },
      cluster: () => ({ name: 'none', observe: () => Promise.resolve({ at: T, workloads: [], pools: [] }) }) as never,
      fence: { read: () => Promise.resolve(null) },
      decider: {} as never,
      histories: {} as never,
    };
    const { observe } = createObserve(deps, createPolicies(store));
    const cycle = async (at: number): Promise<ObserveResult> =>
      (await new MockActivityEnvironment().run(observe, {
        account: 'acme',
        policyId: 'p',
        policy: policyOf(),
        at,
      })) as ObserveResult;
    const values = async (to: number): Promise<number[]> => {
      const query = {
        account: 'acme',
        series: [{ workload: 'web', component: 'cpu' as const }],
        from: T,
        to,
        step: HOUR,
      };
      const { series } = await store.readUsage(query, new AbortController().signal);
      return [...(series[0]?.series.values ?? [])];
    };
    try {
      between.make(kind);
      await expect(cycle(T + 12 * HOUR)).rejects.toMatchObject({ type });
      expect(await values(T + 12 * HOUR)).toEqual(Array<number>(12).fill(NaN));
      // The server is back; nothing was lost, and nothing is made up.
      url = real.influx.url;
      expect((await cycle(T + 12 * HOUR)).freshness).toMatchObject([{ kind: 'fresh' }]);
      expect(await values(T + 13 * HOUR)).toEqual([...samples.map(({ value }) => value), NaN]);
      // The source went silent four hours ago: stale, by the policy's three hours.
      expect((await cycle(T + 16 * HOUR)).freshness).toMatchObject([{ kind: 'stale' }]);
    } finally {
      await store.close();
      await between.close();
      await bucket.remove();
    }
  });
});
