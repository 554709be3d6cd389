import { z } from 'zod';
import { HeadroomError } from '../../../domain/errors.js';
import type { MoveRequest } from '../../migrating.js';
import { ACCOUNT } from '../provision/labels.js';
import { apiVersionOf, DISRUPTION_BUDGET, HPA, SCALED_OBJECT, type JsonObject, type LiveObject } from '../objects.js';
import { budgetsOf } from './budgets.js';
import { CONFIG_MAP, SERVICE } from './kinds.js';
import { carried } from './copy.js';
import type { RestObjects } from './rest.js';
import { refOf, scalersOf, servicesOf, type SeenWorkload } from './seen.js';

/*
 * What is made of a workload in another cluster: its own object, the ConfigMaps that its pods read, the Services and budgets
 * that find them, its HPAs. Without what a server sets and what names nodes of the old cluster. Secrets are never read, and
 * ServiceAccounts bear rights of their own cluster: both have to be there.
 */

const refSchema = z.object({
  ...{ group: z.string(), version: z.string(), plural: z.string(), kind: z.string() },
  ...{ namespace: z.string().nullable(), name: z.string() },
});
const manifestSchema = z.object({
  ref: refSchema,
  /** `before` traffic comes, the workload itself, `after` the hand-over. */
  when: z.enum(['before', 'workload', 'after']),
  body: z.record(z.string(), z.unknown()),
});
const bundleSchema = z.object({
  manifests: z.array(manifestSchema),
  /** Names of what its pods need and nothing here makes. */
  secrets: z.array(z.string()),
  serviceAccount: z.string().nullable(),
});
export type Manifest = z.output<typeof manifestSchema>;
export type Bundle = z.output<typeof bundleSchema>;

/** @throws HeadroomError `unavailable` where the store has them no more. */
export function readBundle({ id, cross }: MoveRequest): Bundle {
  const parsed = bundleSchema.safeParse(cross?.manifests === undefined ? null : JSON.parse(cross.manifests));
  if (parsed.success) return parsed.data;
  throw new HeadroomError({
    ...{ kind: 'unavailable', component: 'cluster/kubernetes', action: `making ${id} in cluster ${cross?.to ?? ''}` },
    problem: 'the store does not have what is to be made there',
    remedy: 'do the workers of both clusters share one store (HEADROOM_STORE_URL)?',
  });
}

const named = z.object({ name: z.string() });
const reference = z.looseObject({
  configMapRef: named.optional(),
  secretRef: named.optional(),
  configMapKeyRef: named.optional(),
  secretKeyRef: named.optional(),
});
const containerSchema = z.looseObject({
  env: z.array(z.looseObject({ valueFrom: reference.optional() })).default([]),
  envFrom: z.array(reference).default([]),
});
const volumeSchema = z.looseObject({
  name: z.string(),
  configMap: named.optional(),
  secret: z.object({ secretName: z.string() }).optional(),
  projected: z
    .object({ sources: z.array(z.looseObject({ configMap: named.optional(), secret: named.optional() })) })
    .optional(),
  persistentVolumeClaim: z.unknown().optional(),
  hostPath: z.unknown().optional(),
});
const podSchema = z.looseObject({
  containers: z.array(containerSchema),
  initContainers: z.array(containerSchema).default([]),
  volumes: z.array(volumeSchema).default([]),
  imagePullSecrets: z.array(named).default([]),
  serviceAccountName: z.string().optional(),
  nodeSelector: z.record(z.string(), z.string()).optional(),
});

/** Labels by which nodes of one cluster are told apart. */
const OWN_TO_CLUSTER =
  /^(kubernetes\.io\/hostname|topology\.kubernetes\.io\/.*|headroom\.dev\/pool|karpenter\.sh\/nodepool|eks\.amazonaws\.com\/nodegroup|cloud\.google\.com\/gke-nodepool|(kubernetes\.azure\.com\/)?agentpool)$/;

