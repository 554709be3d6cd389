import { createServer, type IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import { judgeApply, judgeRestore, nextMark, type ChangeMark } from '../../src/cluster/fence.js';
import { isSigned, SIGNATURE_HEADER, TIMESTAMP_HEADER } from '../../src/cluster/webhook/sign.js';

/** A receiver of the pool webhook as docs/fleet.md describes one: it checks the signature, and keeps the fence. */
export interface WebhookReceiver {
  url: string;
  pool: { nodes: number; readyNodes: number; owner: string | null; mark: ChangeMark | null };
  /** Headers and body of each request, in order. */
  requests: { headers: IncomingHttpHeaders; body: string }[];
  /** Answers get lost after the work is done: so many. */
  loseAnswers: number;
  down: boolean;
  /** Milliseconds before each answer. */
  delay: number;
  /** Instead of doing it, with these headers: so many times. */
  answers: { status: number; headers?: Record<string, string>; body?: string }[];
  close(): Promise<void>;
}

const expect = z.object({ value: z.number(), owner: z.string().nullable() });
const shared = { version: z.literal('headroom/v1'), pool: z.string() };
const requestSchema = z.discriminatedUnion('action', [
  z.strictObject({ ...shared, action: z.literal('read') }),
  z.strictObject({
    ...shared,
    action: z.literal('apply'),
    key: z.string(),
    nodes: z.int(),
    expect,
    reason: z.string(),
  }),
  z.strictObject({
    ...shared,
    action: z.literal('restore'),
    key: z.string(),
    changeKeys: z.array(z.string()),
    nodes: z.int(),
    owner: z.string().nullable(),
    reason: z.string(),
  }),
]);

export async function createWebhookReceiver(secret: string): Promise<WebhookReceiver> {
  const handle = (headers: IncomingHttpHeaders, body: string): { status: number; answer: object } => {
    const text = (name: string): string | undefined => {
      const value = headers[name];
      return typeof value === 'string' ? value : undefined;
    };
    const signed = isSigned(
      secret,
      { timestamp: text(TIMESTAMP_HEADER), signature: text(SIGNATURE_HEADER), body },
      Date.now() / 1000,
    );
    if (!signed) return { status: 401, answer: { error: 'no valid signature' } };
    const request = requestSchema.parse(JSON.parse(body));
    if (request.pool !== 'general') return { status: 404, answer: { error: `no pool ${request.pool}` } };
    const { pool } = receiver;
    if (request.action === 'read') {
      return { status: 200, answer: { nodes: pool.nodes, readyNodes: pool.readyNodes, owner: pool.owner } };
    }
    const now = { value: pool.nodes, owner: pool.owner, reportedOwner: pool.owner, mark: pool.mark };
    const target = { field: 'nodes' as const, pool: request.pool, value: request.nodes };
    const judgement =
      request.action === 'apply'
        ? judgeApply(now, {
            key: request.key,
            account: '',
            target,
            expect: request.expect,
            reason: request.reason,
          })
        : judgeRestore(now, { key: request.key, changeKeys: request.changeKeys, good: request.nodes });
    if (judgement.kind !== 'write') return { status: 200, answer: judgement };
    pool.mark = nextMark(pool.mark, request.key, request.nodes);
    pool.nodes = request.nodes;
    pool.readyNodes = request.nodes;
    pool.owner = request.action === 'apply' ? 'headroom' : request.owner;
    return { status: 200, answer: { kind: 'applied', value: request.nodes } };
  };

  const http = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      setTimeout(() => {
        if (receiver.down) return void request.socket.destroy();
        const body = Buffer.concat(chunks).toString();
        receiver.requests.push({ headers: request.headers, body });
        const given = receiver.answers.shift();
        if (given !== undefined) return void response.writeHead(given.status, given.headers).end(given.body ?? '');
        const { status, answer } = handle(request.headers, body);
        if (receiver.loseAnswers > 0) {
          receiver.loseAnswers -= 1;
          return void request.socket.destroy();
        }
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
      }, receiver.delay);
    });
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const address = http.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const receiver: WebhookReceiver = {
    url: `http://127.0.0.1:${port}/pools`,
    pool: { nodes: 2, readyNodes: 2, owner: 'ops', mark: null },
    requests: [],
    loseAnswers: 0,
    down: false,
    delay: 0,
    answers: [],
    close: () =>
      new Promise((resolve) => {
        http.close(() => resolve());
        http.closeAllConnections();
      }),
  };
  return receiver;
}
