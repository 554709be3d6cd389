import { createServer, type IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';

/** One question, as it came. */
export interface Asked {
  path: string;
  form: Record<string, string>;
  headers: IncomingHttpHeaders;
  method: string;
}

export interface Answer {
  status?: number;
  /** Sent as it is where it is text. */
  body: unknown;
}

export interface RecordingPrometheus {
  url: string;
  /** All that was asked, but for what tells one server's way with ranges from another's. */
  asked: Asked[];
  answer(asked: Asked): Answer;
  close(): Promise<void>;
}

const entries = z.record(z.string(), z.string());

export const vector = (...result: { metric: Record<string, string>; value: number | string }[]): Answer => ({
  body: {
    status: 'success',
    data: { resultType: 'vector', result: result.map(({ metric, value }) => ({ metric, value: [0, String(value)] })) },
  },
});

/** A matrix with the same value at every time that was asked for; `web` unless named otherwise. */
export function matrix({ form }: Asked, ...workloads: { workload: string; value: number | string }[]): Answer {
  const [start, end, step] = [Number(form['start']), Number(form['end']), Number(form['step'])];
  const times = Array.from({ length: Math.floor((end - start) / step + 1e-9) + 1 }, (_, index) => start + index * step);
  const result = workloads.map(({ workload, value }) => ({
    metric: { workload },
    values: times.map((time) => [time, String(value)]),
  }));
  return { body: { status: 'success', data: { resultType: 'matrix', result } } };
}

/**
 * A server behind Prometheus' HTTP API for what a real one cannot be made to do: another version's ranges, warnings,
 * answers that are no answers. It knows no PromQL. `leftOpen`: ranges as Prometheus 3 has them.
 */
export async function recordPrometheus(leftOpen = false): Promise<RecordingPrometheus> {
  const asked: Asked[] = [];
  const recording: RecordingPrometheus = {
    url: '',
    asked,
    answer: (question) => (question.path.endsWith('query_range') ? matrix(question) : vector()),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const form = entries.parse(Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString())));
      const question: Asked = {
        path: incoming.url ?? '',
        form,
        headers: incoming.headers,
        method: incoming.method ?? '',
      };
      const probe = form['query']?.startsWith('count_over_time(vector(1)') === true;
      if (!probe) asked.push(question);
      const { status = 200, body } = probe
        ? vector({ metric: {}, value: leftOpen ? 2 : 3 })
        : recording.answer(question);
      outgoing.writeHead(status, { 'content-type': 'application/json' });
      outgoing.end(typeof body === 'string' ? body : JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('the server has no port');
  recording.url = `http://127.0.0.1:${address.port}`;
  return recording;
}
