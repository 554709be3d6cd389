import { readFile, writeFile } from 'node:fs/promises';
import type { BenchResult } from '../result.js';
import type { Cost } from './cache.js';
import type { Method } from './methods.js';
import { geometricMean, type Score } from './score.js';
import { COVERED, HORIZONS, LEVELS } from './setting.js';

/** One method on one series, a score for each of {@link HORIZONS}. */
export interface Scored {
  method: string;
  kind: Method['kind'];
  series: string;
  scores: Score[];
  cost: Cost;
}

const OURS = 'headroom';
/** What stands for ours: the product, or a part of it where that alone was asked for. */
const oursOf = (scored: readonly Scored[]): string =>
  scored.find(({ kind }) => kind === 'ours')?.method ?? scored.find(({ kind }) => kind === 'part')?.method ?? OURS;
const round = (value: number, digits = 3): number => Math.round(value * 10 ** digits) / 10 ** digits;
const shown = (value: number | null | undefined, digits = 3): string =>
  value === null || value === undefined || Number.isNaN(value) ? '–' : value.toFixed(digits);
const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
const rows = (head: readonly string[], body: readonly string[][]): string =>
  [row(head), row(head.map(() => '---')), ...body.map(row)].join('\n');

interface Compared {
  series: string;
  ours: number;
  /** By method. */
  peers: Map<string, number>;
}

const unique = <T>(all: readonly T[]): T[] => [...new Set(all)];

/** WQL of every method by series, where none of those that were made is zero. */
export function compare(scored: readonly Scored[], horizon: number): Compared[] {
  const name = oursOf(scored);
  return unique(scored.map(({ series }) => series)).flatMap((series) => {
    const of = scored.filter((one) => one.series === series);
    const peers = new Map<string, number>();
    let ours: number | null = null;
    for (const { method, scores } of of) {
      const wql = scores[horizon]?.wql ?? null;
      if (wql === null || !(wql > 0)) return [];
      if (method === name) ours = wql;
      else peers.set(method, wql);
    }
    return ours === null ? [] : [{ series, ours, peers }];
  });
}

const withPeer = (compared: readonly Compared[], peer: (one: Compared) => number | undefined): number =>
  compared.filter((one) => peer(one) !== undefined).length;

const ratioTo = (compared: readonly Compared[], peer: (one: Compared) => number | undefined): number | null =>
  geometricMean(
    compared.flatMap((one) => {
      const wql = peer(one);
      return wql === undefined ? [] : [one.ours / wql];
    }),
  );

/** The best of some peers, series by series: a peer that knew in hindsight which library to take. */
const bestOf =
  (names: readonly string[]) =>
  (one: Compared): number | undefined => {
    const found = names.flatMap((name) => one.peers.get(name) ?? []);
    return found.length === 0 ? undefined : Math.min(...found);
  };

const methodsOf = (scored: readonly Scored[], ...kinds: Method['kind'][]): string[] =>
  unique(scored.filter(({ kind }) => kinds.includes(kind)).map(({ method }) => method));

/** Share of all bins of all series at or under the stated quantile. */
function pooledCoverage(scored: readonly Scored[], method: string, horizon: number, level: number): number | null {
  const at = LEVELS.indexOf(level);
  let [covered, bins] = [0, 0];
  for (const one of scored.filter((candidate) => candidate.method === method)) {
    covered += one.scores[horizon]?.covered[at] ?? 0;
    bins += one.scores[horizon]?.bins ?? 0;
  }
  return bins === 0 ? null : covered / bins;
}

const meanOf = (values: readonly number[]): number | null =>
  values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;

const above = (compared: readonly Compared[], names: readonly string[]): Compared[] =>
  compared.filter((one) => one.ours > 1.05 * (bestOf(names)(one) ?? Number.POSITIVE_INFINITY));

