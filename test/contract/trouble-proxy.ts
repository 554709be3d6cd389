import { createServer, request } from 'node:http';

/**
 * - `slow`: each answer is held back for {@link SLOW_MS}, and is whole then.
 * - `dripping`: a byte now and then, so that the connection is never silent.
 */
export type TroubleKind = 'silent' | 'slow' | 'dripping' | 'cut-off' | 'unauthorized';

/** Well within the time limits of the harnesses. */
export const SLOW_MS = 150;
const DRIP_MS = 50;

/** A proxy in front of a server that can be told to misbehave. */
export interface Trouble {
  url: string;
  make(trouble: TroubleKind): void;
  close(): Promise<void>;
}

export async function serveTrouble(target: string): Promise<Trouble> {
  let trouble: TroubleKind | null = null;
  const server = createServer((incoming, outgoing) => {
    if (trouble === 'silent') return;
    const headers = { ...incoming.headers };
    if (trouble === 'unauthorized') headers.authorization = 'Bearer somebody-elses-token';
    const onward = request(
      new URL(incoming.url ?? '/', target),
      { method: incoming.method, headers, agent: false },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('end', () => {
          const body = Buffer.concat(chunks);
          const type = answer.headers['content-type'] ?? 'application/octet-stream';
          outgoing.writeHead(answer.statusCode ?? 502, { 'content-type': type });
          if (trouble === 'slow') {
            setTimeout(() => outgoing.end(body), SLOW_MS);
            return;
          }
          if (trouble === 'dripping') {
            let sent = 0;
            const drip = setInterval(() => {
              if (sent < body.length) outgoing.write(body.subarray(sent, (sent += 1)));
              else outgoing.end();
            }, DRIP_MS);
            outgoing.on('close', () => clearInterval(drip));
            return;
          }
          if (trouble !== 'cut-off') {
            outgoing.end(body);
            return;
          }
          outgoing.write(body.subarray(0, Math.floor(body.length / 2)), () => outgoing.destroy());
        });
      },
    );
    onward.on('error', () => outgoing.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('the proxy has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    make: (kind) => (trouble = kind),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
