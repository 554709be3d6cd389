import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DeterminismViolationError } from '@temporalio/workflow';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { describe, expect, it } from 'vitest';
import { BUNDLE } from '../workflow/environment.js';
import { attributes, nth, withEvent, without, type Event, type History, type Json } from './history.js';
import { HISTORIES, recordHistories } from './record.js';

/*
 * Lives that were recorded go on after an upgrade: what the new code would do in them is what the old code did. A
 * history that fails here stands for accounts that would hang. README.md says how they are recorded.
 */

const code = readFileSync(BUNDLE, 'utf8');
/** `1` for all lives, or the name of one. */
const LIFE = process.env['RECORD'];
const RECORD = LIFE !== undefined && LIFE !== '';

Runtime.install({
  logger: new DefaultLogger(RECORD ? 'WARN' : 'ERROR', RECORD ? undefined : () => undefined),
  telemetryOptions: { logging: { filter: RECORD ? 'WARN' : 'ERROR', forward: {} } },
});
if (RECORD) await recordHistories(code, LIFE === '1' ? undefined : LIFE);

const FILES = readdirSync(HISTORIES).filter((file) => file.endsWith('.json'));
const read = (file: string): History => JSON.parse(readFileSync(join(HISTORIES, file), 'utf8')) as History;
const replay = (history: History): Promise<void> =>
  Worker.runReplayHistory({ workflowBundle: { code }, replayName: 'replay' }, history);

describe('the recorded histories', () => {
  it.each(FILES)('%s replays', async (file) => {
    await replay(read(file));
  });

  // An alteration below that is never met by a history, or a life that was never recorded, would test nothing.
  it.each([
    ['account', 'workflowExecutionContinuedAsNew'],
    ['account', 'workflowExecutionUpdateAccepted'],
    ['account', 'workflowExecutionSignaled'],
    ['account', 'startChildWorkflowExecutionInitiated'],
    ['account', 'upsertWorkflowSearchAttributes'],
    ['account', 'activityTaskFailed'],
    ['change', 'activityTaskFailed'],
    ['change', 'signalExternalWorkflowExecutionInitiated'],
    ['change', 'workflowExecutionSignaled'],
    ['change', 'timerCanceled'],
    ['lean-account', 'markerRecorded'],
    ['lean-change', 'markerRecorded'],
    ['fired-account', 'workflowExecutionSignaled'],
    ['fired-account', 'startChildWorkflowExecutionInitiated'],
    ['fired-account', 'activityTaskFailed'],
    ['fired-change', 'workflowExecutionCompleted'],
    ['fleet', 'workflowPropertiesModified'],
    ['fleet', 'timerFired'],
    ['fleet', 'timerCanceled'],
    ['retrain', 'activityTaskCancelRequested'],
    ['retrain', 'activityTaskFailed'],
    ['retrain', 'timerFired'],
    ['retrain', 'timerCanceled'],
    ['retrain', 'workflowExecutionSignaled'],
    ['search-retrain', 'markerRecorded'],
    ['search-retrain', 'activityTaskFailed'],
    ['search-retrain', 'activityTaskCancelRequested'],
    ['search-retrain', 'workflowExecutionSignaled'],
    ['shared-fleet', 'workflowExecutionUpdateAccepted'],
    ['shared-fleet', 'activityTaskFailed'],
    ['shared-fleet', 'workflowExecutionContinuedAsNew'],
    ['shared-fleet', 'workflowExecutionSignaled'],
    ['recommending-fleet', 'activityTaskFailed'],
    ['recommending-fleet', 'workflowExecutionUpdateAccepted'],
    ['federate', 'activityTaskCompleted'],
    ['federate', 'activityTaskTimedOut'],
    ['federate', 'workflowExecutionCompleted'],
    ['migration', 'workflowExecutionUpdateAccepted'],
    ['migration', 'activityTaskCancelRequested'],
    ['migration', 'activityTaskFailed'],
    ['migration', 'timerFired'],
  ])('of %s hold a %s', (workflow, kind) => {
    const kinds = FILES.filter((file) => file.startsWith(workflow)).flatMap((file) =>
      read(file).events.filter((event) => attributes(event, kind) !== null),
    );
    expect(kinds.length).toBeGreaterThan(0);
  });
});

interface Alteration {
  name: string;
  file: string;
  alter: (history: History) => History;
}

