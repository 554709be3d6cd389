import type { V1CronJob, V1Deployment, V1Job } from '@kubernetes/client-node';
import { Cron } from 'croner';
import type { ClusterState, NodePoolState, PoolState, TaskState } from '../../../domain/cluster.js';
import { HeadroomError } from '../../../domain/errors.js';
import type { EpochSeconds } from '../../../domain/time.js';
import type { ObserveRequest, PoolTarget, TaskTarget } from '../../port.js';
import { machineCount, machinesOwner } from '../actuators/machines.js';
import { limitOf, limitOwner, perNode, weightOf, weightOwner } from '../actuators/nodepool.js';
import { warmOwner } from '../actuators/placeholders.js';
import { ApiRefusal } from '../calls.js';
import type { NodePool, ProvisionApi } from './api.js';
import { ACCOUNT, TASK } from './labels.js';
import { immovable, movedOccurrence, nextRun, zoneOf } from './occurrence-job.js';
import { placeholdersName } from './placeholder-pods.js';
import type { Releaser } from './releaser.js';

/*
 * What stands behind pools and tasks, read at the source: a handful of objects an account, where its file names them.
 */

/** Nodes come and go by the node autoscaler's hand, whatever Headroom would like. */
const AUTOSCALER = 'node-autoscaler';
/** Occurrences are of interest to a plan while they may still be running. */
const RECENT_SECONDS = 2 * 86_400;

/**
 * Lays it over a state: pools, tasks. Jobs of moved occurrences that are due are let go on the way.
 * @throws HeadroomError `unavailable`, or `refused` where the role may not read.
 */
export async function withProvisioning(
  state: ClusterState,
  request: ObserveRequest,
  { api, releaser }: { api: ProvisionApi; releaser: Releaser },
  signal: AbortSignal,
): Promise<ClusterState> {
  const { account, provisioned = [], tasks = [] } = request;
  try {
    const [pools, taskStates] = await Promise.all([
      Promise.all(
        state.pools.map(async (pool): Promise<PoolState> => {
          const target = provisioned.find((one) => one.pool === pool.pool);
          if (target === undefined) return { ...pool, owner: AUTOSCALER };
          const [more, machines] = await Promise.all([
            poolOf(api, account, target, signal),
            machinesOf(api, target, signal),
          ]);
          const missing = [...(more.missing ?? []), ...(machines.missing ?? [])];
          const said = missing.length === 0 ? {} : { missing };
          return { ...pool, owner: AUTOSCALER, ...more, ...machines, ...said };
        }),
      ),
      tasksOf(api, releaser, account, tasks, signal),
    ]);
    return { ...state, pools, ...(tasks.length === 0 ? {} : { tasks: taskStates }) };
  } catch (error) {
    if (!(error instanceof ApiRefusal)) throw error;
    throw new HeadroomError({
      kind: 'refused',
      component: 'cluster/kubernetes',
      action: `reading pools and tasks of ${account}`,
      problem: error.message,
      remedy: 'docs/kubernetes.md lists what a worker has to be granted',
      cause: error,
    });
  }
}

async function poolOf(
  api: ProvisionApi,
  account: string,
  { pool, placeholders, karpenter }: PoolTarget,
  signal: AbortSignal,
): Promise<Pick<PoolState, 'warm' | 'nodePool' | 'missing'>> {
  const [deployment, nodePool] = await Promise.all([
    placeholders === undefined
      ? undefined
      : api.readDeployment({ namespace: placeholders.namespace, name: placeholdersName(pool) }, signal),
    karpenter === undefined ? null : api.readNodePool(karpenter.nodePool, signal),
  ]);
  const missing: string[] = [];
  // The first placeholders make the Deployment, and nothing makes its namespace.
  const homeless =
    placeholders !== undefined &&
    deployment === null &&
    (await api.namespaceExists(placeholders.namespace, signal)) === false;
  if (homeless) {
    const where = placeholders.namespace;
    missing.push(`there is no namespace ${where} for its placeholders: kubectl create namespace ${where}`);
  }
  if (karpenter !== undefined && nodePool === null) {
    missing.push(
      `there is no NodePool ${karpenter.nodePool} (karpenter.sh/v1); name it in provisioning.karpenter.nodePool`,
    );
  }
  return {
    ...(missing.length === 0 ? {} : { missing }),
    ...(deployment === undefined || homeless ? {} : { warm: warmOf(deployment, account) }),
    ...(karpenter === undefined || nodePool === null ? {} : { nodePool: nodePoolOf(nodePool, karpenter) }),
  };
}

