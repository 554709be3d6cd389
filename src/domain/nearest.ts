import { closest, distance } from 'fastest-levenshtein';

/** The known name that was probably meant, by edit distance; null where none is near. */
export function nearest(name: string, known: readonly string[]): string | null {
  if (known.length === 0) return null;
  const near = closest(name, known);
  return distance(name, near) <= Math.max(2, Math.floor(near.length / 3)) ? near : null;
}
