/** Units that nobody pays by, with what they are counted in instead, and how many of them that is. */
const LARGER: Readonly<Record<string, readonly [name: string, size: number]>> = {
  bytes: ['GiB', 2 ** 30],
  'bytes/s': ['MiB/s', 2 ** 20],
};
/** Money per hour below which a price is none: a cent in a month. */
const NOTHING = 1e-5;

/** `nodes` → `node`. */
const singular = (unit: string): string => unit.replace(/s$/, '');
const figure = (value: number): string => String(Number(value.toPrecision(4)));

/**
 * What one unit of a limit is worth, in words.
 * @param price its dual, in money per hour and unit: above 0 one less would save it (a demand, a minimum); below 0 one more would
 *   be worth it (a maximum, the budget), in what goes unserved without it.
 */
export function priceWords(price: number, unit: string, currency: string): string {
  const [name, size] = LARGER[unit] ?? [unit.includes('/') ? unit : singular(unit), 1];
  const money = price * size;
  if (Math.abs(money) < NOTHING) return `one ${name} less or more of it changes the bill by nothing`;
  return money > 0
    ? `one ${name} less of it would save ${figure(money)} ${currency}/h`
    : `one ${name} more of it would be worth ${figure(-money)} ${currency}/h`;
}
