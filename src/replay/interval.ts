/** Two-sided 95 % of a normal distribution. */
const Z = 1.959963984540054;

/**
 * Wilson's score interval of a share (Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22,
 * 1927), at 95 %: which true shares would give so many of `count` independent trials.
 * @returns shares from 0 to 1; all of them where there was no trial.
 */
export function wilsonInterval(hits: number, count: number): { low: number; high: number } {
  if (!(count > 0)) return { low: 0, high: 1 };
  const share = hits / count;
  const scale = 1 + (Z * Z) / count;
  const middle = (share + (Z * Z) / (2 * count)) / scale;
  const half = (Z / scale) * Math.sqrt((share * (1 - share)) / count + (Z * Z) / (4 * count * count));
  return { low: hits === 0 ? 0 : middle - half, high: hits === count ? 1 : middle + half };
}
