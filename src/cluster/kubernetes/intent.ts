import { setTimeout as delay } from 'node:timers/promises';
import { HEADROOM } from '../fence.js';
import { apiVersionOf, type JsonObject, type LiveObject, type ObjectApi, type ObjectRef } from './objects.js';
import { ownersOf, type PathStep } from './managed-fields.js';

/*
 * Writing by Server-Side Apply. An apply states everything that its manager wants of an object: what it had stated before
 * and leaves out now is taken from it, and deleted where nobody else owns it. So each write states the whole of what
 * Headroom owns by now, as it stands, with the new value laid over it; the resourceVersion that was read is the
 * precondition, so that what is repeated is still what stands there.
 * https://kubernetes.io/docs/reference/using-api/server-side-apply/
 */

export interface Write {
  ref: ObjectRef;
  object: LiveObject;
  /** What shall stand there: `{ spec: { replicas: 5 } }`. */
  fields: JsonObject;
  /** The paths of the values in it: what is taken from others, where the fence has let it. */
  paths: readonly (readonly PathStep[])[];
  /** Headroom's own annotations, its mark among them. */
  annotations: Record<string, string>;
  /** Those of them that shall be gone. */
  without?: readonly string[];
  /** Whose name stands at the field afterwards. */
  writeAs: { manager: string; ours: boolean };
  /** Given back to one who applied it, even where nothing else that it applied is left on the object. */
  wasApplied?: boolean;
}

/** How often the mark is written again where the object's status moves meanwhile. */
const MARK_ATTEMPTS = 12;
const PAUSE_MS = 25;

/** @throws ApiRefusal `conflict` where the object is no longer the one that was read. */
export async function writeObject(api: ObjectApi, write: Write, signal: AbortSignal): Promise<void> {
  const { ref, object, annotations, writeAs } = write;
  if (writeAs.ours) {
    await api.apply(ref, ownIntent(write), { manager: writeAs.manager, force: takesFromOthers(write) }, signal);
    return;
  }
  /*
   * Given back: first the value, in the name of who had it, then Headroom's mark in its own. Where the worker dies in
   * between, the field has its good value and its owner, and the mark still holds the change's key: the fence takes both
   * a repeat of the way back and a late repeat of the change for done.
   */
  let now = await giveBack(api, write, signal);
  for (let attempt = 1; ; attempt++) {
    const mark = { ...write, object: now, fields: {}, paths: [], writeAs: { manager: HEADROOM, ours: true } };
    try {
      await api.apply(ref, ownIntent(mark), { manager: HEADROOM, force: takesFromOthers(mark) }, signal);
      return;
    } catch (error) {
      if (!isConflict(error) || attempt === MARK_ATTEMPTS) throw error;
      now = await api.read(ref, signal);
      if (Object.entries(annotations).every(([name, value]) => now.metadata.annotations?.[name] === value)) return;
      if (now.metadata.uid !== object.metadata.uid) return;
      await delay(attempt * PAUSE_MS, undefined, { signal });
    }
  }
}

const isConflict = (error: unknown): boolean => error instanceof Error && 'kind' in error && error.kind === 'conflict';

/** Everything that Headroom has applied to the object, as it stands, and the write laid over it. */
export function ownIntent({ ref, object, fields, annotations, without = [], writeAs }: Write): JsonObject {
  const owned = appliedBy(object, writeAs.manager);
  const metadata = isJsonObject(owned['metadata']) ? owned['metadata'] : {};
  const noted = metadata['annotations'];
  const kept = Object.entries(isJsonObject(noted) ? noted : {}).filter(([name]) => !without.includes(name));
  return merged(
    {
      ...owned,
      metadata: {
        ...metadata,
        ...precondition(ref, object),
        annotations: { ...Object.fromEntries(kept), ...annotations },
      },
    },
    { ...fields, ...identity(ref) },
  );
}

const identity = (ref: ObjectRef): JsonObject => ({ apiVersion: apiVersionOf(ref), kind: ref.kind });

/** Another object of the same name, or a newer state of this one, is not what was judged. */
const precondition = (ref: ObjectRef, { metadata }: LiveObject): JsonObject => ({
  name: ref.name,
  ...(ref.namespace === null ? {} : { namespace: ref.namespace }),
  ...(metadata.uid === undefined ? {} : { uid: metadata.uid }),
  resourceVersion: metadata.resourceVersion,
});

/** Whether the write needs to be forced: somebody else owns a value, or one of Headroom's annotations. */
function takesFromOthers({ object, paths, annotations, writeAs }: Write): boolean {
  const taken = [...paths, ...Object.keys(annotations).map((name) => ['metadata', 'annotations', name])];
  return taken.some((path) =>
    ownersOf(object.metadata.managedFields, path).some(
      ({ manager, operation }) => manager !== writeAs.manager || operation !== 'Apply',
    ),
  );
}

