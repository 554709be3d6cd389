import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { parseQuantity } from '../../../domain/component.js';
import { HeadroomError } from '../../../domain/errors.js';
import { HEADROOM } from '../../fence.js';
import type { Migrating, MoveLook, MoveRequest, MoveResult, MoveWrite, Survey } from '../../migrating.js';
import { workloadRef } from '../actuators/live-workload.js';
import { ApiRefusal } from '../calls.js';
import { locate } from '../locate.js';
import { fieldOwner } from '../managed-fields.js';
import { ledAcross, leadAcross, surveyTraffic } from './crossing-traffic.js';
import { CLAIMED, LEFT_BY, MADE_BY, NAMESPACE, QUOTA, SERVICE_ACCOUNT } from './kinds.js';
import { bundleOf, readBundle, sameAs, type Bundle, type Manifest } from './manifests.js';
import type { MigrateApis } from './migrating.js';
import type { RestObjects } from './rest.js';
import { findWorkload, refOf, type SeenWorkload } from './seen.js';
import { isMadeBy, make } from './volumes.js';

/* One cluster's side of a move between two: what is left, what is made, or the routes that lead the traffic. */

const ATTEMPTS = 12;
const PAUSE_MS = 25;

const done = (detail: string): MoveResult => ({ kind: 'done', detail });
const refused = (detail: string): MoveResult => ({ kind: 'refused', detail });
const moved = (detail: string): MoveResult => ({ kind: 'moved', detail });

/** `name`: the source's, which a target by labels does not say. `left`: what a move before this one left in the target. */
const beforeSchema = z.object({ name: z.string(), left: z.string().nullable().default(null) });
const beforeOf = ({ before }: MoveRequest) => beforeSchema.parse(JSON.parse(before ?? 'null'));

export function createKubernetesCrossing(apis: Pick<MigrateApis, 'api' | 'transport'>): Migrating {
  const { api } = apis;
  return {
    survey: (request, signal) =>
      translated(request, async () => {
        const side = request.cross?.side;
        if (side === 'target') return surveyTarget(api, request, signal);
        const at = await locate(apis.transport, request.at, signal);
        if (side === 'traffic') return surveyTraffic(api, 'absent' in at ? request : { ...request, at }, signal);
        return 'absent' in at ? absent(request, at.absent) : surveySource(api, { ...request, at }, signal);
      }),
    look: (request, signal) => translated(request, () => look(api, request, signal)),
    async write(request, write, signal) {
      for (let attempt = 1; ; attempt++) {
        try {
          return await perform(api, request, write, signal);
        } catch (error) {
          if (!(error instanceof ApiRefusal)) throw error;
          if (error.kind !== 'conflict') return refused(error.message);
          if (attempt === ATTEMPTS) throw busy(request, write, error);
          await delay(attempt * PAUSE_MS, undefined, { signal });
        }
      }
    },
  };
}

const nothing = { images: [], volumes: [], traffic: { kind: 'none' as const, words: '', steps: [] } };
const absent = ({ copy }: MoveRequest, why: string): Survey => ({
  ...{ refusals: [why], source: { words: '', replicas: 0, ready: 0 }, copy: { words: '', name: copy } },
  ...{ ...nothing, reverse: [], before: '{}' },
});

async function surveySource(api: RestObjects, request: MoveRequest, signal: AbortSignal): Promise<Survey> {
  const { at, id, cross } = request;
  const here = `${at.kind} ${at.namespace}/${at.name}`;
  const source = await findWorkload(api, workloadRef(at), signal);
  if (source === null) return absent(request, `there is no ${here} in cluster ${cross?.from ?? ''}`);
  const { bundle, refusals } = await bundleOf(api, source, request, signal);
  const claim = source.object.metadata.annotations?.[CLAIMED];
  if (claim !== undefined && claim !== id)
    refusals.push(`migration ${claim} has claimed it; wait for its end, or cancel it`);
  return {
    refusals,
    source: { words: here, replicas: source.spec.replicas, ready: source.status.readyReplicas },
    copy: { words: '', name: at.name },
    ...nothing,
    reverse: [`${here} in cluster ${cross?.from ?? ''}: ${source.spec.replicas} replicas`],
    before: JSON.stringify({ name: at.name }),
    manifests: JSON.stringify(bundle),
  };
}

