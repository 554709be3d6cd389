import { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { describe, expect, it } from 'vitest';
import type { Dependencies } from '../../activities/dependencies.js';
import { createObserve } from '../../activities/observe.js';
import type { Policies } from '../../activities/policies.js';
import { HeadroomError } from '../../src/domain/errors.js';
import type { UsageSource } from '../../src/telemetry/port.js';
import { policyOf } from '../workflow/fakes.js';

/*
 * A telemetry source that does not answer: the cycle has to hold with the reason, not sit until its activity is cut off
 * and try again and again.
 */

const policy = policyOf();
const policies: Policies = { get: () => Promise.resolve(policy), remember: () => Promise.resolve() };

const down = (): HeadroomError =>
  new HeadroomError({
    kind: 'unavailable',
    component: 'telemetry/test',
    action: 'reading usage of acme',
    problem: 'it is down',
    remedy: 'start it',
  });

async function failureOf(
  readUsage: UsageSource['readUsage'],
  limits: { withinMs: number; slowMs: number },
): Promise<ApplicationFailure> {
  // Of a worker's ports a cycle reaches its source first.
  const deps = { source: { name: 'test', readUsage }, store: {} } as unknown as Dependencies;
  const { observe } = createObserve(deps, policies, limits);
  try {
    // Its failure is what is asked for: nothing to print.
    await new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR', () => undefined) }).run(observe, {
      account: 'acme',
      policyId: 'p',
      at: 1_772_445_600,
    });
  } catch (error) {
    if (error instanceof ApplicationFailure) return error;
    throw error;
  }
  throw new Error('it read something');
}

describe('a source that gives no answer', () => {
  it('hangs: the cycle is told in words, and does not try again', async () => {
    // As a server that accepts and says nothing: it ends with its signal alone.
    const hanging: UsageSource['readUsage'] = (_query, signal) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
    const failure = await failureOf(hanging, { withinMs: 1000, slowMs: 100 });
    expect(failure).toMatchObject({ type: 'unavailable', nonRetryable: true });
    expect(failure.message).toMatch(/^telemetry\/test: reading usage of acme: no whole answer within 1s; /);
  });

  it('has a limit of its own: its words are the answer, and count as final where they took long', async () => {
    const slow = { withinMs: 60_000, slowMs: 0 };
    expect(await failureOf(() => Promise.reject(down()), slow)).toMatchObject({
      type: 'unavailable',
      nonRetryable: true,
      message: down().message,
    });
  });

  it('refuses at once: a moment may mend it, and it is tried again', async () => {
    const failure = await failureOf(() => Promise.reject(down()), { withinMs: 60_000, slowMs: 60_000 });
    expect(failure).toMatchObject({ type: 'unavailable', nonRetryable: false });
  });
});
