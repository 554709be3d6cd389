import { z } from 'zod';
import type { MoveRequest, MoveResult, Survey } from '../../migrating.js';
import { fieldOwner, ownersOf } from '../managed-fields.js';
import type { ObjectRef } from '../objects.js';
import { workloadRef } from '../actuators/live-workload.js';
import {
  backendWords,
  fitsHundredfold,
  leadsTo,
  readBackend,
  shareOf,
  splitBetween,
  type Backend,
} from './backends.js';
import { HTTP_ROUTE, LED_BY, SERVICE, SERVICE_IMPORT } from './kinds.js';
import type { RestObjects } from './rest.js';
import { findWorkload, refOf, routesIn, rulesOf, servicesOf } from './seen.js';
import { put } from './traffic.js';
import { sameRules } from './weights.js';

/* The traffic side of a move between clusters: HTTPRoutes of the namespace, in whichever of the two clusters they are. */

const backend = z.object({ kind: z.enum(['Service', 'ServiceImport']), name: z.string() });
const beforeSchema = z.object({
  from: z.array(backend),
  to: backend,
  routes: z.array(
    z.object({
      name: z.string(),
      rules: z.array(z.unknown()),
      owner: z.object({ manager: z.string(), applied: z.boolean() }).nullable(),
    }),
  ),
});

const done = (detail: string): MoveResult => ({ kind: 'done', detail });

export async function surveyTraffic(api: RestObjects, request: MoveRequest, signal: AbortSignal): Promise<Survey> {
  const { at, cross, steps } = request;
  const { namespace } = at;
  const refusals: string[] = [];
  const [current, given] = splitCurrent(request.backend);
  const from = current === null ? await backendsHere(api, request, signal) : [readBackend(current)];
  const to: Backend = readBackend(given ?? '');
  const where = cross?.traffic === 'route-at-target' ? cross.to : (cross?.from ?? '');
  if (given === null) {
    refusals.push(
      `nothing leads traffic of ${at.workload} to cluster ${cross?.to ?? ''}: name what does in an HTTPRoute of cluster ${where} (--backend, a Service or ServiceImport/NAME), have a trafficHook in the account file lead it, or say --no-traffic where it takes its work by itself`,
    );
  } else {
    const kind = to.kind === 'Service' ? SERVICE : SERVICE_IMPORT;
    if ((await api.find(refOf(kind, namespace, to.name), signal)) === null) {
      refusals.push(
        `cluster ${where} has no ${to.kind} ${namespace}/${to.name} that could lead to cluster ${cross?.to ?? ''}: make it, or import the Service that the other exports`,
      );
    }
  }
  if (from.length === 0) {
    refusals.push(
      `cluster ${where} has no Service that leads to ${at.workload}: name what its HTTPRoute leads to now, --backend CURRENT:${given ?? 'NAME'}`,
    );
  }
  const routes = (await routesIn(api, namespace, signal)).filter((route) => leadsTo(rulesOf(route), from, namespace));
  if (given !== null && from.length > 0 && routes.length === 0) {
    refusals.push(
      `no HTTPRoute of cluster ${where} leads to ${from.map(backendWords).join(', ')} in namespace ${namespace}: --route-in says which cluster has it; a trafficHook of the account file leads traffic by other means`,
    );
  }
  for (const route of routes) {
    const name = `HTTPRoute ${namespace}/${route.metadata.name}`;
    if (given !== null && leadsTo(rulesOf(route), [to], namespace))
      refusals.push(`${name} leads to ${backendWords(to)} already: take that backend out of it first`);
    if (!fitsHundredfold(rulesOf(route)))
      refusals.push(`weights of ${name} are above 10000 and cannot be split; lower them`);
  }
  const before = {
    from,
    to,
    routes: routes.map((route) => ({
      name: route.metadata.name,
      rules: rulesOf(route),
      owner: ownerOf(route.metadata.managedFields),
    })),
  };
  const words = routes.map(({ metadata }) => `HTTPRoute ${namespace}/${metadata.name}`).join(', ');
  return {
    refusals,
    source: { words: '', replicas: 0, ready: 0 },
    copy: { words: '', name: request.copy },
    traffic: {
      kind: 'http-route',
      words: `weights of ${words} in cluster ${where}, from ${from.map(backendWords).join(', ')} to ${backendWords(to)}`,
      steps,
      routes: routes.map(({ metadata }) => metadata.name),
    },
    ...{ images: [], volumes: [] },
    reverse: before.routes.map(
      ({ name, owner }) => `rules of HTTPRoute ${namespace}/${name}, of ${owner?.manager ?? 'nobody'}`,
    ),
    before: JSON.stringify(before),
  };
}

