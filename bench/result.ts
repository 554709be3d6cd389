import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** One figure. `value` and `goal` are in `unit` (`ratio` for ratios); what was not measured is null, and not met. */
export interface BenchResult {
  metric: string;
  value: number | null;
  unit: string;
  goal: number | null;
  better: 'lower' | 'higher';
  /** What it was measured beside, in the same run. */
  peer?: string;
  peerValue?: number;
  note?: string;
}

/** The checkout's root, from its sources and from dist alike. */
export function checkoutRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
}

/** Writes bench/results/<name>.json and says what was met; a figure without a goal is neither met nor missed. */
export function writeResults(name: string, results: readonly BenchResult[]): void {
  const root = checkoutRoot();
  const commit = execFileSync('git', ['rev-parse', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim();
  const processors = cpus();
  const document = {
    commit,
    machine: `${processors[0]?.model.trim() ?? 'unknown processor'}, ${processors.length} cores, Node ${process.versions.node}`,
    date: new Date().toISOString(),
    results: results.map((result) => {
      const { metric, value, unit, goal, better, peer = null, peerValue = null, note = null } = result;
      return { metric, value, unit, goal, better, met: isMet(result), peer, peerValue, note };
    }),
  };
  const folder = join(root, 'bench', 'results');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(document, null, 2)}\n`);
  for (const result of results) {
    const goal =
      result.goal === null
        ? ''
        : ` (goal ${result.better === 'lower' ? '≤' : '≥'} ${result.goal}: ${isMet(result) === true ? 'met' : 'missed'})`;
    const peer = result.peer === undefined ? '' : `; ${result.peer}: ${result.peerValue}`;
    console.log(`${result.metric}: ${result.value ?? 'not measured'} ${result.unit}${goal}${peer}`);
  }
}

function isMet({ value, goal, better }: BenchResult): boolean | null {
  if (value === null) return false;
  if (goal === null) return null;
  return better === 'lower' ? value <= goal : value >= goal;
}

/** The p-th quantile of measurements, by nearest rank, to three digits after the point. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.ceil(p * sorted.length) - 1)] ?? Number.NaN;
  return Math.round(value * 1000) / 1000;
}
