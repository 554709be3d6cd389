import type { Client } from '@temporalio/client';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import type { temporal } from '@temporalio/proto';
import { tsToMs } from '@temporalio/common/lib/time.js';

/**
 * A signal or update that reached a workflow, as its history has it, or the start of its first run.
 * @property at milliseconds of the server's clock.
 * @property input the first argument; `undefined` where it cannot be read here (another codec).
 */
export interface OperatorAction {
  at: number;
  name: string;
  input: unknown;
}

/**
 * What a look back found, newest first, and how far it reached.
 * @property whole nothing older is on the server.
 * @property runs those that the server keeps; 0 where it knows no such workflow.
 */
export interface OperatorActions {
  actions: OperatorAction[];
  whole: boolean;
  runs: number;
}

type HistoryEvent = temporal.api.history.v1.IHistoryEvent;

/** Events of a page, and pages of one look: 50,000 events are some six days of cycles. */
const PAGE = 1000;
const MOST_PAGES = 50;

/**
 * Who told a workflow what, through all its runs, from Temporal's own record: nothing has to be written twice, and what an older
 * version received is there, too. The server keeps it for its retention.
 * @param wanted names of the signals and updates that are asked for; `start` for the start of the first run.
 */
export async function operatorActions(
  client: Client,
  workflowId: string,
  wanted: ReadonlySet<string>,
  limit: number,
): Promise<OperatorActions> {
  const actions: OperatorAction[] = [];
  let pages = 0;
  const runs = await runsOf(client, workflowId);
  const found = (whole: boolean): OperatorActions => ({ actions: actions.slice(0, limit), whole, runs: runs.length });
  for (const runId of runs) {
    let nextPageToken: Uint8Array = new Uint8Array();
    do {
      if (actions.length >= limit || pages >= MOST_PAGES) return found(false);
      pages++;
      const page = await client.workflowService.getWorkflowExecutionHistoryReverse({
        namespace: client.options.namespace,
        execution: { workflowId, runId },
        maximumPageSize: PAGE,
        nextPageToken,
      });
      for (const event of page.history?.events ?? []) {
        const action = actionOf(event);
        if (action !== null && wanted.has(action.name)) actions.push(action);
      }
      nextPageToken = page.nextPageToken;
    } while (nextPageToken.length > 0);
  }
  return found(actions.length <= limit);
}

/** Newest first. */
async function runsOf(client: Client, workflowId: string): Promise<string[]> {
  const runs: { runId: string; startTime: Date }[] = [];
  for await (const run of client.workflow.list({ query: `WorkflowId = ${JSON.stringify(workflowId)}` })) runs.push(run);
  return runs.sort((a, b) => b.startTime.getTime() - a.startTime.getTime()).map(({ runId }) => runId);
}

/** What an event says that somebody told the workflow; null for all others. A run that goes on from another was told nothing. */
export function actionOf(event: HistoryEvent): OperatorAction | null {
  const at = tsToMs(event.eventTime);
  const signalled = event.workflowExecutionSignaledEventAttributes ?? null;
  if (signalled !== null) {
    return { at, name: signalled.signalName ?? '', input: firstOf(signalled.input?.payloads) };
  }
  const accepted = event.workflowExecutionUpdateAcceptedEventAttributes?.acceptedRequest?.input ?? null;
  if (accepted !== null) return { at, name: accepted.name ?? '', input: firstOf(accepted.args?.payloads) };
  const started = event.workflowExecutionStartedEventAttributes ?? null;
  if (started !== null && (started.continuedExecutionRunId ?? '') === '') {
    return { at, name: 'start', input: firstOf(started.input?.payloads) };
  }
  return null;
}

function firstOf(payloads: readonly Payload[] | null | undefined): unknown {
  const [payload] = payloads ?? [];
  if (payload === undefined) return undefined;
  try {
    return defaultPayloadConverter.fromPayload(payload);
  } catch {
    return undefined;
  }
}
