import { createServer } from 'node:https';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ControlPlane } from '../../infra/servers/index.js';

/** An admission webhook on writes of Deployments, as other teams have them. */
export interface Webhook {
  /** How many writes it was asked about. */
  asked(): number;
  /** From now on it rejects with these words; null: lets everything pass. */
  reject(words: string | null): void;
  close(): Promise<void>;
}

/**
 * @param slow milliseconds that it thinks: a write takes long enough to be met in the middle.
 */
export async function startWebhook(plane: ControlPlane, name: string, slow: () => number): Promise<Webhook> {
  const at = (file: string): Promise<Buffer> => readFile(join(plane.folder, file));
  let words: string | null = null;
  let asked = 0;
  const server = createServer({ key: await at('server.key'), cert: await at('server.crt') }, (request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      asked += 1;
      const uid: unknown = JSON.parse(body).request.uid;
      void delay(slow()).then(() => {
        response.setHeader('content-type', 'application/json');
        response.end(
          JSON.stringify({
            apiVersion: 'admission.k8s.io/v1',
            kind: 'AdmissionReview',
            response: { uid, allowed: words === null, ...(words === null ? {} : { status: { message: words } }) },
          }),
        );
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = address === null || typeof address === 'string' ? 0 : address.port;
  const configuration = {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name },
    webhooks: [
      {
        name: `${name}.example.com`,
        clientConfig: { url: `https://127.0.0.1:${port}/`, caBundle: (await at('ca.crt')).toString('base64') },
        rules: [{ apiGroups: ['apps'], apiVersions: ['v1'], operations: ['UPDATE'], resources: ['deployments'] }],
        failurePolicy: 'Ignore',
        sideEffects: 'None',
        admissionReviewVersions: ['v1'],
        timeoutSeconds: 5,
      },
    ],
  };
  await plane.kubectl(['apply', '-f', '-'], { input: JSON.stringify(configuration) });
  return {
    asked: () => asked,
    reject: (reason) => (words = reason),
    async close() {
      await plane.kubectl(['delete', 'validatingwebhookconfiguration', name]).catch(() => undefined);
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Flags of an API server that writes down every write of Headroom's, with what was sent. */
export const AUDIT_POLICY = JSON.stringify({
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [
    {
      level: 'Request',
      verbs: ['patch', 'update'],
      resources: [
        { group: 'apps', resources: ['deployments', 'statefulsets', 'deployments/scale'] },
        { group: 'autoscaling', resources: ['horizontalpodautoscalers'] },
        { group: 'karpenter.sh', resources: ['nodepools'] },
        { group: 'cluster.x-k8s.io', resources: ['machinedeployments'] },
      ],
    },
    { level: 'None' },
  ],
});

export interface AuditedWrite {
  /** As `deployments`. */
  resource: string;
  /** `undefined` of what stands in none. */
  namespace: string;
  name: string;
  /** HTTP status of the answer. */
  code: number;
  manager: string;
  /** Keys of the changes whose mark was written, by field. */
  keys: string[];
  at: string;
}

/** What the API server took from Headroom, in order; refused writes have their status. */
export async function auditedWrites(file: string): Promise<AuditedWrite[]> {
  const text = await readFile(file, 'utf8');
  return text
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .flatMap((line) => {
      const event = JSON.parse(line);
      const manager = new URL(event.requestURI, 'http://x').searchParams.get('fieldManager') ?? '';
      const annotations: Record<string, string> = event.requestObject?.metadata?.annotations ?? {};
      const keys = Object.entries(annotations)
        .filter(([name]) => name.startsWith('headroom.dev/change-'))
        .map(([, mark]) => String(JSON.parse(mark).key));
      if (manager === '' || keys.length === 0) return [];
      return [
        {
          resource: String(event.objectRef.resource),
          namespace: String(event.objectRef.namespace),
          name: String(event.objectRef.name),
          code: Number(event.responseStatus.code),
          manager,
          keys,
          at: String(event.requestReceivedTimestamp),
        },
      ];
    });
}
