/*
 * The optimizers beside native HiGHS on the very same problems: fleets of accounts here, one account in
 * bench/allocate/account.ts. Writes bench/results/allocate.json and the table in docs/allocate.md.
 *
 *   make bench-allocate
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { benchFleet, type FleetRow } from './allocate/fleet.js';
import { benchAccount } from './allocate/account.js';
import { provideNativeHighs, python } from './allocate/peer.js';
import { checkoutRoot, writeResults, type BenchResult } from './result.js';

const BEGIN = '<!-- bench-allocate: begin -->';
const END = '<!-- bench-allocate: end -->';

provideNativeHighs();
const fleet = await benchFleet((line) => console.log(line));
const results: BenchResult[] = [...fleet.results, ...(await benchAccount(python))];
writeResults('allocate', results);
writeTable(fleet.rows);

function writeTable(rows: readonly FleetRow[]): void {
  const file = join(checkoutRoot(), 'docs', 'allocate.md');
  const text = readFileSync(file, 'utf8');
  const from = text.indexOf(BEGIN);
  const to = text.indexOf(END);
  if (from < 0 || to < from) return;
  const table = [
    '| fleet (accounts × pools × blocks) | ours | proven gap | native HiGHS to 1e-4 | ours above its bound | warm by cold: median (least to most) |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows.map((row) => `| ${[row.what, ...row.cells].join(' | ')} |`),
  ];
  writeFileSync(file, `${text.slice(0, from)}${BEGIN}\n\n${table.join('\n')}\n\n${text.slice(to)}`);
}
