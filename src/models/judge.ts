import type { ModelScore } from './score.js';

/*
 * Whether a challenger takes the champion's place, on bins that neither has seen. A tie stays with the champion: every
 * change of model costs a fit of every account.
 */

export interface Judgement {
  better: boolean;
  /** False where there was too little to tell. */
  enough: boolean;
  /** Geometric mean over units of challenger / champion, of the weighted quantile loss; below 1 is better. */
  ratio: number;
  units: number;
  /** In words, for the history. */
  detail: string;
}

/** Gains below this are not worth a change. */
const MARGIN = 0.01;
/** Fewer days of series than this prove nothing. */
const LEAST_UNITS = 8;
/** One-sided 5 % of Student's t at eight units; a little strict beyond. */
const CRITICAL = 1.9;
/**
 * A mean error of coverage may get worse by so much: the loss pays for it already, and the ensemble learns each member's
 * true spread. Beyond it something is broken.
 */
const COVERAGE_SLACK = 0.1;
/** It has to answer nearly everywhere where it was asked. */
const LEAST_SAID = 0.95;
/** Keeps a day that one of them hit exactly from deciding alone. */
const FLOOR = 1e-4;

/** @param champion scored on the same units in the same order ({@link scoreModels}). */
export function judge(champion: ModelScore, challenger: ModelScore): Judgement {
  const logs = challenger.units.map((unit, index) =>
    Math.log((unit.wql + FLOOR) / ((champion.units[index]?.wql ?? Number.NaN) + FLOOR)),
  );
  const units = logs.length;
  const mean = logs.reduce((sum, log) => sum + log, 0) / Math.max(1, units);
  const variance = logs.reduce((sum, log) => sum + (log - mean) ** 2, 0) / Math.max(1, units - 1);
  const ratio = Math.exp(mean);
  const upper = Math.exp(mean + CRITICAL * Math.sqrt(variance / Math.max(1, units)));
  const enough = units >= LEAST_UNITS;
  const say = (better: boolean, why: string): Judgement => ({
    better,
    enough,
    ratio,
    units,
    detail: `${why} (loss ${ratio.toFixed(3)} × that of ${champion.model} over ${units} days of series)`,
  });
  if (challenger.said < LEAST_SAID * Math.min(1, champion.said)) {
    return say(false, `it answers at ${(challenger.said * 100).toFixed(0)} % of the bins alone`);
  }
  if (!enough) return say(false, `too little to judge by: ${LEAST_UNITS} days of series are needed`);
  if (ratio > 1 - MARGIN) return say(false, 'it is not better by 1 %');
  const [worse, before] = [coverageError(challenger), coverageError(champion)];
  if (worse > before + COVERAGE_SLACK) {
    return say(false, `its coverage is off by ${percent(worse)}, the champion’s by ${percent(before)}`);
  }
  if (upper >= 1) return say(false, 'it is better, but not by more than chance');
  return say(true, 'it is better');
}

/** Mean distance of coverage from its level. */
function coverageError({ metrics }: ModelScore): number {
  if (metrics === null) return 0;
  return (
    metrics.coverage.reduce((sum, { level, reached }) => sum + Math.abs(reached - level), 0) / metrics.coverage.length
  );
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} points`;
