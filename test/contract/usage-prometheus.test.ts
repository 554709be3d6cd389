import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { quoteMeta, regexLiteral, stringLiteral } from '../../src/telemetry/prometheus/literals.js';
import { locateByPolicy } from '../../src/telemetry/prometheus/locate.js';
import { prometheusOptions, type PrometheusOptions } from '../../src/telemetry/prometheus/options.js';
import { compileTemplate } from '../../src/telemetry/prometheus/render.js';
import { createPrometheusUsage } from '../../src/telemetry/prometheus/usage.js';
import { matrix, recordPrometheus, vector, type Answer, type RecordingPrometheus } from './recording-prometheus.js';

/*
 * The contract suite itself runs against a real server (test/real/prometheus.test.ts). Here is what a real one cannot be
 * made to do, and what is sent.
 */

const T = 1_767_571_200;
const signal = new AbortController().signal;
const query = {
  account: 'acme',
  series: [{ workload: 'web', component: 'cpu' as const }],
  from: T,
  to: T + 3600,
  step: 300,
};
const CPU = 'sum by (workload) (avg_over_time(cpu{namespace={{namespace}},workload=~{{workload}}}[{{step}}]))';

let server: RecordingPrometheus;
beforeEach(async () => {
  server = await recordPrometheus();
});
afterEach(() => server.close());

const source = (options: Partial<PrometheusOptions> = {}) =>
  createPrometheusUsage({ url: server.url, owners: 'kube-state-metrics', usage: { cpu: CPU }, ...options });