/**
 * Writes the old value in the old owner's name. One who applies gets it as a part of what it applies: as an update it
 * would stand in the way of its own next apply. Anyone else gets a plain update.
 */
function giveBack(api: ObjectApi, write: Write, signal: AbortSignal): Promise<LiveObject> {
  const { ref, object, fields, writeAs } = write;
  const { manager } = writeAs;
  const own = appliedBy(object, manager, apiVersionOf(ref));
  if (Object.keys(own).length > 0 || write.wasApplied === true) {
    const intent = merged(merged(own, fields), { ...identity(ref), metadata: precondition(ref, object) });
    return api.apply(ref, intent, { manager, force: true }, signal);
  }
  const strategic = ref.group === 'apps';
  return api.update(ref, merged(fields, { metadata: precondition(ref, object) }), { manager, strategic }, signal);
}

/** What a manager applies to the object (in this version of its API), as it stands; empty where it does not apply. */
function appliedBy(object: LiveObject, manager: string, version?: string): JsonObject {
  let all: JsonObject = {};
  for (const entry of object.metadata.managedFields ?? []) {
    const { operation, subresource, fieldsV1 } = entry;
    if (entry.manager !== manager || operation !== 'Apply' || subresource !== undefined) continue;
    if (fieldsV1 === undefined || (version !== undefined && entry.apiVersion !== version)) continue;
    const extracted = extract(object, fieldsV1);
    if (isJsonObject(extracted)) all = merged(all, extracted);
  }
  return all;
}

const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * The part of a value that a FieldsV1 tree names: `f:name` a field, `k:{…}` the element of a list with these keys,
 * `v:…` an element that is its own key, `.` the thing itself. Undefined where it is not there (any more).
 * https://github.com/kubernetes-sigs/structured-merge-diff
 */
export function extract(value: unknown, fields: JsonObject): unknown {
  const steps = Object.entries(fields).filter(([step]) => step !== '.');
  if (steps.length === 0) {
    if (!('.' in fields)) return value;
    return Array.isArray(value) ? [] : isJsonObject(value) ? {} : value;
  }
  if (Array.isArray(value)) {
    const items = value.flatMap((item: unknown) => {
      const step = steps.find(([name]) => isItem(item, name));
      if (step === undefined || !isJsonObject(step[1])) return [];
      const part = extract(item, step[1]);
      // An element is known by its keys, owned or not.
      return [step[0].startsWith('k:') && isJsonObject(part) ? { ...keyOf(step[0]), ...part } : part];
    });
    return items;
  }
  if (!isJsonObject(value)) return undefined;
  const result: JsonObject = {};
  for (const [step, below] of steps) {
    if (!step.startsWith('f:') || !isJsonObject(below)) continue;
    const name = step.slice('f:'.length);
    if (!(name in value)) continue;
    const part = extract(value[name], below);
    if (part !== undefined) result[name] = part;
  }
  return result;
}

function keyOf(step: string): JsonObject {
  const key: unknown = JSON.parse(step.slice('k:'.length));
  return isJsonObject(key) ? key : {};
}

function isItem(item: unknown, step: string): boolean {
  if (step.startsWith('v:')) return JSON.stringify(item) === step.slice('v:'.length);
  if (!step.startsWith('k:') || !isJsonObject(item)) return false;
  return Object.entries(keyOf(step)).every(([name, value]) => item[name] === value);
}

/** Lays one tree over another; lists of named things (containers) are merged by name, any other list is replaced. */
export function merged(below: JsonObject, above: JsonObject): JsonObject {
  const result: JsonObject = { ...below };
  for (const [name, value] of Object.entries(above)) {
    const old = result[name];
    if (isJsonObject(old) && isJsonObject(value)) result[name] = merged(old, value);
    else if (isNamed(old) && isNamed(value)) result[name] = mergedByName(old, value);
    else result[name] = value;
  }
  return result;
}

type Named = JsonObject & { name: string };
const isNamed = (value: unknown): value is Named[] =>
  Array.isArray(value) &&
  value.every((item: unknown) => isJsonObject(item) && 'name' in item && typeof item['name'] === 'string');

const mergedByName = (below: readonly Named[], above: readonly Named[]): JsonObject[] => [
  ...below.map((item) => {
    const over = above.find(({ name }) => name === item.name);
    return over === undefined ? item : merged(item, over);
  }),
  ...above.filter((item) => !below.some(({ name }) => name === item.name)),
];
