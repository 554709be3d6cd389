import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowIdConflictPolicy,
  WorkflowIdReusePolicy,
} from '@temporalio/client';
import type { clusterMigration, clusterMigrationSurvey } from '../../workflows/cluster-migration.js';
import { policyQuery, statusQuery } from '../../workflows/messages.js';
import { migrationWorkflowId, type ClusterMigrationInput } from '../../workflows/migration-messages.js';
import type { AccountPolicy } from '../domain/account.js';
import {
  boundTo,
  clusterMoveName,
  clusterQueue,
  placeOf,
  type ClusterMigrationOrder,
  type ClusterPlace,
  type TrafficBy,
} from '../domain/cluster-migration.js';
import { MIGRATION_DEFAULTS, type MigrationSurvey } from '../domain/migration.js';
import { modeProblem } from '../domain/mode-problem.js';
import { CommandFailure, EXIT, printJson, type Terminal } from './command.js';
import { queuesOf, readPolicyFile } from './commands/start.js';
import { followed, lastNumber } from './follow-migration.js';
import { outcomeLines, surveyLines } from './migration-words.js';
import { namedPool, namedWorkload } from './named.js';
import { runningMigrations } from './running-migrations.js';
import type { Session } from './session.js';

export interface MoveOptions {
  toCluster: { cluster: string; pool: string | null };
  file?: string;
  backend: string[];
  routeIn: 'source' | 'target';
  steps: number[];
  stepFor: number;
  ready: number;
  old: 'remove' | 'keep';
  traffic: boolean;
  reason: string;
  dryRun?: boolean;
  wait: boolean;
  json?: boolean;
}

const MOST_TRIES = 20;

/** `headroom migrate ACCOUNT --to-cluster CLUSTER`: begins it, or says what it would do. */
export async function moveToCluster(
  session: Session,
  account: string,
  workload: string | undefined,
  options: MoveOptions,
  terminal: Terminal,
): Promise<void> {
  const { order, policy } = await orderOf(session, account, workload, options);
  const { light, cluster } = queuesOf(session, policy);
  const queues = { light, cluster };
  await refuseUnserved(session, clusterQueue(queues, order.to.cluster), order.to.cluster);
  const inputOf = (number: number): ClusterMigrationInput => ({
    order: { ...order, number, id: `${account}/${clusterMoveName(order.to.cluster)}/${number}` },
    ...{ scale: session.scale, queues },
  });
  const next = (await lastNumber(session, account, clusterMoveName(order.to.cluster))) + 1;
  if (options.dryRun === true) {
    const survey = await surveyed(session, inputOf(next));
    if (options.json === true) printJson(terminal, survey);
    else surveyLines(survey).forEach((line) => terminal.out(line));
    if (survey.refusals.length > 0) process.exitCode = EXIT.refused;
    return;
  }
  const mode = modeProblem(policy, 'the migration');
  if (mode !== null) throw new CommandFailure(EXIT.refused, mode);
  const [other] = await runningMigrations(session, account);
  if (other !== undefined) {
    throw new CommandFailure(
      EXIT.refused,
      `migration ${other} is under way; wait for its end, or take it back: headroom migrate cancel`,
    );
  }
  if (!options.wait) {
    // Nobody would be told of a refusal later.
    const { refusals } = await surveyed(session, inputOf(next));
    if (refusals.length > 0) throw new CommandFailure(EXIT.refused, refusals.join('\n'));
  }
  const handle = await begun(session, inputOf, next);
  if (!options.wait) {
    if (options.json === true) printJson(terminal, { started: handle.workflowId });
    else terminal.out(`${handle.workflowId} has begun; headroom migrations ${account} shows it`);
    return;
  }
  terminal.err(
    `${handle.workflowId} has begun; headroom migrate cancel ${account} ${order.workloads[0]?.workload ?? ''} takes it back`,
  );
  const outcome = await followed(handle, (line) => terminal.err(line));
  if (options.json === true) printJson(terminal, outcome);
  else outcomeLines(outcome).forEach((line) => terminal.out(line));
  if (outcome.result !== 'moved') process.exitCode = outcome.result === 'refused' ? EXIT.refused : EXIT.failed;
}

async function orderOf(
  session: Session,
  account: string,
  workload: string | undefined,
  options: MoveOptions,
): Promise<{ order: Omit<ClusterMigrationOrder, 'id' | 'number'>; policy: AccountPolicy }> {
  const running = session.account(account);
  const [{ policy }, { policyId }] = [await running.query(policyQuery), await running.query(statusQuery)];
  if (workload !== undefined && namedWorkload(policy, workload).name !== '' && policy.workloads.length > 1) {
    throw new CommandFailure(
      EXIT.refused,
      `an account is in one cluster, and ${account} has ${policy.workloads.length} workloads: leave ${workload} out to move all of them, or give it an account of its own`,
    );
  }
  const { cluster, pool } = options.toCluster;
  const there = await placeThere(policy, cluster, options.file);
  if (pool !== null) namedPool({ ...policy, pools: there.pools }, pool);
  const backends = readBackends(policy, options.backend);
  const verification = policy.workloads.length === 1 ? policy.workloads[0]?.verification : undefined;
  const { for: length, every, failAfter } = verification ?? policy.verification;
  return {
    policy,
    order: {
      ...{ account, policyId, from: placeOf(policy), to: boundTo(there, pool), pool },
      workloads: policy.workloads.map(({ name }) => ({ workload: name, backend: backends.get(name) ?? null })),
      traffic: trafficOf(policy, options, backends.size),
      ...{ steps: options.steps, stepFor: options.stepFor, old: options.old },
      limits: { ready: options.ready, stage: MIGRATION_DEFAULTS.stage },
      verification: { for: length, every, failAfter },
      ...{ whenPaused: policy.whenPaused, coolDown: policy.coolDown },
      ...{ author: session.author, reason: options.reason },
    },
  };
}

