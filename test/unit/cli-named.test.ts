import { describe, expect, test } from 'vitest';
import { namedPool, namedWorkload } from '../../src/cli/named.js';
import { readAccountFile } from '../../src/domain/account-file.js';

/* A name that is mistyped must begin nothing, and say what was probably meant. */

const policyOf = (pools: string) =>
  readAccountFile(
    `version: headroom/v1
account: shop
workloads: [{ name: web, components: { cpu: { request: 1 } }, replicas: { min: 1, max: 3 } }]
pools: [${pools}]`,
    'shop.yaml',
  );
const POOLS = ['general', 'spot'].map((name) => `{ name: ${name}, pricePerHour: 1, node: { cpu: 8 } }`).join(', ');

describe('a name on the command line', () => {
  test('that is there is taken', () => {
    expect(namedPool(policyOf(POOLS), 'spot').name).toBe('spot');
    expect(namedWorkload(policyOf(POOLS), 'web').name).toBe('web');
  });

  test.each([
    [
      'a mistyped pool',
      namedPool,
      POOLS,
      'sopt',
      'shop has no pool "sopt"; it has general, spot; did you mean "spot"?',
    ],
    [
      'a pool like no other',
      namedPool,
      POOLS,
      'mercury-seven',
      'shop has no pool "mercury-seven"; it has general, spot',
    ],
    ['a mistyped workload', namedWorkload, POOLS, 'wbe', 'shop has no workload "wbe"; it has web; did you mean "web"?'],
    ['a name of other letter case', namedPool, POOLS, 'Spot', 'it has general, spot; did you mean "spot"?'],
  ])('%s is not found, with what there is', (_row, find, pools, name, says) => {
    expect(() => find(policyOf(pools), name)).toThrow(
      expect.objectContaining({
        exitCode: 3,
        message: expect.stringMatching(new RegExp(`${says.replaceAll('?', '\\?')}$`)) as string,
      }),
    );
  });
});
