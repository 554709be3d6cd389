import { z } from 'zod';

/** Runs a reader that throws RangeError, and turns what it says into a schema issue at the field. */
export const read =
  <In, Out>(reader: (value: In) => Out) =>
  (value: In, context: z.core.$RefinementCtx): Out => {
    try {
      return reader(value);
    } catch (error) {
      context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
      return z.NEVER;
    }
  };
