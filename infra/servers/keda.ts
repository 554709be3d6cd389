import { execFile } from 'node:child_process';
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { filesOf, toolPath } from './locate.js';
import { kubectlOn } from './kubectl.js';
import { applyCrds } from './peer.js';
import { answersTls } from './tls.js';
import { answers, freePorts, startProcess, type ServerProcess } from './process.js';

/** KEDA outside its cluster: its operator, and the adapter by which an HPA reads what the operator knows. */
export interface Keda {
  operator: ServerProcess;
  adapter: ServerProcess;
  stop(): Promise<void>;
}

export interface PeerOptions {
  /** Of an administrator. */
  kubeconfig: string;
  /** For logs and keys. */
  folder: string;
}

const NAMESPACE = 'keda';

/**
 * Starts both on free ports, with their CRDs and the APIService of `external.metrics.k8s.io`. One KEDA a cluster.
 * @throws Error with what it said, where one does not get ready.
 */
export async function startKeda({ kubeconfig, folder }: PeerOptions): Promise<Keda> {
  const certificates = join(folder, 'certificates');
  await mkdir(certificates, { recursive: true });
  const [metrics = 0, health = 0, grpc = 0, adapterMetrics = 0, secure = 0] = await freePorts(5);
  await makePair(certificates);
  await applyCrds(kubeconfig, filesOf('keda', 'crds'));
  await kubectlOn(kubeconfig, ['apply', '-f', '-'], JSON.stringify(adapterManifest(secure)));
  const env = {
    ...process.env,
    KUBECONFIG: kubeconfig,
    WATCH_NAMESPACE: '',
    POD_NAMESPACE: NAMESPACE,
    KEDA_CLUSTER_OBJECT_NAMESPACE: NAMESPACE,
  };
  const operator = await startProcess({
    name: 'keda-operator',
    command: toolPath('keda-operator'),
    args: [
      ...[`--metrics-bind-address=127.0.0.1:${metrics}`, `--health-probe-bind-address=127.0.0.1:${health}`],
      ...[`--metrics-service-bind-address=127.0.0.1:${grpc}`, `--cert-dir=${certificates}`],
      ...['--enable-cert-rotation=false', '--leader-elect=false', '--kube-api-qps=100', '--kube-api-burst=200'],
    ],
    env,
    cwd: folder,
    logFile: join(folder, 'keda-operator.log'),
    ready: () => answers(`http://127.0.0.1:${health}/readyz`),
  });
  try {
    const adapter = await startProcess({
      name: 'keda-adapter',
      command: toolPath('keda-adapter'),
      args: [
        ...[`--port=${adapterMetrics}`, `--secure-port=${secure}`, '--bind-address=127.0.0.1'],
        ...[`--cert-dir=${certificates}`, `--metrics-service-address=127.0.0.1:${grpc}`],
        ...['kubeconfig', 'lister-kubeconfig', 'authentication-kubeconfig', 'authorization-kubeconfig'].map(
          (flag) => `--${flag}=${kubeconfig}`,
        ),
      ],
      env,
      cwd: folder,
      logFile: join(folder, 'keda-adapter.log'),
      // Ready is what the API server can hand requests over to.
      ready: async () =>
        (await answersTls(`https://127.0.0.1:${secure}/readyz`)) &&
        (await kubectlOn(kubeconfig, ['get', '--raw', '/apis/external.metrics.k8s.io/v1beta1'])).includes('v1beta1'),
    });
    const stop = async (): Promise<void> => {
      await Promise.all([adapter.stop(), operator.stop()]);
      // An APIService whose server is gone holds up every namespace that is deleted.
      await kubectlOn(kubeconfig, ['delete', 'apiservice', 'v1beta1.external.metrics.k8s.io', '--ignore-not-found']);
    };
    return { operator, adapter, stop };
  } catch (error) {
    await operator.stop();
    throw error;
  }
}

/** One pair for both ends: each shows it to the other, and trusts nothing else. */
async function makePair(folder: string): Promise<void> {
  await promisify(execFile)('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'],
    ...['-keyout', join(folder, 'tls.key'), '-out', join(folder, 'tls.crt'), '-subj', '/CN=keda'],
    ...['-addext', 'subjectAltName=IP:127.0.0.1', '-addext', 'extendedKeyUsage=serverAuth,clientAuth'],
  ]);
  await copyFile(join(folder, 'tls.crt'), join(folder, 'ca.crt'));
}

/** What the API server has to know to ask an adapter outside the cluster. */
function adapterManifest(port: number): unknown {
  const name = 'keda-metrics-apiserver';
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: NAMESPACE },
    // An endpoint may not be on loopback; a name may.
    spec: { type: 'ExternalName', externalName: 'localhost', ports: [{ port, targetPort: port, protocol: 'TCP' }] },
  };
  const group = 'external.metrics.k8s.io';
  const apiService = {
    apiVersion: 'apiregistration.k8s.io/v1',
    kind: 'APIService',
    metadata: { name: `v1beta1.${group}` },
    spec: {
      ...{ group, version: 'v1beta1', groupPriorityMinimum: 100, versionPriority: 100, insecureSkipTLSVerify: true },
      service: { name, namespace: NAMESPACE, port },
    },
  };
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } };
  return { apiVersion: 'v1', kind: 'List', items: [namespace, service, apiService] };
}