/** `CURRENT:NAME`, or a name alone. */
function splitCurrent(text: string | null): [string | null, string | null] {
  if (text === null) return [null, null];
  const [first = '', second] = text.split(':');
  return second === undefined ? [null, first] : [first, second];
}

/** Services of this cluster that find the workload's pods: of one that is not here, none. */
async function backendsHere(api: RestObjects, { at, cross }: MoveRequest, signal: AbortSignal): Promise<Backend[]> {
  if (cross?.traffic !== 'route-at-source') return [];
  const source = await findWorkload(api, workloadRef(at), signal);
  if (source === null) return [];
  const services = await servicesOf(api, at.namespace, source.spec.template.metadata.labels, signal);
  return services.map(({ metadata }) => ({ kind: 'Service' as const, name: metadata.name }));
}

function ownerOf(managedFields: Parameters<typeof fieldOwner>[0]) {
  const path = ['spec', 'rules'];
  const manager = fieldOwner(managedFields, path);
  const applied = ownersOf(managedFields, path).some((one) => one.manager === manager && one.operation === 'Apply');
  return manager === null ? null : { manager, applied };
}

/**
 * From what this move led there to what shall be. Fenced by the rules that it left, and by the route’s resourceVersion.
 * @param from null: from wherever it stands, as long as it is this move's own.
 */
export async function leadAcross(
  api: RestObjects,
  request: MoveRequest,
  weight: number | 'settled',
  from: number | null,
  signal: AbortSignal,
): Promise<MoveResult> {
  const { namespace } = request.at;
  const before = beforeSchema.parse(JSON.parse(request.before ?? 'null'));
  const between = { ...before, namespace };
  for (const { name, rules: old, owner } of before.routes) {
    const ref: ObjectRef = refOf(HTTP_ROUTE, namespace, name);
    const object = await api.find(ref, signal);
    if (object === null) return { kind: 'moved', detail: `HTTPRoute ${namespace}/${name} is gone` };
    const rules = rulesOf(object);
    const wanted = splitBetween(old, between, weight);
    const given = weight === 0 || weight === 'settled';
    const marked = object.metadata.annotations?.[LED_BY] !== undefined;
    const isThere = sameRules(rules, wanted);
    // Given back means the mark, too, is gone.
    if (isThere && (!given || !marked)) continue;
    const led = from ?? Math.round(shareOf(rules, between));
    if (!isThere && !sameRules(rules, splitBetween(old, between, led))) {
      const who = fieldOwner(object.metadata.managedFields, ['spec', 'rules']) ?? 'somebody';
      return { kind: 'moved', detail: `rules of HTTPRoute ${namespace}/${name} were changed by ${who} meanwhile` };
    }
    const mark = given ? null : JSON.stringify({ id: request.id, weight });
    await put(api, { ref, object, fields: { spec: { rules: wanted } }, path: ['spec', 'rules'], mark, owner }, signal);
  }
  const share = weight === 'settled' ? 100 : weight;
  return done(`${share}% of the traffic is led to ${backendWords(before.to)}`);
}

/** Percent on the target, by what stands there now, whoever wrote it. */
export async function ledAcross(api: RestObjects, request: MoveRequest, signal: AbortSignal): Promise<number> {
  const { namespace } = request.at;
  const before = beforeSchema.parse(JSON.parse(request.before ?? 'null'));
  let share = 0;
  for (const { name } of before.routes) {
    const object = await api.find(refOf(HTTP_ROUTE, namespace, name), signal);
    if (object !== null) share = Math.max(share, shareOf(rulesOf(object), { ...before, namespace }));
  }
  return share;
}