/** The tables: by method, and by series. */
export function tableOf(scored: readonly Scored[]): { text: string; each: string } {
  const peers = methodsOf(scored, 'naive', 'classical', 'learnt');
  const methods = unique(scored.map(({ method }) => method));
  const mine = oursOf(scored);
  const parts = HORIZONS.map(({ name }, h) => {
    const compared = compare(scored, h);
    const among = new Set((compared.length > 0 ? compared : scored).map(({ series }) => series));
    const body = methods.map((method) => {
      // Where ours was made, so that the columns are of the same series as far as the method was.
      const of = scored.filter((one) => one.method === method && among.has(one.series));
      const wql = geometricMean(of.flatMap(({ scores }) => (scores[h]?.wql ? [scores[h].wql] : [])));
      const mase = geometricMean(of.flatMap(({ scores }) => (scores[h]?.mase ? [scores[h].mase] : [])));
      const ratio = method === mine ? null : ratioTo(compared, (one) => one.peers.get(method));
      const lost = compared.filter((one) => one.ours > (one.peers.get(method) ?? Number.POSITIVE_INFINITY));
      return [
        method,
        `${of.length}`,
        shown(wql, 4),
        method === mine ? '' : shown(ratio),
        method === mine ? '' : `${lost.length} of ${withPeer(compared, (one) => one.peers.get(method))}`,
        shown(mase, 3),
        ...COVERED.map((level) => shown((pooledCoverage(of, method, h, level) ?? Number.NaN) * 100, 1)),
      ];
    });
    const head = [
      name,
      'series',
      'WQL',
      'ours / it',
      'ours worse on',
      'MASE',
      ...COVERED.map((level) => `${level * 100} %`),
    ];
    const lines = [rows(head, body)];
    if (compared.length > 0 && peers.length > 0) {
      const worse = above(compared, peers);
      lines.push(
        `Above 1.05 × the best peer of each series: ${worse.length} of ${compared.length}` +
          `; against the best of all peers in hindsight: ${shown(ratioTo(compared, bestOf(peers)))}.`,
      );
    }
    return lines.join('\n\n');
  });
  const each = HORIZONS.map(({ name }, h) => {
    const body = compare(scored, h)
      .map((one) => ({ one, ratio: one.ours / (bestOf(peers)(one) ?? Number.NaN) }))
      .sort((a, b) => b.ratio - a.ratio)
      .map(({ one, ratio }) => [
        one.series,
        shown(one.ours, 4),
        ...peers.map((peer) => shown(one.ours / (one.peers.get(peer) ?? Number.NaN), 2)),
        shown(ratio, 2),
      ]);
    return rows([`${name}: ours / it`, 'our WQL', ...peers, 'best peer'], body);
  });
  return { text: parts.join('\n\n'), each: each.join('\n\n') };
}

/** A peer that was made for fewer series than this says nothing of the others: its figure counts as not measured. */
const FEWEST = 10;

