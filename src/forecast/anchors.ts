/** Steps ahead at which residuals are learnt: dense at first, then in ever larger strides. */
export function chooseAnchors(horizon: number, exactly: readonly number[]): number[] {
  const usual = [1, 2, 3, 5, 8, 12, 24, 48, 96, 168];
  const anchors = new Set([1, horizon, ...usual, ...exactly].filter((h) => h >= 1 && h <= horizon));
  return [...anchors].sort((a, b) => a - b);
}
