import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MOST_POLICY_BYTES, refuseTooLarge } from '../../src/cli/policy-size.js';
import { readPolicyFile } from '../../src/cli/commands/start.js';
import { environment, temporaryFolder, within, type Folder } from './headroom.js';

/* A policy that does not go through Temporal is refused before anything is sent: sent, it would stall the account. */

/** Each has a check with a long query, so that 200 of them have what thousands have. */
const WORKLOADS = 200;
const QUERY = 'x'.repeat(8000);
const file = (workloads: number): string =>
  [
    ...[
      'version: headroom/v1',
      'account: big',
      'pools: [{ name: p, pricePerHour: 1, node: { cpu: 4 } }]',
      'workloads:',
    ],
    ...Array.from(
      { length: workloads },
      (_, index) =>
        `  - { name: w${index}, components: { cpu: { request: 1 } }, replicas: { min: 1, max: 40 }, ` +
        `verification: { checks: [{ metric: ${QUERY}, max: 2 }] } }`,
    ),
  ].join('\n');

let folder: Folder;
let env: NodeJS.ProcessEnv;
let path: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  env = environment(folder.path);
  path = join(folder.path, 'big.yaml');
  await writeFile(path, file(WORKLOADS));
});
afterAll(() => folder.remove());

describe('an account too large for one payload', () => {
  it.each([
    { name: 'start', argv: ['start', 'big'] },
    { name: 'policy set', argv: ['policy', 'set', 'big'] },
  ])('$name refuses it with size, limit and what to do, and reaches no server', async ({ argv }) => {
    const { code, err } = await within(env, ...argv, '-f', path);
    expect(err).toMatch(/the policy of big has \d\.\d\d MB with 200 workloads; .* takes 1\.50 MB at most/);
    expect(err).toMatch(/split it into several accounts: about 18\d workloads/);
    expect(code).toBe(2);
  });
});

it('the limit is of bytes, not of characters', async () => {
  const policy = await readPolicyFile(path);
  const few = { ...policy, workloads: policy.workloads.slice(0, 100) };
  expect(() => refuseTooLarge(few)).not.toThrow();
  const letters = 'ü'.repeat(MOST_POLICY_BYTES / 2);
  expect(() => refuseTooLarge({ ...few, account: letters })).toThrow('split');
});
