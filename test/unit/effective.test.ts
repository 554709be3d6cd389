import { expect, test } from 'vitest';
import { effectivePolicy } from '../../src/cli/effective.js';
import { accountFileSchema } from '../../src/domain/account.js';
import { checkAccountFile } from '../../src/domain/account-file.js';
import { simple } from './allocate-fixtures.js';

/* `plan --effective`. Where this fails, an operator reads a policy with holes, and has to know what fills them. */

test('every default of a strategy is shown, though no strategy is named', () => {
  expect(effectivePolicy(simple())).toMatchObject({
    ...{ level: 0.99, hysteresis: 0.05, spotMaxShare: 1, spotMarketMaxShare: 1, surviveZone: 0 },
    ...{ weights: { shortfall: 1, churn: 1, priceRisk: 0 }, migrations: 'propose' },
  });
});

test('what the file says itself wins, and a weight alone does not hide the others', () => {
  const policy = simple({ spotMarketMaxShare: 0.2, weights: { churn: 3 }, migrations: 'never' });
  expect(effectivePolicy(policy)).toMatchObject({
    ...{ spotMarketMaxShare: 0.2, weights: { shortfall: 1, churn: 3, priceRisk: 0 }, migrations: 'never' },
  });
});

test('read again it is the same account', () => {
  const effective = effectivePolicy(simple());
  expect(accountFileSchema.parse(effective)).toEqual(effective);
  expect(checkAccountFile(JSON.stringify(effective))).toEqual({ policy: effective });
});
