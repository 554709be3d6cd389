import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  condition,
  getExternalWorkflowHandle,
  isCancellation,
  log,
  patched,
  setCurrentDetails,
  setHandler,
  setWorkflowOptions,
  sleep,
} from '@temporalio/workflow';
import type { ApplyResult } from '../activities/types.js';
import { fieldName, isDispensable } from '../src/domain/change.js';
import type { FieldTarget, Mutation } from '../src/domain/cluster.js';
import type { ChangeOrder, ChangeOutcome, ChangeResult, CheckResult } from '../src/domain/plan.js';
import { formatDuration, isoTime, simulatedNow, wallMilliseconds, type EpochSeconds } from '../src/domain/time.js';
import { light, NON_RETRYABLE, reading, waiting, writing } from './activities.js';
import {
  accountWorkflowId,
  attentionSignal,
  changeEndedSignal,
  haltSignal,
  supersedeSignal,
  type ChangeInput,
} from './messages.js';
import { reasonOf } from './reason.js';

/** Where a change stands; what it has written decides what must be put back. */
interface Progress {
  startedAt: EpochSeconds;
  /** Indexes of the mutations that were written, or may have been: an answer that never came may stand for a write. */
  written: number[];
  /** Indexes of the mutations that the cluster would not have and that are not needed, with its words. */
  leftOut: Map<number, string>;
  leadTime: number | null;
  checks: CheckResult[];
  halted: string | null;
  /** The plan that waits for this change to end, where there is one. */
  superseded: string | null;
}

/** How the way forward ended; everything but `kept` that has written goes back. */
interface Ending {
  result: Exclude<ChangeResult, 'rolled-back'> | 'rolled-back';
  detail: string;
}

/**
 * One change, with a history of its own: contingency on record, revalidate, apply, wait for ready capacity, verify,
 * keep or roll back. Going back cannot be cancelled.
 */
export async function change(input: ChangeInput): Promise<ChangeOutcome> {
  const { order } = input;
  const now = (): EpochSeconds => simulatedNow(input.scale, Date.now());
  const progress: Progress = {
    startedAt: now(),
    written: [],
    leftOut: new Map(),
    leadTime: null,
    checks: [],
    halted: null,
    superseded: null,
  };
  setHandler(haltSignal, ({ reason }) => {
    progress.halted = reason;
  });
  setHandler(supersedeSignal, ({ planId }) => {
    progress.superseded = planId;
  });
  const show = (doing: string): void =>
    setCurrentDetails(
      [
        `**change ${order.changeId}** for plan ${order.planId}: ${doing}`,
        ...order.mutations.map(
          (mutation, index) =>
            `- ${fieldName(mutation.target)}: ${mutation.expect.value} → ${mutation.target.value} ` +
            `(${progress.written.includes(index) ? 'written' : progress.leftOut.has(index) ? 'left out' : 'not written'}) — ${mutation.reason}`,
        ),
        ...progress.checks.map(
          (check) =>
            `- check ${check.workload} ${check.metric}: ${check.value ?? 'unreadable'} ≤ ${check.limit} ` +
            `${check.passed ? 'holds' : 'fails'}`,
        ),
      ].join('\n'),
    );

  let ending: Ending;
  try {
    ending = await goForward(input, progress, now, show);
  } catch (error) {
    ending = {
      result: progress.written.length === 0 ? 'failed' : 'rolled-back',
      detail: isCancellation(error) ? 'cancelled' : reasonOf(error),
    };
  }
  const leftOut = [...progress.leftOut].map(([index, why]) => ({ field: nameOf(order, index), why }));
  if (leftOut.length > 0)
    ending.detail += `; without ${leftOut.map(({ field, why }) => `${field} (${why})`).join(', ')}`;
  const outcome = await CancellationScope.nonCancellable(async () => {
    let restored = true;
    if (ending.result !== 'kept' && progress.written.length > 0) {
      show(`going back: ${ending.detail}`);
      restored = await goBack(input, progress, ending, now);
    }
    const done: ChangeOutcome = {
      changeId: order.changeId,
      planId: order.planId,
      result: ending.result,
      detail: ending.detail,
      startedAt: progress.startedAt,
      endedAt: now(),
      leadTime: progress.leadTime,
      applied: progress.written.length,
      ...(leftOut.length === 0 ? {} : { leftOut }),
      checks: progress.checks,
      restored,
      ...(order.firedBy === undefined ? {} : { firedBy: order.firedBy }),
    };
    show(`${done.result}: ${done.detail}`);
    try {
      await light(input.queues, 'record the outcome').recordOutcome({ account: order.account, outcome: done });
    } catch (error) {
      // What is done is done, and the account waits for word of it: a store that is down costs the record alone.
      log.error('outcome not recorded', { changeId: order.changeId, error: reasonOf(error) });
    }
    await tellAccount(order.account, (handle) => handle.signal(changeEndedSignal, done));
    return done;
  });
  return outcome;
}
setWorkflowOptions({ versioningBehavior: 'PINNED' }, change);

