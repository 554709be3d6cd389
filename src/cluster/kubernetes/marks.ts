import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { FieldTarget } from '../../domain/cluster.js';
import { accountOfKey, type ChangeMark } from '../fence.js';

/*
 * Headroom's mark on an object: one annotation a field, written in the same request as the field itself, so that there
 * is no moment at which one is there without the other.
 */

const markSchema = z.object({
  key: z.string(),
  value: z.number(),
  earlier: z.array(z.string()).default([]),
  reason: z.string().optional(),
});

/** `headroom.dev/change-replicas`, `…-floor`, `…-request.cpu`, `…-limit.nodes`, `…-prepared.prefetch.catalogue`. */
export function markName(target: FieldTarget): string {
  return `headroom.dev/${short(`change-${markedField(target)}`)}`;
}

function markedField(target: FieldTarget): string {
  switch (target.field) {
    case 'request':
      return `request.${target.component}`;
    case 'limit':
      return `limit.${target.resource}`;
    case 'prepared':
      return `prepared.${target.action}`;
    default:
      return target.field;
  }
}

/** An annotation's name has at most 63 characters: of a longer one the beginning, and what tells it from others. */
const short = (name: string): string =>
  name.length <= 63 ? name : `${name.slice(0, 52)}.${createHash('sha256').update(name).digest('hex').slice(0, 10)}`;

/** Null where there is none; one that somebody garbled counts as none, so that the fence alone decides. */
export function readMark(annotations: Record<string, string> | undefined, target: FieldTarget): ChangeMark | null {
  const text = annotations?.[markName(target)];
  return text === undefined ? null : parsed(text);
}

function parsed(text: string): ChangeMark | null {
  try {
    const mark = markSchema.safeParse(JSON.parse(text));
    return mark.success ? mark.data : null;
  } catch {
    return null;
  }
}

export const markAnnotation = (target: FieldTarget, mark: ChangeMark, reason: string): Record<string, string> => ({
  [markName(target)]: JSON.stringify({ key: mark.key, value: mark.value, earlier: mark.earlier, reason }),
});

const MARK = 'headroom.dev/change-';

/** Whether an annotation is the mark of one of this account's changes. */
export function isMarkOf(account: string, name: string, text: string): boolean {
  const mark = name.startsWith(MARK) ? parsed(text) : null;
  return mark !== null && accountOfKey(mark.key) === account;
}

const PREPARED = 'headroom.dev/change-prepared.';

/** The marks of what a workload was prepared for, by annotation: the few that a cache keeps. */
export function preparedMarks(annotations: Readonly<Record<string, string>> | undefined): Record<string, number> {
  const found: Record<string, number> = {};
  for (const [name, text] of Object.entries(annotations ?? {})) {
    const mark = name.startsWith(PREPARED) ? parsed(text) : null;
    if (mark !== null) found[name] = mark.value;
  }
  return found;
}
