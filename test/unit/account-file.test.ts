import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { accountJsonSchema, checkAccountFile, readAccountFile } from '../../src/domain/account-file.js';

const MINIMAL = `version: headroom/v1
account: acme
workloads:
  - name: web
    components:
      cpu: { request: 500m }
    replicas: { min: 1, max: 10 }
pools:
  - name: general
    pricePerHour: 0.2
    node: { cpu: 4, memory: 16Gi }
`;

const problems = (text: string) => {
  const result = checkAccountFile(text);
  return 'problems' in result ? result.problems : [];
};

describe('account file', () => {
  it('fills every default in and turns amounts into numbers', () => {
    const policy = readAccountFile(MINIMAL, 'acme.yaml');
    expect(policy).toMatchObject({
      mode: 'recommend',
      ownership: 'floor',
      cycle: 300,
      level: 0.99,
      history: 2_419_200,
    });
    expect(policy.workloads[0]?.components.cpu?.request).toBe(0.5);
    expect(policy.pools[0]?.node.memory).toBe(16 * 2 ** 30);
    expect(policy.verification).toMatchObject({ for: 600, failAfter: 2 });
  });

  it('an account may have dots in its name where it says which namespace is its', () => {
    expect(readAccountFile(MINIMAL.replace('acme', 'acme.eu') + 'namespace: acme-eu\n', 'a.yaml')).toMatchObject({
      account: 'acme.eu',
      namespace: 'acme-eu',
    });
  });

  // A reader who mistypes a limit has to learn where, or believes in a limit that does not hold.
  it.each([
    [
      'an unknown field, with a suggestion',
      MINIMAL.replace('max: 10', 'max: 10, stepup: 2'),
      7,
      34,
      /did you mean "stepUp"/,
    ],
    ['an unknown top-level field', `${MINIMAL}budgets: { perHour: 2 }\n`, 12, 1, /did you mean "budget"/],
    ['an unknown field far from all', `${MINIMAL}zzzzzz: 1\n`, 12, 1, /known here: version, account/],
    ['a missing field', MINIMAL.replace('    pricePerHour: 0.2\n', ''), 9, 5, /is missing/],
    ['a bad duration', `${MINIMAL}cycle: 5 minutes\n`, 12, 8, /is not a duration/],
    ['a bad quantity', MINIMAL.replace('500m', 'half'), 6, 23, /is not a quantity/],
    ['a minimum above the maximum', MINIMAL.replace('min: 1,', 'min: 11,'), 7, 22, /minimum 11 is above maximum 10/],
    [
      'an undefined pool',
      MINIMAL.replace('    replicas', '    pools: [gone]\n    replicas'),
      7,
      12,
      /pool "gone" is not defined under pools; there are general/,
    ],
    ['a time zone that is none', `${MINIMAL}timeZone: Mars/Olympus\n`, 12, 11, /IANA time zone/],
    ['a time zone misspelt', `${MINIMAL}timeZone: Europe/Berlni\n`, 12, 11, /did you mean "Europe\/Berlin"/],
    ['a level above one', `${MINIMAL}level: 99\n`, 12, 8, /0.9999/],
    ['an account that no namespace can be named after', MINIMAL.replace('acme', 'acme.eu'), 2, 10, /or a namespace/],
    ['a namespace with a dot', `${MINIMAL}namespace: acme.eu\n`, 12, 12, /name of a namespace/],
    ['broken YAML', `${MINIMAL}tasks: [\n`, 13, 1, /./],
    ['a key given twice', `${MINIMAL}account: other\n`, 12, 1, /unique/],
    [
      'a time without a zone',
      `${MINIMAL}events: [{ name: x, from: 2026-01-01 10:00, to: 2026-01-02T00:00:00Z, multiplier: 2 }]\n`,
      12,
      27,
      /with a zone/,
    ],
    [
      'an event without an expectation',
      `${MINIMAL}events: [{ name: x, from: 1, to: 2 }]\n`,
      12,
      10,
      /either multiplier or demand/,
    ],
    [
      'a schedule that is none',
      `${MINIMAL}tasks: [{ name: t, workload: web, cron: "99 * * * *", duration: 1h, demand: { cpu: 1 } }]\n`,
      12,
      41,
      /is not a schedule/,
    ],
    [
      'a schedule with six fields',
      `${MINIMAL}blackouts: [{ name: b, cron: "0 0 2 * * *", duration: 1h, reason: r }]\n`,
      12,
      30,
      /five fields/,
    ],
    ['a budget below zero', `${MINIMAL}budget: { perHour: -1 }\n`, 12, 20, /-1 is too small; it has to be 0 or more/],
    ['an infinite price', MINIMAL.replace('0.2', '.inf'), 10, 19, /./],
  ])('names line and column of %s', (_name, text, line, column, message) => {
    const found = problems(text);
    expect(found.length).toBeGreaterThan(0);
    expect(found[0]).toMatchObject({ line, column });
    expect(found[0]?.problem).toMatch(message);
  });

  it('reports all problems at once, as file:line:column', () => {
    const text = `${MINIMAL}cycle: soon\nlevel: 2\n`;
    expect(problems(text)).toHaveLength(2);
    expect(() => readAccountFile(text, 'acme.yaml')).toThrow(/acme\.yaml:12:8: cycle: [\s\S]*acme\.yaml:13:8: level: /);
  });

  it('an empty file is refused, not taken as an empty account', () => {
    expect(problems('').map(({ path }) => path)).toContain('account');
  });

  it('the JSON Schema that editors use is current (npm run schema writes it)', () => {
    const written: unknown = JSON.parse(readFileSync('docs/account.schema.json', 'utf8'));
    expect(written).toEqual(JSON.parse(JSON.stringify(accountJsonSchema())));
  });
});
