import type { Client } from '@temporalio/client';
import { percentile } from '../result.js';

type History = Awaited<ReturnType<ReturnType<Client['workflow']['getHandle']>['fetchHistory']>>;
type HistoryEvent = NonNullable<History['events']>[number];

export interface HistoryFigures {
  /** Events from one timer to the next, each whole cycle of each history. */
  eventsPerCycle: number[];
  /** Workflow tasks of the same cycles. */
  tasksPerCycle: number[];
  /** Bytes of each argument and result. */
  payloads: number[];
}

/** What the cycles of some workflows cost in history. */
export async function readHistories(client: Client, workflowIds: readonly string[]): Promise<HistoryFigures> {
  const figures: HistoryFigures = { eventsPerCycle: [], tasksPerCycle: [], payloads: [] };
  for (const workflowId of workflowIds) {
    const { events } = await client.workflow.getHandle(workflowId).fetchHistory();
    let cycle: { events: number; tasks: number } | null = null;
    for (const event of events ?? []) {
      figures.payloads.push(...payloadSizes(event));
      if (cycle !== null) {
        cycle.events += 1;
        if (isSet(event.workflowTaskScheduledEventAttributes)) cycle.tasks += 1;
      }
      if (!isSet(event.timerStartedEventAttributes)) continue;
      if (cycle !== null) {
        figures.eventsPerCycle.push(cycle.events);
        figures.tasksPerCycle.push(cycle.tasks);
      }
      cycle = { events: 0, tasks: 0 };
    }
  }
  return figures;
}

const isSet = (attributes: unknown): boolean => attributes !== null && attributes !== undefined;

/** Arguments and results; summaries and search attributes are words for the eye and not counted. */
function payloadSizes(event: HistoryEvent): number[] {
  const carried =
    event.workflowExecutionStartedEventAttributes?.input ??
    event.workflowExecutionSignaledEventAttributes?.input ??
    event.activityTaskScheduledEventAttributes?.input ??
    event.activityTaskCompletedEventAttributes?.result;
  return (carried?.payloads ?? []).map((payload) => payload.data?.length ?? 0).filter((bytes) => bytes > 0);
}

export const median = (values: readonly number[]): number | null =>
  values.length === 0 ? null : percentile(values, 0.5);
export const largest = (values: readonly number[]): number | null =>
  values.length === 0 ? null : percentile(values, 1);
