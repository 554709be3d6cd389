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
  /** Milliseconds that each thing waited for somebody to take it up, and that it then took, by its name. */
  spans: Map<string, Span[]>;
}

/** Of an activity, or of a workflow task. */
export interface Span {
  wait: number;
  run: number;
}

/** What the cycles of some workflows cost in history. */
export async function readHistories(client: Client, workflowIds: readonly string[]): Promise<HistoryFigures> {
  const figures: HistoryFigures = { eventsPerCycle: [], tasksPerCycle: [], payloads: [], spans: new Map() };
  for (const workflowId of workflowIds) {
    const { events } = await client.workflow.getHandle(workflowId).fetchHistory();
    addSpans(figures.spans, events ?? []);
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

/** Pairs what was asked for with who took it up and when it was done. */
function addSpans(spans: Map<string, Span[]>, events: readonly HistoryEvent[]): void {
  const asked = new Map<number, { name: string; at: number; begun: number }>();
  for (const event of events) {
    const at = msOf(event.eventTime);
    const scheduled = event.activityTaskScheduledEventAttributes;
    if (isSet(scheduled) || isSet(event.workflowTaskScheduledEventAttributes)) {
      const name = scheduled?.activityType?.name ?? 'workflow task';
      asked.set(Number(event.eventId), { name, at, begun: Number.NaN });
    }
    const started = event.activityTaskStartedEventAttributes ?? event.workflowTaskStartedEventAttributes;
    const begins = asked.get(Number(started?.scheduledEventId));
    if (begins !== undefined) begins.begun = at;
    const completed = event.activityTaskCompletedEventAttributes ?? event.workflowTaskCompletedEventAttributes;
    const ends = asked.get(Number(completed?.scheduledEventId));
    if (ends === undefined) continue;
    const one = { wait: ends.begun - ends.at, run: at - ends.begun };
    spans.set(ends.name, [...(spans.get(ends.name) ?? []), one]);
  }
}

const msOf = (time: HistoryEvent['eventTime']): number =>
  Number(time?.seconds ?? Number.NaN) * 1000 + (time?.nanos ?? 0) / 1e6;

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