const inPlace =
  (change: (history: History) => void) =>
  (history: History): History => {
    change(history);
    return history;
  };

const activityEvents = (history: History, scheduled: Event): ((event: Event) => boolean) => {
  const id = history.events.find((event) => event === scheduled)?.eventId;
  return (event) =>
    ['activityTaskStarted', 'activityTaskCompleted'].some(
      (kind) => attributes(event, kind)?.['scheduledEventId'] === id,
    );
};

const swap = (history: History, kind: string, keys: readonly string[]): void => {
  const [first, second] = [nth(history, kind, 0).said, nth(history, kind, 1).said];
  for (const key of keys) {
    const kept: Json = first[key] ?? null;
    first[key] = second[key] ?? null;
    second[key] = kept;
  }
};

const ALTERATIONS: Alteration[] = [
  {
    name: 'an activity renamed',
    file: 'account-1.json',
    alter: inPlace((history) => {
      nth(history, 'activityTaskScheduled', 1).said['activityType'] = { name: 'foresee' };
    }),
  },
  {
    name: 'an activity’s id changed',
    file: 'change-kept.json',
    alter: inPlace((history) => {
      nth(history, 'activityTaskScheduled', 2).said['activityId'] = '77';
    }),
  },
  {
    name: 'two activities in the other order',
    file: 'change-kept.json',
    alter: inPlace((history) => swap(history, 'activityTaskScheduled', ['activityType', 'activityId', 'input'])),
  },
  {
    name: 'an activity’s result dropped',
    file: 'change-kept.json',
    alter: (history) => without(history, activityEvents(history, nth(history, 'activityTaskScheduled', 1).event)),
  },
  {
    name: 'an activity’s result replaced: the plan was stale',
    file: 'change-kept.json',
    alter: inPlace((history) => {
      const data = Buffer.from(JSON.stringify({ kind: 'stale', detail: 'moved' })).toString('base64');
      nth(history, 'activityTaskCompleted', 1).said['result'] = {
        payloads: [{ metadata: { encoding: Buffer.from('json/plain').toString('base64') }, data }],
      };
    }),
  },
  {
    name: 'an activity never scheduled',
    file: 'change-rolled-back.json',
    alter: (history) => {
      const { event } = nth(history, 'activityTaskScheduled', 3);
      const others = activityEvents(history, event);
      return without(history, (one) => one === event || others(one));
    },
  },
  {
    name: 'a timer’s id changed',
    file: 'account-1.json',
    alter: inPlace((history) => {
      const { said } = nth(history, 'timerStarted');
      const id = said['timerId'] ?? null;
      for (const kind of ['timerStarted', 'timerFired', 'timerCanceled']) {
        for (const event of history.events) {
          const timer = attributes(event, kind);
          if (timer?.['timerId'] === id) timer['timerId'] = '99';
        }
      }
    }),
  },
  {
    name: 'a timer never started',
    file: 'fleet.json',
    alter: (history) => {
      const { event, said } = nth(history, 'timerStarted');
      return without(history, (one) => one === event || attributes(one, 'timerFired')?.['timerId'] === said['timerId']);
    },
  },
  {
    name: 'a child workflow of another type',
    file: 'account-1.json',
    alter: inPlace((history) => {
      nth(history, 'startChildWorkflowExecutionInitiated').said['workflowType'] = { name: 'migration' };
    }),
  },
  {
    name: 'a child workflow with another id',
    file: 'account-1.json',
    alter: inPlace((history) => {
      nth(history, 'startChildWorkflowExecutionInitiated').said['workflowId'] = 'change/other/1';
    }),
  },
  {
    name: 'search attributes never written',
    file: 'account-1.json',
    alter: (history) => {
      const { event } = nth(history, 'upsertWorkflowSearchAttributes');
      return without(history, (one) => one === event);
    },
  },
  {
    name: 'a memo never written',
    file: 'fleet.json',
    alter: (history) => {
      const { event } = nth(history, 'workflowPropertiesModified');
      return without(history, (one) => one === event);
    },
  },
  {
    name: 'a signal to the account never sent',
    file: 'change-kept.json',
    alter: (history) => {
      const { event } = nth(history, 'signalExternalWorkflowExecutionInitiated');
      return without(history, (one) => one === event || attributes(one, 'externalWorkflowExecutionSignaled') !== null);
    },
  },
  {
    name: 'a search never asked for',
    file: 'search-retrain.json',
    alter: (history) => {
      const { event } = nth(history, 'activityTaskScheduled', 1);
      const others = activityEvents(history, event);
      return without(history, (one) => one === event || others(one));
    },
  },
  {
    name: 'a run that was tried again at another time',
    file: 'search-retrain.json',
    // Without its marker the code of before is replayed, which waits longer.
    alter: (history) => without(history, (one) => attributes(one, 'markerRecorded') !== null),
  },
  {
    name: 'a fleet that sizes without its reverse on record',
    file: 'shared-fleet-1.json',
    alter: (history) => {
      const reverse = history.events.find((event) =>
        JSON.stringify(attributes(event, 'activityTaskScheduled')?.['activityType'] ?? null).includes(
          'recordContingency',
        ),
      );
      if (reverse === undefined) throw new Error('the history has no recordContingency');
      const others = activityEvents(history, reverse);
      return without(history, (one) => one === reverse || others(one));
    },
  },
  {
    name: 'a recommendation of commitments that was never asked for',
    file: 'recommending-fleet-1.json',
    alter: (history) => {
      const asked = history.events.find((event) =>
        JSON.stringify(attributes(event, 'activityTaskScheduled')?.['activityType'] ?? null).includes(
          'recommendCommitments',
        ),
      );
      if (asked === undefined) throw new Error('the history has no recommendCommitments');
      const id = asked.eventId;
      return without(
        history,
        (one) =>
          one === asked ||
          ['activityTaskStarted', 'activityTaskCompleted', 'activityTaskFailed'].some(
            (kind) => attributes(one, kind)?.['scheduledEventId'] === id,
          ),
      );
    },
  },
  {
    name: 'a cell’s update dropped from the mean',
    file: 'federate.json',
    alter: (history) => {
      const part = history.events.find((event) =>
        JSON.stringify(attributes(event, 'activityTaskScheduled')?.['activityType'] ?? null).includes('cellPart'),
      );
      if (part === undefined) throw new Error('the history has no cellPart');
      const others = activityEvents(history, part);
      return without(history, (one) => one === part || others(one));
    },
  },
  {
    name: 'a way back that was never recorded',
    file: 'migration-moved.json',
    alter: (history) => {
      const record = history.events.find((event) =>
        JSON.stringify(attributes(event, 'activityTaskScheduled')?.['activityType'] ?? null).includes(
          'recordMigration',
        ),
      );
      if (record === undefined) throw new Error('the history has no recordMigration');
      const others = activityEvents(history, record);
      return without(history, (one) => one === record || others(one));
    },
  },
  {
    name: 'a patch of code that this one is not',
    file: 'account-1.json',
    alter: (history) => {
      const { event } = nth(history, 'workflowTaskCompleted');
      const payload = (value: Json): Json => ({
        payloads: [
          {
            metadata: { encoding: Buffer.from('json/plain').toString('base64') },
            data: Buffer.from(JSON.stringify(value)).toString('base64'),
          },
        ],
      });
      return withEvent(history, event, {
        eventId: '0',
        eventTime: event['eventTime'] ?? null,
        eventType: 'EVENT_TYPE_MARKER_RECORDED',
        taskId: '1',
        markerRecordedEventAttributes: {
          markerName: 'core_patch',
          details: { 'patch-data': payload({ id: 'another-way', deprecated: false }) },
          workflowTaskCompletedEventId: event.eventId,
        },
      });
    },
  },
  {
    name: 'a run that ended where it went on as new',
    file: 'account-1.json',
    alter: inPlace((history) => {
      const last = history.events.at(-1);
      if (last === undefined) throw new Error('an empty history');
      const said = attributes(last, 'workflowExecutionContinuedAsNew');
      if (said === null) throw new Error('the first run did not continue as new');
      delete last['workflowExecutionContinuedAsNewEventAttributes'];
      last.eventType = 'EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED';
      last['workflowExecutionCompletedEventAttributes'] = {
        workflowTaskCompletedEventId: said['workflowTaskCompletedEventId'] ?? '0',
      };
    }),
  },
];

describe('a history that is not this code’s', () => {
  it.each(ALTERATIONS.map((one) => [one.name, one] as const))('%s is refused', async (_name, { file, alter }) => {
    await expect(replay(alter(read(file)))).rejects.toThrow(DeterminismViolationError);
  });

  it('and what alters nothing is not: counting anew alone', async () => {
    await replay(without(read('change-kept.json'), () => false));
  });
});
