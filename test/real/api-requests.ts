import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import { z } from 'zod';
import { kubectl, real } from './real.js';

/* Requests to the API server in the name of a service account, to learn what its roles let it do. */

/** One kind of request: `patch apps/deployments`, `create pods/exec`. */
export interface Attempt {
  verb: string;
  resource: string;
  method: string;
  /** With NAMESPACE in it where it is namespaced. */
  path: string;
}

const SECRETS = ['get', 'list', 'watch'];
const METHODS: Record<string, string> = {
  create: 'POST',
  update: 'PUT',
  patch: 'PATCH',
  delete: 'DELETE',
  deletecollection: 'DELETE',
};

const listSchema = z.object({
  groupVersion: z.string(),
  resources: z.array(z.object({ name: z.string(), namespaced: z.boolean(), verbs: z.array(z.string()) })),
});

/** Asking what oneself may do is everybody's right, and changes nothing. */
const OWN_QUESTIONS = /^(authorization\.k8s\.io\/selfsubject|authentication\.k8s\.io\/selfsubjectreviews)/;

/** Not installed here: who may do what is asked before whether there is such a kind. */
const CUSTOM: Kind[] = [
  { base: '/apis/keda.sh/v1alpha1', group: 'keda.sh', name: 'scaledobjects', namespaced: true },
  { base: '/apis/keda.sh/v1alpha1', group: 'keda.sh', name: 'triggerauthentications', namespaced: true },
  {
    base: '/apis/gateway.networking.k8s.io/v1',
    group: 'gateway.networking.k8s.io',
    name: 'httproutes',
    namespaced: true,
  },
  {
    base: '/apis/snapshot.storage.k8s.io/v1',
    group: 'snapshot.storage.k8s.io',
    name: 'volumesnapshots',
    namespaced: true,
  },
  { base: '/apis/karpenter.sh/v1', group: 'karpenter.sh', name: 'nodepools', namespaced: false },
  { base: '/apis/karpenter.sh/v1', group: 'karpenter.sh', name: 'nodeclaims', namespaced: false },
].map((kind) => ({ ...kind, verbs: Object.keys(METHODS) }));

interface Kind {
  base: string;
  group: string;
  name: string;
  namespaced: boolean;
  verbs: string[];
}

/** Every write of every kind that this API server knows, its subresources included, and every read of secrets. */
export async function everyAttempt(): Promise<Attempt[]> {
  const known: Kind[] = [];
  for (const { base, group } of await groupVersions()) {
    const list = listSchema.parse(JSON.parse(await kubectl(['get', '--raw', base])));
    known.push(...list.resources.map((resource) => ({ ...resource, base, group })));
  }
  const isKnown = (one: Kind): boolean => known.some(({ group, name }) => group === one.group && name === one.name);
  return [...known, ...CUSTOM.filter((one) => !isKnown(one))].flatMap(attemptsOn);
}

function attemptsOn({ base, group, name, namespaced, verbs }: Kind): Attempt[] {
  const resource = group === '' ? name : `${group}/${name}`;
  if (OWN_QUESTIONS.test(resource)) return [];
  const [plural = '', ...sub] = name.split('/');
  const collection = `${base}${namespaced ? '/namespaces/NAMESPACE' : ''}/${plural}`;
  const object = [collection, 'nobody', ...sub].join('/');
  const reads = resource === 'secrets' ? SECRETS : [];
  return verbs
    .filter((verb) => verb in METHODS || reads.includes(verb))
    .map((verb) => {
      const whole = sub.length === 0 && ['create', 'deletecollection', 'list', 'watch'].includes(verb);
      const path = `${whole ? collection : object}${queryOf(verb)}`;
      return { verb, resource, method: METHODS[verb] ?? 'GET', path };
    });
}

/** Nothing is kept even where it is allowed. */
const queryOf = (verb: string): string => (verb === 'watch' ? '?watch=true&timeoutSeconds=1' : '?dryRun=All');

async function groupVersions(): Promise<{ base: string; group: string }[]> {
  const groups = z
    .object({
      groups: z.array(z.object({ name: z.string(), preferredVersion: z.object({ groupVersion: z.string() }) })),
    })
    .parse(JSON.parse(await kubectl(['get', '--raw', '/apis'])));
  return [
    { base: '/api/v1', group: '' },
    ...groups.groups.map(({ name, preferredVersion }) => ({
      base: `/apis/${preferredVersion.groupVersion}`,
      group: name,
    })),
  ];
}

export interface Asker {
  /** The HTTP status; 403 means that the roles do not allow it. */
  status(method: string, path: string, body?: string): Promise<number>;
  /** `patch apps/deployments` of those that the authorizer lets through, sorted. */
  allowed(attempts: readonly Attempt[], namespace: string): Promise<string[]>;
  kubeConfig: KubeConfig;
}

/** The API server sheds load by 429 before it asks who may do what: no answer yet. */
async function patiently(ask: () => Promise<number>): Promise<number> {
  for (;;) {
    const code = await ask();
    if (code !== 429) return code;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** A caller with nothing but the token of a service account. */
export async function askAs(namespace: string, account: string): Promise<Asker> {
  const token = (await kubectl(['-n', namespace, 'create', 'token', account])).trim();
  const administrator = new KubeConfig();
  administrator.loadFromFile(real.cluster.kubeconfig);
  const cluster = administrator.getCurrentCluster();
  if (cluster === null) throw new Error('the kubeconfig has no current cluster');
  const ca =
    cluster.caData === undefined ? await readFile(cluster.caFile ?? '') : Buffer.from(cluster.caData, 'base64');
  const agent = new Agent({ ca, keepAlive: true, maxSockets: 8 });
  const status: Asker['status'] = (method, path, body) =>
    new Promise((resolve, reject) => {
      const content = body ?? (method === 'GET' ? '' : '{}');
      const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
      const sent = request(
        `${cluster.server}${path}`,
        {
          method,
          agent,
          headers: {
            authorization: `Bearer ${token}`,
            'content-type': type,
            // Node leaves it out of a DELETE, and what follows on the connection is then misread.
            'content-length': Buffer.byteLength(content),
          },
        },
        (response) => {
          response.resume();
          response.once('end', () => resolve(response.statusCode ?? 0));
        },
      );
      sent.once('error', reject);
      sent.end(content);
    });
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromClusterAndUser({ ...cluster, name: 'test' }, { name: account, token });
  return {
    status,
    kubeConfig,
    async allowed(attempts, inNamespace) {
      const answers = await Promise.all(
        attempts.map(async ({ verb, resource, method, path }) => {
          const code = await patiently(() => status(method, path.replace('NAMESPACE', inNamespace)));
          if (code === 401) throw new Error(`the token of ${account} is not accepted`);
          return code === 403 ? null : `${verb} ${resource}`;
        }),
      );
      return answers.filter((answer) => answer !== null).sort();
    },
  };
}
