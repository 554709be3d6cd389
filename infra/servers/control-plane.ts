import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeCertificates, type Certificates } from './certificates.js';
import { kubectlOn } from './kubectl.js';
import { ROOT, toolPath } from './locate.js';
import { metricsServerManifest } from './metrics-server.js';
import { nodeObject, type NodeSpec } from './nodes.js';
import { answers, freePorts, startProcess, type ServerProcess } from './process.js';
import { answersTls } from './tls.js';

/** etcd, API server, controllers, scheduler and kwok's nodes, on loopback, with RBAC on. */
export interface ControlPlane {
  url: string;
  folder: string;
  /** Of an administrator; others are made from it with {@link ControlPlane.kubeconfigFor}. */
  kubeconfig: string;
  etcd: ServerProcess;
  apiServer: ServerProcess;
  controllerManager: ServerProcess;
  scheduler: ServerProcess;
  kwok: ServerProcess;
  metricsServer: ServerProcess | null;
  /** Its standard output. @throws Error with what kubectl said. */
  kubectl(args: readonly string[], options?: { input?: string; kubeconfig?: string }): Promise<string>;
  /** Nodes that kwok plays; each is ready soon after. */
  addNodes(nodes: readonly NodeSpec[]): Promise<void>;
  /** A kubeconfig file with another bearer token (of a service account). */
  kubeconfigFor(name: string, token: string): Promise<string>;
  stop(): Promise<void>;
}

export interface ControlPlaneOptions {
  folder: string;
  /** Nodes to begin with. Default 3, of 8 cores and 32 GiB. */
  nodes?: number;
  /** Default true; without it an HPA knows no usage. */
  metricsServer?: boolean;
  /** More flags of kube-controller-manager or kube-apiserver. */
  controllerFlags?: readonly string[];
  apiServerFlags?: readonly string[];
}

const ADMIN_TOKEN = 'administrator-of-this-test-cluster';

