import {
  AppsV1Api,
  BatchV1Api,
  CoreV1Api,
  CustomObjectsApi,
  PatchStrategy,
  SchedulingV1Api,
  type KubeConfig,
  type V1CronJob,
  type V1Deployment,
  type V1Job,
  type V1Node,
  type V1PriorityClass,
  type V1StatefulSet,
} from '@kubernetes/client-node';
import { z } from 'zod';
import type { EpochSeconds } from '../../../domain/time.js';
import type { WorkloadTarget } from '../../port.js';
import { ApiRefusal, createCaller, patching, plain } from '../calls.js';

/** What stands in one namespace under one name. */
export interface Named {
  namespace: string;
  name: string;
}

/** Of Karpenter's NodePool (karpenter.sh/v1), what Headroom reads. */
export type NodePool = z.output<typeof nodePoolSchema>;

const customMetadata = z.object({
  resourceVersion: z.string(),
  annotations: z.record(z.string(), z.string()).optional(),
  managedFields: z
    .array(
      z.object({
        manager: z.string().optional(),
        subresource: z.string().optional(),
        time: z.coerce.date().optional(),
        fieldsV1: z.record(z.string(), z.unknown()).optional(),
      }),
    )
    .optional(),
});

const nodePoolSchema = z.object({
  metadata: customMetadata,
  spec: z.object({
    limits: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
    weight: z.number().optional(),
  }),
  status: z.object({ resources: z.record(z.string(), z.union([z.string(), z.number()])).optional() }).optional(),
});

/** Of Cluster API's MachineDeployment, what Headroom reads. */
export type MachineDeployment = z.output<typeof machineDeploymentSchema>;

const machineDeploymentSchema = z.object({
  metadata: customMetadata,
  spec: z.object({ replicas: z.number().optional() }),
  status: z.object({ readyReplicas: z.number().optional() }).optional(),
});

/**
 * The calls behind warm capacity, node pools, tasks and Jobs. Reading what is not there answers null; everything else
 * throws {@link ApiRefusal}, or HeadroomError `unavailable`.
 */
export interface ProvisionApi {
  readDeployment(at: Named, signal: AbortSignal): Promise<V1Deployment | null>;
  createDeployment(at: Named, body: V1Deployment, manager: string, signal: AbortSignal): Promise<void>;
  /** Server-Side Apply of the whole object, taking what others own (the caller has fenced). */
  applyDeployment(at: Named, body: V1Deployment, manager: string, signal: AbortSignal): Promise<void>;
  /** A plain update of some fields, in the name of another manager. */
  patchDeployment(at: Named, body: unknown, manager: string, signal: AbortSignal): Promise<void>;
  /** Null where the role may not look: then it may well be there. */
  namespaceExists(name: string, signal: AbortSignal): Promise<boolean | null>;
  readPriorityClass(name: string, signal: AbortSignal): Promise<V1PriorityClass | null>;
  createPriorityClass(body: V1PriorityClass, manager: string, signal: AbortSignal): Promise<void>;
  /** Null, too, where the cluster has no such kind of object. */
  readNodePool(name: string, signal: AbortSignal): Promise<NodePool | null>;
  /** Null, too, where the cluster has no such kind of object. */
  readMachineDeployment(at: Named, signal: AbortSignal): Promise<MachineDeployment | null>;
  readCronJob(at: Named, signal: AbortSignal): Promise<V1CronJob | null>;
  /** Of the CronJob's status, as its controller keeps it; the body has the resourceVersion that was read. */
  patchCronJobStatus(at: Named, body: unknown, manager: string, signal: AbortSignal): Promise<void>;
  readJob(at: Named, signal: AbortSignal): Promise<V1Job | null>;
  listJobs(namespace: string, selector: string, signal: AbortSignal): Promise<V1Job[]>;
  createJob(at: Named, body: V1Job, manager: string, signal: AbortSignal): Promise<void>;
  patchJob(at: Named, body: unknown, manager: string, signal: AbortSignal): Promise<void>;
  /** Its pods go with it. `resourceVersion`: only while it is still the one that was read. */
  deleteJob(at: Named, resourceVersion: string | undefined, signal: AbortSignal): Promise<void>;
  readWorkload(at: WorkloadTarget, signal: AbortSignal): Promise<V1Deployment | V1StatefulSet | null>;
  /** Annotations of the object itself, not of its pods: nothing rolls. */
  annotateWorkload(at: WorkloadTarget, metadata: object, manager: string, signal: AbortSignal): Promise<void>;
  listNodes(signal: AbortSignal): Promise<V1Node[]>;
  /** Epoch seconds, as this worker has them. */
  now(): EpochSeconds;
}

/** What of it is read; any object may be asked. */
export const nodePoolOf = (object: unknown): NodePool => nodePoolSchema.parse(object);

export const machineDeploymentOf = (object: unknown): MachineDeployment => machineDeploymentSchema.parse(object);

const MACHINES = { group: 'cluster.x-k8s.io', version: 'v1beta1', plural: 'machinedeployments' };
const KARPENTER = { group: 'karpenter.sh', version: 'v1', plural: 'nodepools' };