async function surveyTarget(api: RestObjects, request: MoveRequest, signal: AbortSignal): Promise<Survey> {
  const { at, cross } = request;
  const { namespace } = at;
  const bundle = readBundle(request);
  const workload = workloadOf(bundle);
  const { name } = workload.ref;
  const where = `cluster ${cross?.to ?? ''}`;
  const refusals: string[] = [];
  if ((await orUnknown(api.find(refOf(NAMESPACE, null, namespace), signal))) === null)
    refusals.push(`${where} has no namespace ${namespace}: make it, with the rights of Headroom's role there`);
  const account = bundle.serviceAccount;
  if (account !== null && (await orUnknown(api.find(refOf(SERVICE_ACCOUNT, namespace, account), signal))) === null) {
    refusals.push(
      `${where} has no ServiceAccount ${namespace}/${account}: its rights are each cluster's own; make it there`,
    );
  }
  let left: string | null = null;
  for (const manifest of bundle.manifests) {
    const there = await api.find(manifest.ref, signal);
    if (there === null) continue;
    const what = `${manifest.ref.kind} ${namespace}/${manifest.ref.name}`;
    if (manifest.when !== 'workload') {
      if (!sameAs(manifest, there))
        refusals.push(`there is another ${what} in ${where}: make it the same, or rename or remove it`);
      continue;
    }
    left = there.metadata.annotations?.[LEFT_BY] ?? null;
    const seen = await findWorkload(api, manifest.ref, signal);
    if (left === null || (seen?.spec.replicas ?? 0) > 0)
      refusals.push(`there is a ${what} in ${where} already, which no migration has left there; remove or rename it`);
  }
  refusals.push(...(await quotaProblems(api, namespace, workload, where, signal)));
  const made = bundle.manifests.map(({ ref }) => `${ref.kind} ${ref.name}`).join(', ');
  const needs = bundle.secrets.length === 0 ? '' : `; has to be there: Secret ${bundle.secrets.join(', ')}`;
  return {
    refusals,
    source: { words: '', replicas: 0, ready: 0 },
    copy: { words: `${namespace} in ${where}: ${made}${needs}`, name },
    ...nothing,
    reverse: [`without what it made in ${where}`],
    before: JSON.stringify({ name, left }),
  };
}

const quotaSchema = z.object({
  status: z.object({ hard: z.record(z.string(), z.string()), used: z.record(z.string(), z.string()).default({}) }),
});
const sizedSchema = z.looseObject({
  replicas: z.number().default(1),
  template: z.looseObject({
    spec: z.looseObject({
      containers: z.array(
        z.looseObject({
          resources: z.looseObject({ requests: z.record(z.string(), z.string()).optional() }).optional(),
        }),
      ),
    }),
  }),
});
/** What a quota counts of a pod, by the name that it has in a quota. */
const COUNTED: Record<string, string> = {
  cpu: 'cpu',
  'requests.cpu': 'cpu',
  memory: 'memory',
  'requests.memory': 'memory',
};

/** Quotas of the namespace that do not leave room for all of its replicas: its pods would never be made. */
async function quotaProblems(
  api: RestObjects,
  namespace: string,
  { body }: Manifest,
  where: string,
  signal: AbortSignal,
): Promise<string[]> {
  const { replicas, template } = sizedSchema.parse(body['spec']);
  const asked = (resource: string): number =>
    template.spec.containers.reduce(
      (sum, { resources }) => sum + parseQuantity(resources?.requests?.[resource] ?? '0'),
      0,
    );
  const problems: string[] = [];
  for (const quota of (await orUnknown(api.select(QUOTA, namespace, '', signal))) ?? []) {
    const status = quotaSchema.safeParse(quota).data?.status;
    for (const [name, hard] of Object.entries(status?.hard ?? {})) {
      const resource = COUNTED[name];
      const each = name === 'pods' ? 1 : resource === undefined ? 0 : asked(resource);
      const left = parseQuantity(hard) - parseQuantity(status?.used[name] ?? '0');
      if (each === 0 || each * replicas <= left) continue;
      problems.push(
        `ResourceQuota ${namespace}/${quota.metadata.name} of ${where} leaves ${left} ${name}, and ${replicas} replicas ask for ${each * replicas}: raise it`,
      );
    }
  }
  return problems;
}

