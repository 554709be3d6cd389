/*
 * One object of the in-test API server: patches, resourceVersion, managedFields and Server-Side Apply as the real server
 * has them, for the few kinds that the contract needs. https://kubernetes.io/docs/reference/using-api/server-side-apply/
 */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };
type Operation = 'Apply' | 'Update';

export class Refused extends Error {
  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A leaf's path as FieldsV1 keys: `f:spec`, `k:{"name":"web"}`, … joined by an unprintable separator. */
type Leaves = Map<string, Json>;
const SEPARATOR = '\u0000';
/** Not owned by anybody: the server's own. */
const SERVERS_OWN = new Set([
  'name',
  'namespace',
  'uid',
  'resourceVersion',
  'managedFields',
  'creationTimestamp',
  'generation',
]);

function leavesOf(value: Json, path: string[] = [], into: Leaves = new Map()): Leaves {
  if (isObject(value)) {
    for (const [key, child] of Object.entries(value)) {
      if (path.length === 0 && (key === 'apiVersion' || key === 'kind' || key === 'status')) continue;
      if (path.length === 1 && path[0] === 'f:metadata' && SERVERS_OWN.has(key)) continue;
      leavesOf(child, [...path, `f:${key}`], into);
    }
  } else if (Array.isArray(value) && value.every((item) => isObject(item) && typeof item['name'] === 'string')) {
    for (const item of value) {
      if (isObject(item)) leavesOf(item, [...path, `k:${JSON.stringify({ name: item['name'] })}`], into);
    }
  } else into.set(path.join(SEPARATOR), value);
  return into;
}

/** Merge patch (RFC 7386); lists of named things are merged by name, as the strategic patch does for containers. */
function merge(live: Json, patch: Json): Json {
  if (Array.isArray(patch) && Array.isArray(live) && patch.every((item) => isObject(item) && 'name' in item)) {
    const merged = [...live];
    for (const item of patch) {
      const index = merged.findIndex((other) => isObject(other) && isObject(item) && other['name'] === item['name']);
      if (index >= 0) merged[index] = merge(merged[index] ?? null, item);
      else merged.push(item);
    }
    return merged;
  }
  if (!isObject(patch)) return patch;
  const result: JsonObject = isObject(live) ? { ...live } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merge(result[key] ?? null, value);
  }
  return result;
}

/** The object without one leaf; a list's element that is keyed by name keeps its name. */
function without(value: Json, path: readonly string[]): Json {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  if (Array.isArray(value)) {
    return value.map((item) =>
      isObject(item) && step === `k:${JSON.stringify({ name: item['name'] })}` ? without(item, rest) : item,
    );
  }
  if (!isObject(value)) return value;
  const copy: JsonObject = { ...value };
  const key = step.slice('f:'.length);
  const child = copy[key];
  if (rest.length === 0) delete copy[key];
  else if (child !== undefined) copy[key] = without(child, rest);
  return copy;
}

export interface ManagedObject {
  read(): JsonObject;
  /** A controller moves the status: a new resourceVersion, and no field of the spec. */
  touch(): void;
  patch(options: {
    body: JsonObject;
    manager: string;
    apply: boolean;
    force: boolean;
    subresource?: string;
  }): JsonObject;
}

export function createManagedObject(
  initial: JsonObject,
  manager: string,
  validate: (object: JsonObject) => string | null,
): ManagedObject {
  let live = initial;
  let version = 100;
  /** Owned leaves by manager, operation and subresource. */
  const owned = new Map<
    string,
    { manager: string; operation: Operation; subresource: string; paths: Set<string>; time: number }
  >();
  let clock = Date.parse('2026-05-04T00:00:00Z');

  const entryOf = (name: string, operation: Operation, subresource: string) => {
    const key = [name, operation, subresource].join(SEPARATOR);
    const known = owned.get(key) ?? { manager: name, operation, subresource, paths: new Set<string>(), time: clock };
    owned.set(key, known);
    return known;
  };
  entryOf(manager, 'Update', '').paths = new Set(leavesOf(initial).keys());

  const fieldsV1 = (paths: Set<string>): JsonObject => {
    const root: JsonObject = {};
    for (const path of paths) {
      let at = root;
      for (const step of path.split(SEPARATOR)) {
        const next = at[step];
        const child: JsonObject = isObject(next) ? next : {};
        at[step] = child;
        at = child;
      }
    }
    return root;
  };

  const read = (): JsonObject => ({
    ...live,
    metadata: {
      ...(isObject(live['metadata']) ? live['metadata'] : {}),
      resourceVersion: String(version),
      managedFields: [...owned.values()]
        .filter(({ paths }) => paths.size > 0)
        .map((entry) => ({
          manager: entry.manager,
          operation: entry.operation,
          apiVersion: live['apiVersion'] ?? '',
          time: new Date(entry.time).toISOString(),
          fieldsType: 'FieldsV1',
          fieldsV1: fieldsV1(entry.paths),
          ...(entry.subresource === '' ? {} : { subresource: entry.subresource }),
        })),
    },
  });

  return {
    read,
    touch: () => void version++,
    patch({ body, manager: by, apply, force, subresource = '' }) {
      const metadata = isObject(body['metadata']) ? body['metadata'] : {};
      const wanted = metadata['resourceVersion'];
      if (wanted !== undefined && wanted !== String(version)) {
        throw new Refused(409, 'the object has been modified; please apply your changes to the latest version');
      }
      const before = leavesOf(live);
      const intent = leavesOf(body);
      const mine = entryOf(by, apply ? 'Apply' : 'Update', subresource);
      const others = [...owned.values()].filter((entry) => entry !== mine);
      if (apply && !force) {
        const taken = others.filter(({ paths }) =>
          [...intent].some(([path, value]) => paths.has(path) && before.get(path) !== value),
        );
        if (taken.length > 0) {
          throw new Refused(409, `Apply failed with 1 conflict: conflict with "${taken[0]?.manager ?? ''}"`);
        }
      }
      let next = merge(live, body);
      // What an applier no longer says, and nobody else holds, goes.
      const dropped = apply ? [...mine.paths].filter((path) => !intent.has(path)) : [];
      for (const path of dropped) {
        if (!others.some(({ paths }) => paths.has(path))) next = without(next, path.split(SEPARATOR));
      }
      if (!isObject(next)) throw new Refused(400, 'the patch leaves no object');
      const problem = validate(next);
      if (problem !== null) throw new Refused(422, problem);
      const after = leavesOf(next);
      const changed = [...after].filter(([path, value]) => JSON.stringify(before.get(path)) !== JSON.stringify(value));
      clock += 1000;
      for (const [path] of changed) for (const entry of others) entry.paths.delete(path);
      for (const path of before.keys())
        if (!after.has(path)) for (const entry of owned.values()) entry.paths.delete(path);
      // An applier owns what it says, an updater what it changed.
      if (apply) mine.paths = new Set(intent.keys());
      else for (const [path] of changed) mine.paths.add(path);
      if (changed.length > 0 || apply) mine.time = clock;
      live = next;
      if (changed.length > 0) version++;
      return read();
    },
  };
}
