import type { FieldOwner } from '../../domain/cluster.js';
import { HEADROOM } from '../fence.js';

/*
 * Who owns a field, by the API server's books (`metadata.managedFields`, format FieldsV1): a tree whose keys are `f:name`
 * for a field and `k:{…}` for an element of a list that is keyed.
 */

/** A step of a path: a field's name, or the key of a list's element. */
export type PathStep = string | { key: Record<string, string> };

/** An entry as the API has it, with its time as text or, through a typed client, as a Date. */
export interface ManagedFields {
  manager?: string | undefined;
  operation?: string | undefined;
  subresource?: string | undefined;
  time?: string | Date | undefined;
  fieldsV1?: unknown;
}

/** All who own the field, the last writer first. What is owned in the status is nobody's intent. */
export const ownersOf = <E extends ManagedFields>(entries: readonly E[] | undefined, path: readonly PathStep[]): E[] =>
  (entries ?? [])
    .filter((entry) => entry.manager !== undefined && entry.subresource !== 'status' && owns(entry.fieldsV1, path))
    .sort((a, b) => timeOf(b) - timeOf(a));

/**
 * The manager that owns the field; the last one to have written where several share it, and Headroom only where nobody
 * else does: a shared field is somebody else's, too. Null where nobody owns it.
 */
export function fieldOwner(entries: readonly ManagedFields[] | undefined, path: readonly PathStep[]): FieldOwner {
  const owners = ownersOf(entries, path);
  const other = owners.find(({ manager }) => manager !== HEADROOM);
  return (other ?? owners[0])?.manager ?? null;
}

const timeOf = ({ time }: ManagedFields): number => (time === undefined ? 0 : new Date(time).getTime());

function owns(fields: unknown, path: readonly PathStep[]): boolean {
  let at: unknown = fields;
  for (const step of path) {
    if (typeof at !== 'object' || at === null) return false;
    const entry = Object.entries(at).find(([name]) => matches(name, step));
    if (entry === undefined) return false;
    at = entry[1];
  }
  return true;
}

function matches(name: string, step: PathStep): boolean {
  if (typeof step === 'string') return name === `f:${step}`;
  if (!name.startsWith('k:')) return false;
  try {
    const key: unknown = JSON.parse(name.slice(2));
    return (
      typeof key === 'object' &&
      key !== null &&
      Object.entries(step.key).every(([field, value]) =>
        Object.entries(key).some(([f, v]) => f === field && v === value),
      )
    );
  } catch {
    return false;
  }
}
