import protobuf from 'protobufjs';
import type { Sample } from '../../src/domain/series.js';

/** One series for Prometheus, with its name in the label `__name__`. */
export interface RemoteSeries {
  labels: Record<string, string>;
  samples: readonly Sample[];
  /** When its target was seen without it: what Prometheus itself writes where a pod ends. */
  staleAt?: number;
}

/** The bits of Prometheus' stale marker: a NaN unlike that of arithmetic. */
const STALE = { low: 2, high: 0x7ff00000, unsigned: true };

/**
 * Writes samples by Prometheus' remote-write protocol (protobuf in a snappy block). The server needs
 * `--web.enable-remote-write-receiver`, and an `out_of_order_time_window` that reaches to the samples.
 * @throws Error with what the server said.
 */
export async function remoteWrite(
  url: string,
  series: readonly RemoteSeries[],
  headers: Record<string, string> = {},
): Promise<void> {
  const writer = protobuf.Writer.create();
  for (const { labels, samples, staleAt } of series) {
    writer.uint32(10).fork();
    // By name, as the protocol asks.
    for (const [name, value] of Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))) {
      writer.uint32(10).fork().uint32(10).string(name).uint32(18).string(value).ldelim();
    }
    for (const { at, value } of samples) {
      writer
        .uint32(18)
        .fork()
        .uint32(9)
        .double(value)
        .uint32(16)
        .int64(Math.round(at * 1000))
        .ldelim();
    }
    if (staleAt !== undefined) {
      writer
        .uint32(18)
        .fork()
        .uint32(9)
        .fixed64(STALE)
        .uint32(16)
        .int64(Math.round(staleAt * 1000))
        .ldelim();
    }
    writer.ldelim();
  }
  const response = await fetch(`${url}/api/v1/write`, {
    method: 'POST',
    headers: {
      ...headers,
      'content-encoding': 'snappy',
      'content-type': 'application/x-protobuf',
      'x-prometheus-remote-write-version': '0.1.0',
    },
    body: snappyLiteral(writer.finish()),
  });
  const said = await response.text();
  if (!response.ok) throw new Error(`Prometheus does not take the samples: ${response.status} ${said}`);
}

/** A snappy block of one literal: valid, and not smaller. */
function snappyLiteral(data: Uint8Array): Uint8Array<ArrayBuffer> {
  const head: number[] = [];
  let length = data.length;
  for (; length >= 0x80; length = Math.floor(length / 128)) head.push((length % 128) | 0x80);
  head.push(length);
  const last = data.length - 1;
  head.push(63 << 2, last & 0xff, (last >> 8) & 0xff, (last >> 16) & 0xff, (last >> 24) & 0xff);
  const block = new Uint8Array(head.length + data.length);
  block.set(head);
  block.set(data, head.length);
  return block;
}