describe('prometheus: names stay inside their literals', () => {
  it.each([
    ['closes the quote', 'a"} or secret{b="', '"a\\"} or secret{b=\\""'],
    ['ends in a backslash', 'acme\\', '"acme\\\\"'],
    ['breaks the line', 'a\nb', '"a\\nb"'],
    ['rings the bell', 'a\u0007b', '"a\\x07b"'],
    ['is of another script', 'größe Ω 💡', '"größe Ω 💡"'],
  ])('one that %s', (_, name, literal) => {
    expect(stringLiteral(name)).toBe(literal);
  });

  it('a regular expression of names matches these names and no others', () => {
    const names = fc.array(fc.string({ minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(names, fc.string({ maxLength: 8 }), (asked, other) => {
        // The server anchors at both ends; its syntax (RE2) and this one agree on what is quoted here.
        const pattern = new RegExp(`^(?:${asked.map(quoteMeta).join('|')})$`, 's');
        for (const name of asked) expect(pattern.test(name)).toBe(true);
        expect(pattern.test(other)).toBe(asked.includes(other));
      }),
    );
  });

  it('whatever a name is, its literal ends where it ends', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (name) => {
        const inner = stringLiteral(name).slice(1, -1);
        // Every quote within is escaped, every backslash begins an escape, and no line ends.
        expect(inner.replaceAll(/\\(?:["\\n]|x[0-9a-f]{2})/g, '')).not.toMatch(/["\\\n\r]/);
      }),
    );
  });

  it('the operator before it says how a name is escaped', () => {
    const values = {
      account: 'a.b',
      namespace: 'a.b',
      workloads: ['web', 'a|b'],
      kind: 'Deployment' as const,
      owners: 'kube-state-metrics' as const,
      range: '300s',
      resolution: '60s',
      lookback: '120s',
      recent: '300s',
      throttledShare: 0.1,
      limitShare: 0.95,
    };
    const render = (text: string): string => compileTemplate('cpu', text, 'usage')(values);
    expect(render('x{namespace={{namespace}}}')).toBe('x{namespace="a.b"}');
    expect(render('x{namespace=~{{namespace}}}')).toBe('x{namespace=~"a\\\\.b"}');
    expect(render('x{namespace = {{ namespace }},w=~{{workload}}}')).toBe('x{namespace = "a.b",w=~"web|a\\\\|b"}');
    expect(regexLiteral(['a.b', 'c'])).toBe('"a\\\\.b|c"');
  });

  it.each([
    ['unknown', 'x{namespace={{namespace}}}[{{range}}]', '{{range}} is no placeholder'],
    ['of metrics alone', 'x{namespace={{namespace}},m={{metric}}}', '{{metric}} is no placeholder'],
    ['in quotes', 'x{namespace="{{namespace}}"}', 'without quotes'],
    [
      'in quotes, after an operator',
      'label_replace(x{a={{account}}}, "l", "b={{namespace}}", "", "")',
      'without quotes',
    ],
    ['in a comment', 'x{a={{account}}} # b={{namespace}}', 'without quotes'],
    ['outside a matcher', 'x{namespace={{namespace}}} * {{workload}}', "a matcher's = or =~"],
    ['of one where there may be several', 'x{namespace={{namespace}},w={{workload}}}', 'workload=~{{workload}}'],
    ['not closed', 'x{namespace={{namespace}}}[{{step]', 'without its }}'],
    ['missing: nothing narrows it', 'sum by (workload) (x{w=~{{workload}}}[{{step}}])', 'beyond the account'],
    ['only excluding', 'x{namespace!={{namespace}},w=~{{workload}}}', 'beyond the account'],
  ])('a template with a placeholder that is %s is refused', (_, cpu, text) => {
    expect(() => source({ usage: { cpu } })).toThrow(text);
  });

  it('an empty name is refused: its matcher would match whatever lacks the label', async () => {
    await expect(source().readUsage({ ...query, account: '' }, signal)).rejects.toMatchObject({
      kind: 'invalid-input',
    });
    expect(server.asked).toEqual([]);
  });
});

describe('prometheus: what is sent', () => {
  it.each([
    ['Prometheus 2, whose ranges hold both ends', false, '299999ms'],
    ['Prometheus 3, whose ranges leave out their beginning', true, '300000ms'],
  ])('a bin is evaluated a millisecond before its end: %s', async (_, leftOpen, range) => {
    await server.close();
    server = await recordPrometheus(leftOpen);
    await source().readUsage({ ...query, from: T + 7, to: T + 3607 }, signal);
    expect(server.asked).toHaveLength(1);
    expect(server.asked[0]).toMatchObject({
      path: '/api/v1/query_range',
      method: 'POST',
      form: { start: `${T + 299}.999`, end: `${T + 3599}.999`, step: '300' },
    });
    expect(server.asked[0]?.form['query']).toBe(
      `sum by (workload) (avg_over_time(cpu{namespace="acme",workload=~"web"}[${range}]))`,
    );
  });

  it('what is evaluated at the end of a bin stands at its beginning', async () => {
    server.answer = ({ form }) => ({
      body: {
        status: 'success',
        data: {
          resultType: 'matrix',
          result: [
            {
              metric: { workload: 'web' },
              values: [
                [Number(form['start']), '1'],
                [T + 3599.999, '12'],
              ],
            },
          ],
        },
      },
    });
    const window = await source().readUsage(query, signal);
    expect([...(window.series[0]?.series.values ?? [])]).toEqual([1, ...Array<number>(10).fill(NaN), 12]);
  });

  it('windows are split by the points that the server gives at once, workloads are asked for together', async () => {
    server.answer = (asked) => matrix(asked, { workload: 'w7', value: 5 });
    const series = Array.from({ length: 120 }, (_, index) => ({ workload: `w${index}`, component: 'cpu' as const }));
    const window = await source({ pointLimit: 5 }).readUsage({ ...query, series }, signal);
    // 120 workloads are 3 groups, 12 bins are 5 + 5 + 2.
    expect(server.asked).toHaveLength(9);
    const points = server.asked.map(({ form }) => (Number(form['end']) - Number(form['start'])) / 300 + 1);
    expect(points.map(Math.round).sort()).toEqual([2, 2, 2, 5, 5, 5, 5, 5, 5]);
    expect([...(window.series[7]?.series.values ?? [])]).toEqual(Array<number>(12).fill(5));
    expect(window.series[8]?.series.values[0]).toBeNaN();
  });

  it('what the server finds too much is asked for in halves', async () => {
    server.answer = (asked) =>
      Number(asked.form['end']) - Number(asked.form['start']) > 900
        ? {
            status: 422,
            body: {
              status: 'error',
              errorType: 'execution',
              error: 'query processing would load too many samples into memory',
            },
          }
        : matrix(asked, { workload: 'web', value: 5 });
    const window = await source().readUsage(query, signal);
    expect([...(window.series[0]?.series.values ?? [])]).toEqual(Array<number>(12).fill(5));
  });

  it('an empty window, and one without series, ask nothing', async () => {
    await source().readUsage({ ...query, to: T }, signal);
    await source().readUsage({ ...query, series: [] }, signal);
    expect(server.asked).toEqual([]);
  });

  it.each<[string, Partial<PrometheusOptions>, Record<string, string>]>([
    ['a bearer token', { token: 'abc' }, { authorization: 'Bearer abc' }],
    ['a password', { basic: { user: 'a', password: 'b:c' } }, { authorization: `Basic ${btoa('a:b:c')}` }],
    ['a tenant', { headers: { 'X-Scope-OrgID': 'acme' } }, { 'x-scope-orgid': 'acme' }],
  ])('%s goes with each query', async (_, options, headers) => {
    await source(options).readUsage(query, signal);
    expect(server.asked[0]?.headers).toMatchObject(headers);
  });

  it('a path prefix is kept, and a token file is read again', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'headroom-token-'));
    const tokenFile = join(folder, 'token');
    const reading = source({ url: `${server.url}/prom`, tokenFile });
    for (const token of ['one', 'two']) {
      await writeFile(tokenFile, `${token}\n`);
      await reading.readUsage(query, signal);
      expect(server.asked.at(-1)).toMatchObject({
        path: '/prom/api/v1/query_range',
        headers: { authorization: `Bearer ${token}` },
      });
    }
    await rm(folder, { recursive: true });
    await expect(reading.readUsage(query, signal)).rejects.toMatchObject({ kind: 'unavailable' });
  });
});

