import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { PodTrouble } from '../../../domain/cluster.js';
import { HeadroomError } from '../../../domain/errors.js';
import { prepullSchema } from '../../../domain/preparation.js';
import { HEADROOM } from '../../fence.js';
import type { Counted, Migrating, MoveLook, MoveRequest, MoveResult, MoveWrite } from '../../migrating.js';
import { workloadRef } from '../actuators/live-workload.js';
import { ApiRefusal } from '../calls.js';
import type { Transport } from '../cache/transport.js';
import { locate } from '../locate.js';
import { fieldOwner } from '../managed-fields.js';
import type { LiveObject, ObjectRef } from '../objects.js';
import { actionJobName, prepullJob, type ActionRun } from '../provision/action-jobs.js';
import type { ProvisionApi } from '../provision/api.js';
import { fits, isOpen } from '../provision/node-match.js';
import { copiesOf, readBefore, type Before } from './before.js';
import { budgetsOf, madeBudgets, makeBudgets, removeBudgets, turnBudgets } from './budgets.js';
import { copyOf } from './copy.js';
import { CLAIM, CLAIMED, COPY, ENDPOINT_SLICE, POD, SERVICE, SNAPSHOT } from './kinds.js';
import type { RestObjects } from './rest.js';
import { copyRef, findWorkload, refOf, scalersOf, type SeenWorkload } from './seen.js';
import { copiedPod, nothing, podOf, survey } from './survey.js';
import { lead, ledToCopy, makeServices, put, turnSelectors } from './traffic.js';
import { isMadeBy, make, makeVolumes } from './volumes.js';

/** Reads and writes again so often where others write the object meanwhile: its status moves all through a rollout. */
const ATTEMPTS = 12;
const PAUSE_MS = 25;

const done = (detail: string): MoveResult => ({ kind: 'done', detail });
const refused = (detail: string): MoveResult => ({ kind: 'refused', detail });

/** What a migration's objects are read and written through. */
export interface MigrateApis {
  api: RestObjects;
  transport: Transport;
  provision: ProvisionApi;
}

