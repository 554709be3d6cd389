import type { MoveRequest, MoveResult } from '../../migrating.js';
import { HEADROOM } from '../../fence.js';
import { writeObject } from '../intent.js';
import { fieldOwner } from '../managed-fields.js';
import type { JsonObject, LiveObject, ObjectRef } from '../objects.js';
import { copiesOf, type Before, type Owner } from './before.js';
import { copyService } from './copy.js';
import { HTTP_ROUTE, LED_BY, SERVICE } from './kinds.js';
import { turned } from './labels.js';
import type { RestObjects } from './rest.js';
import { refOf, rulesOf, selectorOf, type Labels } from './seen.js';
import { make } from './volumes.js';
import { sameRules, shareOfCopy, weighted } from './weights.js';

/*
 * Leading traffic. Each write is fenced by the value that this migration, or the state before it, left there, and by the
 * object's resourceVersion; what somebody else has written since stops it, and is named.
 */

const OURS = { manager: HEADROOM, ours: true };
const done = (detail: string): MoveResult => ({ kind: 'done', detail });
const gone = (what: string): MoveResult => ({ kind: 'moved', detail: `${what} is gone` });

interface Write {
  ref: ObjectRef;
  object: LiveObject;
  fields: JsonObject;
  path: string[];
  /** Null: given back to whom it was. */
  mark: string | null;
  owner: Owner;
}

/** Writes a field, under the migration's mark or back in its owner's name. @throws ApiRefusal. */
export async function put(
  api: RestObjects,
  { ref, object, fields, path, mark, owner }: Write,
  signal: AbortSignal,
): Promise<void> {
  const back = mark === null && owner !== null && owner.manager !== HEADROOM;
  await writeObject(
    api,
    {
      ...{ ref, object, fields, paths: [path] },
      annotations: mark === null ? {} : { [LED_BY]: mark },
      ...(mark === null ? { without: [LED_BY] } : {}),
      writeAs: back ? { manager: owner.manager, ours: false } : OURS,
      ...(back && owner.applied ? { wasApplied: true } : {}),
    },
    signal,
  );
}

/** Services that lead to the copy alone, one for each of the source's that a route leads to. */
export async function makeServices(
  api: RestObjects,
  before: Before,
  request: MoveRequest,
  signal: AbortSignal,
): Promise<string | null> {
  if (before.kind !== 'http-route') return null;
  for (const { name, copy } of before.services) {
    const service = await api.find(refOf(SERVICE, request.at.namespace, name), signal);
    if (service === null) return `Service ${request.at.namespace}/${name} is gone`;
    const ref = refOf(SERVICE, request.at.namespace, copy);
    const other = await make(api, ref, copyService(service, copy, request), request.id, HEADROOM, signal);
    if (other !== null) return other;
  }
  return null;
}

/** Weights of routes, or selectors at once, from what was last led to the copy to what shall be. */
export async function lead(
  api: RestObjects,
  before: Before,
  request: MoveRequest,
  { weight, from }: { weight: number; from: number },
  signal: AbortSignal,
): Promise<MoveResult> {
  if (before.kind === 'service') return turnSelectors(api, before, request, weight === 100, signal);
  const { namespace } = request.at;
  const copies = copiesOf(before);
  for (const { name, rules: old, owner } of before.routes) {
    const ref = refOf(HTTP_ROUTE, namespace, name);
    const object = await api.find(ref, signal);
    if (object === null) return gone(`HTTPRoute ${namespace}/${name}`);
    const rules = rulesOf(object);
    const wanted = weighted(old, copies, namespace, weight);
    const isThere = sameRules(rules, wanted);
    const marked = object.metadata.annotations?.[LED_BY] !== undefined;
    // Given back means the mark, too, is gone.
    if (isThere && (weight > 0 || !marked)) continue;
    if (!isThere && !sameRules(rules, weighted(old, copies, namespace, from))) {
      const who = fieldOwner(object.metadata.managedFields, ['spec', 'rules']) ?? 'somebody';
      return { kind: 'moved', detail: `rules of HTTPRoute ${namespace}/${name} were changed by ${who} meanwhile` };
    }
    const mark = weight === 0 ? null : JSON.stringify({ id: request.id, weight });
    await put(api, { ref, object, fields: { spec: { rules: wanted } }, path: ['spec', 'rules'], mark, owner }, signal);
  }
  return done(`${weight}% of the traffic is led to ${request.copy}`);
}

/** Services find the copy's pods, or the source's again. */
export async function turnSelectors(
  api: RestObjects,
  before: Before,
  request: MoveRequest,
  toCopy: boolean,
  signal: AbortSignal,
): Promise<MoveResult> {
  const { namespace } = request.at;
  for (const { name, selector, owner } of before.services) {
    const ref = refOf(SERVICE, namespace, name);
    const object = await api.find(ref, signal);
    if (object === null) return gone(`Service ${namespace}/${name}`);
    const now = selectorOf(object);
    const copys = turned(selector, before.changed);
    const wanted = toCopy ? copys : selector;
    const isThere = same(now, wanted);
    if (isThere && (toCopy || object.metadata.annotations?.[LED_BY] === undefined)) continue;
    if (!isThere && !same(now, toCopy ? selector : copys)) {
      const who = fieldOwner(object.metadata.managedFields, ['spec', 'selector']) ?? 'somebody';
      return { kind: 'moved', detail: `selector of Service ${namespace}/${name} was changed by ${who} meanwhile` };
    }
    const mark = toCopy ? JSON.stringify({ id: request.id, selector: copys }) : null;
    await put(
      api,
      { ref, object, fields: { spec: { selector: wanted } }, path: ['spec', 'selector'], mark, owner },
      signal,
    );
  }
  return done(`Services find the pods of ${toCopy ? request.copy : request.at.name}`);
}

/** Percent of the traffic on the copy, by what stands there now, whoever wrote it; null where the migration moves none. */
export async function ledToCopy(
  api: RestObjects,
  before: Before,
  request: MoveRequest,
  signal: AbortSignal,
): Promise<number | null> {
  if (before.kind === 'none') return null;
  const { namespace } = request.at;
  const services = await Promise.all(
    before.services.map(async ({ name, selector }) => {
      const object = await api.find(refOf(SERVICE, namespace, name), signal);
      return (
        object !== null &&
        same(selectorOf(object), turned(selector, before.changed)) &&
        !same(selector, selectorOf(object))
      );
    }),
  );
  if (services.some(Boolean)) return 100;
  let weight = 0;
  for (const { name } of before.routes) {
    const object = await api.find(refOf(HTTP_ROUTE, namespace, name), signal);
    if (object !== null) weight = Math.max(weight, shareOfCopy(rulesOf(object), copiesOf(before), namespace));
  }
  return weight;
}

const same = (a: Labels, b: Labels): boolean =>
  Object.keys(a).length === Object.keys(b).length && Object.entries(a).every(([key, value]) => b[key] === value);
