import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { initSync, MSTL } from '@bsull/augurs/mstl';

/*
 * The one place that knows the augurs library. Its WASM is compiled once a thread, on first use, from the file beside
 * its module: the package's own loader would fetch it by URL, which Node does not do for files.
 */
let ready = false;

function load(): void {
  if (ready) return;
  const modulePath = createRequire(import.meta.url).resolve('@bsull/augurs/mstl');
  initSync({ module: readFileSync(join(dirname(modulePath), 'mstl_bg.wasm')) });
  ready = true;
}

/**
 * Fits MSTL with an automatic ETS trend (Bandara, Hyndman and Bergmeir, 2021; Hyndman et al., 2008) and forecasts.
 * @param values without missing ones, at least two of the longest period.
 * @param periods bins a season, ascending.
 * @returns the next `horizon` values; null where the library finds no fit (a constant series).
 */
export function forecastMstl(values: Float64Array, periods: readonly number[], horizon: number): Float64Array | null {
  load();
  const model = MSTL.ets([...periods]);
  try {
    model.fit(values);
    const { point } = model.predict(horizon);
    return point.every((value) => Number.isFinite(value)) ? Float64Array.from(point) : null;
  } catch {
    // Its errors say that this series has no such model; the ensemble goes on without it.
    return null;
  } finally {
    model.free();
  }
}
