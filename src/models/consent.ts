import { shortId } from './artifact.js';
import type { ModelCard } from './card.js';
import type { Succession } from './reign.js';

/*
 * What speaks against making a model champion by hand. A person may do it all the same, knowing; nobody is to do it
 * without a word.
 */

/** At the levels that capacity is planned at, coverage may be off by so much, either way, as a share. */
export const COVERAGE_BOUNDS: readonly { level: number; most: number }[] = [
  { level: 0.95, most: 0.03 },
  { level: 0.99, most: 0.02 },
];

/**
 * @param state of the scope where it is to serve.
 * @param champion the card of who serves there; null where nobody does, or its file is gone.
 * @returns reasons, in words; none where nothing speaks against it.
 */
export function objections(id: string, card: ModelCard, state: Succession, champion: ModelCard | null): string[] {
  if (state.champion?.id === id) return [];
  return [...coverageObjections(card), ...lossObjections(id, card, state, champion)];
}

function coverageObjections({ metrics }: ModelCard): string[] {
  return COVERAGE_BOUNDS.flatMap(({ level, most }) => {
    const at = metrics?.coverage.find((one) => Math.abs(one.level - level) < 1e-6);
    if (at === undefined || Math.abs(at.reached - level) <= most) return [];
    const off = (100 * (at.reached - level)).toFixed(1);
    return [
      `at level ${level} it covered ${(100 * at.reached).toFixed(1)} %: ${off} points off, ${100 * most} are allowed`,
    ];
  });
}

function lossObjections(id: string, card: ModelCard, state: Succession, champion: ModelCard | null): string[] {
  const own = state.history.filter((step) => step.id === id);
  const serving = state.champion?.id ?? null;
  const beside = own.filter((step) => step.against === serving && step.judged !== undefined).at(-1);
  if (beside?.judged !== undefined) {
    const { ratio, units } = beside.judged;
    const name = state.champion === null ? 'of the last value' : `of the champion ${shortId(state.champion.id)}`;
    return ratio > 1 ? [`its loss was ${ratio.toFixed(3)} × that ${name}, over ${units} days of series`] : [];
  }
  const last = own.filter(({ event }) => event !== 'challenged').at(-1);
  if (last?.event === 'rejected') return [`it was let go by ${last.by}: ${last.reason}`];
  const [mine, theirs] = [card.metrics, champion?.metrics ?? null];
  // Figures of two cards compare where both come from the same bins.
  const same = card.data.hash === champion?.data.hash && mine?.origins === theirs?.origins;
  if (!same || mine === null || theirs === null || mine.wql <= theirs.wql) return [];
  return [`its WQL is ${mine.wql.toPrecision(4)}, the champion’s ${theirs.wql.toPrecision(4)} on the same bins`];
}