/** What may not be read is not known to be missing: the API server says so when its pods are made. */
async function orUnknown<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof ApiRefusal && error.kind === 'forbidden') return undefined;
    throw error;
  }
}

function workloadOf({ manifests }: Bundle): Manifest {
  const found = manifests.find(({ when }) => when === 'workload');
  if (found === undefined) throw new RangeError('a bundle has a workload');
  return found;
}

function perform(api: RestObjects, request: MoveRequest, write: MoveWrite, signal: AbortSignal): Promise<MoveResult> {
  switch (request.cross?.side) {
    case 'traffic':
      return performTraffic(api, request, write, signal);
    case 'target':
      return performTarget(api, request, write, signal);
    default:
      return performSource(api, request, write, signal);
  }
}

const notHere = ({ cross }: MoveRequest, { kind }: MoveWrite): MoveResult =>
  refused(`the ${cross?.side ?? ''} of a move does no ${kind}`);

async function performTraffic(api: RestObjects, request: MoveRequest, write: MoveWrite, signal: AbortSignal) {
  switch (write.kind) {
    case 'route':
      return leadAcross(api, request, write.weight, write.from, signal);
    case 'unroute':
      return leadAcross(api, request, 0, null, signal);
    case 'hand-over':
      return leadAcross(api, request, 'settled', 100, signal);
    default:
      return notHere(request, write);
  }
}

async function performSource(
  api: RestObjects,
  request: MoveRequest,
  write: MoveWrite,
  signal: AbortSignal,
): Promise<MoveResult> {
  const { id, at, old } = request;
  const { name } = beforeOf(request);
  const here = `${at.kind} ${at.namespace}/${name}`;
  const source = await findWorkload(api, { ...workloadRef(at), name }, signal);
  if (source === null) {
    return write.kind === 'lower' || write.kind === 'retire' || write.kind === 'release'
      ? done(`${here} is gone`)
      : moved(`${here} is gone`);
  }
  const { object, ref } = source;
  const claim = object.metadata.annotations?.[CLAIMED];
  if (claim !== undefined && claim !== id) return moved(`migration ${claim} has claimed ${here}`);
  const annotate = (annotations: Record<string, string | null>) =>
    api.merge(ref, { metadata: { ...pinned(source), annotations } }, HEADROOM, signal);
  const scale = (replicas: number, manager: string) =>
    api.merge(ref, { metadata: pinned(source), spec: { replicas } }, manager, signal);
  switch (write.kind) {
    case 'claim':
      if (claim !== id) await annotate({ [CLAIMED]: id });
      return done(`${here} is claimed`);
    case 'lower':
      if (claim !== id) return ended(source, id, here);
      if (source.spec.replicas > write.replicas) await scale(write.replicas, HEADROOM);
      return done(`${Math.min(source.spec.replicas, write.replicas)} replicas of ${here}`);
    case 'raise': {
      const owner = fieldOwner(object.metadata.managedFields, ['spec', 'replicas']) ?? HEADROOM;
      if (source.spec.replicas < write.replicas) await scale(write.replicas, owner);
      return done(`${Math.max(source.spec.replicas, write.replicas)} replicas of ${here}`);
    }
    case 'retire':
      if (claim !== id) return ended(source, id, here);
      if (source.spec.replicas > 0) return refused(`${here} still has replicas`);
      if (old === 'remove') await api.remove(ref, object.metadata.uid, signal);
      else await annotate({ [CLAIMED]: null, [LEFT_BY]: id });
      return done(old === 'remove' ? `${here} is gone` : `${here} is kept without replicas`);
    case 'release':
      if (claim === id) await annotate({ [CLAIMED]: null });
      return done('the claim is given up');
    default:
      return notHere(request, write);
  }
}

