import { createHash } from 'node:crypto';
import type { Mark } from './door.js';

/*
 * How a file is recognised, also when it was read half way, or has grown: each line's mark is a hash of all lines up to
 * it. The door keeps, keyed, the last mark of each batch that it took.
 */

/** Before the first line of any file. */
export const CHAIN_START = createHash('sha256').update('headroom events').digest('base64');

const chainNext = (chain: string, line: string): string =>
  createHash('sha256').update(chain).update('\n').update(line).digest('base64');

/** The marks after each line that is an event. */
export function marksOf(start: string, lines: readonly string[]): Mark[] {
  const marks: Mark[] = [];
  let chain = start;
  for (const line of lines) {
    if (line.trim() === '') continue;
    chain = chainNext(chain, line);
    marks.push({ after: marks.length + 1, name: `file ${chain}` });
  }
  return marks;
}
