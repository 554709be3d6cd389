import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createInfluxTelemetry } from '../../src/telemetry/influxdb.js';
import { startFakeInflux, type FakeInflux } from './fake-influxdb.js';
import { usageSourceContract } from './usage-source.js';

const readOnly = 'Headroom reads InfluxDB and never writes to it';

const source = (fake: FakeInflux, token = fake.token) =>
  createInfluxTelemetry({ url: fake.url, token, org: 'home', bucket: 'telemetry', timeout: 0.3 });

usageSourceContract(
  'influxdb (a local server that speaks annotated CSV)',
  async () => {
    const fake = await startFakeInflux();
    return {
      source: source(fake),
      load: async (key, samples) => fake.add({ kind: 'usage', ...key }, samples),
      loadMetric: async (key, samples) => fake.add({ kind: 'metric', ...key }, samples),
      make: fake.make,
      close: fake.close,
    };
  },
  {
    'a repeated write writes nothing': readOnly,
    'a correction is read, and an older snapshot keeps its bytes': readOnly,
    'a snapshot of the same content has the same id': readOnly,
    'late data is not in a snapshot taken before': readOnly,
    'a snapshot is read from any bin on': readOnly,
    'records are replaced by kind and id, and listed for their account alone': readOnly,
  },
);

describe('influxdb: what is sent, and what its failures mean', () => {
  let fake: FakeInflux;
  const signal = new AbortController().signal;
  const query = {
    account: 'acme',
    series: [{ workload: 'web', component: 'cpu' as const }],
    from: 1_767_571_200,
    to: 1_767_571_200 + 3600,
    step: 300,
  };
  beforeEach(async () => {
    fake = await startFakeInflux();
  });
  afterEach(async () => {
    await fake.close();
  });

  it.each([
    ['closes the quote', '") |> drop(', '"\\") |> drop("'],
    ['ends in a backslash', 'acme\\', '"acme\\\\"'],
    ['interpolates', '${r.token}', '"\\${r.token}"'],
    ['breaks the line', 'a\nb', '"a\\nb"'],
  ])('a name that %s stays inside its literal', async (_, name, literal) => {
    await source(fake).readUsage({ ...query, account: name, series: [{ workload: name, component: 'cpu' }] }, signal);
    await source(fake).readMetric({ ...query, account: name, workload: name, metric: name }, signal);
    expect(fake.queries[0]).toContain(`r.account == ${literal}`);
    expect(fake.queries[0]).toContain(`(r.workload == ${literal} and r.component == "cpu")`);
    expect(fake.queries[1]).toContain(`r.metric == ${literal}`);
    // Without the literals, nothing of the name is left in the text.
    for (const sent of fake.queries) expect(sent.replaceAll(literal, '')).not.toContain(name);
  });

  it('asks the server for means at the step, over the aligned window, without empty bins', async () => {
    await source(fake).readUsage({ ...query, from: query.from + 7, to: query.to + 7 }, signal);
    const [sent] = fake.queries;
    expect(sent).toContain('range(start: time(v: "2026-01-05T00:00:00Z"), stop: time(v: "2026-01-05T01:00:00Z"))');
    expect(sent).toContain(
      'aggregateWindow(every: duration(v: "300000ms"), fn: mean, createEmpty: false, timeSrc: "_start")',
    );
  });

  it('sends nothing for an empty window', async () => {
    const window = await source(fake).readUsage({ ...query, to: query.from }, signal);
    expect(window.series[0]?.series.values).toHaveLength(0);
    expect(fake.queries).toEqual([]);
  });

  it('asks for many series in few queries', async () => {
    const series = Array.from({ length: 230 }, (_, index) => ({ workload: `w${index}`, component: 'cpu' as const }));
    fake.add({ kind: 'usage', account: 'acme', workload: 'w229', component: 'cpu' }, [{ at: query.from, value: 7 }]);
    const window = await source(fake).readUsage({ ...query, series }, signal);
    expect(fake.queries).toHaveLength(3);
    expect(window.series[229]?.series.values[0]).toBe(7);
  });

  it.each([
    ['down', 'unavailable', 'starting'],
    ['dripping', 'unavailable', 'no whole answer within 0.3s'],
    ['error-table', 'unavailable', 'ran out of memory'],
    ['no-bucket', 'not-found', 'set telemetry.bucket'],
  ] as const)('%s is %s', async (trouble, kind, text) => {
    fake.add({ kind: 'usage', account: 'acme', workload: 'web', component: 'cpu' }, [{ at: query.from, value: 7 }]);
    fake.make(trouble);
    const read = source(fake).readUsage(query, signal);
    await expect(read).rejects.toMatchObject({ kind, component: 'telemetry/influxdb' });
    await expect(read).rejects.toThrow(text);
  });

  it('nobody listening is unavailable, and says where', async () => {
    const { url } = fake;
    await fake.close();
    await expect(source(fake).readUsage(query, signal)).rejects.toThrow(`see that InfluxDB answers at ${url}`);
    fake = await startFakeInflux();
  });
});
