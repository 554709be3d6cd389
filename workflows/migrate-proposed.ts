import { log, ParentClosePolicy, patched, startChild, WorkflowIdReusePolicy } from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { MIGRATION_DEFAULTS, type MigrationOrder } from '../src/domain/migration.js';
import { SURE, type ProposedMove } from '../src/domain/migration-proposal.js';
import type { PlanSummary } from '../src/domain/plan.js';
import type { AccountRun } from './account.js';
import { light } from './activities.js';
import { migration } from './migration.js';
import { migrationWorkflowId } from './migration-messages.js';
import { reasonOf } from './reason.js';
import { note } from './state.js';

/** After a migration of a workload, however it ended, its account begins none of it for so long: a day is what was weighed. */
const REST = 86_400;
/** A number that is taken by one that wrote no record yet is skipped. */
const MOST_TRIES = 20;

/**
 * Begins the migration that a plan proposes, where the account file says `migrations: auto`: one at a time, never beside a
 * change, and behind all that stops a change. The migration itself reads pause and freeze again before each write.
 */
export async function moveAsProposed(run: AccountRun, plan: PlanSummary): Promise<void> {
  const { state } = run;
  // Histories of before have neither: their accounts go on without.
  if (wanted(run, plan) === null && state.moving === undefined) return;
  if (!patched('moves-as-proposed')) return;
  try {
    if (state.moving !== undefined) await followUp(run);
    const move = wanted(run, plan);
    if (state.moving !== undefined || move === null) return;
    const seen = await light(state.queues, `may ${move.workload} move?`).lookAtMigrations({
      account: state.account,
      workload: move.workload,
      began: null,
    });
    // Somebody may have moved it by hand: that rests as well.
    if (seen.endedAt !== null && seen.endedAt + REST > run.now()) rest(run, move.workload, seen.endedAt + REST);
    // A lot may have happened during the look.
    else if (seen.running.length === 0 && wanted(run, plan) === move) await begin(run, move, seen.last + 1);
  } catch (error) {
    note(state, run.now(), `no migration begun: ${reasonOf(error)}`);
  }
}

/** The best of a plan's proposals that may be begun now, as far as the account itself knows; null where none may. */
function wanted(
  { state, stopping, now }: AccountRun,
  { moves = [], verdict, conflict }: PlanSummary,
): ProposedMove | null {
  const { policy, pause, freeze, change, cooling, surprises = [], attention } = state;
  if (policy.mode !== 'auto' || policy.migrations !== 'auto') return null;
  if (stopping !== null || pause !== null || freeze !== null || change !== null || cooling !== null) return null;
  if (surprises.length > 0 || attention !== null || conflict !== null) return null;
  if (verdict.kind === 'hold' && verdict.reason === 'blackout') return null;
  const rests = (workload: string): boolean => (state.rests?.[workload] ?? 0) > now();
  return moves.find(({ workload, confidence }) => confidence >= SURE && !rests(workload)) ?? null;
}

function rest({ state, now }: AccountRun, workload: string, until: number): void {
  const others = Object.entries(state.rests ?? {}).filter(([, over]) => over > now());
  state.rests = { ...Object.fromEntries(others), [workload]: until };
}

/** Has the one that the account began ended? */
async function followUp(run: AccountRun): Promise<void> {
  const { state } = run;
  const { moving } = state;
  if (moving === undefined) return;
  const { outcome, running } = await light(state.queues, `what became of ${moving.id}?`).lookAtMigrations({
    account: state.account,
    workload: moving.workload,
    began: moving.id,
  });
  if (outcome === null && running.includes(moving.id)) return;
  const words = outcome === null ? 'ended without a word (terminated?)' : `${outcome.result}: ${outcome.detail}`;
  note(state, run.now(), `migration ${moving.id} ${words}`);
  rest(run, moving.workload, run.now() + REST);
  delete state.moving;
}

async function begin(run: AccountRun, move: ProposedMove, first: number): Promise<void> {
  const { state } = run;
  const { account, policy } = state;
  const own = policy.workloads.find(({ name }) => name === move.workload)?.verification ?? policy.verification;
  for (let number = first; number < first + MOST_TRIES; number++) {
    const id = `${account}/${move.workload}/${number}`;
    const order: MigrationOrder = {
      ...{ id, account, workload: move.workload, number, policyId: state.policyId },
      target: { pool: move.to, namespace: null, cluster: null },
      ...{ steps: [...MIGRATION_DEFAULTS.steps], stepFor: MIGRATION_DEFAULTS.stepFor, old: 'remove' },
      ...{ copyVolumes: false, noTraffic: false, backend: null },
      limits: { ready: MIGRATION_DEFAULTS.ready, stage: MIGRATION_DEFAULTS.stage },
      verification: { for: own.for, every: own.every, failAfter: own.failAfter },
      ...{ whenPaused: policy.whenPaused, author: 'headroom', reason: `proposed: ${move.words}` },
    };
    try {
      await startChild(migration, {
        workflowId: migrationWorkflowId(id),
        taskQueue: state.queues.light,
        parentClosePolicy: ParentClosePolicy.ABANDON,
        workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
        staticSummary: `${account}/${move.workload} moves to pool ${move.to}`,
        args: [{ order, scale: run.input.scale, queues: state.queues }],
      });
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      log.warn('migration number was taken; taking the next', { id });
      continue;
    }
    state.moving = { id, workload: move.workload };
    note(state, run.now(), `migration ${id} of ${move.workload} to pool ${move.to} begun: ${move.words}`);
    run.show();
    return;
  }
}