/** The way forward; returns how it ended, and leaves in `progress` what it wrote. */
async function goForward(
  input: ChangeInput,
  progress: Progress,
  now: () => EpochSeconds,
  show: (doing: string) => void,
): Promise<Ending> {
  const { order, queues } = input;
  show('recording the way back');
  await light(queues, 'record the contingency before anything is touched').recordContingency({
    account: order.account,
    contingency: order.contingency,
  });

  show('revalidating');
  const check = await reading(queues, 'is the plan still true?').revalidate({
    account: order.account,
    policyId: input.policyId,
    mutations: order.mutations,
  });
  if (check.kind !== 'fresh') return { result: check.kind === 'stale' ? 'stale' : 'stopped', detail: check.detail };

  for (const [index, mutation] of order.mutations.entries()) {
    if (CancellationScope.current().consideredCancelled) throw new CancelledFailure('cancelled');
    const underWay = progress.written.length > 0;
    // A pause stops a change before its first write; once under way its policy says whether it finishes.
    if (progress.halted !== null && !(underWay && input.whenPaused === 'finish')) {
      return { result: underWay ? 'rolled-back' : 'stopped', detail: progress.halted };
    }
    show(`writing ${fieldName(mutation.target)}`);
    const result = await write(input, progress, index, mutation);
    switch (result.kind) {
      case 'applied':
      case 'repeated':
        break;
      case 'moved':
        return {
          result: underWay ? 'rolled-back' : 'stale',
          detail: `${fieldName(mutation.target)} was set to ${result.value} by ${result.owner ?? 'nobody known'} meanwhile`,
        };
      case 'frozen':
        return { result: underWay ? 'rolled-back' : 'stopped', detail: result.detail };
      case 'not-found':
      case 'refused':
        if (isDispensable(mutation.target) && patched('go-on-without')) {
          progress.leftOut.set(index, result.detail);
          break;
        }
        return { result: underWay ? 'rolled-back' : 'failed', detail: result.detail };
    }
  }

  const targets = targetsOf(order, progress);
  if (targets.length === 0) return { result: 'failed', detail: 'nothing was written' };
  show('waiting for ready capacity');
  const ready = await unlessHalted(input, progress, () =>
    waiting(
      queues,
      `ready within ${formatDuration(order.leadTimeLimit)}?`,
      wallMilliseconds(input.scale, order.leadTimeLimit),
    ).awaitReady({
      account: order.account,
      policyId: input.policyId,
      targets,
      scale: input.scale,
      limit: order.leadTimeLimit,
    }),
  );
  if (ready === null) return { result: 'rolled-back', detail: progress.halted ?? 'halted' };
  if (!ready.ready) return { result: 'rolled-back', detail: `not ready in time: ${ready.detail}` };
  progress.leadTime = ready.waited;
  return verify(input, progress, now, show);
}

/**
 * One write, never cut off in the middle: a cancellation takes effect after its answer. An error leaves open whether it
 * was written, so it counts as written, except where the cluster's own answer was no.
 */
