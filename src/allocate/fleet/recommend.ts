import type { Decision, Recommended } from '../../domain/commitment.js';
import { isReserved } from '../../domain/commitment.js';
import { statedFor, type Held } from '../../domain/held.js';
import { heldBy } from '../../domain/commitment.js';
import type { FleetPolicy } from '../../domain/fleet.js';
import type { EpochSeconds } from '../../domain/time.js';
import { planCommitment, type Commitment } from './commitments.js';

/*
 * From hours of nodes that the fleet needed to what is worth reserving. The term to come is taken to be like the last whole
 * weeks, as many as the term has and half as many at least: no growth is read into them, and what they cannot tell is said.
 */

export const HOUR = 3600;
const WEEK_HOURS = 168;
/** One week alone is one sample of each of its hours. */
export const LEAST_WEEKS = 2;
/** Unknown hours are left out; where more than these are unknown, what is left may not be like the rest. */
const KNOWN_SHARE = 0.9;

export interface NeededNodes {
  /** Of the first hour; whole hours, ascending, without a gap: what is unknown is NaN. */
  from: EpochSeconds;
  byPool: ReadonlyMap<string, ArrayLike<number>>;
}

type Term = NonNullable<FleetPolicy['commitments']>['terms'][number];

export interface RecommendInput {
  policy: Pick<FleetPolicy, 'pools' | 'commitments' | 'reservations'>;
  at: EpochSeconds;
  needed: NeededNodes;
  decisions: readonly Decision[];
}

/** One of each pool that a term is of, in the order of the file. */
export function recommend(
  { policy, at, needed, decisions }: RecommendInput,
  idOf: (pool: string) => string,
): Recommended[] {
  const terms = policy.commitments?.terms ?? [];
  return policy.pools.flatMap(({ name, pricePerHour }) => {
    const own = terms.filter(({ pool }) => pool === name);
    if (own.length === 0) return [];
    return [
      {
        id: idOf(name),
        ...ofPool(name, pricePerHour, own, { at, needed, decisions, stated: statedFor(policy.reservations, name) }),
      },
    ];
  });
}

function ofPool(
  pool: string,
  onDemandPerHour: number,
  terms: readonly Term[],
  { at, needed, decisions, stated }: Omit<RecommendInput, 'policy'> & { stated: readonly Held[] },
): Omit<Recommended, 'id'> {
  const hours = Float64Array.from(needed.byPool.get(pool) ?? []);
  const first = hours.findIndex((value) => !Number.isNaN(value));
  const weeks = first < 0 ? 0 : Math.floor((hours.length - first) / WEEK_HOURS);
  const live = decisions.filter((one) => one.pool === pool && isReserved(one, at));
  const notJudged: string[] = [];
  let best: { term: Term; found: Commitment; weeks: number } | null = null;
  let judged: { found: Commitment; weeks: number } | null = null;
  for (const term of terms) {
    const enough = Math.max(LEAST_WEEKS, Math.ceil(term.length / HOUR / 2 / WEEK_HOURS));
    if (weeks < enough) {
      notJudged.push(`${term.name} needs ${enough} weeks of the fleet’s plans, and there are ${weeks}`);
      continue;
    }
    const used = Math.min(weeks, Math.max(LEAST_WEEKS, Math.ceil(term.length / HOUR / WEEK_HOURS)));
    const seen = hours.subarray(hours.length - used * WEEK_HOURS);
    const known = seen.reduce((sum, value) => sum + (Number.isNaN(value) ? 0 : 1), 0) / seen.length;
    if (known < KNOWN_SHARE) {
      notJudged.push(`${term.name}: of the last ${used} weeks only ${Math.floor(100 * known)} % are known`);
      continue;
    }
    const path = repeated(seen, term.length / HOUR);
    const had = live.reduce((sum, one) => sum + (one.term === term.name ? one.nodes : 0), 0);
    const found = planCommitment({
      pool,
      onDemandPerHour,
      scenarios: [path],
      reserved: reservedBy([...live.map((one) => ({ ...heldBy(one), from: at })), ...stated], at, path.length),
      terms: [
        { name: term.name, hours: path.length, pricePerHour: term.pricePerHour, most: Math.max(0, term.most - had) },
      ],
    });
    judged ??= { found, weeks: used };
    if (found.term === null || (best !== null && savingOf(found) <= savingOf(best.found))) continue;
    best = { term, found, weeks: used };
  }
  const of = best?.found ?? judged?.found ?? null;
  return {
    pool,
    onDemandPerHour,
    notJudged,
    term: best?.term.name ?? null,
    nodes: best?.found.nodes ?? 0,
    length: best?.term.length ?? 0,
    pricePerHour: best?.term.pricePerHour ?? 0,
    costPerHour: of?.costPerHour ?? 0,
    withoutPerHour: of?.withoutPerHour ?? 0,
    usedShare: of?.usedShare ?? 0,
    weeks: best?.weeks ?? judged?.weeks ?? weeks,
    words: of === null ? `nothing can be said of pool ${pool} yet` : wordsOf(of, best?.weeks ?? judged?.weeks ?? weeks),
  };
}

const savingOf = ({ withoutPerHour, costPerHour }: Commitment): number => withoutPerHour - costPerHour;

const wordsOf = ({ words, term, pool }: Commitment, weeks: number): string =>
  term === null
    ? `reserve nothing of pool ${pool}: in the last ${weeks} weeks no node more was needed often enough to pay`
    : `${words}, if the term is like the last ${weeks} weeks`;

/** Whole repeats, so that each hour of the history counts the same; hour 0 falls on the hour of the week that is next. */
function repeated(seen: Float64Array, hours: number): Float64Array {
  const times = Math.max(1, Math.ceil(hours / seen.length));
  const path = new Float64Array(times * seen.length);
  for (let k = 0; k < times; k++) path.set(seen, k * seen.length);
  return path;
}

/** Nodes that are reserved already in each hour from `at` on. */
function reservedBy(live: readonly Held[], at: EpochSeconds, hours: number): Float64Array {
  const reserved = new Float64Array(hours);
  for (const { nodes, from, until } of live) {
    const end = Math.min(hours, Math.floor((until - at) / HOUR));
    for (let hour = Math.max(0, Math.ceil((from - at) / HOUR)); hour < end; hour++)
      reserved[hour] = (reserved[hour] ?? 0) + nodes;
  }
  return reserved;
}