/** Moves Deployments and StatefulSets within their namespace: a copy on other nodes, traffic by routes or Services. */
export function createKubernetesMigrating(apis: MigrateApis): Migrating {
  const { api } = apis;
  return {
    survey: (request, signal) =>
      translated(request, 'surveying', async () => {
        const at = await locate(apis.transport, request.at, signal);
        return 'absent' in at ? nothing(request, [at.absent]) : survey(apis, { ...request, at }, signal);
      }),
    look: (request, signal) => translated(request, 'looking at', () => look(apis, named(request), signal)),
    async write(given, write, signal) {
      const request = named(given);
      for (let attempt = 1; ; attempt++) {
        try {
          const source = await findWorkload(api, workloadRef(request.at), signal);
          return await perform({ apis, request, source, signal }, write);
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

/** By labels two objects would be found by now: the name stands in what was before. */
const named = (request: MoveRequest): MoveRequest => ({
  ...request,
  at: { ...request.at, name: readBefore(request).name },
});

interface Step {
  apis: MigrateApis;
  request: MoveRequest;
  source: SeenWorkload | null;
  signal: AbortSignal;
}

async function perform(step: Step, write: MoveWrite): Promise<MoveResult> {
  const { apis, request, source, signal } = step;
  const { api } = apis;
  const { id, at } = request;
  const here = `${at.kind} ${at.namespace}/${at.name}`;
  const claim = source?.object.metadata.annotations?.[CLAIMED];
  if (claim !== undefined && claim !== id) return { kind: 'moved', detail: `migration ${claim} has claimed ${here}` };
  if (source === null) {
    // Taken away by a retirement whose answer was lost, or by somebody: nothing of it is left to write.
    return write.kind === 'retire' || write.kind === 'lower' || write.kind === 'release'
      ? retired(step)
      : { kind: 'moved', detail: `${here} is gone` };
  }
  const before = readBefore(request);
  switch (write.kind) {
    case 'claim':
      if (claim !== id) await annotate(api, source, { [CLAIMED]: id }, signal);
      return done(`${here} is claimed`);
    case 'images':
      return pullImages(step, source, before);
    case 'volumes': {
      const problem = await makeVolumes(api, before.volumes, request, HEADROOM, signal);
      return problem === null ? done(`${before.volumes.length} volumes are copied`) : refused(problem);
    }
    case 'copy':
      return makeCopy(step, source, before, write.replicas);
    case 'route':
      return lead(api, before, request, write, signal);
    case 'hand-over':
      return handOver(step, source, before);
    case 'lower':
      if (source.spec.replicas > write.replicas) await scale(api, source, write.replicas, HEADROOM, signal);
      return done(`${Math.min(source.spec.replicas, write.replicas)} replicas of ${here}`);
    case 'retire':
      return retire(step, source);
    case 'raise': {
      if (before.scaledBy !== undefined && source.spec.replicas < write.replicas) {
        const { ref, object } = source;
        const fields = { spec: { replicas: write.replicas } };
        await put(api, { ref, object, fields, path: ['spec', 'replicas'], mark: null, owner: before.scaledBy }, signal);
        return done(`${write.replicas} replicas of ${here}`);
      }
      const owner = fieldOwner(source.object.metadata.managedFields, ['spec', 'replicas']) ?? HEADROOM;
      if (source.spec.replicas < write.replicas) await scale(api, source, write.replicas, owner, signal);
      return done(`${Math.max(source.spec.replicas, write.replicas)} replicas of ${here}`);
    }
    case 'unroute':
      return unroute(step, before);
    case 'discard':
      return discard(step, before);
    case 'release':
      if (claim === id) await annotate(api, source, { [CLAIMED]: null }, signal);
      return done('the claim is given up');
  }
}

const annotate = (
  api: RestObjects,
  { ref, object }: SeenWorkload,
  annotations: Record<string, string | null>,
  signal: AbortSignal,
) => api.merge(ref, { metadata: { ...pinned(object), annotations } }, HEADROOM, signal);

const scale = (
  api: RestObjects,
  { ref, object }: SeenWorkload,
  replicas: number,
  manager: string,
  signal: AbortSignal,
) => api.merge(ref, { metadata: pinned(object), spec: { replicas } }, manager, signal);

/** This very object, as it was read. */
const pinned = ({ metadata: { uid, resourceVersion } }: LiveObject) => ({ uid, resourceVersion });

async function makeCopy(step: Step, source: SeenWorkload, before: Before, replicas: number): Promise<MoveResult> {
  const { apis, request, signal } = step;
  const { api } = apis;
  const ref = copyRef(request);
  const there = await findWorkload(api, ref, signal);
  const around = async () =>
    (await makeBudgets(api, podsOf(source, request, before), request, signal)) ??
    (await makeServices(api, before, request, signal));
  if (there === null) {
    const problem =
      (await make(api, ref, copyOf(source, request, before.changed, replicas), request.id, HEADROOM, signal)) ??
      (await around());
    return problem === null ? done(`${replicas} replicas of ${request.copy}`) : refused(problem);
  }
  if (!isMadeBy(there.object, request.id))
    return refused(`${request.copy} is there, and this migration has not made it`);
  const problem = await around();
  if (problem !== null) return refused(problem);
  if (there.spec.replicas < replicas) await scale(api, there, replicas, HEADROOM, signal);
  return done(`${Math.max(replicas, there.spec.replicas)} replicas of ${request.copy}`);
}

/** Labels of both sides' pods. */
function podsOf({ spec }: SeenWorkload, { copy }: MoveRequest, { changed }: Before) {
  const source = spec.template.metadata.labels;
  return { source, copy: { ...source, ...changed, [COPY]: copy } };
}

const runOf = ({ account, at, id }: MoveRequest): ActionRun => ({
  ...{ account, at, action: 'migrate' },
  // One Job a migration: its number stands where other actions have their time of need.
  needed: Number(id.slice(id.lastIndexOf('/') + 1)),
});
const PULL = prepullSchema.parse({});

async function pullImages({ apis, request, signal }: Step, source: SeenWorkload, before: Before): Promise<MoveResult> {
  const pod = copiedPod(source, request, before.changed);
  const nodes = (await apis.provision.listNodes(signal)).filter((node) => isOpen(node) && fits(pod, node)).length;
  if (nodes === 0) return done('the target has no node yet: its pods pull their images themselves');
  const run = runOf(request);
  const secrets = source.spec.template.spec['imagePullSecrets'];
  const spec = { ...pod, ...podOf(source), ...(Array.isArray(secrets) ? { imagePullSecrets: secrets } : {}) };
  try {
    const job = prepullJob(run, PULL, { spec }, nodes);
    await apis.provision.createJob(
      { namespace: request.at.namespace, name: actionJobName(run) },
      job,
      HEADROOM,
      signal,
    );
  } catch (error) {
    // There already: a repeat.
    if (!(error instanceof ApiRefusal && error.kind === 'conflict')) throw error;
  }
  return done(`images are pulled on ${nodes} nodes`);
}

/** The Services that others call lead to the copy, then the routes are as they were; budgets and autoscalers follow. */
async function handOver({ apis, request, signal }: Step, source: SeenWorkload, before: Before): Promise<MoveResult> {
  const { api } = apis;
  if (before.kind !== 'none') {
    const turnedOver = await turnSelectors(api, before, request, true, signal);
    if (turnedOver.kind !== 'done') return turnedOver;
  }
  if (before.kind === 'http-route') {
    const given = await lead(api, before, request, { weight: 0, from: 100 }, signal);
    if (given.kind !== 'done') return given;
  }
  const { namespace } = request.at;
  const told: string[] = [];
  for (const { of, object } of await scalersOf(api, request.at, signal)) {
    const body = { metadata: pinned(object), spec: { scaleTargetRef: { name: request.copy } } };
    await api.merge(refOf(of, namespace, object.metadata.name), body, HEADROOM, signal);
    told.push(`${of.kind} ${object.metadata.name} scales ${request.copy}`);
  }
  const pods = { ...podsOf(source, request, before), changed: before.changed };
  told.push(...(await turnBudgets(api, pods, request, signal)));
  return done([`${request.copy} serves in the place of ${request.at.name}`, ...told].join('; '));
}

async function retire(step: Step, source: SeenWorkload): Promise<MoveResult> {
  const { apis, request, signal } = step;
  if (source.spec.replicas > 0) return refused('the old one still has replicas');
  if (request.old === 'keep') await annotate(apis.api, source, { [CLAIMED]: null }, signal);
  else await apis.api.remove(source.ref, source.object.metadata.uid, signal);
  return retired(step);
}

/** What the migration needed for a while goes; volumes of the old one stay: data is nobody's to delete. */
async function retired({ apis, request, signal }: Step): Promise<MoveResult> {
  const before = readBefore(request);
  await removeServices(apis.api, before, request, signal);
  // The copy's volumes are what was restored from them by now.
  for (const { copy, method } of before.volumes) {
    if (method === 'snapshot')
      await removeMade(apis.api, refOf(SNAPSHOT, request.at.namespace, copy), request.id, signal);
  }
  return done(request.old === 'keep' ? 'the old one is kept without replicas' : 'the old one is gone');
}

async function unroute({ apis, request, signal }: Step, before: Before): Promise<MoveResult> {
  const { api } = apis;
  if (before.kind === 'none') return done('no traffic was led');
  const selectors = await turnSelectors(api, before, request, false, signal);
  if (selectors.kind !== 'done' || before.kind === 'service') return selectors;
  // From wherever it stands, as long as this migration wrote it.
  const weight = (await ledToCopy(api, before, request, signal)) ?? 0;
  return lead(api, before, request, { weight: 0, from: Math.round(weight) }, signal);
}

async function discard({ apis, request, signal }: Step, before: Before): Promise<MoveResult> {
  const { api, provision } = apis;
  const { namespace } = request.at;
  const weight = await ledToCopy(api, before, request, signal);
  if (weight !== null && weight > 0) {
    return { kind: 'moved', detail: `${request.copy} stays: ${Math.round(weight)}% of the traffic is led to it` };
  }
  await removeMade(api, copyRef(request), request.id, signal);
  await removeServices(api, before, request, signal);
  await removeBudgets(api, request, new Set(), signal);
  for (const { copy, method } of before.volumes) {
    await removeMade(api, refOf(CLAIM, namespace, copy), request.id, signal);
    if (method === 'snapshot') await removeMade(api, refOf(SNAPSHOT, namespace, copy), request.id, signal);
  }
  if (before.images) {
    await provision.deleteJob({ namespace, name: actionJobName(runOf(request)) }, undefined, signal);
  }
  return done('what the migration made is gone');
}

const removeServices = async (api: RestObjects, before: Before, request: MoveRequest, signal: AbortSignal) => {
  if (before.kind !== 'http-route') return;
  for (const name of Object.values(copiesOf(before))) {
    await removeMade(api, refOf(SERVICE, request.at.namespace, name), request.id, signal);
  }
};

async function removeMade(api: RestObjects, ref: ObjectRef, id: string, signal: AbortSignal): Promise<void> {
  const object = await api.find(ref, signal);
  if (object !== null && isMadeBy(object, id)) await api.remove(ref, object.metadata.uid, signal);
}

const sliceSchema = z.object({
  endpoints: z
    .array(z.object({ conditions: z.object({ ready: z.boolean().nullish() }).nullish() }))
    .nullish()
    .transform((all) => all ?? []),
});

/** Endpoints that traffic can be led to. */
async function readyEndpoints(
  api: RestObjects,
  namespace: string,
  service: string,
  signal: AbortSignal,
): Promise<number> {
  const slices = await api.select(ENDPOINT_SLICE, namespace, `kubernetes.io/service-name=${service}`, signal);
  return slices
    .flatMap((slice) => sliceSchema.parse(slice).endpoints)
    .filter(({ conditions }) => conditions?.ready !== false).length;
}

async function look({ api, provision }: MigrateApis, request: MoveRequest, signal: AbortSignal): Promise<MoveLook> {
  const before = readBefore(request);
  const { at, id } = request;
  const { namespace } = at;
  const [source, copy, weight, job] = await Promise.all([
    findWorkload(api, workloadRef(at), signal),
    findWorkload(api, copyRef(request), signal),
    ledToCopy(api, before, request, signal),
    before.images ? provision.readJob({ namespace, name: actionJobName(runOf(request)) }, signal) : null,
  ]);
  const own = copy !== null && isMadeBy(copy.object, id) ? copy : null;
  const counted = ({ spec, status }: SeenWorkload): Counted => ({
    replicas: spec.replicas,
    ready: status.readyReplicas,
  });
  const copied = own === null ? null : { ...counted(own), troubles: [] as PodTrouble[] };
  if (copied !== null && before.kind === 'http-route') {
    // A pod that is ready and no endpoint yet gets no traffic.
    const ends = await Promise.all(
      Object.values(copiesOf(before)).map((service) => readyEndpoints(api, namespace, service, signal)),
    );
    copied.ready = Math.min(copied.ready, ...ends);
  }
  const budgets = source === null ? [] : await budgetsOf(api, namespace, source.spec.template.metadata.labels, signal);
  const claim = source?.object.metadata.annotations?.[CLAIMED] ?? null;
  const services = await Promise.all(
    Object.values(copiesOf(before)).map((name) => api.find(refOf(SERVICE, namespace, name), signal)),
  );
  const claims = await Promise.all(
    before.volumes.flatMap(({ copy: name, method }) => [
      api.find(refOf(CLAIM, namespace, name), signal),
      ...(method === 'snapshot' ? [api.find(refOf(SNAPSHOT, namespace, name), signal)] : []),
    ]),
  );
  const made = await madeBudgets(api, namespace, id, signal);
  const { succeeded = 0, failed = 0 } = job?.status ?? {};
  const of = job?.spec?.completions ?? 0;
  return {
    source: source === null ? null : counted(source),
    copy: copied,
    weight,
    images:
      job === null ? null : { done: succeeded, of, failed: ended(job.status?.conditions) ? of - succeeded : failed },
    mayTake: Math.min(source?.spec.replicas ?? 0, ...budgets.map(({ allowed }) => allowed)),
    claim,
    running: request.stop !== true ? null : source === null ? 0 : await running(api, source, namespace, signal),
    made: [...(own === null ? [] : [own.object]), ...services, ...claims, ...made].flatMap((object) =>
      object !== null && isMadeBy(object, id) ? [`${object.kind} ${namespace}/${object.metadata.name}`] : [],
    ),
    counted: null,
  };
}

const podSchema = z.object({ status: z.object({ phase: z.string().optional() }).optional() });

/** Pods that a selector finds and that have not ended: one that is being deleted writes until its last moment. */
async function running(
  api: RestObjects,
  { spec }: SeenWorkload,
  namespace: string,
  signal: AbortSignal,
): Promise<number> {
  const selector = Object.entries(spec.selector.matchLabels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
  const pods = await api.select(POD, namespace, selector, signal);
  const phases = pods.map((pod) => podSchema.safeParse(pod).data?.status?.phase);
  return phases.filter((phase) => phase !== 'Succeeded' && phase !== 'Failed').length;
}

const ended = (conditions: readonly { type: string; status: string }[] | undefined): boolean =>
  (conditions ?? []).some(({ type, status }) => (type === 'Failed' || type === 'Complete') && status === 'True');

async function translated<T>({ id }: MoveRequest, action: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ApiRefusal)) throw error;
    throw new HeadroomError({
      kind: error.kind === 'not-found' ? 'not-found' : error.kind === 'conflict' ? 'conflict' : 'refused',
      ...{ component: 'cluster/kubernetes', action: `${action} migration ${id}`, problem: error.message },
      ...{ remedy: 'docs/migration.md lists the verbs that its role needs', cause: error },
    });
  }
}

const busy = ({ id }: MoveRequest, write: MoveWrite, error: ApiRefusal): HeadroomError =>
  new HeadroomError({
    ...{ kind: 'unavailable', component: 'cluster/kubernetes', action: `${write.kind} of migration ${id}` },
    problem: `others wrote the object ${ATTEMPTS} times in between (${error.message})`,
    ...{ remedy: 'try again; repeating a write of a migration is safe', cause: error },
  });
