import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { checkAccountFile } from '../../src/domain/account-file.js';
import { checkFleetFile } from '../../src/domain/fleet-file.js';
import { buildScenario } from '../../src/cluster/simulated/scenario.js';
import { readBook } from '../../src/prices/document.js';

/* Who wrote a file is told in its own words what is wrong: what was given, what is allowed, what was probably meant. */

const account = (field: string, value: string): string => {
  const lines = {
    version: 'headroom/v1',
    account: 'acme',
    workloads: '[{ name: web, components: { cpu: { request: 1 } }, replicas: { min: 1, max: 9 } }]',
    pools: '[{ name: general, pricePerHour: 0.4, node: { cpu: 4 } }]',
    [field]: value,
  };
  return Object.entries(lines)
    .map(([key, text]) => `${key}: ${text}\n`)
    .join('');
};
const web = (parts: string): string =>
  `[{ name: web, components: { cpu: { request: 1 } }, replicas: { min: 1, max: 9 }, ${parts} }]`;
const pool = (parts: string): string => `[{ name: general, pricePerHour: 0.4, node: { cpu: 4 }, ${parts} }]`;

const said = (text: string): string[] => {
  const result = checkAccountFile(text);
  return 'problems' in result ? result.problems.map(({ path, problem }) => `${path}: ${problem}`) : [];
};

describe('an account file', () => {
  test.each<[name: string, field: string, value: string, words: string]>([
    [
      'a name of a few',
      'mode',
      'autoo',
      'mode: "autoo" is none of observe, recommend, approve, auto; did you mean "auto"?',
    ],
    ['one near to none', 'whenPaused', 'x', 'whenPaused: "x" is none of finish, roll-back'],
    ['another version', 'version', 'headroom/v2', 'version: "headroom/v2" is not headroom/v1'],
    ['a number for a text', 'account', '12', 'account: 12 is not text; write it in quotes: "12"'],
    ['a text for a number', 'level', 'high', 'level: "high" is not a number'],
    ['a number that is not whole', 'pools', pool('max: 4.5'), 'pools[0].max: 4.5 is not a whole number'],
    [
      'a text for a yes',
      'workloads',
      web('takeOwnership: "yes"'),
      'workloads[0].takeOwnership: "yes" is not true or false',
    ],
    [
      'one name for a list',
      'workloads',
      web('pools: general'),
      'workloads[0].pools: "general" is not a list; write [general]',
    ],
    [
      'a list for an amount',
      'pools',
      '[{ name: g, pricePerHour: 1, node: { cpu: [4] } }]',
      'pools[0].node.cpu: a list is not text or a number',
    ],
    ['a number for fields', 'budget', '6', 'budget: 6 is not a group of fields (name: value)'],
    ['nothing', 'budget', '', 'budget: is empty; it is a group of fields (name: value)'],
    ['too much', 'level', '1.5', 'level: 1.5 is too large; it has to be 0.9999 or less'],
    ['a list without entries', 'pools', '[]', 'pools: is empty; it needs at least 1 entry'],
    ['no number at all', 'budget', '{ perHour: .nan }', 'budget.perHour: NaN is no finite number'],
    ['what a format refuses', 'currency', 'euro', 'currency: "euro" must be an ISO 4217 code, as EUR'],
    [
      'what is no URL',
      'prices',
      '{ url: here }',
      'prices.url: "here" is not a URL of this kind; write for example http://host:9090',
    ],
    [
      'a component that there is not',
      'workloads',
      web('').replace('cpu:', 'cpuu:'),
      'workloads[0].components.cpuu: unknown field "cpuu"; did you mean "cpu"?',
    ],
    [
      'a pool that is not defined',
      'workloads',
      web('pools: [generl]'),
      'workloads[0].pools: pool "generl" is not defined under pools; did you mean "general"?',
    ],
  ])('%s', (_name, field, value, words) => {
    expect(said(account(field, value))).toEqual([words]);
  });

  test('what is missing is said with what it would be', () => {
    expect(said('pools: [{ name: general, node: { cpu: 4 } }]\n')).toEqual([
      'version: is missing; it is headroom/v1',
      'account: is missing; it is text',
      'workloads: is missing; it is a list',
      'pools[0].pricePerHour: is missing; it is a number',
    ]);
  });

  test('whatever stands in a field, no schema’s own words come through', () => {
    const fields = [
      'mode',
      'level',
      'budget',
      'pools',
      'workloads',
      'prices',
      'cycle',
      'events',
      'strategy',
      'weights',
    ];
    const value = fc.jsonValue({ maxDepth: 2 }).map((one) => JSON.stringify(one));
    fc.assert(
      fc.property(fc.constantFrom(...fields), value, (field, text) => {
        for (const words of said(account(field, text)))
          expect(words).not.toMatch(/Invalid |expected |received|Too (small|big)/);
      }),
      { seed: 7, numRuns: 200 },
    );
  });
});

test('a fleet file: the kind of provisioning, and what that kind knows', () => {
  const fleet = (provisioning: string): string =>
    `version: headroom/v1\nfleet: shared\npools: [{ name: g, pricePerHour: 1, node: { cpu: 4 }, max: 4, provisioning: ${provisioning} }]\n`;
  const problems = (text: string): string[] => {
    const result = checkFleetFile(text);
    return 'problems' in result ? result.problems.map(({ path, problem }) => `${path}: ${problem}`) : [];
  };
  expect(problems(fleet('{ kind: karpentr }'))).toEqual([
    'pools[0].provisioning.kind: "karpentr" is none of none, simulated, karpenter, cluster-api, webhook; did you mean "karpenter"?',
  ]);
  expect(problems(fleet('{ kind: simulated, ulr: x }'))).toEqual([
    expect.stringMatching(/^pools\[0\]\.provisioning\.ulr: unknown field "ulr"; /),
  ]);
});

test('a scenario: every field by its path, with what was meant', () => {
  const raw = {
    version: 'headroom-scenario/v1',
    nam: 'main',
    seed: 'seven',
    pools: [{ name: 'general', node: { cpu: 4 }, pricePerHour: 0.2, nodes: 3, max: 40 }],
    accounts: [],
  };
  expect(() => buildScenario(raw, { what: 's.yaml', directory: '.' })).toThrow(
    /seed: "seven" is not a number.*nam: unknown field "nam"; did you mean "name"\?/,
  );
});

test.each([
  {
    name: 'a capacity type',
    text: 'pool,capacityType,pricePerHour\ng,spto,0.1\n',
    says: /capacityType spto is none of .*write spot/,
  },
  {
    name: 'a column that would make the price count for more',
    text: 'capacity_type,pricePerHour\nspot,0.1\n',
    says: /no field "capacity_type"; did you mean "capacityType"/,
  },
])('prices: $name misspelt is refused, with the name that was meant', ({ text, says }) => {
  expect(() => readBook('prices.csv', text, 'csv', 0)).toThrow(says);
});

test('prices: a column of something else is let be', () => {
  expect(readBook('prices.csv', 'pool,az,note,pricePerHour\ng,a,cheap,0.1\n', 'csv', 0).prices).toHaveLength(1);
});
