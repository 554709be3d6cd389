import { createServer, request } from 'node:http';

/** A proxy in front of a server that can be told to misbehave. */
export interface Trouble {
  url: string;
  make(trouble: 'silent' | 'cut-off' | 'unauthorized'): void;
  close(): Promise<void>;
}

export async function serveTrouble(target: string): Promise<Trouble> {
  let trouble: 'silent' | 'cut-off' | 'unauthorized' | null = null;
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
