import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';

/** Counts what one process asks of an API server, which keeps no count by who asks. */
export interface CountingProxy {
  url: string;
  token: string;
  /** `GET /apis/apps/v1/deployments?watch=true…`, in order. */
  requests: string[];
  close(): Promise<void>;
}

export async function openCountingProxy(kubeconfigFile: string): Promise<CountingProxy> {
  const administrator = new KubeConfig();
  administrator.loadFromFile(kubeconfigFile);
  const cluster = administrator.getCurrentCluster();
  const token = administrator.getCurrentUser()?.token;
  if (cluster?.caFile === undefined || token === undefined)
    throw new Error('the kubeconfig has no CA file, or no token');
  const ca = await readFile(cluster.caFile);
  const requests: string[] = [];
  const server = createServer((incoming, outgoing) => {
    const { method = 'GET', url = '/' } = incoming;
    requests.push(`${method} ${url}`);
    const headers = { ...incoming.headers, host: new URL(cluster.server).host };
    const onward = request(`${cluster.server}${url}`, { method, ca, headers, agent: false }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      // A watch is accepted long before its first event.
      outgoing.flushHeaders();
      answer.pipe(outgoing);
      // What breaks behind the proxy breaks in front of it.
      answer.once('close', () => answer.complete || outgoing.destroy());
    });
    onward.once('error', () => incoming.socket.destroy());
    outgoing.once('close', () => onward.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('the proxy has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    token,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
