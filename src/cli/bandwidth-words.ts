import type { Plan } from '../domain/plan.js';
import { isoTime } from '../domain/time.js';
import { createTable } from './table.js';

/** `12 MiB/s` */
export const rateWords = (bytes: number): string => `${Number((bytes / 2 ** 20).toPrecision(4)) + 0} MiB/s`;

const BLOCKS_SHOWN = 12;

/** What to reserve of each link, block by block, and until when; or why nothing is decided. */
export function bandwidthLines({ bandwidth = [], currency }: Plan): string[] {
  const lines: string[] = [];
  for (const { link, undecided } of bandwidth) {
    if (undecided !== null) lines.push(`bandwidth of ${link}: nothing is decided: ${undecided}`);
  }
  const decided = bandwidth.filter(({ blocks }) => blocks.length > 0);
  if (decided.length === 0) return lines;
  const table = createTable(['link', 'from', 'reserve by', 'bandwidth', 'expected beyond', `${currency}/h`]);
  for (const { link, blocks } of decided) {
    for (const { from, by, reserve, beyond, costPerHour } of blocks.slice(0, BLOCKS_SHOWN)) {
      table.push([link, isoTime(from), isoTime(by), rateWords(reserve), rateWords(beyond), costPerHour.toFixed(4)]);
    }
  }
  lines.push(table.toString());
  const hidden = decided.reduce((sum, { blocks }) => sum + Math.max(0, blocks.length - BLOCKS_SHOWN), 0);
  if (hidden > 0) lines.push(`… and ${hidden} more blocks of bandwidth (--json)`);
  if (decided.some(({ blocks }) => blocks.some(({ overBudget }) => overBudget === true)))
    lines.push('no reservation keeps the budget beside the nodes; these cost least');
  return lines;
}
