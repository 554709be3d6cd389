import { describe, expect, it } from 'vitest';
import { defaultPayloadConverter } from '@temporalio/common';
import { msToTs } from '@temporalio/common/lib/time.js';
import { OPERATOR_WORDS, toldBy } from '../../src/cli/operator-history.js';
import { actionOf } from '../../src/temporal/operator-actions.js';

const eventTime = msToTs(1_800_000_000_000);
const payloads = (value: unknown) => ({ payloads: [defaultPayloadConverter.toPayload(value)] });
const at = 1_800_000_000_000;

describe('what reached an account, out of its history', () => {
  it.each([
    {
      name: 'a signal',
      event: { workflowExecutionSignaledEventAttributes: { signalName: 'resume', input: payloads({ author: 'ada' }) } },
      expected: { at, name: 'resume', input: { author: 'ada' } },
    },
    {
      name: 'an update that was taken',
      event: {
        workflowExecutionUpdateAcceptedEventAttributes: {
          acceptedRequest: { input: { name: 'approve', args: payloads({ author: 'ada' }) } },
        },
      },
      expected: { at, name: 'approve', input: { author: 'ada' } },
    },
    {
      name: 'the first run',
      event: { workflowExecutionStartedEventAttributes: { input: payloads({ account: 'shop' }) } },
      expected: { at, name: 'start', input: { account: 'shop' } },
    },
    {
      name: 'a run that goes on from another: nobody told it anything',
      event: { workflowExecutionStartedEventAttributes: { continuedExecutionRunId: 'r-1', input: payloads({}) } },
      expected: null,
    },
    { name: 'what is the workflow’s own', event: { timerFiredEventAttributes: { timerId: '1' } }, expected: null },
    {
      name: 'a payload of another codec: its name stands',
      event: {
        workflowExecutionSignaledEventAttributes: {
          signalName: 'pause',
          input: { payloads: [{ metadata: { encoding: Buffer.from('binary/sealed') }, data: Buffer.from('x') }] },
        },
      },
      expected: { at, name: 'pause', input: undefined },
    },
  ])('$name', ({ event, expected }) => {
    expect(actionOf({ eventTime, ...event })).toEqual(expected);
  });
});

describe('in words', () => {
  const stamp = { author: 'ada', reason: 'press day', since: 0, until: 3600 };
  it.each<[string, unknown, string, string | null]>([
    ['pause', stamp, 'pause until 1970-01-01T01:00:00Z', 'ada'],
    [
      'override',
      { ...stamp, kind: 'override', id: 'o-1', target: { field: 'replicas', workload: 'web', value: 12 } },
      'override web.replicas = 12 until 1970-01-01T01:00:00Z',
      'ada',
    ],
    ['clear-override', { id: 'o-1', author: 'ada' }, 'override o-1 cleared', 'ada'],
    [
      'announce',
      { name: 'sale', from: 0, to: 3600, expect: { multiplier: 2 }, uncertainty: 0.2, author: 'ada' },
      'announced sale: 1970-01-01T00:00:00Z to 1970-01-01T01:00:00Z, 2 × the forecast ± 20 %',
      'ada',
    ],
    ['reject', { planId: 'p1', author: 'bo', reason: 'no' }, 'rejected plan p1', 'bo'],
    ['stop', { restore: true, author: 'bo' }, 'stop --restore', 'bo'],
    // What cannot be read, or was sent by a version with other fields, is still told by its name.
    ['pause', undefined, 'pause', null],
    ['override', { author: 'ada' }, 'override', 'ada'],
    ['of-the-future', { author: 'ada' }, 'of-the-future', 'ada'],
  ])('%s %j', (name, input, what, author) => {
    expect(toldBy({ at, name, input }, OPERATOR_WORDS, 0)).toMatchObject({ what, author });
  });
});