describe('prometheus: what its answers mean', () => {
  const ok = (data: unknown, more: object = {}): Answer => ({ body: { status: 'success', data, ...more } });
  const empty = { resultType: 'matrix', result: [] };
  const failed = (status: number, errorType: string, error: string): Answer => ({
    status,
    body: { status: 'error', errorType, error },
  });
  it.each<[string, Answer, string, string]>([
    [
      'a store behind the querier was left out',
      ok(empty, { warnings: ['store a: timeout'] }),
      'unavailable',
      'store a',
    ],
    ['no JSON', { body: '<html>login</html>' }, 'unavailable', 'no JSON'],
    ['another shape', ok({ resultType: 'vector', result: [] }), 'unavailable', 'not as expected'],
    ['no data', { body: { status: 'success' } }, 'unavailable', 'not as expected'],
    [
      'points of another shape',
      ok({ resultType: 'matrix', result: [{ metric: { workload: 'web' }, values: [[1]] }] }),
      'unavailable',
      'a point',
    ],
    ['a query that it does not understand', failed(400, 'bad_data', 'parse error'), 'invalid-input', 'parse error'],
    [
      'a join that is not unique',
      failed(422, 'execution', 'many-to-many matching not allowed'),
      'invalid-input',
      'template',
    ],
    ['a query that took too long', failed(503, 'timeout', 'query timed out'), 'unavailable', 'timed out'],
    ['a token that it does not take', { status: 403, body: 'forbidden' }, 'refused', 'forbidden'],
    ['another server', { status: 404, body: '404 page not found' }, 'not-found', 'path prefix'],
    [
      'a series of no workload',
      ok({ resultType: 'matrix', result: [{ metric: {}, values: [[T + 299.999, '1']] }] }),
      'invalid-input',
      'label workload',
    ],
    [
      'two series of one workload',
      ok({
        resultType: 'matrix',
        result: ['a', 'b'].map((pod) => ({ metric: { workload: 'web', pod }, values: [[T + 299.999, '1']] })),
      }),
      'invalid-input',
      'more than one series',
    ],
  ])('%s', async (_, answer, kind, text) => {
    server.answer = () => answer;
    const read = source().readUsage(query, signal);
    await expect(read).rejects.toMatchObject({ kind, component: 'telemetry/prometheus' });
    await expect(read).rejects.toThrow(text);
  });

  it.each([
    ['NaN', 'NaN'],
    ['infinity', '+Inf'],
    ['below zero', '-1'],
  ])('%s is missing, never an amount', async (_, value) => {
    server.answer = (asked) => matrix(asked, { workload: 'web', value });
    const window = await source().readUsage(query, signal);
    expect([...(window.series[0]?.series.values ?? [])]).toEqual(Array<number>(12).fill(NaN));
    server.answer = () => vector({ metric: { workload: 'web' }, value: 'NaN' });
    expect(await source().readMetric({ ...query, workload: 'web', metric: 'latency_p99' }, signal)).toBeNull();
  });

  it('a bin without a value is not censored', async () => {
    server.answer = (asked) =>
      asked.form['query']?.includes('throttled') === true
        ? matrix(asked, { workload: 'web', value: 1 })
        : matrix(asked);
    const censored = `max by (workload) (throttled{namespace={{namespace}}})`;
    const window = await source({ usage: { cpu: { query: CPU, censored } } }).readUsage(query, signal);
    expect(Math.max(...(window.series[0]?.series.censored ?? []))).toBe(0);
  });

  it('an answer beyond the bound is not taken into memory', async () => {
    server.answer = (asked) => matrix(asked, { workload: 'web', value: '1'.repeat(2000) });
    await expect(source({ mostBytes: 1000 }).readUsage(query, signal)).rejects.toMatchObject({ kind: 'unavailable' });
  });

  it('nobody listening is unavailable, and says where', async () => {
    const { url } = server;
    await server.close();
    await expect(source({ url }).readUsage(query, signal)).rejects.toThrow(`see that Prometheus answers at ${url}`);
    server = await recordPrometheus();
  });
});

