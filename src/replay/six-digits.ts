/** Relative: sums of fractions are off by less, and are not rounded up for it. */
const SLACK = 1e-12;

/**
 * A capacity in six significant digits, rounded up: what a forecast's arithmetic leaves beyond them is noise. Without it a series
 * that never moves would seem to be scaled at every bin, and nobody sets a capacity in sixteen digits. Rounded up, what was
 * covered stays covered, at a hundred-thousandth more.
 */
export function sixDigits(capacity: number): number {
  if (!(capacity > 0) || !Number.isFinite(capacity)) return capacity;
  const unit = 10 ** (Math.floor(Math.log10(capacity)) - 5);
  return Number((Math.ceil((capacity * (1 - SLACK)) / unit) * unit).toPrecision(6));
}