/** A late repeat finds the claim given up; what was started again since is not its own to stop. */
const ended = ({ object }: SeenWorkload, id: string, here: string): MoveResult =>
  object.metadata.annotations?.[LEFT_BY] === id
    ? done(`${here} is kept without replicas`)
    : moved(`the claim on ${here} was taken off by somebody else: it is left as it is`);

const pinned = ({ object }: SeenWorkload) => ({
  uid: object.metadata.uid,
  resourceVersion: object.metadata.resourceVersion,
});

async function performTarget(
  api: RestObjects,
  request: MoveRequest,
  write: MoveWrite,
  signal: AbortSignal,
): Promise<MoveResult> {
  const bundle = readBundle(request);
  switch (write.kind) {
    case 'copy':
      return makeThere(api, request, bundle, write.replicas, signal);
    case 'hand-over': {
      const problem = await makeAll(api, request, bundle, 'after', signal);
      return problem === null ? done(`${workloadOf(bundle).ref.name} is whole there`) : refused(problem);
    }
    case 'discard':
      return discard(api, request, bundle, signal);
    default:
      return notHere(request, write);
  }
}

/** What is not there is made, under the move's id; what is there and the same is used as it is. */
async function makeAll(
  api: RestObjects,
  { id }: MoveRequest,
  { manifests }: Bundle,
  when: Manifest['when'],
  signal: AbortSignal,
): Promise<string | null> {
  for (const manifest of manifests.filter((one) => one.when === when)) {
    const there = await api.find(manifest.ref, signal);
    if (there !== null && (isMadeBy(there, id) || sameAs(manifest, there))) continue;
    const problem = await make(api, manifest.ref, markedBy(manifest, id), id, HEADROOM, signal);
    if (problem !== null) return problem;
  }
  return null;
}

const metadataSchema = z.looseObject({ annotations: z.record(z.string(), z.string()).default({}) });
function markedBy({ body }: Manifest, id: string) {
  const metadata = metadataSchema.parse(body['metadata']);
  return { ...body, metadata: { ...metadata, annotations: { ...metadata.annotations, [MADE_BY]: id } } };
}

const specSchema = z.looseObject({
  template: z.looseObject({
    spec: z.looseObject({
      nodeSelector: z.record(z.string(), z.string()).default({}),
      tolerations: z.array(z.unknown()).default([]),
    }),
  }),
});

/** The workload's spec there: on the pool's nodes where it is bound to one. */
function specThere({ body }: Manifest, { nodeSelector, tolerations }: MoveRequest, replicas: number) {
  const { template, ...spec } = specSchema.parse(body['spec']);
  return {
    ...spec,
    replicas,
    template: {
      ...template,
      spec: {
        ...template.spec,
        nodeSelector: { ...template.spec.nodeSelector, ...nodeSelector },
        tolerations: [...template.spec.tolerations, ...tolerations],
      },
    },
  };
}

