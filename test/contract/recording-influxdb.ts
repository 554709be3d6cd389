import { createServer } from 'node:http';

/*
 * Stands where InfluxDB stands, records what is sent and answers what it is told to. It knows nothing of Flux: that the
 * queries are right is shown on the real server, in test/real/influxdb.test.ts.
 */

export interface Answer {
  status: number;
  body: string;
  headers?: Record<string, string>;
  /** `cut-off`: half of the body, then the connection ends. `dripping`: an empty line now and then, for ever. */
  how?: 'whole' | 'cut-off' | 'dripping' | 'silent';
}

export interface RecordingInflux {
  url: string;
  /** Path and body of each request, in order. */
  requests: { path: string; body: string }[];
  /** From now on; a function is asked for each request. */
  answer(with_: Answer | ((request: { path: string; body: string }) => Answer)): void;
  close(): Promise<void>;
}

export async function startRecordingInflux(): Promise<RecordingInflux> {
  const requests: { path: string; body: string }[] = [];
  let answerOf: (request: { path: string; body: string }) => Answer = () => ({ status: 200, body: '' });
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const request = { path: incoming.url ?? '', body: Buffer.concat(chunks).toString() };
      requests.push(request);
      const { status, body, headers = {}, how = 'whole' } = answerOf(request);
      if (how === 'silent') return;
      outgoing.writeHead(status, {
        'content-type': status === 200 ? 'text/csv; charset=utf-8' : 'application/json',
        ...headers,
      });
      if (how === 'whole') outgoing.end(body);
      else if (how === 'cut-off') {
        outgoing.write(body.slice(0, Math.floor(body.length / 2)), () => setTimeout(() => outgoing.destroy(), 20));
      } else {
        const drip = setInterval(() => outgoing.write('\r\n'), 20);
        outgoing.on('close', () => clearInterval(drip));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('the recorder has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    requests,
    answer: (with_) => (answerOf = typeof with_ === 'function' ? with_ : () => with_),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
