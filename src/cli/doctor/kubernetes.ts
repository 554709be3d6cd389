import { AuthorizationV1Api, VersionApi, type KubeConfig } from '@kubernetes/client-node';
import { observeRequest } from '../../../activities/policies.js';
import { createKubernetesCluster } from '../../cluster/kubernetes/adapter.js';
import type { AccountPolicy } from '../../domain/account.js';
import { kubeConfigOfEnvironment } from '../kube.js';
import type { Check } from './finding.js';

const TIMEOUT_MS = 10_000;
const MANUAL = 'docs/kubernetes.md lists what a worker has to be granted';

/** What no account can be observed without. */
const NEEDED = [
  { group: 'apps', resource: 'deployments' },
  { group: 'apps', resource: 'statefulsets' },
  { group: 'autoscaling', resource: 'horizontalpodautoscalers' },
] as const;

/** The API server, the rights to read, and (with an account's file) each object that it names. */
export async function checkKubernetes(
  check: Check,
  options: { context?: string; policy: AccountPolicy | null },
): Promise<void> {
  const { context, policy } = options;
  let config: KubeConfig | null = null;
  const there = await check('kubernetes', 'set KUBECONFIG, or --context, to a cluster that answers', async () => {
    config = kubeConfigOfEnvironment(context);
    const server = config.getCurrentCluster()?.server ?? 'no cluster';
    const { gitVersion } = await inTime(`${server} does not answer`, config.makeApiClient(VersionApi).getCode());
    return `${gitVersion} answers at ${server}`;
  });
  if (!there || config === null) return;
  const kubeConfig: KubeConfig = config;
  const namespaces =
    policy === null ? [undefined] : [...new Set(observeRequest(policy).workloads.map(({ namespace }) => namespace))];
  for (const namespace of namespaces) {
    const where = namespace === undefined ? 'over all namespaces' : `in namespace ${namespace}`;
    await check(`kubernetes rights ${where}`, MANUAL, async () => {
      const denied = await deniedOf(kubeConfig, namespace);
      if (denied.length === 0) return `may list and watch ${NEEDED.map(({ resource }) => resource).join(', ')}`;
      const words = `may not list and watch ${denied.join(', ')} ${where}`;
      // A role in each account's namespace is as good; only its file says which those are.
      if (namespace === undefined) return `${words}; name an account file with -f to check its namespaces`;
      throw new Error(words);
    });
  }
  if (policy === null) return;
  await check(`objects of ${policy.account}`, 'correct the account file, or make what it names', () =>
    objectsOf(kubeConfig, policy),
  );
}

async function deniedOf(config: KubeConfig, namespace: string | undefined): Promise<string[]> {
  const api = config.makeApiClient(AuthorizationV1Api);
  const denied: string[] = [];
  for (const { group, resource } of NEEDED) {
    for (const verb of ['list', 'watch']) {
      const resourceAttributes = { group, resource, verb, ...(namespace === undefined ? {} : { namespace }) };
      const { status } = await inTime(
        'the API server does not say what it allows',
        api.createSelfSubjectAccessReview({ body: { spec: { resourceAttributes } } }),
      );
      if (status?.allowed !== true && !denied.includes(resource)) denied.push(resource);
    }
  }
  return denied;
}

/** As the account's next cycle would see them. @throws Error that names what is not there, or not seen. */
async function objectsOf(kubeConfig: KubeConfig, policy: AccountPolicy): Promise<string> {
  const cluster = createKubernetesCluster({ kubeConfig });
  try {
    const state = await cluster.observe(observeRequest(policy), AbortSignal.timeout(3 * TIMEOUT_MS));
    const wrong = [
      ...state.workloads.flatMap(({ workload, exists, absent }) =>
        exists ? [] : [`${workload}: ${absent ?? 'the cluster does not have it'}`],
      ),
      ...state.pools.flatMap(({ pool, missing = [] }) => missing.map((words) => `pool ${pool}: ${words}`)),
    ];
    if (wrong.length > 0) throw new Error(wrong.join('; '));
    const unseen = state.unseen ?? [];
    return (
      `${state.workloads.length} workloads, ${state.pools.length} pools` +
      (unseen.length === 0 ? '' : `; not to be seen: ${unseen.join(', ')}`)
    );
  } finally {
    await cluster.close();
  }
}

async function inTime<T>(problem: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${problem} within ${TIMEOUT_MS / 1000}s`)), TIMEOUT_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
