import type { V1Node } from '@kubernetes/client-node';
import { z } from 'zod';
import { targetWords } from '../../../domain/migration.js';
import { HeadroomError } from '../../../domain/errors.js';
import type { MoveRequest, Survey } from '../../migrating.js';
import { ApiRefusal } from '../calls.js';
import { fieldOwner, ownersOf } from '../managed-fields.js';
import { SCALED_OBJECT, type LiveObject } from '../objects.js';
import { imagesOf } from '../provision/action-jobs.js';
import { fits, isOpen } from '../provision/node-match.js';
import type { ProvisionApi } from '../provision/api.js';
import { workloadRef } from '../actuators/live-workload.js';
import { writeBefore, type Before, type Owner } from './before.js';
import { copyOf, serviceName } from './copy.js';
import { CLAIMED } from './kinds.js';
import { changedLabels } from './labels.js';
import type { RestObjects } from './rest.js';
import {
  copyRef,
  findWorkload,
  routesIn,
  rulesOf,
  scalersOf,
  selectorOf,
  servicesOf,
  type SeenWorkload,
} from './seen.js';
import { roomProblem } from './room.js';
import { planVolumes } from './volumes.js';
import { backendsOf, fitsWeights } from './weights.js';

const copySchema = z.object({
  spec: z.object({
    template: z.object({
      spec: z.object({
        nodeSelector: z.record(z.string(), z.string()).optional(),
        tolerations: z
          .array(
            z.object({
              key: z.string().optional(),
              operator: z.string().optional(),
              value: z.string().optional(),
              effect: z.string().optional(),
            }),
          )
          .optional(),
      }),
    }),
  }),
});

/** Looks at everything that a migration would touch, and says why it cannot be done where it cannot. */
export async function survey(
  { api, provision }: { api: RestObjects; provision: ProvisionApi },
  request: MoveRequest,
  signal: AbortSignal,
): Promise<Survey> {
  const { at, copy, to, id } = request;
  const here = `${at.kind} ${at.namespace}/${at.name}`;
  const source = await findWorkload(api, workloadRef(at), signal);
  if (source === null) return nothing(request, [`there is no ${here}; correct its target in the account file`]);
  const refusals: string[] = [];
  if (to.cluster !== null || to.namespace !== null) {
    refusals.push('a copy is made in the same namespace alone: name a pool; another place needs its own manifests');
  }
  const claim = source.object.metadata.annotations?.[CLAIMED];
  if (claim !== undefined && claim !== id)
    refusals.push(`migration ${claim} has claimed it; wait for its end, or cancel it`);
  if ((await api.find(copyRef(request), signal)) !== null) {
    refusals.push(`there is a ${at.kind} ${at.namespace}/${copy} already; remove or rename it`);
  }
  const pods = source.spec.template.metadata.labels;
  const services = request.noTraffic ? [] : await servicesOf(api, at.namespace, pods, signal);
  const changed = changedLabels(
    [source.spec.selector.matchLabels, ...services.map(selectorOf)].filter((one) => Object.keys(one).length > 0),
    copy,
  );
  if (changed === null)
    refusals.push(`${here} selects its pods by expressions alone: its copy could not be told from it`);
  const names = services.map(({ metadata }) => metadata.name);
  const routes = (await (request.noTraffic ? [] : routesIn(api, at.namespace, signal))).filter(
    (route) => backendsOf(rulesOf(route), names, at.namespace).length > 0,
  );
  const kind = request.noTraffic ? 'none' : routes.length > 0 ? 'http-route' : services.length > 0 ? 'service' : 'none';
  if (kind === 'none' && !request.noTraffic) {
    refusals.push(`no Service leads to ${here}: say --no-traffic where it takes its work by itself`);
  }
  for (const route of routes) {
    if (!fitsWeights(rulesOf(route))) {
      refusals.push(
        `weights of HTTPRoute ${at.namespace}/${route.metadata.name} are above 10000 and cannot be split; lower them`,
      );
    }
  }
  const volumes = await planVolumes(api, source, request, signal);
  refusals.push(...volumes.refusals);
  if (request.stop === true) refusals.push(...(await startersOf(api, request, signal)));
  const nodes = await nodesFor(provision, source, request, changed ?? {}, signal);
  const tooSmall = nodes === null ? null : roomProblem(source, nodes, request);
  if (tooSmall !== null) refusals.push(tooSmall);
  const before: Before = {
    name: at.name,
    replicas: source.spec.replicas,
    changed: changed ?? {},
    kind,
    services: services.map((service) => ({
      name: service.metadata.name,
      copy: serviceName(service.metadata.name, copy),
      selector: selectorOf(service),
      owner: ownerOf(service, ['spec', 'selector']),
    })),
    routes: routes.map((route) => ({
      name: route.metadata.name,
      rules: rulesOf(route),
      owner: ownerOf(route, ['spec', 'rules']),
    })),
    volumes: volumes.plans,
    images: nodes !== null && nodes.length > 0,
    ...(request.stop === true ? { scaledBy: ownerOf(source.object, ['spec', 'replicas']) } : {}),
  };
  const labels = Object.entries(changed ?? {}).map(([key, value]) => `${key}=${value}`);
  return {
    refusals,
    source: { words: here, replicas: source.spec.replicas, ready: source.status.readyReplicas },
    copy: {
      words: `${at.kind} ${at.namespace}/${copy} on ${targetWords(to)}, its pods ${labels.join(', ')}`,
      name: copy,
    },
    traffic: trafficOf(before, request, at.namespace),
    images: before.images ? imagesOf(podOf(source)).map(({ image }) => image) : [],
    volumes: volumes.plans.map(({ claim: name, copy: own, method }) => `${name} → ${own} by ${method}`),
    reverse: [
      ...before.routes.map(
        ({ name, owner }) => `rules of HTTPRoute ${at.namespace}/${name}, of ${owner?.manager ?? 'nobody'}`,
      ),
      ...(kind === 'service'
        ? before.services.map(
            ({ name, owner }) => `selector of Service ${at.namespace}/${name}, of ${owner?.manager ?? 'nobody'}`,
          )
        : []),
      `${here}: ${source.spec.replicas} replicas`,
      `without ${at.kind} ${at.namespace}/${copy}`,
    ],
    before: writeBefore(before),
  };
}

