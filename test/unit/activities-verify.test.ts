import { MockActivityEnvironment } from '@temporalio/testing';
import { describe, expect, it } from 'vitest';
import type { Dependencies } from '../../activities/dependencies.js';
import type { VerifyResult } from '../../activities/types.js';
import { createVerify } from '../../activities/verify.js';
import { policyOf } from '../workflow/fakes.js';

const BEGAN = 10_000;

/** A source whose metric has one value before the change and another after it; null cannot be read. */
async function verified(before: number | null, after: number | null) {
  const source = {
    readMetric: ({ to }: { to: number }) => Promise.resolve(to <= BEGAN ? before : after),
  };
  // The activity reads one port; the others are not touched.
  const deps = { source } as unknown as Dependencies;
  const { verify } = createVerify(deps, { get: () => Promise.resolve(policyOf()), remember: () => Promise.resolve() });
  const result = (await new MockActivityEnvironment().run(verify, {
    account: 'acme',
    policyId: 'p',
    changeId: 'acme/1',
    targets: [{ field: 'replicas' as const, workload: 'web', value: 4 }],
    began: BEGAN,
    from: BEGAN + 120,
    to: BEGAN + 420,
  })) as VerifyResult;
  return result.checks[0];
}

// The limit of the policy is 0.1.
describe('a check of a change', () => {
  it.each([
    ['within its limit', 0.01, 0.05, true],
    ['beyond it, and fine before: the change made it so', 0.01, 0.5, false],
    ['beyond it as before: not the change’s doing', 0.5, 0.5, true],
    ['beyond it and much worse than before', 0.2, 0.5, false],
    ['beyond it, with nothing known of before', null, 0.5, false],
    ['unreadable: no pass', 0.01, null, false],
  ])('%s', async (_name, before, after, passed) => {
    expect(await verified(before, after)).toMatchObject({ value: after, passed });
  });
});