export function createProvisionApi(
  kubeConfig: KubeConfig,
  now: () => EpochSeconds = () => Date.now() / 1000,
): ProvisionApi {
  const apps = kubeConfig.makeApiClient(AppsV1Api);
  const batch = kubeConfig.makeApiClient(BatchV1Api);
  const core = kubeConfig.makeApiClient(CoreV1Api);
  const custom = kubeConfig.makeApiClient(CustomObjectsApi);
  const scheduling = kubeConfig.makeApiClient(SchedulingV1Api);
  const call = createCaller(kubeConfig);
  const { MergePatch, ServerSideApply } = PatchStrategy;

  const read = async <T>(resource: string, signal: AbortSignal, work: () => Promise<T>): Promise<T | null> => {
    try {
      return await call(`get on ${resource}`, signal, work);
    } catch (error) {
      if (error instanceof ApiRefusal && error.kind === 'not-found') return null;
      throw error;
    }
  };

  return {
    readDeployment: (at, signal) =>
      read('deployments.apps', signal, () => apps.readNamespacedDeployment(at, plain(signal))),
    createDeployment: async ({ namespace }, body, fieldManager, signal) => {
      await call('create on deployments.apps', signal, () =>
        apps.createNamespacedDeployment({ namespace, body, fieldManager }, plain(signal)),
      );
    },
    applyDeployment: async (at, body, fieldManager, signal) => {
      const request = { ...at, body, fieldManager, force: true };
      await call('patch on deployments.apps', signal, () =>
        apps.patchNamespacedDeployment(request, patching(ServerSideApply, signal)),
      );
    },
    patchDeployment: async (at, body, fieldManager, signal) => {
      await call('patch on deployments.apps', signal, () =>
        apps.patchNamespacedDeployment({ ...at, body, fieldManager }, patching(MergePatch, signal)),
      );
    },
    namespaceExists: async (name, signal) => {
      try {
        return (await read('namespaces', signal, () => core.readNamespace({ name }, plain(signal)))) !== null;
      } catch (error) {
        if (error instanceof ApiRefusal && error.kind === 'forbidden') return null;
        throw error;
      }
    },
    readPriorityClass: (name, signal) =>
      read('priorityclasses.scheduling.k8s.io', signal, () => scheduling.readPriorityClass({ name }, plain(signal))),
    createPriorityClass: async (body, fieldManager, signal) => {
      await call('create on priorityclasses.scheduling.k8s.io', signal, () =>
        scheduling.createPriorityClass({ body, fieldManager }, plain(signal)),
      );
    },
    readNodePool: async (name, signal) => {
      const found: unknown = await read('nodepools.karpenter.sh', signal, () =>
        custom.getClusterCustomObject({ ...KARPENTER, name }, plain(signal)),
      );
      return found === null ? null : nodePoolOf(found);
    },
    readMachineDeployment: async (at, signal) => {
      const found: unknown = await read('machinedeployments.cluster.x-k8s.io', signal, () =>
        custom.getNamespacedCustomObject({ ...MACHINES, ...at }, plain(signal)),
      );
      return found === null ? null : machineDeploymentOf(found);
    },
    readCronJob: (at, signal) => read('cronjobs.batch', signal, () => batch.readNamespacedCronJob(at, plain(signal))),
    patchCronJobStatus: async (at, body, fieldManager, signal) => {
      await call('patch on cronjobs/status.batch', signal, () =>
        batch.patchNamespacedCronJobStatus({ ...at, body, fieldManager }, patching(MergePatch, signal)),
      );
    },
    readJob: (at, signal) => read('jobs.batch', signal, () => batch.readNamespacedJob(at, plain(signal))),
    listJobs: (namespace, labelSelector, signal) =>
      call('list on jobs.batch', signal, async () => {
        const list = await batch.listNamespacedJob({ namespace, labelSelector }, plain(signal));
        return list.items;
      }),
    createJob: async ({ namespace }, body, fieldManager, signal) => {
      await call('create on jobs.batch', signal, () =>
        batch.createNamespacedJob({ namespace, body, fieldManager }, plain(signal)),
      );
    },
    patchJob: async (at, body, fieldManager, signal) => {
      await call('patch on jobs.batch', signal, () =>
        batch.patchNamespacedJob({ ...at, body, fieldManager }, patching(MergePatch, signal)),
      );
    },
    deleteJob: async (at, resourceVersion, signal) => {
      const preconditions = resourceVersion === undefined ? {} : { preconditions: { resourceVersion } };
      const body = { propagationPolicy: 'Background', ...preconditions };
      try {
        await call('delete on jobs.batch', signal, () => batch.deleteNamespacedJob({ ...at, body }, plain(signal)));
      } catch (error) {
        if (!(error instanceof ApiRefusal && error.kind === 'not-found')) throw error;
      }
    },
    readWorkload: ({ kind, namespace, name }, signal) =>
      read(`${kind.toLowerCase()}s.apps`, signal, () =>
        kind === 'Deployment'
          ? apps.readNamespacedDeployment({ namespace, name }, plain(signal))
          : apps.readNamespacedStatefulSet({ namespace, name }, plain(signal)),
      ),
    annotateWorkload: async ({ kind, namespace, name }, metadata, fieldManager, signal) => {
      const request = { namespace, name, body: { metadata }, fieldManager };
      await call(`patch on ${kind.toLowerCase()}s.apps`, signal, () =>
        kind === 'Deployment'
          ? apps.patchNamespacedDeployment(request, patching(MergePatch, signal))
          : apps.patchNamespacedStatefulSet(request, patching(MergePatch, signal)),
      );
    },
    listNodes: (signal) => call('list on nodes', signal, async () => (await core.listNode({}, plain(signal))).items),
    now,
  };
}