export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { folder, nodes = 3, metricsServer = true, controllerFlags = [], apiServerFlags = [] } = options;
  await mkdir(folder, { recursive: true });
  const certificates = await makeCertificates(folder);
  const [etcdPort = 0, peerPort = 0, port = 0, controllerPort = 0, schedulerPort = 0, kwokPort = 0, metricsPort = 0] =
    await freePorts(7);
  const url = `https://127.0.0.1:${port}`;
  const kubeconfig = join(folder, 'admin.kubeconfig');
  await writeKubeconfig(kubeconfig, url, certificates, 'admin', ADMIN_TOKEN);
  await writeFile(join(folder, 'tokens.csv'), `${ADMIN_TOKEN},admin,admin,"system:masters"\n`, { mode: 0o600 });

  const started: ServerProcess[] = [];
  const start = async (
    name: string,
    tool: string,
    args: readonly string[],
    ready: () => Promise<boolean>,
  ): Promise<ServerProcess> => {
    const server = await startProcess({
      name,
      command: toolPath(tool),
      args,
      cwd: folder,
      logFile: join(folder, `${name}.log`),
      ready,
    });
    started.push(server);
    return server;
  };
  const stop = async (): Promise<void> => {
    // The last started ends first: nobody waits for a server that is gone already.
    const [etcdProcess, apiServerProcess, ...rest] = started;
    await Promise.all(rest.map((server) => server.stop()));
    await apiServerProcess?.stop();
    await etcdProcess?.stop();
  };
  const kubectl: ControlPlane['kubectl'] = (args, { input, kubeconfig: as = kubeconfig } = {}) =>
    kubectlOn(as, args, input);
  const trust = { ca: await readFile(certificates.ca), token: ADMIN_TOKEN };

  try {
    const etcdUrl = `http://127.0.0.1:${etcdPort}`;
    const peerUrl = `http://127.0.0.1:${peerPort}`;
    const etcd = await start(
      'etcd',
      'etcd',
      [
        ...['--name', 'default', '--data-dir', join(folder, 'etcd')],
        ...['--listen-client-urls', etcdUrl, '--advertise-client-urls', etcdUrl],
        ...['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl],
        ...['--initial-cluster', `default=${peerUrl}`, '--log-level', 'warn'],
        // As kubeadm has it: without, the API server sends no bookmarks of what does not change.
        '--watch-progress-notify-interval=5s',
        // A killed process loses nothing by it; only a machine that loses power would.
        '--unsafe-no-fsync',
      ],
      () => answers(`${etcdUrl}/health`),
    );
    const apiServer = await start(
      'kube-apiserver',
      'kube-apiserver',
      [...apiServerArgs(folder, certificates, etcdUrl, port), ...apiServerFlags],
      () => answersTls(`${url}/readyz`, trust),
    );
    const asAdministrator = ['kubeconfig', 'authentication-kubeconfig', 'authorization-kubeconfig'].map(
      (flag) => `--${flag}=${kubeconfig}`,
    );
    const component = (own: number): string[] => [
      ...asAdministrator,
      ...['--bind-address', '127.0.0.1', '--secure-port', String(own), '--cert-dir', join(folder, 'generated')],
      '--leader-elect=false',
    ];
    const [controllerManager, scheduler, kwok] = await Promise.all([
      start(
        'kube-controller-manager',
        'kube-controller-manager',
        [
          ...component(controllerPort),
          ...['--service-account-private-key-file', certificates.serviceAccountKey, '--root-ca-file', certificates.ca],
          ...['--kube-api-qps', '200', '--kube-api-burst', '400'],
          ...controllerFlags,
        ],
        () => answersTls(`https://127.0.0.1:${controllerPort}/healthz`),
      ),
      start(
        'kube-scheduler',
        'kube-scheduler',
        [...component(schedulerPort), '--kube-api-qps=200', '--kube-api-burst=400'],
        () => answersTls(`https://127.0.0.1:${schedulerPort}/healthz`),
      ),
      start(
        'kwok',
        'kwok',
        [
          ...[
            '--kubeconfig',
            kubeconfig,
            '--manage-all-nodes=true',
            '--node-ip',
            '127.0.0.1',
            '--node-port',
            String(kwokPort),
          ],
          ...['--server-address', `127.0.0.1:${kwokPort}`, '--node-lease-duration-seconds', '40'],
          ...['--tls-cert-file', certificates.serverCert, '--tls-private-key-file', certificates.serverKey],
          ...['--config', join(ROOT, 'infra', 'servers', 'kwok.yaml')],
        ],
        () => answersTls(`https://127.0.0.1:${kwokPort}/healthz`),
      ),
    ]);
    const plane: ControlPlane = {
      url,
      folder,
      kubeconfig,
      etcd,
      apiServer,
      controllerManager,
      scheduler,
      kwok,
      metricsServer: null,
      kubectl,
      async addNodes(specs) {
        const list = { apiVersion: 'v1', kind: 'List', items: specs.map(nodeObject) };
        await kubectl(['apply', '-f', '-'], { input: JSON.stringify(list) });
      },
      async kubeconfigFor(name, token) {
        const path = join(folder, `${name}.kubeconfig`);
        await writeKubeconfig(path, url, certificates, name, token);
        return path;
      },
      stop,
    };
    if (nodes > 0) await plane.addNodes(Array.from({ length: nodes }, (_, index) => ({ name: `node-${index}` })));
    if (metricsServer) {
      await kubectl(['apply', '-f', '-'], { input: JSON.stringify(metricsServerManifest(metricsPort)) });
      plane.metricsServer = await start(
        'metrics-server',
        'metrics-server',
        [
          ...asAdministrator,
          ...[
            '--secure-port',
            String(metricsPort),
            '--bind-address',
            '127.0.0.1',
            '--cert-dir',
            join(folder, 'generated'),
          ],
          ...[
            '--kubelet-insecure-tls',
            '--kubelet-use-node-status-port',
            '--kubelet-preferred-address-types',
            'InternalIP',
          ],
          // The shortest that it takes.
          ...['--metric-resolution', '10s', '--kubelet-request-timeout', '5s'],
        ],
        () => answersTls(`https://127.0.0.1:${metricsPort}/livez`),
      );
    }
    return plane;
  } catch (error) {
    await stop();
    throw error;
  }
}

function apiServerArgs(folder: string, certificates: Certificates, etcdUrl: string, port: number): string[] {
  return [
    ...['--etcd-servers', etcdUrl, '--bind-address', '127.0.0.1', '--secure-port', String(port)],
    // The kubernetes Service cannot have an endpoint on loopback; nothing here runs inside the cluster.
    ...['--advertise-address', '127.0.0.1', '--endpoint-reconciler-type', 'none'],
    ...['--tls-cert-file', certificates.serverCert, '--tls-private-key-file', certificates.serverKey],
    ...['--client-ca-file', certificates.ca, '--token-auth-file', join(folder, 'tokens.csv')],
    ...['--authorization-mode', 'Node,RBAC', '--service-cluster-ip-range', '10.96.0.0/16'],
    ...['--service-account-issuer', 'https://kubernetes.default.svc'],
    ...['--service-account-key-file', certificates.serviceAccountKey],
    ...['--service-account-signing-key-file', certificates.serviceAccountKey],
    ...['--requestheader-client-ca-file', certificates.ca, '--requestheader-allowed-names', 'front-proxy-client'],
    ...['--requestheader-username-headers', 'X-Remote-User', '--requestheader-group-headers', 'X-Remote-Group'],
    ...['--requestheader-extra-headers-prefix', 'X-Remote-Extra-'],
    ...['--proxy-client-cert-file', certificates.proxyCert, '--proxy-client-key-file', certificates.proxyKey],
  ];
}

async function writeKubeconfig(
  path: string,
  server: string,
  certificates: Certificates,
  user: string,
  token: string,
): Promise<void> {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster: { server, 'certificate-authority': certificates.ca } }],
    users: [{ name: user, user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user } }],
    'current-context': 'test',
  };
  await writeFile(path, JSON.stringify(config, null, 2), { mode: 0o600 });
}