/** All that goes along, and why it cannot. */
export async function bundleOf(
  api: RestObjects,
  source: SeenWorkload,
  { at, account }: MoveRequest,
  signal: AbortSignal,
): Promise<{ bundle: Bundle; refusals: string[] }> {
  const { namespace } = at;
  const here = `${at.kind} ${namespace}/${at.name}`;
  const { spec, object, ref } = source;
  const pod = podSchema.parse(spec.template.spec);
  const refusals: string[] = [];
  const volumes = [
    ...(spec.volumeClaimTemplates ?? []).map(({ metadata }) => metadata.name),
    ...pod.volumes.filter((one) => one.persistentVolumeClaim !== undefined).map(({ name }) => name),
  ];
  if (volumes.length > 0) {
    refusals.push(
      `${here} has volumes (${volumes.join(', ')}), and none travels between clusters: replicate their data by its own means, and move it by hand`,
    );
  }
  const ofNode = pod.volumes.filter(({ hostPath }) => hostPath !== undefined).map(({ name }) => name);
  if (ofNode.length > 0) refusals.push(`${here} mounts paths of its nodes (${ofNode.join(', ')}); take them out`);
  const containers = [...pod.containers, ...pod.initContainers];
  const uses: z.output<typeof reference>[] = containers.flatMap(({ env, envFrom }) => [
    ...env.flatMap(({ valueFrom }) => (valueFrom === undefined ? [] : [valueFrom])),
    ...envFrom,
  ]);
  const projected = pod.volumes.flatMap((one) => one.projected?.sources ?? []);
  const unique = (names: (string | undefined)[]): string[] => [...new Set(names.filter((name) => name !== undefined))];
  const configs = unique([
    ...uses.flatMap((one) => [one.configMapRef?.name, one.configMapKeyRef?.name]),
    ...pod.volumes.map(({ configMap }) => configMap?.name),
    ...projected.map(({ configMap }) => configMap?.name),
  ]);
  const secrets = unique([
    ...uses.flatMap((one) => [one.secretRef?.name, one.secretKeyRef?.name]),
    ...pod.volumes.map(({ secret }) => secret?.secretName),
    ...projected.map(({ secret }) => secret?.name),
    ...pod.imagePullSecrets.map(({ name }) => name),
  ]);
  const scalers = await scalersOf(api, at, signal);
  const keda = scalers.filter(({ of }) => of === SCALED_OBJECT).map(({ object: { metadata } }) => metadata.name);
  if (keda.length > 0) {
    refusals.push(
      `ScaledObject ${keda.join(', ')} scales ${here}: it would start it again here, and its triggers may not be reached from there; take it away first`,
    );
  }
  const labels = spec.template.metadata.labels;
  const manifest = (when: Manifest['when'], of: LiveObject, kind: Manifest['ref'], fields: JsonObject): Manifest => ({
    ref: kind,
    when,
    body: {
      ...{ apiVersion: apiVersionOf(kind), kind: kind.kind },
      metadata: {
        ...{ name: kind.name, namespace, annotations: carried(of.metadata.annotations) },
        labels: { ...of.metadata.labels, [ACCOUNT]: account },
      },
      ...fields,
    },
  });
  const manifests: Manifest[] = [];
  for (const name of configs) {
    const found = await api.find(refOf(CONFIG_MAP, namespace, name), signal);
    // Its pods run without it: it is optional.
    if (found !== null) manifests.push(manifest('before', found, refOf(CONFIG_MAP, namespace, name), dataOf(found)));
  }
  for (const service of await servicesOf(api, namespace, labels, signal)) {
    manifests.push(
      manifest('before', service, refOf(SERVICE, namespace, service.metadata.name), { spec: serviceSpec(service) }),
    );
  }
  for (const { object: budget } of await budgetsOf(api, namespace, labels, signal)) {
    const kind = refOf(DISRUPTION_BUDGET, namespace, budget.metadata.name);
    manifests.push(manifest('before', budget, kind, { spec: budget['spec'] }));
  }
  const { nodeSelector: selected = {}, ...ofPod } = spec.template.spec;
  const rest = Object.fromEntries(Object.entries(ofPod).filter(([field]) => field !== 'nodeName'));
  const nodeSelector = Object.fromEntries(Object.entries(selected).filter(([key]) => !OWN_TO_CLUSTER.test(key)));
  manifests.push(
    manifest('workload', object, ref, {
      spec: { ...spec, template: { ...spec.template, spec: { ...rest, nodeSelector } } },
    }),
  );
  for (const { of, object: scaler } of scalers) {
    if (of === HPA) {
      manifests.push(manifest('after', scaler, refOf(HPA, namespace, scaler.metadata.name), { spec: scaler['spec'] }));
    }
  }
  const { serviceAccountName = 'default' } = pod;
  return {
    bundle: { manifests, secrets, serviceAccount: serviceAccountName === 'default' ? null : serviceAccountName },
    refusals,
  };
}

const pick = (object: JsonObject, names: readonly string[]): JsonObject =>
  Object.fromEntries(names.flatMap((name) => (object[name] === undefined ? [] : [[name, object[name]]])));
const dataOf = (config: LiveObject): JsonObject => pick(config, ['data', 'binaryData', 'immutable']);

const serviceSchema = z.looseObject({
  clusterIP: z.string().optional(),
  ports: z.array(z.looseObject({})).default([]),
});

/** A Service’s spec without addresses and ports of its own cluster. */
function serviceSpec(service: LiveObject): JsonObject {
  const { clusterIP, ports, ...spec } = serviceSchema.parse(service['spec']);
  const kept = pick(spec, [
    ...['selector', 'type', 'sessionAffinity', 'sessionAffinityConfig', 'publishNotReadyAddresses'],
    ...['externalTrafficPolicy', 'internalTrafficPolicy', 'trafficDistribution', 'loadBalancerClass'],
  ]);
  return {
    ...kept,
    // A headless one stays so.
    ...(clusterIP === 'None' ? { clusterIP } : {}),
    ports: ports.map(({ nodePort: _nodePort, ...port }) => port),
  };
}

/** What of an object that is there already has to be what would be made. */
export function sameAs({ ref, body }: Manifest, there: LiveObject): boolean {
  const of = (object: JsonObject): unknown =>
    ref.kind === CONFIG_MAP.kind
      ? pick(object, ['data', 'binaryData'])
      : ref.kind === SERVICE.kind
        ? pick(serviceSchema.parse(object['spec']), ['selector']) // Ports are numbered by each server.
        : object['spec'];
  return JSON.stringify(sorted(of(body))) === JSON.stringify(sorted(of(there)));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, one]) => one !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, one]) => [key, sorted(one)]),
  );
}