/** The goals against what was measured. */
export function resultsOf(scored: readonly Scored[], training: number): BenchResult[] {
  const results: BenchResult[] = [];
  const classical = methodsOf(scored, 'classical');
  const all = methodsOf(scored, 'naive', 'classical', 'learnt');
  const count = unique(scored.map(({ series }) => series)).length;
  HORIZONS.forEach(({ name }, h) => {
    const compared = compare(scored, h);
    const against = (peer: string, goal: number | null, names: readonly string[] = [peer]): void => {
      const shared = withPeer(compared, bestOf(names));
      const value = ratioTo(compared, bestOf(names));
      const few = shared < Math.min(FEWEST, count);
      results.push({
        metric: `WQL at ${name}, against ${peer}`,
        value: value === null || few ? null : round(value),
        unit: 'ratio',
        goal,
        better: 'lower',
        peer,
        peerValue: 1,
        note: few
          ? `made for ${shared} series alone, there ${shown(value)}`
          : `geometric mean over ${shared} series of ${count}`,
      });
    };
    against('seasonal naive', name === '1 h' ? 0.55 : name === '24 h' ? 0.7 : null);
    against('persistence', name === '1 h' ? 0.9 : null);
    for (const peer of classical) against(peer, null);
    // One library for all series, the best one at this horizon; and, harder, the best for each series.
    const best = classical
      .filter((peer) => withPeer(compared, bestOf([peer])) >= Math.min(FEWEST, count))
      .map((peer) => ({ peer, value: ratioTo(compared, bestOf([peer])) ?? 0 }))
      .sort((a, b) => b.value - a.value)[0];
    const missing = classical.filter((peer) => withPeer(compared, bestOf([peer])) < Math.min(FEWEST, count));
    results.push({
      metric: `WQL at ${name}, against the best conformalised classical peer`,
      value: best === undefined || missing.length > 0 ? null : round(best.value),
      unit: 'ratio',
      goal: 0.9,
      better: 'lower',
      ...(best === undefined ? {} : { peer: best.peer, peerValue: 1 }),
      note:
        (missing.length > 0 ? `without ${missing.join(', ')} ${shown(best?.value)}; ` : '') +
        `against the best of them for each series, chosen in hindsight: ${shown(ratioTo(compared, bestOf(classical)))}`,
    });
    against('LightGBM', 0.93);
    against('fracast', 0.9);
    const worse = above(compared, all);
    results.push({
      metric: `share of series above 1.05 × the best peer at ${name}`,
      value: compared.length === 0 ? null : round((100 * worse.length) / compared.length, 1),
      unit: '%',
      goal: 5,
      better: 'lower',
      note: `${worse.length} of ${compared.length}; the best of all peers for each series, in hindsight`,
    });
    for (const level of COVERED) {
      const covered = pooledCoverage(scored, OURS, h, level);
      results.push({
        metric: `coverage error at ${level * 100} %, ${name}`,
        value: covered === null ? null : round(100 * Math.abs(covered - level), 2),
        unit: 'percentage points',
        goal: 0.5,
        better: 'lower',
        note: `pooled over all bins of ${scored.filter(({ method }) => method === OURS).length} series; covered ${shown((covered ?? Number.NaN) * 100, 2)} %`,
      });
    }
  });
  const ours = scored.filter(({ method }) => method === OURS);
  const fits = ours.flatMap(({ cost }) => (cost.fits.length === 0 ? [] : [(meanOf(cost.fits) ?? 0) + training]));
  const cycles = ours.flatMap(({ cost }) => cost.cycle ?? []);
  const memory = Math.max(...ours.map(({ cost }) => cost.memory ?? Number.NaN));
  const fit = meanOf(fits);
  const cycle = meanOf(cycles);
  results.push(
    {
      metric: 'forecast at a cycle',
      value: cycle === null ? null : round(1000 * cycle, 2),
      unit: 'ms CPU per series',
      goal: 5,
      better: 'lower',
      note: `a bin taken in and the next day forecast at the series' own step; mean, the worst ${shown(1000 * Math.max(...cycles), 1)}`,
    },
    {
      metric: 'fit',
      value: fit === null ? null : round(fit, 2),
      unit: 's CPU per series',
      goal: 15,
      better: 'lower',
      note: `mean of ${fits.length} series, the worst ${shown(Math.max(...fits), 1)}; in it ${shown(training, 2)} of the global model's training`,
    },
    {
      metric: '64 series refitted on 2 cores',
      value: fit === null ? null : round((64 * fit) / 2 / 60, 2),
      unit: 'min',
      goal: 15,
      better: 'lower',
      note: `from processor seconds of the fits of ${fits.length} series, shared by two cores`,
    },
    {
      metric: 'memory',
      value: Number.isFinite(memory) ? round(memory / 1e9, 2) : null,
      unit: 'GB',
      goal: 1.5,
      better: 'lower',
      note: 'the highest resident size of a process that fits and forecasts one series',
    },
  );
  return results;
}

const BEGIN = '<!-- bench-forecast: begin -->';
const END = '<!-- bench-forecast: end -->';

/** Puts the tables of a whole run between the marks of the document; what people wrote around them stays. */
export async function writeDocument(
  path: string,
  scored: readonly Scored[],
  run: {
    results: readonly BenchResult[];
    skipped: readonly { id: string; reason: string }[];
    count: number;
    seconds: number;
  },
): Promise<void> {
  const { text, each } = tableOf(scored);
  const goals = run.results
    .filter(({ goal }) => goal !== null)
    .map(({ metric, value, unit, goal, better, note = '' }) => {
      const met = value !== null && (better === 'lower' ? value <= (goal ?? 0) : value >= (goal ?? 0));
      return [
        metric,
        `${value ?? 'not measured'} ${unit}`,
        `${better === 'lower' ? '≤' : '≥'} ${goal}`,
        met ? 'met' : '**missed**',
        note,
      ];
    });
  const left = run.skipped.map(({ id, reason }) => `${id} (${reason})`).join('; ');
  const made = unique(scored.map(({ method }) => method)).map(
    (method) => `${method} ${scored.filter((one) => one.method === method).length}`,
  );
  const body = [
    `${unique(scored.map(({ series }) => series)).length} series, ${run.count} origins each. Left out: ${left || 'none'}.`,
    `Series forecast by each: ${made.join(', ')}.`,
    '### Goals',
    rows(['figure', 'value', 'goal', '', ''], goals),
    '### By method',
    text,
    '### Every series, ours divided by the peer',
    each,
  ].join('\n\n');
  const document = await readFile(path, 'utf8');
  const [head, rest] = document.split(BEGIN);
  const tail = rest?.split(END)[1];
  if (head === undefined || tail === undefined) throw new TypeError(`${path} has no marks for the tables`);
  await writeFile(path, `${head}${BEGIN}\n\n${body}\n\n${END}${tail}`);
}