async function write(input: ChangeInput, progress: Progress, index: number, mutation: Mutation): Promise<ApplyResult> {
  const underWay = progress.written.length > 0;
  const takeBack = (): void => {
    progress.written = progress.written.filter((other) => other !== index);
  };
  progress.written.push(index);
  try {
    const result = await CancellationScope.nonCancellable(() =>
      writing(input.queues, `${fieldName(mutation.target)} → ${mutation.target.value}`).apply({
        policyId: input.policyId,
        mutation,
        fenced: !(underWay && input.whenPaused === 'finish'),
      }),
    );
    if (result.kind !== 'applied' && result.kind !== 'repeated') takeBack();
    return result;
  } catch (error) {
    if (isFinal(error)) takeBack();
    throw error;
  }
}

/** Runs the work; null where a halt came first that this change answers by going back: then the work is cancelled. */
async function unlessHalted<T>(input: ChangeInput, progress: Progress, work: () => Promise<T>): Promise<T | null> {
  const scope = new CancellationScope();
  try {
    return await scope.run(() => Promise.race([work(), condition(() => mustGoBack(input, progress)).then(() => null)]));
  } finally {
    scope.cancel();
  }
}

const mustGoBack = (input: ChangeInput, progress: Progress): boolean =>
  progress.halted !== null && input.whenPaused === 'roll-back';

/** Reads the checks until they have held for long enough, or failed too often in a row. */
async function verify(
  input: ChangeInput,
  progress: Progress,
  now: () => EpochSeconds,
  show: (doing: string) => void,
): Promise<Ending> {
  const { verification } = input;
  const from = now();
  const end = from + verification.for;
  let failedInRow = 0;
  let blind = true;
  for (;;) {
    show(`verifying until ${isoTime(end)}`);
    // Past the end there is something left to be sure of: at the same pace.
    const left = end - now();
    const wall = wallMilliseconds(input.scale, left > 0 ? Math.min(verification.every, left) : verification.every);
    // Rounded up: a timer that fires a fraction early would make a reading more.
    await condition(() => mustGoBack(input, progress) || progress.superseded !== null, Math.max(1, Math.ceil(wall)), {
      summary: `next reading of the checks, until ${isoTime(end)}`,
    });
    if (!mustGoBack(input, progress)) {
      const checks = await readChecks(input, progress, from, now());
      if (checks !== null) progress.checks = checks;
      const readable = checks?.filter((check) => check.value !== null) ?? [];
      if (readable.length > 0 || checks?.length === 0) blind = false;
      // A reading that could not be made is no pass: it takes back no failure.
      if (readable.some((check) => !check.passed)) failedInRow += 1;
      else if (readable.length > 0) failedInRow = 0;
    }
    if (mustGoBack(input, progress)) return { result: 'rolled-back', detail: progress.halted ?? 'halted' };
    if (failedInRow >= verification.failAfter) {
      const failed = progress.checks.find((check) => check.value !== null && !check.passed);
      return {
        result: 'rolled-back',
        detail: `${failed?.workload} ${failed?.metric} ${failed?.value?.toPrecision(3)} is above ${failed?.limit}`,
      };
    }
    if (progress.superseded !== null && failedInRow === 0 && !blind) {
      return {
        result: 'kept',
        detail: `checks held for ${formatDuration(Math.round(now() - from))}; plan ${progress.superseded} needs more`,
      };
    }
    progress.superseded = null;
    if (now() < end) continue;
    // The last reading failed, but not often enough in a row: give it the readings that it needs to be sure.
    if (failedInRow > 0) continue;
    if (!blind) return { result: 'kept', detail: `checks held for ${formatDuration(verification.for)}` };
    return input.raisesOnly
      ? { result: 'kept', detail: 'no check could be read; kept, since it only raises capacity' }
      : { result: 'rolled-back', detail: 'no check could be read; what was lowered is put back' };
  }
}

const nameOf = (order: ChangeOrder, index: number): string => {
  const mutation = order.mutations[index];
  return mutation === undefined ? '' : fieldName(mutation.target);
};

/** What the change is about: all of it, but for what it went on without. */
const targetsOf = (order: ChangeOrder, { leftOut }: Progress): FieldTarget[] =>
  order.mutations.flatMap(({ target }, index) => (leftOut.has(index) ? [] : [target]));

