import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { checkFleetFile, fleetJsonSchema, readFleetFile } from '../../src/domain/fleet-file.js';

const MINIMAL = `version: headroom/v1
fleet: shared
pools:
  - name: general
    pricePerHour: 0.2
    node: { cpu: 4, memory: 16Gi }
`;

const problems = (text: string) => {
  const result = checkFleetFile(text);
  return 'problems' in result ? result.problems : [];
};

describe('fleet file', () => {
  it('fills every default in and turns amounts into numbers; without more said it only observes', () => {
    expect(readFleetFile(MINIMAL, 'fleet.yaml')).toMatchObject({
      mode: 'observe',
      cycle: 300,
      grantsFor: 900,
      pools: [{ cluster: 'main', node: { memory: 16 * 2 ** 30 }, provisioning: { kind: 'none' }, min: 0, warm: 0 }],
    });
  });

  it.each([
    ['simulated', '{ kind: simulated }', { kind: 'simulated' }],
    ['karpenter', '{ kind: karpenter }', { kind: 'karpenter', limit: 'cpu' }],
    ['cluster-api', '{ kind: cluster-api, namespace: infra }', { kind: 'cluster-api', namespace: 'infra' }],
    [
      'webhook',
      '{ kind: webhook, url: "https://vms.example/pools", secretFrom: HEADROOM_WEBHOOK_VMS }',
      { kind: 'webhook', timeout: 10 },
    ],
  ])('pools are provisioned by %s', (_name, written, read) => {
    const text = `${MINIMAL}    provisioning: ${written}\n`;
    expect(readFleetFile(text, 'fleet.yaml').pools[0]?.provisioning).toMatchObject(read);
  });

  // A reader who mistypes a limit has to learn where, or believes in a limit that does not hold.
  it.each([
    ['an account file', MINIMAL.replace('fleet:', 'account:'), 2, /unknown field "account"/],
    ['a misspelt field', `${MINIMAL}    maxx: 3\n`, 7, /did you mean "max"/],
    ['a pool without a price', MINIMAL.replace('    pricePerHour: 0.2\n', ''), 4, /is missing/],
    ['a price below nothing', MINIMAL.replace('0.2', '-1'), 5, /-1 is too small; it has to be 0 or more/],
    ['a price beyond any node', MINIMAL.replace('0.2', '1e12'), 5, /has to be 1000000 or less/],
    ['nodes that offer nothing', MINIMAL.replace('cpu: 4, memory: 16Gi', 'cpu: 0'), 6, /offers nothing/],
    ['a minimum above the maximum', `${MINIMAL}    min: 5\n    max: 2\n`, 7, /minimum 5 is above maximum 2/],
    ['more warm nodes than there can be', `${MINIMAL}    max: 2\n    warm: 3\n`, 8, /above maximum 2/],
    ['two pools of one name', `${MINIMAL}  - { name: general, pricePerHour: 1, node: { cpu: 1 } }\n`, 7, /named twice/],
    ['a secret in another variable', webhook('secretFrom: AWS_SECRET_ACCESS_KEY'), 7, /HEADROOM_WEBHOOK_/],
    ['the secret itself', webhook('secretFrom: hunter2'), 7, /HEADROOM_WEBHOOK_/],
    ['an address that is none', webhook('secretFrom: HEADROOM_WEBHOOK_A', 'ftp://x'), 7, /is no address/],
    [
      'an unknown way to provision',
      `${MINIMAL}    provisioning: { kind: terraform }\n`,
      7,
      /"terraform" is none of none, simulated/,
    ],
    ['grants that one late cycle ends', `${MINIMAL}cycle: 10m\ngrantsFor: 15m\n`, 8, /one late cycle/],
    ['a cycle of nothing', `${MINIMAL}cycle: 0s\n`, 7, /shorter than 30s/],
    ['forgetting before doubting', `${MINIMAL}staleAfter: 2d\nforgetAfter: 1d\n`, 8, /shorter than staleAfter/],
    ['a horizon that no plan reaches', `${MINIMAL}horizon: 30d\n`, 7, /above a day.*write 24h or less/],
    ['an unknown pool of a term', commitment('pool: ghost, pricePerHour: 0.1'), 7, /"ghost" is not defined/],
    ['a commitment that never pays', commitment('pool: general, pricePerHour: 0.3'), 7, /never pay/],
    ['a limit in what nodes do not have', limit(), 6, /names no memory/],
    ['no pool at all', 'version: headroom/v1\nfleet: a\npools: []\n', 3, /at least 1 entry/],
    ['an empty file', '', 1, /is missing/],
  ])('%s is refused, with its place', (_name, text, line, problem) => {
    const found = problems(text);
    expect(found.map((one) => one.problem).join('\n')).toMatch(problem);
    expect(found.map((one) => one.line)).toContain(line);
  });

  it('says every problem at once, and where every field is described', () => {
    const text = MINIMAL.replace('0.2', '-1').replace('cpu: 4', 'cpu: four');
    expect(() => readFleetFile(text, 'f.yaml')).toThrow(
      /2 problems\n {2}f\.yaml:5:19.*\n {2}f\.yaml:6:18.*fleet\.schema/s,
    );
  });

  it('the schema in docs is the one in the code', () => {
    const written: unknown = JSON.parse(readFileSync('docs/fleet.schema.json', 'utf8'));
    expect(written).toEqual(JSON.parse(JSON.stringify(fleetJsonSchema())));
  });
});

function webhook(fields: string, url = 'https://vms.example'): string {
  return `${MINIMAL}    provisioning: { kind: webhook, url: "${url}", ${fields} }\n`;
}

function commitment(fields: string): string {
  return `${MINIMAL}commitments: { terms: [{ name: year, length: 365d, ${fields} }] }\n`;
}

function limit(): string {
  return `${MINIMAL.replace(', memory: 16Gi', '')}    provisioning: { kind: karpenter, limit: memory }\n`;
}
