import { createServer, type ServerResponse } from 'node:http';
import { HeadroomError } from '../../domain/errors.js';

/** One thing that a worker cannot work without; throws, or takes too long, where it is not there. */
export type Readiness = Record<string, () => Promise<unknown>>;

export interface MetricsServer {
  url: string;
  close(): Promise<void>;
}

export interface MetricsServerOptions {
  /** 0 takes a free one. */
  port: number;
  host: string;
  render(accept: string | undefined): Promise<{ contentType: string; body: string }>;
  readiness: Readiness;
  /** Seconds that one check may take; default 2. */
  patience?: number;
}

/** A burst of probes is answered by one look. */
const FRESH_MS = 500;

/**
 * `/metrics`; `/healthz`: the process is up; `/readyz`: what it needs answers, else 503 with the names of what does not.
 * @throws HeadroomError `refused` where the port is taken.
 */
export async function serveMetrics(options: MetricsServerOptions): Promise<MetricsServer> {
  const { host, patience = 2 } = options;
  let last: { at: number; failed: Promise<string[]> } | null = null;
  const failing = (): Promise<string[]> => {
    if (last === null || Date.now() - last.at > FRESH_MS) {
      last = { at: Date.now(), failed: look(options.readiness, patience * 1000) };
    }
    return last.failed;
  };
  const answer = async (path: string, accept: string | undefined, response: ServerResponse): Promise<void> => {
    if (path === '/metrics') {
      const { contentType, body } = await options.render(accept);
      response.writeHead(200, { 'content-type': contentType }).end(body);
    } else if (path === '/healthz') text(response, 200, 'ok');
    else if (path === '/readyz') {
      const failed = await failing();
      text(response, failed.length === 0 ? 200 : 503, failed.length === 0 ? 'ok' : `not ready: ${failed.join(', ')}`);
    } else text(response, 404, 'known are /metrics, /healthz and /readyz');
  };
  const server = createServer((request, response) => {
    request.resume();
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      text(response, 405, 'GET alone');
      return;
    }
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    answer(path, request.headers.accept, response).catch(() => {
      // What went wrong is for the log of whoever rendered; a scrape gets a failure, never half of the figures.
      if (!response.headersSent) text(response, 500, 'the figures could not be rendered');
      else response.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new HeadroomError({
          kind: 'refused',
          component: 'operate/metrics',
          action: `listening on ${host}:${options.port}`,
          problem: error.message,
          remedy: 'give another --metrics-port, or 0 for a free one',
          cause: error,
        }),
      ),
    );
    server.listen(options.port, host, resolve);
  });
  const address = server.address();
  const port = address === null || typeof address === 'string' ? options.port : address.port;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The names of what does not answer; what it said is no business of whoever probes. */
async function look(readiness: Readiness, patienceMs: number): Promise<string[]> {
  const names = await Promise.all(
    Object.entries(readiness).map(async ([name, check]) => {
      let timer: NodeJS.Timeout | undefined;
      try {
        await Promise.race([
          check(),
          new Promise((_, reject) => (timer = setTimeout(() => reject(new Error('too slow')), patienceMs))),
        ]);
        return null;
      } catch {
        return name;
      } finally {
        clearTimeout(timer);
      }
    }),
  );
  return names.filter((name) => name !== null);
}

function text(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${body}\n`);
}
