import { setTimeout as delay } from 'node:timers/promises';
import type { Connection } from '@temporalio/client';
import proto from '@temporalio/proto';
import { HeadroomError } from '../domain/errors.js';

/** Headroom's search attributes, by the names and types of workflows/display.ts. */
export const SEARCH_ATTRIBUTE_TYPES = {
  HeadroomAccount: 'Keyword',
  HeadroomPhase: 'Keyword',
  HeadroomMode: 'Keyword',
  HeadroomPaused: 'Bool',
  HeadroomCoverage: 'Double',
  HeadroomCostPerHour: 'Double',
} as const;

const INDEXED: Record<(typeof SEARCH_ATTRIBUTE_TYPES)[keyof typeof SEARCH_ATTRIBUTE_TYPES], number> = {
  Keyword: proto.temporal.api.enums.v1.IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
  Bool: proto.temporal.api.enums.v1.IndexedValueType.INDEXED_VALUE_TYPE_BOOL,
  Double: proto.temporal.api.enums.v1.IndexedValueType.INDEXED_VALUE_TYPE_DOUBLE,
};

/** Days that a closed history stays on the dev server; exports stay for good. */
const RETENTION_DAYS = 90;

type AttributeName = keyof typeof SEARCH_ATTRIBUTE_TYPES;
export const ATTRIBUTE_NAMES = Object.keys(SEARCH_ATTRIBUTE_TYPES) as AttributeName[];

/** Registers search attributes that the namespace does not have yet. */
export async function addSearchAttributes(
  connection: Connection,
  namespace: string,
  names: readonly AttributeName[],
): Promise<void> {
  await connection.operatorService.addSearchAttributes({
    namespace,
    searchAttributes: Object.fromEntries(names.map((name) => [name, INDEXED[SEARCH_ATTRIBUTE_TYPES[name]]])),
  });
}

/** Registers what is missing of the search attributes; harmless where all are there. */
export async function ensureSearchAttributes(connection: Connection, namespace: string): Promise<string[]> {
  const known = await connection.operatorService.listSearchAttributes({ namespace });
  const missing = ATTRIBUTE_NAMES.filter((name) => known.customAttributes?.[name] === undefined);
  if (missing.length > 0) await addSearchAttributes(connection, namespace, missing);
  return missing;
}

export async function setRetention(connection: Connection, namespace: string, days = RETENTION_DAYS): Promise<void> {
  await connection.workflowService.updateNamespace({
    namespace,
    config: { workflowExecutionRetentionTtl: { seconds: (days * 86_400) as never } },
  });
}

export const DEPLOYMENT_NAME = 'headroom';

/**
 * Makes a build the current version of the deployment, so that new workflows and auto-upgrading accounts go to it. The
 * server knows a version only once a worker of it has polled: hence the wait.
 */
export async function makeVersionCurrent(
  connection: Connection,
  namespace: string,
  buildId: string,
  deploymentName = DEPLOYMENT_NAME,
): Promise<void> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    try {
      const described = await connection.workflowService.describeWorkerDeployment({
        namespace,
        deploymentName,
      });
      const current = described.workerDeploymentInfo?.routingConfig?.currentDeploymentVersion?.buildId;
      if (current === buildId) return;
      await connection.workflowService.setWorkerDeploymentCurrentVersion({
        namespace,
        deploymentName,
        buildId,
        conflictToken: described.conflictToken ?? null,
        identity: 'headroom set-up',
        // An activity queue of another build must not keep the workflows waiting.
        ignoreMissingTaskQueues: true,
      });
      return;
    } catch (error) {
      if (Date.now() > deadline) {
        throw new HeadroomError({
          kind: 'unavailable',
          component: 'temporal/namespace',
          action: `making build ${buildId} the current version`,
          problem: error instanceof Error ? error.message : String(error),
          remedy: 'check that the worker runs and that the server knows worker deployments (Temporal ≥ 1.27)',
          cause: error,
        });
      }
      await delay(150);
    }
  }
}
