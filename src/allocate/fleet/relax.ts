import type { Highs } from 'highs';
import { answerPrices, leavesUnserved, poolBound, type Answers, type Prices } from './answers.js';
import { groupParts, kindsOf, refine, tightness, type Cluster } from './clusters.js';
import { solveMaster, type MasterSolution } from './master.js';
import type { Fleet } from './prepare.js';

/*
 * The relaxation (fractions of nodes) between two bounds: the master over clusters, whose solutions all members can have,
 * from above; the Lagrangian at its prices, from below. Clusters are split where their members disagree until they meet.
 */

export interface Relaxed {
  /** The last master's solution; its shares stand in `clusters`. */
  master: MasterSolution;
  clusters: Cluster[];
  /** The prices of `lowerBound`. */
  prices: Prices;
  lowerBound: number;
  upperBound: number;
  rounds: number;
  pivots: number;
}

const ITERATIONS = 500_000;

export interface RelaxOptions {
  rounds: number;
  /** Relative distance of the bounds to stop at. */
  gap: number;
  /** Prices to begin with, what parts answer them, and their bound; null: a cold start. */
  start: { prices: Prices; answers: Answers; lowerBound: number } | null;
}

/** @returns null where HiGHS solved no master at all. */
export function relax(highs: Highs, fleet: Fleet, { rounds, gap, start }: RelaxOptions): Relaxed | null {
  const all = Array.from({ length: fleet.blocks }, (_, t) => t);
  let best: Relaxed | null = null;
  let pivots = 0;
  // Prices that were good a cycle ago mostly still are: their bound is often better than that of the first master.
  let asked: { prices: Prices; answers: Answers } | null = start;
  let lowerBound = start?.lowerBound ?? Number.NEGATIVE_INFINITY;
  let clusters = asked === null ? coldClusters(fleet) : warmClusters(fleet, asked.answers);
  for (let round = 1; round <= rounds; round++) {
    const master = solveMaster(highs, fleet, clusters, { blocks: all, before: fleet.now, iterationLimit: ITERATIONS });
    if (master === null) return best;
    pivots += master.pivots;
    const answers = answerPrices(fleet, master.prices);
    const bound = answers.total + poolBound(fleet, master.prices);
    const better = asked === null || bound > lowerBound;
    if (better || asked === null) asked = { prices: master.prices, answers };
    lowerBound = Math.max(lowerBound, bound);
    const upperBound = master.objective + fleet.heldCost;
    best = { master, clusters, prices: asked.prices, lowerBound, upperBound, rounds: round, pivots };
    const apart = gap * Math.abs(best.upperBound);
    if (best.upperBound - best.lowerBound <= apart || round === rounds) return best;
    // Where the members of a cluster disagree is asked at the best prices, at the last ones where that shows nothing new.
    let next = refine(fleet, clusters, asked.prices, asked.answers, apart / 2);
    if (!next.split || !better) next = refine(fleet, next.clusters, master.prices, answers, apart / 2);
    if (!next.split) return best;
    clusters = next.clusters;
  }
  return best;
}

/** Without prices: parts that may use the same pools and ask most for the same component. */
function coldClusters(fleet: Fleet): Cluster[] {
  const { parts, pools, blocks } = fleet;
  const C = fleet.components.length;
  const keys = new Int32Array(parts.count);
  const kinds = new Map<string, number>();
  for (let e = 0; e < parts.count; e++) {
    const { spotShare, budgeted, guaranteed } = parts;
    const allowed = parts.allowed.subarray(e * pools, (e + 1) * pools).join('');
    const kind = `${allowed}${spotShare[e] === 0 ? 'n' : ''}${budgeted[e]}${guaranteed[e]}`;
    const number = kinds.get(kind) ?? kinds.size;
    kinds.set(kind, number);
    keys[e] = number;
  }
  return groupParts(fleet, (e, t) => {
    let most = 0;
    let which = 0;
    for (let c = 0; c < C; c++) {
      const load = parts.load[(e * blocks + t) * C + c] ?? 0;
      if (load > most) {
        most = load;
        which = c;
      }
    }
    const tight = parts.budgeted[e] === 1 ? tightness(fleet, e, t, 0.3) : 0;
    return ((keys[e] ?? 0) * C + which) * 256 + tight;
  });
}

/** By how parts answer the last prices, and how near the next best pool is: those who are undecided are kept apart. */
function warmClusters(fleet: Fleet, answers: Answers): Cluster[] {
  const { blocks, parts, pools } = fleet;
  const apart = kindsOf(fleet);
  return groupParts(fleet, (e, t) => {
    const at = e * blocks + t;
    const way = answers.way[at] ?? 0;
    const margin = answers.margin[at] ?? 0;
    const near = margin < 0.01 ? 0 : margin < 0.03 ? 1 : 2;
    const tight = parts.budgeted[e] === 1 && way > pools ? tightness(fleet, e, t, 0.1) : 0;
    // As one number, which is many times quicker than a text: way, nearness, tightness, and what else sets apart.
    return ((way * 3 + near) * 256 + tight) * 4096 + (apart[e * 2 + (leavesUnserved(way, pools) ? 1 : 0)] ?? 0);
  });
}
