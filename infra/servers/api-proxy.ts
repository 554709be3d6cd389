import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { request } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';

/** A way to the real API server that counts what is asked, and can be told to misbehave. */
export interface ApiProxy {
  url: string;
  token: string;
  kubeConfig: KubeConfig;
  /** `PATCH /apis/…`, in order. */
  requests: string[];
  /** Patches happen, and their connections break before the answer: so many times. */
  loseAnswers: number;
  /** Milliseconds before each request goes on. */
  delay: number;
  /** Runs before each patch, as somebody who is faster. */
  beforePatch: (() => Promise<void>) | null;
  /** All connections break from now on. */
  goDown(): void;
  close(): Promise<void>;
}

export async function openApiProxy(kubeconfigFile: string): Promise<ApiProxy> {
  const administrator = new KubeConfig();
  administrator.loadFromFile(kubeconfigFile);
  const cluster = administrator.getCurrentCluster();
  const token = administrator.getCurrentUser()?.token;
  if (cluster === null || token === undefined) throw new Error('the kubeconfig has no cluster, or no token');
  const ca =
    cluster.caData === undefined ? await readFile(cluster.caFile ?? '') : Buffer.from(cluster.caData, 'base64');
  let down = false;
  const server = createServer((incoming, outgoing) => {
    const { method = 'GET', url = '/' } = incoming;
    const go = async (): Promise<void> => {
      if (down) return void incoming.socket.destroy();
      proxy.requests.push(`${method} ${url}`);
      if (proxy.delay > 0) await new Promise((resolve) => setTimeout(resolve, proxy.delay));
      if (method === 'PATCH') await proxy.beforePatch?.();
      const onward = request(
        `${cluster.server}${url}`,
        { method, ca, headers: { ...incoming.headers, host: new URL(cluster.server).host }, agent: false },
        (answer) => {
          // One that was refused was no write.
          if (method === 'PATCH' && proxy.loseAnswers > 0 && (answer.statusCode ?? 0) < 300) {
            proxy.loseAnswers--;
            answer.resume();
            answer.once('end', () => incoming.socket.destroy());
            return;
          }
          // A watch is accepted long before its first event.
          outgoing.writeHead(answer.statusCode ?? 502, answer.headers).flushHeaders();
          answer.pipe(outgoing);
          // What breaks behind the proxy breaks in front of it.
          answer.once('close', () => answer.complete || outgoing.destroy());
        },
      );
      onward.once('error', () => incoming.socket.destroy());
      outgoing.once('close', () => onward.destroy());
      incoming.pipe(onward);
    };
    void go();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('the proxy has no port');
  const url = `http://127.0.0.1:${address.port}`;
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromClusterAndUser({ name: 'real', server: url, skipTLSVerify: true }, { name: 'admin', token });
  const proxy: ApiProxy = {
    url,
    token,
    kubeConfig,
    requests: [],
    loseAnswers: 0,
    delay: 0,
    beforePatch: null,
    goDown() {
      down = true;
      server.closeAllConnections();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return proxy;
}
