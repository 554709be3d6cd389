import type { EpochSeconds } from '../domain/time.js';
import { readRows, type RawRow } from './checked.js';
import { request, shown } from './http.js';
import { priceError, type PriceSource } from './port.js';

export interface PrometheusPricesOptions {
  url: string;
  queries: { price: string; interruptions?: string; volatility?: string };
  token?: string;
  timeoutMs: number;
  now: () => EpochSeconds;
}

/** Labels that say what a price is of, as exporters write them. */
const LABELS: Readonly<Record<string, readonly string[]>> = {
  pool: ['pool', 'node_pool', 'nodepool'],
  provider: ['provider', 'cloud'],
  region: ['region'],
  zone: ['zone', 'availability_zone'],
  capacityType: ['capacity_type', 'capacityType'],
};

/** Prices by an instant query (Prometheus HTTP API v1): one row a series, by its labels. */
export function createPrometheusPrices(options: PrometheusPricesOptions): PriceSource {
  const base = options.url.replace(/\/$/, '');
  const name = shown(base);
  const ask = async (query: string, signal?: AbortSignal): Promise<Sample[]> => {
    const address = `${base}/api/v1/query?query=${encodeURIComponent(query)}`;
    const { body } = await request(name, address, {
      headers: options.token === undefined ? {} : { authorization: `Bearer ${options.token}` },
      timeoutMs: options.timeoutMs,
      ...(signal === undefined ? {} : { signal }),
    });
    return samplesOf(name, query, body);
  };
  return {
    name,
    async read(signal) {
      const { price, interruptions, volatility } = options.queries;
      const [prices, rates, moves] = await Promise.all([
        ask(price, signal),
        interruptions === undefined ? [] : ask(interruptions, signal),
        volatility === undefined ? [] : ask(volatility, signal),
      ]);
      const rateOf = new Map(rates.map((one) => [keyOf(one), one.value]));
      const moveOf = new Map(moves.map((one) => [keyOf(one), one.value]));
      const rows: RawRow[] = prices.map((one) => ({
        place: `{${keyOf(one)}}`,
        cells: {
          ...one.of,
          pricePerHour: one.value,
          interruptionsPerHour: rateOf.get(keyOf(one)),
          volatility: moveOf.get(keyOf(one)),
          at: one.at,
        },
      }));
      const read = readRows(name, rows, options.now());
      return { source: name, at: Math.max(...prices.map((one) => one.at)), ...read };
    },
  };
}

interface Sample {
  of: Record<string, string>;
  /** As Prometheus writes it; `NaN` and `+Inf` are for the reader of rows to refuse. */
  value: string;
  at: EpochSeconds;
}

const keyOf = ({ of }: Sample): string =>
  Object.keys(LABELS)
    .flatMap((field) => (of[field] === undefined ? [] : [`${field}=${of[field]}`]))
    .join(',');

function samplesOf(name: string, query: string, body: string): Sample[] {
  const unusable = (why: string): Error =>
    priceError('unavailable', `asking ${name} for ${query}`, why, 'try the query in Prometheus itself');
  let read: unknown;
  try {
    read = JSON.parse(body);
  } catch {
    throw unusable('its answer is no JSON');
  }
  const result = field(field(read, 'data'), 'result');
  if (field(read, 'status') !== 'success' || !Array.isArray(result)) throw unusable('its answer is no instant vector');
  if (result.length === 0) throw unusable('there is no such series');
  return result.map((one: unknown): Sample => {
    const [at, value] = pair(field(one, 'value'));
    const labels = field(one, 'metric');
    const of: Record<string, string> = {};
    for (const [key, names] of Object.entries(LABELS)) {
      const found = names.map((label) => field(labels, label)).find((label) => typeof label === 'string');
      if (typeof found === 'string') of[key] = found;
    }
    return { of, value: String(value), at: Math.floor(Number(at)) };
  });
}

const field = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null && key in value
    ? Object.getOwnPropertyDescriptor(value, key)?.value
    : undefined;
const pair = (value: unknown): [unknown, unknown] =>
  Array.isArray(value) ? [value[0], value[1]] : [undefined, undefined];