/** A pool of machines has as many nodes as its MachineDeployment asks for, whoever's labels its nodes carry. */
async function machinesOf(
  api: ProvisionApi,
  { clusterApi }: PoolTarget,
  signal: AbortSignal,
): Promise<Partial<Pick<PoolState, 'nodes' | 'readyNodes' | 'owner' | 'missing'>>> {
  if (clusterApi === undefined) return {};
  const object = await api.readMachineDeployment(clusterApi, signal);
  if (object === null) {
    const missing = [
      `there is no MachineDeployment ${clusterApi.namespace}/${clusterApi.name} (cluster.x-k8s.io/v1beta1)`,
    ];
    return { missing };
  }
  return { nodes: machineCount(object), readyNodes: object.status?.readyReplicas ?? 0, owner: machinesOwner(object) };
}

const warmOf = (deployment: V1Deployment | null, account: string): NonNullable<PoolState['warm']> => {
  const failure = deployment?.status?.conditions?.find(
    ({ type, status }) => type === 'ReplicaFailure' && status === 'True',
  );
  return {
    replicas: deployment?.spec?.replicas ?? 0,
    ready: deployment?.status?.readyReplicas ?? 0,
    owner: warmOwner(deployment, account),
    // A quota or an admission that will not have them speaks here alone.
    ...(failure?.message === undefined ? {} : { trouble: failure.message }),
  };
};

const nodePoolOf = (pool: NodePool, { limit, weight }: NonNullable<PoolTarget['karpenter']>): NodePoolState => ({
  ...(limit === undefined
    ? {}
    : {
        limit: {
          resource: limit,
          value: limitOf(pool, limit),
          owner: limitOwner(pool, limit),
          perNode: perNode(pool, limit),
        },
      }),
  ...(weight ? { weight: { value: weightOf(pool), owner: weightOwner(pool) } } : {}),
});

async function tasksOf(
  api: ProvisionApi,
  releaser: Releaser,
  account: string,
  tasks: readonly TaskTarget[],
  signal: AbortSignal,
): Promise<TaskState[]> {
  const namespaces = [...new Set(tasks.map(({ namespace }) => namespace))];
  const lists = await Promise.all(
    namespaces.map(async (namespace): Promise<[string, V1Job[]]> => [
      namespace,
      await api.listJobs(namespace, `${ACCOUNT}=${account},${TASK}`, signal),
    ]),
  );
  const jobs = new Map(lists);
  await releaser.watch(
    lists.flatMap(([, found]) => found),
    signal,
  );
  const since = api.now() - RECENT_SECONDS;
  return Promise.all(
    tasks.map(async (target): Promise<TaskState> => {
      const own = (jobs.get(target.namespace) ?? []).filter(({ metadata }) => metadata?.labels?.[TASK] === target.task);
      const cronJob = await api.readCronJob({ namespace: target.namespace, name: target.name }, signal);
      const refusal = refusalOf(api.now(), target, cronJob);
      return {
        task: target.task,
        refusal,
        next: cronJob === null || refusal !== null ? null : nextRun(cronJob, api.now()),
        moved: own.flatMap((job) => {
          const moved = movedOccurrence(job);
          return moved === null || Math.max(moved.scheduled, moved.start) < since ? [] : [moved];
        }),
      };
    }),
  );
}

function refusalOf(
  at: EpochSeconds,
  { namespace, name, schedule }: TaskTarget,
  cronJob: V1CronJob | null,
): string | null {
  if (cronJob === null) return `there is no CronJob ${namespace}/${name}`;
  const never = immovable(cronJob);
  if (never !== null) return `CronJob ${namespace}/${name}: ${never}`;
  if (schedule === undefined) return null;
  const next = (line: string, timezone: string) =>
    new Cron(line, { timezone, paused: true }).nextRun(new Date(at * 1000))?.getTime();
  const theirs = { line: cronJob.spec?.schedule ?? '', zone: zoneOf(cronJob) };
  return next(theirs.line, theirs.zone) === next(schedule.cron, schedule.timeZone)
    ? null
    : `CronJob ${namespace}/${name} runs by "${theirs.line}" (${theirs.zone}), the account file says "${schedule.cron}" (${schedule.timeZone})`;
}