describe('prometheus: options', () => {
  it.each([
    ['nothing', {}, 'PROMETHEUS_URL is not set'],
    ['two ways in', { PROMETHEUS_TOKEN: 'a', PROMETHEUS_USER: 'b' }, 'keep one'],
    ['headers that are none', { PROMETHEUS_HEADERS: 'X: y' }, 'no JSON'],
    ['a file that is not there', { PROMETHEUS_TEMPLATES: '/nowhere/t.yaml' }, '/nowhere/t.yaml'],
  ])('%s is refused', (_, env, text) => {
    const base = Object.keys(env).length === 0 ? {} : { PROMETHEUS_URL: 'http://x' };
    expect(() => prometheusOptions({ ...base, ...env })).toThrow(text);
  });

  it('a file of templates is read and checked', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'headroom-templates-'));
    const file = join(folder, 'templates.yaml');
    const env = { PROMETHEUS_URL: server.url, PROMETHEUS_TEMPLATES: file };
    await writeFile(file, 'lookback: 5m\nowners: pod-name\nusage:\n  cpu: "x{namespace={{namespace}}}"\nmetrics: {}\n');
    expect(prometheusOptions(env)).toMatchObject({
      lookback: 300,
      owners: 'pod-name',
      usage: { cpu: { query: 'x{namespace={{namespace}}}' } },
    });
    createPrometheusUsage(prometheusOptions(env));
    await writeFile(file, 'usages: {}\n');
    expect(() => prometheusOptions(env)).toThrow('usages');
    await rm(folder, { recursive: true });
  });

  it.each([
    ['an address of another protocol', { url: 'ftp://x' }],
    ['a header that breaks the line', { headers: { a: 'b\nc' } }],
    ['a share above one', { throttledShare: 2 }],
  ])('%s is refused when it is made', (_, options) => {
    expect(() => source(options)).toThrow(expect.objectContaining({ kind: 'invalid-input' }));
  });
});

describe('prometheus: where workloads stand', () => {
  const policy = (name: string, target: object) => ({ account: 'acme', workloads: [{ name, target }] });
  const record = (at: number, body: unknown) => ({
    kind: 'account' as const,
    id: `acme@${at}`,
    account: 'acme',
    at,
    body,
  });

  it('by the newest policy that names them', async () => {
    const locate = locateByPolicy({
      listRecords: async () => [
        record(2, policy('web', { kind: 'StatefulSet', namespace: 'prod', name: 'web-2' })),
        record(1, {
          account: 'acme',
          workloads: [
            ...policy('web', { kind: 'Deployment' }).workloads,
            ...policy('old', { kind: 'Deployment' }).workloads,
          ],
        }),
        record(0, 'no policy'),
      ],
    });
    const places = await locate('acme', ['web', 'old']);
    expect(places.get('web')).toEqual({ kind: 'StatefulSet', namespace: 'prod', name: 'web-2' });
    expect(places.get('old')).toEqual({ kind: 'Deployment', namespace: 'acme', name: 'old' });
    await expect(locate('acme', ['nobody'])).rejects.toMatchObject({ kind: 'not-found' });
  });
});
