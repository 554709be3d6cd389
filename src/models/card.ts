import { z } from 'zod';

/*
 * What an artifact says of itself. Nothing in it depends on when or how fast it was trained: the same data, seed, code
 * and backend give the same card, so that a fit can be repeated and compared byte by byte.
 */

const share = z.number().min(0).max(1);
const finite = z.number();

/** How a model did on bins that its fit had not seen. */
export const modelMetricsSchema = z.object({
  /** Root mean squared and mean absolute error of the median, in units of each series' mean, over all scored bins. */
  rmse: finite.min(0),
  mae: finite.min(0),
  /** Coefficient of determination of the median; below zero where a constant would have been better. */
  r2: finite.max(1),
  /** Mean absolute scaled error (Hyndman & Koehler 2006): against the one-step naive forecast of the training part. */
  mase: finite.min(0),
  /** Weighted quantile loss: 2 · Σ pinball / Σ |demand|, mean over the levels and then over series. */
  wql: finite.min(0),
  /** How often demand was at or under each level's quantile. */
  coverage: z.array(z.object({ level: share, reached: share })),
  /** Origins that were scored, over all series. */
  origins: z.int().min(1),
});
export type ModelMetrics = z.infer<typeof modelMetricsSchema>;

const hex64 = z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in hexadecimal');

/** A hyper-parameter is plain JSON: a number, a word, a switch, or a list of numbers. */
const hyperParameter = z.union([finite, z.string(), z.boolean(), z.null(), z.array(finite)]);
export type HyperParameters = Record<string, z.infer<typeof hyperParameter>>;

/** How its hyper-parameters were chosen: every fit of the search, of other kinds of model, too. */
export const cardSearchSchema = z.object({
  /** Fits that it was allowed. */
  fits: z.int().min(1),
  /** The class of most of the series, from which it started; null where none was known. */
  class: z.string().nullable(),
  /** The losses are of bins labelled from (inclusive) to (exclusive): after what the fits saw, before what is held back. */
  validation: z.object({ from: finite, to: finite }),
  trials: z.array(
    z.object({
      kind: z.string(),
      hyperParameters: z.record(z.string(), hyperParameter),
      /** Share of a whole fit's effort. */
      effort: z.number().gt(0).max(1),
      /** Weighted quantile loss; null where the fit came to no end. */
      loss: finite.nullable(),
    }),
  ),
});
export type CardSearch = z.infer<typeof cardSearchSchema>;

export const modelCardSchema = z.object({
  /** What can load it: a trainer of this kind. */
  kind: z.string().regex(/^[a-z][a-z0-9-]*$/),
  /** Quantile levels that it was trained for, ascending. */
  levels: z.array(z.number().gt(0).lt(1)).min(1),
  /** Seconds ahead that it was trained for, at most. */
  horizon: finite.gt(0),
  data: z.object({
    /** Bins labelled from (inclusive) to (exclusive) were there to train on, in epoch seconds. */
    from: finite,
    to: finite,
    /** Seconds between bins; the finest, where series differ. */
    step: finite.gt(0),
    /** Pseudonyms of the series, sorted; nothing in a card names an account, a workload or a person. */
    series: z.array(z.string()),
    /** SHA-256 over all bins that went in: two fits on the same data say the same. */
    hash: hex64,
  }),
  seed: z.int(),
  /** What did the arithmetic: a fit repeats bit for bit on the same one. */
  backend: z.string().min(1),
  code: z.object({
    /** Of the package. */
    version: z.string().min(1),
    /** Of the code that trained, by content. */
    build: z.string().min(1),
  }),
  hyperParameters: z.record(z.string(), hyperParameter),
  /** Absent where nothing was searched: the usual settings, or given ones. */
  search: cardSearchSchema.optional(),
  /** On the part of the data that the fit had held back; null where there was too little to hold any. */
  metrics: modelMetricsSchema.nullable(),
  /** SHA-256 of the weights alone. */
  weights: hex64,
});
export type ModelCard = z.infer<typeof modelCardSchema>;