const PAUSED = ['autoscaling.keda.sh/paused', 'autoscaling.keda.sh/paused-replicas'];

/** What would start it again while it is stopped: an HPA rests at no replicas, KEDA does not. */
async function startersOf(api: RestObjects, { at }: MoveRequest, signal: AbortSignal): Promise<string[]> {
  const starts = (await scalersOf(api, at, signal)).filter(
    ({ of, object: { metadata } }) =>
      of === SCALED_OBJECT && !PAUSED.some((name) => metadata.annotations?.[name] !== undefined),
  );
  return starts.map(
    ({ object: { metadata } }) =>
      `ScaledObject ${at.namespace}/${metadata.name} would start it again while it is stopped: pause it before by the annotation ${PAUSED[0]}`,
  );
}

function trafficOf({ kind, routes, services }: Before, { steps }: MoveRequest, namespace: string): Survey['traffic'] {
  switch (kind) {
    case 'http-route':
      return {
        kind,
        words: `weights of ${routes.map(({ name }) => `HTTPRoute ${namespace}/${name}`).join(', ')}`,
        steps,
      };
    case 'service': {
      const names = services.map(({ name }) => `Service ${namespace}/${name}`).join(', ');
      return { kind, words: `selector of ${names}, at once: no HTTPRoute leads to it`, steps: [100] };
    }
    case 'none':
      return { kind, words: 'none is led over', steps: [] };
  }
}

/** A pod's spec as the typed helpers want it: what they read of it is in the schema. */
export const podOf = (source: SeenWorkload) => ({
  containers: source.spec.template.spec.containers.map(({ name, image }) => ({
    name,
    ...(image === undefined ? {} : { image }),
  })),
  initContainers: (source.spec.template.spec.initContainers ?? []).map(({ name, image }) => ({
    name,
    ...(image === undefined ? {} : { image }),
  })),
});

/** Ready nodes that the copy's pods could run on; null where nodes may not be listed. */
async function nodesFor(
  provision: ProvisionApi,
  source: SeenWorkload,
  request: MoveRequest,
  changed: Record<string, string>,
  signal: AbortSignal,
): Promise<V1Node[] | null> {
  try {
    const pod = copiedPod(source, request, changed);
    return (await provision.listNodes(signal)).filter((node) => isOpen(node) && fits(pod, node));
  } catch (error) {
    if (error instanceof ApiRefusal && error.kind === 'forbidden') return null;
    throw error;
  }
}

/** What of the copy's pods decides where they may run. */
export function copiedPod(source: SeenWorkload, request: MoveRequest, changed: Record<string, string>) {
  const copy = copyOf(source, request, changed, 0);
  const parsed = copySchema.safeParse(copy);
  if (parsed.success) return { ...parsed.data.spec.template.spec, containers: podOf(source).containers };
  throw new HeadroomError({
    ...{ kind: 'unavailable', component: 'cluster/kubernetes', action: `copying ${request.at.name}` },
    ...{
      problem: parsed.error.message,
      remedy: 'is something between Headroom and the API server that alters its answers?',
    },
  });
}

function ownerOf({ metadata: { managedFields } }: LiveObject, path: string[]): Owner {
  const manager = fieldOwner(managedFields, path);
  const applied = ownersOf(managedFields, path).some((one) => one.manager === manager && one.operation === 'Apply');
  return manager === null ? null : { manager, applied };
}

/** Of what is not there. */
export const nothing = ({ at, copy, to }: MoveRequest, refusals: string[]): Survey => ({
  refusals,
  source: { words: `${at.kind} ${at.namespace}/${at.name}`, replicas: 0, ready: 0 },
  copy: { words: `${at.kind} ${at.namespace}/${copy} on ${targetWords(to)}`, name: copy },
  traffic: { kind: 'none', words: '', steps: [] },
  ...{ images: [], volumes: [], reverse: [], before: '' },
});