function trafficOf({ trafficHook }: AccountPolicy, options: MoveOptions, backends: number): TrafficBy {
  if (!options.traffic) return 'none';
  if (backends === 0 && trafficHook !== undefined) return 'hook';
  return options.routeIn === 'source' ? 'route-at-source' : 'route-at-target';
}

/** Where the account would be there: what the file for it says, or the same pools by the same names. */
async function placeThere(policy: AccountPolicy, cluster: string, file: string | undefined): Promise<ClusterPlace> {
  const here = placeOf(policy);
  if (file === undefined) return { ...here, cluster };
  const there = await readPolicyFile(file);
  const names = (of: AccountPolicy): string =>
    of.workloads
      .map(({ name }) => name)
      .sort()
      .join(', ');
  const problem =
    there.account !== policy.account
      ? `${file} is for account "${there.account}", not "${policy.account}"`
      : there.cluster !== cluster
        ? `${file} says cluster: ${there.cluster}, not ${cluster}`
        : names(there) !== names(policy)
          ? `${file} has workloads ${names(there)}, and the account has ${names(policy)}: set those first`
          : null;
  if (problem !== null) throw new CommandFailure(EXIT.usage, problem);
  const place = placeOf(there);
  // Each is called there what it is called here.
  const workloads: ClusterPlace['workloads'] = {};
  for (const [name, one] of Object.entries(place.workloads)) {
    workloads[name] = { ...one, target: here.workloads[name]?.target ?? one.target };
  }
  return { ...place, workloads };
}

const BACKEND =
  /^(((Service|ServiceImport)\/)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?:)?((Service|ServiceImport)\/)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;

/** `web=ServiceImport/web-west`, `web=ServiceImport/web-west:web` with what leads to it now; without a name where there is one workload. */
function readBackends(policy: AccountPolicy, given: readonly string[]): Map<string, string> {
  const backends = new Map<string, string>();
  for (const text of given) {
    const cut = text.indexOf('=');
    const [only] = policy.workloads;
    if (cut < 0 && policy.workloads.length > 1) {
      throw new CommandFailure(
        EXIT.usage,
        `--backend ${text}: ${policy.account} has several workloads; write WORKLOAD=${text}`,
      );
    }
    const name = cut < 0 ? (only?.name ?? '') : namedWorkload(policy, text.slice(0, cut)).name;
    const backend = text.slice(cut + 1);
    if (!BACKEND.test(backend)) {
      throw new CommandFailure(EXIT.usage, `--backend ${text}: write a Service’s name, or ServiceImport/NAME`);
    }
    backends.set(name, backend);
  }
  return backends;
}

const ACTIVITY_QUEUE = 2;

/** A cluster that no worker serves answers nobody: it is said at once. */
async function refuseUnserved({ client }: Session, taskQueue: string, cluster: string): Promise<void> {
  const { pollers } = await client.workflowService.describeTaskQueue({
    ...{ namespace: client.options.namespace, taskQueue: { name: taskQueue }, taskQueueType: ACTIVITY_QUEUE },
  });
  if ((pollers ?? []).length > 0) return;
  throw new CommandFailure(
    EXIT.refused,
    `no worker serves cluster ${cluster}: run one with \`headroom worker --roles cluster --cluster ${cluster}\` where its API server can be reached`,
  );
}

/** What it would do, with nothing touched. @throws CommandFailure refused while a freeze or a pause stands. */
async function surveyed(session: Session, input: ClusterMigrationInput): Promise<MigrationSurvey> {
  const survey = await session.client.workflow.execute<typeof clusterMigrationSurvey>('clusterMigrationSurvey', {
    workflowId: `migration-survey/${input.order.account}/${Date.now()}`,
    taskQueue: input.queues.light,
    args: [input],
  });
  if ('kind' in survey) throw new CommandFailure(EXIT.refused, survey.detail);
  return survey;
}

/** The next number that nobody has: another command may begin one at the same moment. */
async function begun(session: Session, inputOf: (number: number) => ClusterMigrationInput, first: number) {
  for (let number = first; ; number++) {
    const input = inputOf(number);
    try {
      return await session.client.workflow.start<typeof clusterMigration>('clusterMigration', {
        workflowId: migrationWorkflowId(input.order.id),
        taskQueue: input.queues.light,
        workflowIdConflictPolicy: WorkflowIdConflictPolicy.FAIL,
        workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
        staticSummary: `${input.order.account} moves to cluster ${input.order.to.cluster}`,
        args: [input],
      });
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError) || number - first === MOST_TRIES) throw error;
    }
  }
}
