import { startingPoint, type WorkloadClass } from '../behavior/classes/class.js';
import type { HyperParameters } from './card.js';

/*
 * Where a search over hyper-parameters begins: with what serves now, then with what suits the kind of workload that most
 * series are of, then with the usual settings. The search measures; this says only what is tried first.
 */

/** A network sees so many patches of the recent past (src/forecast/neural/inputs.ts). */
const PATCHES = 24;
/** Wider patches cost input without telling more. */
const WIDEST_PATCH = 48;

/**
 * What a class of workloads suggests for a kind of model; null where it says nothing about it.
 * @param step seconds between bins, of the finest series.
 */
export function suggested(kind: string, of: WorkloadClass, step: number): HyperParameters | null {
  const { leaves, learningRate, context } = startingPoint(of);
  if (kind === 'booster') return { leaves, learningRate };
  if (!kind.startsWith('neural-')) return null;
  return { patch: Math.max(1, Math.min(WIDEST_PATCH, Math.round(context / (PATCHES * step)))) };
}

export interface Start {
  kind: string;
  hyperParameters: HyperParameters;
}

/**
 * Candidates in the order in which they are tried.
 * @param inUse settings of the champions, by kind.
 * @param of the class of most of the series; null where none is known.
 */
export function startOfSearch(
  kinds: readonly string[],
  inUse: ReadonlyMap<string, HyperParameters>,
  of: WorkloadClass | null,
  step: number,
): Start[] {
  const serving = kinds.map((kind) => ({ kind, hyperParameters: inUse.get(kind) ?? {} }));
  const classes = kinds.flatMap((kind) => {
    const hyperParameters = of === null ? null : suggested(kind, of, step);
    return hyperParameters === null ? [] : [{ kind, hyperParameters }];
  });
  const usual = kinds.filter((kind) => inUse.has(kind)).map((kind) => ({ kind, hyperParameters: {} }));
  return [...serving, ...classes, ...usual];
}
