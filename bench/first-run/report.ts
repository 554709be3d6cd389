import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { checkoutRoot } from '../result.js';
import type { RunScore } from '../../src/operate/score-run.js';
import type { Latency, TraceResult } from './results.js';
import { LEAD, LEVEL, NODE_START, POD_START, STEP } from './setting.js';
import { PEAK_CORES, REPLICA_CORES } from './traces.js';

/** What a person wrote stands between these lines, and stays when the figures are written anew. */
const BY_HAND = '<!-- by hand: from here -->';
const END_BY_HAND = '<!-- by hand: to here -->';

interface RunFacts {
  /** Scored, and before that. */
  hours: number;
  startUp: number;
  factor: number;
  wall: number;
}

/** Writes the page: figures from this run, a person's words from the page that was there. */
export async function writeReport(path: string, results: readonly TraceResult[], facts: RunFacts): Promise<void> {
  const before = existsSync(path) ? await readFile(path, 'utf8') : '';
  const from = before.indexOf(BY_HAND);
  const to = before.indexOf(END_BY_HAND);
  const words = from < 0 || to < from ? '\n' : before.slice(from + BY_HAND.length, to);
  await writeFile(path, page(results, facts, words));
}

export function page(results: readonly TraceResult[], facts: RunFacts, words: string): string {
  const expected = Math.round(((facts.hours + facts.startUp) * 3600) / STEP);
  const commit = execFileSync('git', ['rev-parse', '--short=12', 'HEAD'], {
    cwd: checkoutRoot(),
    encoding: 'utf8',
  }).trim();
  const processors = cpus();
  const rows = results.map((result) => {
    const { whole, continuous } = result;
    return [
      result.trace.account,
      pair(whole.live),
      pair(whole.hpa50),
      pair(whole.hpa70),
      pair(continuous.hpa50),
      pair(continuous.hpa70),
      pair(whole.clairvoyantAt(0)),
      pair(continuous.clairvoyantAt(0.01)),
      pair(result.backtest),
      pair(result.backtestContinuous),
      pair(result.backtestLate),
    ];
  });
  const loops = results.map(({ trace, changes, coverageReached, decided, ready, cycles }) => [
    trace.account,
    percent(LEVEL),
    coverageReached === null ? 'not measured' : percent(coverageReached),
    `${cycles} of ${expected}`,
    String(changes.kept),
    String(changes.rolledBack),
    String(changes.other),
    String(changes.held),
    spread(decided),
    spread(ready),
  ]);
  return `# First run on real traces

The whole loop (observe, forecast, optimize, apply, verify, learn, on a real Temporal server) on ${results.length} recorded
series. Each is an account with a workload and a pool of its own in a simulated cluster. The past went in by \`headroom
import csv\`; the last ${facts.hours} hours were played as demand, after ${facts.startUp} hours in which the loop started, which are not
scored. Mode \`auto\`, ownership \`own\`, level ${LEVEL}, a cycle every five minutes.

- Command: \`make first-run TRACES=<folder of traces>\`
- Commit: ${commit}
- Machine: ${processors[0]?.model.trim() ?? 'unknown'}, ${processors.length} cores, Node ${process.versions.node}
- Date: ${new Date().toISOString().slice(0, 10)}; ${facts.wall.toFixed(0)} s in all, at ${facts.factor} simulated seconds in a second
- Scale: the 99th percentile of the past is ${PEAK_CORES} cores, a replica ${REPLICA_CORES} core, a node holds one replica; pods start in ${POD_START} s, nodes in ${NODE_START} s (medians)

## Cost and violations

Cost is mean capacity over mean demand (the clairvoyant is 1.00), a violation a bin of five minutes whose demand was above
its mean ready capacity; both over the same bins for all. Each cell is cost / violations. Autoscalers (HPA) see demand as it
is, decide at every bin and have a lead of ${LEAD} s, rounded up to a bin. Where an autoscaler is no worse in both, it is
set in bold.

${table(
  [
    'account',
    'live',
    'HPA 50 %, whole replicas',
    'HPA 70 %, whole replicas',
    'HPA 50 %, continuous',
    'HPA 70 %, continuous',
    'clairvoyant, whole replicas',
    'clairvoyant@1 %',
    'backtest, whole replicas',
    'backtest, continuous',
    'backtest, late',
  ],
  rows.map((row, index) => {
    const result = results[index];
    if (result === undefined) return row;
    const { whole, continuous } = result;
    const peers = [whole.hpa50, whole.hpa70, continuous.hpa50, continuous.hpa70];
    return row.map((cell, column) => {
      const peer = peers[column - 2];
      return peer !== undefined && column >= 2 && noWorse(peer, whole.live) ? `**${cell}**` : cell;
    });
  }),
)}

\`backtest\` is what \`headroom backtest\` decides on the same data with the same lead: no latency, no verification, no
solver. \`late\` is the same in whole replicas with the median time to the plan (below) added to the lead, which simulated
time at this speed makes long.

${verdicts(results)}

## The loop

\`decided\` is the time from the end of the newest bin to the plan, \`ready\` from the plan to ready capacity; simulated
seconds, median / 95th percentile.

${table(
  [
    'account',
    'coverage asked',
    'reached',
    'cycles',
    'kept',
    'rolled back',
    'stale or stopped',
    'held',
    'decided',
    'ready',
  ],
  loops,
)}

The series: ${results.map(({ trace }) => `${trace.account} is ${trace.path.replace('.csv', '')} (${trace.character}; ${trace.historyDays.toFixed(0)} days of past)`).join(', ')}.

## What is weak, and why

${BY_HAND}${words}${END_BY_HAND}
`;
}

/** Where an autoscaler did better, in words and for each account. */
function verdicts(results: readonly TraceResult[]): string {
  return results
    .map(({ trace, whole }) => {
      const told = [['HPA at 50 %', whole.hpa50] as const, ['HPA at 70 %', whole.hpa70] as const].map(
        ([name, peer]) => {
          const cheaper = (whole.live.cost ?? Number.NaN) < (peer.cost ?? Number.NaN);
          const safer = whole.live.violations <= peer.violations;
          if (cheaper && safer) return `better than ${name} in both`;
          if (!cheaper && !safer) return `worse than ${name} in both`;
          return cheaper ? `cheaper than ${name}, with more violations` : `dearer than ${name}, with fewer violations`;
        },
      );
      return `- ${trace.account}: ${told.join('; ')}.`;
    })
    .join('\n');
}

const noWorse = (peer: RunScore, live: RunScore): boolean =>
  (peer.cost ?? Number.NaN) <= (live.cost ?? Number.NaN) && peer.violations <= live.violations;

const spread = ({ median, high }: Latency): string =>
  Number.isNaN(median) ? 'none' : `${median.toFixed(0)} / ${high.toFixed(0)}`;
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const pair = (score: RunScore): string => `${score.cost?.toFixed(2) ?? '–'} / ${percent(score.violations)}`;

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
