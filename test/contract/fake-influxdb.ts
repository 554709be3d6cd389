import { createServer, type ServerResponse } from 'node:http';
import type { Sample } from '../../src/domain/series.js';

/*
 * Speaks as much of InfluxDB 2's query endpoint as the adapter's own queries need: it reads the literals of the Flux
 * back (so that a name that broke out of its quotes would not be understood), evaluates them over samples in memory and
 * answers in annotated CSV. It is no Flux engine; the real server is tested elsewhere.
 */

export interface FakeInflux {
  url: string;
  token: string;
  /** Every query, as it was sent. */
  queries: string[];
  add(tags: Record<string, string>, samples: readonly Sample[]): void;
  make(trouble: 'silent' | 'dripping' | 'cut-off' | 'unauthorized' | 'error-table' | 'down' | 'no-bucket'): void;
  close(): Promise<void>;
}

/** A Flux string literal, read as Flux does. */
const LITERAL = '"((?:[^"\\\\]|\\\\.)*)"';
const unquote = (literal: string): string =>
  literal.replace(/\\(.)/gs, (_, escaped: string) => ({ n: '\n', r: '\r', t: '\t' })[escaped] ?? escaped);
const quoteCsv = (text: string): string => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

function literal(flux: string, before: string): string | undefined {
  const found = new RegExp(`${before}\\s*${LITERAL}`).exec(flux)?.[1];
  return found === undefined ? undefined : unquote(found);
}

/** One table of annotated CSV. */
function table(result: string, columns: readonly [name: string, type: string][], rows: readonly string[][]): string {
  if (rows.length === 0) return '';
  const all: [string, string][] = [['result', 'string'], ['table', 'long'], ...columns];
  return [
    `#datatype,${all.map(([, type]) => type).join(',')}`,
    `#group,${all.map(() => 'false').join(',')}`,
    `#default,${result}${','.repeat(all.length - 1)}`,
    `,${all.map(([name]) => name).join(',')}`,
    ...rows.map((row) => `,,0,${row.map(quoteCsv).join(',')}`),
    '',
    '',
  ].join('\r\n');
}

export async function startFakeInflux(): Promise<FakeInflux> {
  const stored: { tags: Record<string, string>; samples: Map<number, Sample> }[] = [];
  const queries: string[] = [];
  let trouble: Parameters<FakeInflux['make']>[0] | null = null;

  const select = (flux: string, tags: Record<string, string>): Sample[] => {
    const from = Date.parse(literal(flux, 'start: time\\(v:') ?? '') / 1000;
    const to = Date.parse(literal(flux, 'stop: time\\(v:') ?? '') / 1000;
    const match = stored.find((one) => Object.entries(tags).every(([name, value]) => one.tags[name] === value));
    return [...(match?.samples.values() ?? [])]
      .filter(({ at, value }) => at >= from && at < to && !Number.isNaN(value))
      .sort((a, b) => a.at - b.at);
  };

  const usage = (flux: string): string => {
    const account = literal(flux, 'r\\.account ==') ?? '';
    const step = Number(/(\d+)ms/.exec(literal(flux, 'every: duration\\(v:') ?? '')?.[1]) / 1000;
    const pairs = [...flux.matchAll(new RegExp(`r\\.workload == ${LITERAL} and r\\.component == ${LITERAL}`, 'g'))];
    let answer = '';
    const gaps: string[][] = [];
    const columns: [string, string][] = [
      ['_time', 'dateTime:RFC3339'],
      ['_value', 'double'],
      ['workload', 'string'],
      ['component', 'string'],
    ];
    const seen = new Set<string>();
    for (const pair of pairs) {
      const workload = unquote(pair[1] ?? '');
      const component = unquote(pair[2] ?? '');
      if (seen.has(JSON.stringify([workload, component]))) continue;
      seen.add(JSON.stringify([workload, component]));
      const samples = select(flux, { kind: 'usage', account, workload, component });
      const bins = new Map<number, Sample[]>();
      for (const sample of samples) {
        const bin = Math.floor(sample.at / step) * step;
        bins.set(bin, [...(bins.get(bin) ?? []), sample]);
      }
      const rows = (of: (samples: Sample[]) => number) =>
        [...bins].map(([bin, inside]) => [new Date(bin * 1000).toISOString(), String(of(inside)), workload, component]);
      answer += table(
        'mean',
        columns,
        rows((inside) => inside.reduce((sum, { value }) => sum + value, 0) / inside.length),
      );
      answer += table(
        'censored',
        columns,
        rows((inside) => inside.filter(({ censored }) => censored === true).length).filter((row) => row[1] !== '0'),
      );
      samples.slice(-33).forEach((sample, index, last) => {
        const before = last[index - 1];
        if (before === undefined) return;
        gaps.push([
          new Date(sample.at * 1000).toISOString(),
          String((sample.at - before.at) * 1000),
          workload,
          component,
        ]);
      });
    }
    return (
      answer +
      table(
        'gaps',
        columns.map(([name, type]) => (name === '_value' ? ['elapsed', 'long'] : [name, type])),
        gaps,
      )
    );
  };

  const metric = (flux: string): string => {
    const tags = {
      kind: 'metric',
      account: literal(flux, 'r\\.account ==') ?? '',
      workload: literal(flux, 'r\\.workload ==') ?? '',
      metric: literal(flux, 'r\\.metric ==') ?? '',
    };
    const samples = select(flux, tags);
    if (samples.length === 0) return '';
    const mean = samples.reduce((sum, { value }) => sum + value, 0) / samples.length;
    return table('mean', [['_value', 'double']], [[String(mean)]]);
  };

  const json = (response: ServerResponse, status: number, code: string, message: string): void => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ code, message }));
  };

  const token = 'a-token-of-the-fake';
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const sent: unknown = JSON.parse(Buffer.concat(chunks).toString());
      const flux =
        typeof sent === 'object' && sent !== null && 'query' in sent && typeof sent.query === 'string'
          ? sent.query
          : '';
      queries.push(flux);
      if (trouble === 'silent') return;
      if (trouble === 'down') {
        json(response, 503, 'unavailable', 'starting');
        return;
      }
      if (trouble === 'no-bucket') {
        json(response, 404, 'not found', 'could not find bucket "telemetry"');
        return;
      }
      if (trouble === 'unauthorized' || request.headers.authorization !== `Token ${token}`) {
        json(response, 401, 'unauthorized', 'unauthorized access');
        return;
      }
      const answer = flux.includes('yield(name: "gaps")') ? usage(flux) : metric(flux);
      response.writeHead(200, { 'content-type': 'text/csv; charset=utf-8' });
      if (trouble === 'cut-off') {
        response.write(answer.slice(0, Math.floor(answer.length / 2)), () => setTimeout(() => response.destroy(), 20));
      } else if (trouble === 'dripping') {
        const drip = setInterval(() => response.write('\r\n'), 20);
        response.on('close', () => clearInterval(drip));
      } else if (trouble === 'error-table') {
        response.end(
          `${answer}#datatype,string,string\r\n#group,true,true\r\n#default,,\r\n,error,reference\r\n,ran out of memory,897\r\n`,
        );
      } else response.end(answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('the fake has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    token,
    queries,
    add(tags, samples) {
      let entry = stored.find((one) => JSON.stringify(one.tags) === JSON.stringify(tags));
      if (entry === undefined) stored.push((entry = { tags, samples: new Map() }));
      for (const sample of samples) entry.samples.set(sample.at, sample);
    },
    make: (kind) => (trouble = kind),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
