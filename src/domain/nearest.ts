import { closest, distance } from 'fastest-levenshtein';

/** The known name that was probably meant, by edit distance; null where none is near. */
export function nearest(name: string, known: readonly string[]): string | null {
  if (known.length === 0) return null;
  const near = closest(name, known);
  return distance(name, near) <= Math.max(2, Math.floor(near.length / 3)) ? near : null;
}

/** Names listed of what there is. */
const MOST_LISTED = 12;

/** Of a name that the file uses and does not define, with what it probably means, or what there is. */
export function notDefined(kind: 'pool' | 'workload', name: string, defined: Iterable<string>): string {
  const known = [...defined];
  const near = nearest(name, known);
  const there = known.length <= MOST_LISTED ? `there are ${known.join(', ')}` : `${known.length} others are`;
  return `${kind} "${name}" is not defined under ${kind}s; ${near === null ? there : `did you mean "${near}"?`}`;
}