async function makeThere(
  api: RestObjects,
  request: MoveRequest,
  bundle: Bundle,
  replicas: number,
  signal: AbortSignal,
): Promise<MoveResult> {
  const { id } = request;
  const { left } = beforeOf(request);
  const workload = workloadOf(bundle);
  const problem = await makeAll(api, request, bundle, 'before', signal);
  if (problem !== null) return refused(problem);
  const { ref } = workload;
  const there = await findWorkload(api, ref, signal);
  const said = done(`${replicas} replicas of ${ref.name}`);
  if (there === null) {
    const body = { ...markedBy(workload, id), spec: specThere(workload, request, replicas) };
    const other = await make(api, ref, body, id, HEADROOM, signal);
    return other === null ? said : refused(other);
  }
  if (isMadeBy(there.object, id)) {
    if (there.spec.replicas < replicas)
      await api.merge(ref, { metadata: pinned(there), spec: { replicas } }, HEADROOM, signal);
    return said;
  }
  // What a move before this one left is started again, as the workload is by now.
  if (left === null || there.object.metadata.annotations?.[LEFT_BY] !== left)
    return refused(`there is a ${ref.kind} ${ref.name} already, which this migration has not made`);
  const { selector: _selector, ...spec } = specSchema.parse(specThere(workload, request, replicas));
  const annotations = { [MADE_BY]: id, [LEFT_BY]: null };
  await api.merge(ref, { metadata: { ...pinned(there), annotations }, spec }, HEADROOM, signal);
  return said;
}

async function discard(
  api: RestObjects,
  request: MoveRequest,
  bundle: Bundle,
  signal: AbortSignal,
): Promise<MoveResult> {
  const { id } = request;
  const { left } = beforeOf(request);
  for (const { ref, when } of [...bundle.manifests].reverse()) {
    const there = await api.find(ref, signal);
    if (there === null || !isMadeBy(there, id)) continue;
    if (when === 'workload' && left !== null) {
      // It was there before, without replicas: so it is again.
      const { uid, resourceVersion } = there.metadata;
      const metadata = { uid, resourceVersion, annotations: { [MADE_BY]: null, [LEFT_BY]: left } };
      await api.merge(ref, { metadata, spec: { replicas: 0 } }, HEADROOM, signal);
    } else await api.remove(ref, there.metadata.uid, signal);
  }
  return done('what the migration made is gone');
}

async function look(api: RestObjects, request: MoveRequest, signal: AbortSignal): Promise<MoveLook> {
  const none: MoveLook = {
    ...{ source: null, copy: null, weight: null, images: null, mayTake: 0, claim: null, made: [] },
    ...{ running: null, counted: null },
  };
  const { at, id, cross } = request;
  if (cross?.side === 'traffic') return { ...none, weight: await ledAcross(api, request, signal) };
  const { name } = beforeOf(request);
  const seen = await findWorkload(api, { ...workloadRef(at), name }, signal);
  const counted = seen === null ? null : { replicas: seen.spec.replicas, ready: seen.status.readyReplicas };
  if (cross?.side === 'source') {
    const claim = seen?.object.metadata.annotations?.[CLAIMED] ?? null;
    return { ...none, source: counted, claim, mayTake: counted?.replicas ?? 0 };
  }
  const own = seen !== null && isMadeBy(seen.object, id) ? counted : null;
  const objects = await Promise.all(readBundle(request).manifests.map(({ ref }) => api.find(ref, signal)));
  return {
    ...none,
    copy: own === null ? null : { ...own, troubles: [] },
    made: objects.flatMap((object) =>
      object !== null && isMadeBy(object, id) ? [`${object.kind} ${at.namespace}/${object.metadata.name}`] : [],
    ),
  };
}

async function translated<T>({ id, cross }: MoveRequest, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ApiRefusal)) throw error;
    throw new HeadroomError({
      kind: error.kind === 'not-found' ? 'not-found' : error.kind === 'conflict' ? 'conflict' : 'refused',
      ...{ component: 'cluster/kubernetes', action: `looking at the ${cross?.side ?? ''} of migration ${id}` },
      ...{ problem: error.message, remedy: 'docs/migration.md lists the verbs that its role needs', cause: error },
    });
  }
}

const busy = ({ id }: MoveRequest, write: MoveWrite, error: ApiRefusal): HeadroomError =>
  new HeadroomError({
    ...{ kind: 'unavailable', component: 'cluster/kubernetes', action: `${write.kind} of migration ${id}` },
    problem: `others wrote the object ${ATTEMPTS} times in between (${error.message})`,
    ...{ remedy: 'try again; repeating a write of a migration is safe', cause: error },
  });
