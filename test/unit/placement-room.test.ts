import { describe, expect, test } from 'vitest';
import { checkAccountFile } from '../../src/domain/account-file.js';

const fileOf = (head: string, workload = '') => `
version: headroom/v1
account: acme
${head}
workloads:
  - name: api
    components: { cpu: { request: 1 } }
    replicas: { min: 2, max: 30 }
${workload}
pools:
  - { name: od, zone: a, pricePerHour: 0.4, node: { cpu: 8 } }
  - { name: spot, zone: b, capacityType: spot, pricePerHour: 0.1, node: { cpu: 8 } }
`;

describe('a strategy asks for what the pools can give', () => {
  // What a user loses: each plan of a preset said that its own limits contradict each other.
  test.each([
    {
      name: 'safest, with spot alone in the other zone: as much survives as may be on spot',
      text: fileOf('strategy: safest'),
      settings: { surviveZone: 0.1, spotMaxShare: 0.2, spotMarketMaxShare: 0.1 },
    },
    {
      name: 'balanced can be had as it is',
      text: fileOf('strategy: balanced'),
      settings: { surviveZone: 0.33, spotMaxShare: 0.5, spotMarketMaxShare: 0.34 },
    },
    {
      name: 'what a workload asks for itself: the strategy’s shares of spot make room',
      text: fileOf('strategy: balanced', '    surviveZone: 0.5'),
      settings: { surviveZone: 0.33, spotMaxShare: 0.5, spotMarketMaxShare: 0.5 },
    },
    {
      name: 'what the account asks for itself: both shares of spot make room',
      text: fileOf('strategy: safest\nsurviveZone: 0.4'),
      settings: { surviveZone: 0.4, spotMaxShare: 0.4, spotMarketMaxShare: 0.4 },
    },
    {
      name: 'nothing on spot, said by the file: nothing survives its only other zone',
      text: fileOf('strategy: safest\nspotMaxShare: 0'),
      settings: { surviveZone: 0, spotMaxShare: 0 },
    },
  ])('$name', ({ text, settings }) => {
    expect(checkAccountFile(text)).toMatchObject({ policy: settings });
  });
});

describe('shares that the file itself says, and nothing can keep', () => {
  test.each([
    { name: 'of the account', text: fileOf('surviveZone: 0.9\nspotMaxShare: 0'), path: 'surviveZone', line: 4 },
    {
      name: 'of a workload',
      text: fileOf('spotMarketMaxShare: 0.34', '    surviveZone: 0.5'),
      path: 'workloads[0].surviveZone',
      line: 9,
    },
  ])('are refused with their line: $name', ({ text, path, line }) => {
    const result = checkAccountFile(text);
    expect('problems' in result ? result.problems : []).toMatchObject([{ path, line }]);
  });

  test.each([
    { name: 'together they can be kept', text: fileOf('surviveZone: 0.34\nspotMarketMaxShare: 0.34') },
    { name: 'no spot, and nothing said of zones', text: fileOf('spotMaxShare: 0') },
  ])('and no others: $name', ({ text }) => {
    expect(checkAccountFile(text)).toHaveProperty('policy');
  });
});
