/** Four significant digits, without an exponent where a person would write none. */
export const readable = (value: number): string => {
  if (value === 0) return '0';
  return Math.abs(value) >= 1e4 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(4)));
};
