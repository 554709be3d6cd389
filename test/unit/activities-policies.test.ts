import { describe, expect, test } from 'vitest';
import { observeRequest, targetOf } from '../../activities/policies.js';
import { checkAccountFile } from '../../src/domain/account-file.js';
import type { AccountFile, AccountPolicy } from '../../src/domain/account.js';
import { accountFileSchema } from '../../src/domain/account.js';

type Target = NonNullable<AccountFile['workloads'][number]['target']>;

const policyOf = (target: Target, account: Partial<AccountFile> = {}): AccountPolicy =>
  accountFileSchema.parse({
    version: 'headroom/v1',
    account: 'acme',
    workloads: [{ name: 'web', target, components: { cpu: { request: 1 } }, replicas: { min: 1, max: 9 } }],
    pools: [
      { name: 'general', pricePerHour: 1, node: { cpu: 4 } },
      { name: 'spot', pricePerHour: 1, node: { cpu: 4 }, nodeSelector: { tier: 'spot' } },
    ],
    ...account,
  });

describe('an account finds its objects', () => {
  test.each<{ row: string; target: Target; account?: Partial<AccountFile>; at: object }>([
    { row: 'in a namespace of its name', target: {}, at: { namespace: 'acme', name: 'web' } },
    {
      row: 'in the namespace that it names',
      target: {},
      account: { namespace: 'shared' },
      at: { namespace: 'shared', name: 'web' },
    },
    {
      row: 'where the target says, before all',
      target: { namespace: 'other', name: 'front' },
      account: { namespace: 'shared' },
      at: { namespace: 'other', name: 'front' },
    },
    {
      row: 'by name, with the labels that the account asks for',
      target: {},
      account: { labels: { tenant: 'acme' } },
      at: { name: 'web', labels: { tenant: 'acme' } },
    },
    {
      row: 'by label, with those of the account',
      target: { selector: { app: 'web' } },
      account: { labels: { tenant: 'acme' } },
      at: { name: 'web', labels: { tenant: 'acme', app: 'web' }, anyName: true },
    },
  ])('$row', ({ target, account, at }) => {
    const found = targetOf(policyOf(target, account), 'web');
    expect(found).toMatchObject(at);
    if (!('labels' in at)) expect(found.labels).toBeUndefined();
    if (!('anyName' in at)) expect(found.anyName).toBeUndefined();
  });

  test('by name and by label at once is refused, with its line', () => {
    const text = [
      'version: headroom/v1',
      'account: acme',
      'workloads:',
      '  - name: web',
      '    target: { name: web, selector: { app: web } }',
      '    components: { cpu: { request: 1 } }',
      '    replicas: { min: 1, max: 9 }',
      'pools: [{ name: general, pricePerHour: 1, node: { cpu: 4 } }]',
    ].join('\n');
    const checked = checkAccountFile(text);
    expect(checked).toMatchObject({
      problems: [
        { line: 5, path: 'workloads[0].target.selector', problem: expect.stringContaining('give one of them') },
      ],
    });
  });

  test.each<{ row: string; selector: Record<string, string> }>([
    { row: 'no label at all', selector: {} },
    { row: 'a key with a space', selector: { 'a b': 'web' } },
    { row: 'a value with a comma, which would be a selector of its own', selector: { app: 'web,tier=db' } },
  ])('$row is refused', ({ selector }) => {
    expect(() => policyOf({ selector })).toThrow();
  });
});

describe('what is looked at', () => {
  test('pools that name their nodes’ labels carry them along', () => {
    expect(observeRequest(policyOf({}))).toMatchObject({
      pools: ['general', 'spot'],
      nodeSelectors: { spot: { tier: 'spot' } },
    });
  });

  test('workloads of the fields that were touched are read at the source, pools are not', () => {
    const policy = policyOf({});
    expect(observeRequest(policy).fresh).toBeUndefined();
    expect(
      observeRequest(policy, [
        { field: 'nodes', pool: 'general', value: 3 },
        { field: 'floor', workload: 'web', value: 3 },
        { field: 'request', workload: 'web', component: 'cpu', value: 3 },
      ]).fresh,
    ).toEqual(['web']);
  });
});
