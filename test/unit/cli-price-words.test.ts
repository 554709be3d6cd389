import { expect, test } from 'vitest';
import { priceWords } from '../../src/cli/price-words.js';

test.each([
  { name: 'less of a minimum saves', price: 0.2, unit: 'nodes', says: 'one node less of it would save 0.2 EUR/h' },
  {
    name: 'more of a maximum is worth',
    price: -1.5,
    unit: 'nodes',
    says: 'one node more of it would be worth 1.5 EUR/h',
  },
  {
    name: 'more of the budget is worth',
    price: -81.23456,
    unit: 'EUR/h',
    says: 'one EUR/h more of it would be worth 81.23 EUR/h',
  },
  {
    name: 'memory is paid by the GiB',
    price: 0.012 / 2 ** 30,
    unit: 'bytes',
    says: 'one GiB less of it would save 0.012 EUR/h',
  },
  {
    name: 'network by MiB/s',
    price: -0.5 / 2 ** 20,
    unit: 'bytes/s',
    says: 'one MiB/s more of it would be worth 0.5 EUR/h',
  },
  {
    name: 'nothing is nothing, not a tie-break',
    price: 0,
    unit: 'replicas',
    says: 'one replica less or more of it changes the bill by nothing',
  },
  {
    name: 'nor is what nobody could pay',
    price: 2.5e-6,
    unit: 'replicas',
    says: 'one replica less or more of it changes the bill by nothing',
  },
])('a price in words: $name', ({ price, unit, says }) => {
  expect(priceWords(price, unit, 'EUR')).toBe(says);
});
