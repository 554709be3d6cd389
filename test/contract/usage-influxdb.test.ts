import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createInfluxTelemetry } from '../../src/telemetry/influxdb/source.js';
import { startRecordingInflux, type Answer, type RecordingInflux } from './recording-influxdb.js';

/*
 * What is sent to InfluxDB, and what its failures mean. The contract suite itself runs on the real server:
 * test/real/influxdb.test.ts.
 */

const sentSchema = z.object({ query: z.string() });
const T = 1_767_571_200;
const HEADER = '#datatype,string,long,dateTime:RFC3339,double,string,string\r\n#default,_result,,,,,\r\n';
const table = (...rows: string[]): string =>
  `${HEADER},result,table,_time,_value,workload,component\r\n${rows.map((row) => `,,0,${row}\r\n`).join('')}\r\n`;
const ERROR_TABLE = '#datatype,string,string\r\n#default,,\r\n,error,reference\r\n,ran out of memory,897\r\n';
const json = (status: number, code: string, message: string): Answer => ({
  status,
  body: JSON.stringify({ code, message }),
});

describe('influxdb: what is sent, and what its failures mean', () => {
  let server: RecordingInflux;
  const signal = new AbortController().signal;
  const query = {
    account: 'acme',
    series: [{ workload: 'web', component: 'cpu' as const }],
    from: T,
    to: T + 3600,
    step: 300,
  };
  const source = () =>
    createInfluxTelemetry({ url: server.url, token: 'a-token', org: 'home', bucket: 'telemetry', timeout: 2 });
  const sent = (): string[] =>
    server.requests
      .filter(({ path }) => path.startsWith('/api/v2/query'))
      .map(({ body }) => sentSchema.parse(JSON.parse(body)).query);
  const means = (text: string): boolean => text.includes('aggregateWindow');

  beforeEach(async () => {
    server = await startRecordingInflux();
  });
  afterEach(async () => {
    await server.close();
  });

  it.each([
    ['closes the quote', '") |> drop(', '"\\") |> drop("'],
    ['ends in a backslash', 'acme\\', '"acme\\\\"'],
    ['interpolates', '${r.token}', '"\\${r.token}"'],
    ['breaks the line', 'a\nb', '"a\\nb"'],
  ])('a name that %s stays inside its literal', async (_, name, literal) => {
    await source().readUsage({ ...query, account: name, series: [{ workload: name, component: 'cpu' }] }, signal);
    await source().readMetric({ ...query, account: name, workload: name, metric: name }, signal);
    expect(sent()).toHaveLength(4);
    for (const text of sent()) {
      expect(text).toContain(`r.account == ${literal}`);
      expect(text).toContain(`r.workload == ${literal}`);
      // Without the literals, nothing of the name is left in the text.
      expect(text.replaceAll(literal, '')).not.toContain(name);
    }
    expect(sent()[3]).toContain(`r.metric == ${literal}`);
  });

  it('asks the server for means at the step, over the aligned window, without empty bins', async () => {
    await source().readUsage({ ...query, from: query.from + 7, to: query.to + 7 }, signal);
    const text = sent().find(means);
    expect(text).toContain('range(start: time(v: "2026-01-05T00:00:00Z"), stop: time(v: "2026-01-05T01:00:00Z"))');
    expect(text).toContain(
      'aggregateWindow(every: duration(v: "300000ms"), fn: mean, createEmpty: false, timeSrc: "_start")',
    );
  });

  it('sends nothing for an empty window', async () => {
    const window = await source().readUsage({ ...query, to: query.from }, signal);
    expect(window.series[0]?.series.values).toHaveLength(0);
    expect(server.requests).toEqual([]);
  });

  it('asks for many series in few queries, and for a series that is wanted twice once', async () => {
    const series = Array.from({ length: 230 }, (_, index) => ({ workload: `w${index}`, component: 'cpu' as const }));
    server.answer(({ body }) => ({
      status: 200,
      body: means(body) && body.includes('w229') ? table('2026-01-05T00:00:00Z,7,w229,cpu') : '',
    }));
    const window = await source().readUsage({ ...query, series: [...series, ...series] }, signal);
    expect(sent().filter(means)).toHaveLength(3);
    expect([window.series[229]?.series.values[0], window.series[459]?.series.values[0]]).toEqual([7, 7]);
  });

  const answered: [string, Answer, string, string][] = [
    ['down', json(503, 'unavailable', 'starting'), 'unavailable', 'starting'],
    ['overloaded', json(429, 'too many requests', 'slow down'), 'unavailable', 'slow down'],
    ['dripping', { status: 200, body: '', how: 'dripping' }, 'unavailable', 'no whole answer within 2s'],
    ['silent', { status: 200, body: '', how: 'silent' }, 'unavailable', 'no whole answer within 2s'],
    [
      'cut off',
      { status: 200, body: table('2026-01-05T00:00:00Z,7,web,cpu'), how: 'cut-off' },
      'unavailable',
      'see that InfluxDB answers',
    ],
    [
      'failing halfway',
      { status: 200, body: `${table('2026-01-05T00:00:00Z,7,web,cpu')}${ERROR_TABLE}` },
      'unavailable',
      'ran out of memory',
    ],
    ['ending within a row', { status: 200, body: `${HEADER},result,"tab` }, 'unavailable', 'quoted cell'],
    ['without the bucket', json(404, 'not found', 'could not find bucket'), 'not-found', 'headroom telemetry init'],
    ['refusing the token', json(401, 'unauthorized', 'unauthorized access'), 'refused', 'headroom telemetry check'],
    [
      'asked for text',
      json(400, 'invalid', 'unsupported input type for mean aggregate: string'),
      'invalid-input',
      'docs/telemetry.md',
    ],
    [
      'told of another unit',
      {
        status: 200,
        body: ',result,table,_time,_value,workload,component,unit\r\n,,0,2026-01-05T00:00:00Z,7,web,cpu,millicores\r\n',
      },
      'invalid-input',
      'web cpu is written in millicores, not in cores',
    ],
  ];
  it.each(answered)('a server that is %s is an error, never a window', async (_, answer, kind, text) => {
    server.answer(answer);
    const read = source().readUsage(query, signal);
    await expect(read).rejects.toMatchObject({ kind, component: 'telemetry/influxdb' });
    await expect(read).rejects.toThrow(text);
  });

  it('nobody listening is unavailable, and says where', async () => {
    const { url } = server;
    await server.close();
    await expect(source().readUsage(query, signal)).rejects.toThrow(`see that InfluxDB answers at ${url}`);
    server = await startRecordingInflux();
  });
});
