import { unreachable } from '../domain/errors.js';
import type { FieldOwner, FieldTarget, Mutation, MutationResult } from '../domain/cluster.js';

/*
 * The fence, once for all adapters: pure judgements over what stands on the object now. An adapter reads the field,
 * asks here, and writes under a guard of its own (resourceVersion, or a single thread).
 */

/** Who Headroom is in the cluster's own books (field manager). */
export const HEADROOM = 'headroom';

/** What Headroom left on the object at its last write of this field. */
export interface ChangeMark {
  key: string;
  /** What was written, as it reads back from the object (quantities are rounded by the API). */
  value: number;
  /** Keys before this one, newest first: a late repeat of a change that was rolled back since must not write again. */
  earlier: string[];
}

/** Whose change a key names, `change/acme/42#3` → `acme`; null for a key of another form. */
export const accountOfKey = (key: string): string | null => /^change\/([^/]+)\//.exec(key)?.[1] ?? null;

const EARLIER_KEYS = 16;

export const nextMark = (mark: ChangeMark | null, key: string, value: number): ChangeMark => ({
  key,
  value,
  earlier: mark === null ? [] : [mark.key, ...mark.earlier].slice(0, EARLIER_KEYS),
});

const holdsKey = (mark: ChangeMark | null, key: string): boolean =>
  mark !== null && (mark.key === key || mark.earlier.includes(key));

/** Amounts pass through the API's quantities: equal but for the rounding of a double. */
export const sameValue = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a));

export interface FieldNow {
  value: number;
  /** Of this very field. */
  owner: FieldOwner;
  /** As `observe` reports it, where one owner stands for several fields (the requests of a pod). */
  reportedOwner: FieldOwner;
  mark: ChangeMark | null;
}

export type Judgement = { kind: 'write' } | Extract<MutationResult, { kind: 'repeated' | 'moved' }>;

/** May this change write? */
export function judgeApply(field: FieldNow, mutation: Mutation): Judgement {
  if (holdsKey(field.mark, mutation.key)) return { kind: 'repeated', value: field.value };
  const { value, owner } = mutation.expect;
  const owned = owner === field.owner || owner === field.reportedOwner;
  if (!owned || !sameValue(field.value, value)) return { kind: 'moved', value: field.value, owner: field.owner };
  return { kind: 'write' };
}

/**
 * May the last known good be written back? Only over what this change itself wrote. A field that the change never
 * reached and that is as it was needs nothing.
 */
export function judgeRestore(field: FieldNow, restore: { key: string; changeKeys: string[]; good: number }): Judgement {
  if (holdsKey(field.mark, restore.key)) return { kind: 'repeated', value: field.value };
  const ours =
    field.mark !== null &&
    restore.changeKeys.includes(field.mark.key) &&
    field.owner === HEADROOM &&
    sameValue(field.value, field.mark.value);
  if (ours) return { kind: 'write' };
  if (sameValue(field.value, restore.good)) return { kind: 'repeated', value: field.value };
  return { kind: 'moved', value: field.value, owner: field.owner };
}

/** One owner for several fields: somebody else first, since that is who has to be asked; nobody only where all are. */
export function reportedOwner(owners: readonly FieldOwner[]): FieldOwner {
  return owners.find((owner) => owner !== null && owner !== HEADROOM) ?? owners.find((owner) => owner !== null) ?? null;
}

/** `acme/web replicas`, `acme/web request.cpu`, `pool general nodes`: for messages. */
export function describeTarget(account: string, target: FieldTarget): string {
  switch (target.field) {
    case 'replicas':
    case 'floor':
    case 'target':
      return `${account}/${target.workload} ${target.field}`;
    case 'request':
      return `${account}/${target.workload} request.${target.component}`;
    case 'nodes':
    case 'weight':
      return `pool ${target.pool} ${target.field}`;
    case 'warm':
      return `pool ${target.pool} warm capacity`;
    case 'limit':
      return `pool ${target.pool} limit of ${target.resource}`;
    case 'start':
      return `${account}/${target.task} start`;
    case 'prepared':
      return `${account}/${target.workload} ${target.action}`;
    default:
      return unreachable(target);
  }
}