/** The checks since the change; null where they could not be read at all. */
async function readChecks(
  input: ChangeInput,
  progress: Progress,
  from: EpochSeconds,
  to: EpochSeconds,
): Promise<CheckResult[] | null> {
  const { order, queues } = input;
  try {
    const { checks } = await reading(queues, 'did it help?').verify({
      account: order.account,
      policyId: input.policyId,
      changeId: order.changeId,
      targets: targetsOf(order, progress),
      began: progress.startedAt,
      from,
      to,
    });
    return checks;
  } catch (error) {
    if (isCancellation(error)) throw error;
    log.warn('checks could not be read', { changeId: order.changeId, error: reasonOf(error) });
    return null;
  }
}

/** Puts back what was written, last first, for as long as it takes; says so while it does not work. */
async function goBack(
  input: ChangeInput,
  progress: Progress,
  ending: Ending,
  now: () => EpochSeconds,
): Promise<boolean> {
  const { order, queues } = input;
  const keys = progress.written.map((index) => order.mutations[index]?.key ?? '');
  const written = new Set(progress.written.map((index) => nameOf(order, index)));
  const steps = order.contingency.reverse.filter((step) => written.has(fieldName(step.target)));
  /** By field: who set it since. */
  const left = new Map<string, string>();
  /** By field: what stays of it, and for whom. */
  const kept = new Map<string, string>();
  for (let attempt = 0; ; attempt++) {
    try {
      for (const [index, step] of steps.entries()) {
        const result = await writing(queues, `back: ${fieldName(step.target)} → ${step.target.value}`).rollback({
          account: order.account,
          policyId: input.policyId,
          changeId: order.changeId,
          changeKeys: keys,
          step,
          index,
          reason: `change ${order.changeId} rolled back: ${ending.detail}`,
        });
        // Deleting an object is an edit, too.
        if (result.kind === 'not-found') left.set(fieldName(step.target), 'gone');
        // Nodes that another account of the pool needs stay.
        if (result.kind === 'applied' && step.target.field === 'nodes' && result.value !== step.target.value)
          kept.set(fieldName(step.target), `${result.value}: ${result.note ?? 'the cluster keeps them'}`);
        if (result.kind === 'moved') {
          left.set(fieldName(step.target), `${result.value} by ${result.owner ?? 'nobody known'}`);
        }
      }
      const expected = steps.filter(({ target }) => !left.has(fieldName(target)) && !kept.has(fieldName(target)));
      const confirmed = await reading(queues, 'is the last known good back?').confirm({
        account: order.account,
        policyId: input.policyId,
        steps: expected,
      });
      if (confirmed.restored) {
        if (left.size > 0)
          ending.detail += `; left as someone set it meanwhile: ${[...left].map(([field, who]) => `${field} (${who})`).join(', ')}`;
        if (kept.size > 0)
          ending.detail += `; kept for others: ${[...kept].map(([field, why]) => `${field} (${why})`).join(', ')}`;
        return true;
      }
      throw ApplicationFailure.create({ type: 'unavailable', message: confirmed.detail });
    } catch (error) {
      const detail = `putting back ${order.changeId} failed (${attempt + 1}): ${reasonOf(error)}`;
      log.error(detail);
      setCurrentDetails(`**needs attention** ${detail}; still trying, since ${isoTime(now())}`);
      await tellAccount(order.account, (handle) =>
        handle.signal(attentionSignal, { changeId: order.changeId, detail }),
      );
      await sleep(Math.min(300_000, 1000 * 2 ** Math.min(attempt, 9)), { summary: 'before trying to go back again' });
    }
  }
}

/** The account may have been stopped meanwhile; that is no reason to fail what is done. */
async function tellAccount(
  account: string,
  tell: (handle: ReturnType<typeof getExternalWorkflowHandle>) => Promise<void>,
): Promise<void> {
  try {
    await tell(getExternalWorkflowHandle(accountWorkflowId(account)));
  } catch (error) {
    log.warn('the account is gone; nobody to tell', { account, error: String(error) });
  }
}

/** The far end understood, and did not do it: trying again, or taking it back, has nothing to act on. */
const isFinal = (error: unknown): boolean =>
  error instanceof ActivityFailure &&
  error.cause instanceof ApplicationFailure &&
  NON_RETRYABLE.includes(error.cause.type ?? '');
