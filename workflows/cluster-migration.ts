import {
  ApplicationFailure,
  CancellationScope,
  isCancellation,
  log,
  setHandler,
  setWorkflowOptions,
  sleep,
} from '@temporalio/workflow';
import type { Halted } from '../activities/migrate-types.js';
import { clusterQueue } from '../src/domain/cluster-migration.js';
import type { MigrationOutcome, MigrationStep, MigrationSurvey, MoveWrite } from '../src/domain/migration.js';
import type { CheckResult } from '../src/domain/plan.js';
import type { Side } from '../src/domain/cluster-migration.js';
import { formatDuration, simulatedNow } from '../src/domain/time.js';
import { looking, moving } from './migration-activities.js';
import { trouble } from './migration-back.js';
import { goBackAcross } from './cluster-migration-back.js';
import { cancelMigrationUpdate, migrationStatusQuery, type ClusterMigrationInput } from './migration-messages.js';
import { enter, SERVERS_CANCEL, step, Stop, throwIfCancelled, unlessCancelled } from './migration-run.js';
import {
  createClusterRun,
  everyLeg,
  hasWritten,
  isFenced,
  makeReady,
  noted,
  queuesOf,
  surveyCrossing,
  watchAll,
  writeLeg,
  type ClusterRun,
  type Leg,
} from './cluster-migration-run.js';
import { reasonOf } from './reason.js';

/**
 * An account moves to another cluster with all of its workloads: the saga of workflows/migration.ts with three sides to each
 * workload, each reached by its own cluster's queue. Until the account was told and all of it has served there for the whole
 * verification, whatever goes wrong ends in what was there before; after it, the move goes on until it is through.
 */
export async function clusterMigration(input: ClusterMigrationInput): Promise<MigrationOutcome> {
  const run = createClusterRun(input);
  const { order } = input;
  const { state } = run;
  setHandler(migrationStatusQuery, () => state);
  setHandler(
    cancelMigrationUpdate,
    ({ author, reason }) => {
      run.cancelled = `cancelled by ${author}${reason === '' ? '' : `: ${reason}`}`;
      run.waiting?.cancel();
      return { phase: state.phase };
    },
    {
      validator: (_cancel: { author: string; reason: string }) => {
        const words = state.pointOfNoReturn.passed
          ? 'it is past its point of no return: wait for its end, and migrate back'
          : state.cancellable
            ? null
            : `it is ${state.phase} already`;
        if (words !== null) throw ApplicationFailure.create({ type: 'refused', message: words, nonRetryable: true });
      },
    },
  );
  run.show();
  let ending: Pick<MigrationOutcome, 'result' | 'detail' | 'restored'>;
  try {
    await goThere(run);
    const detail = await CancellationScope.nonCancellable(() => finish(run));
    ending = { result: 'moved', detail, restored: true };
  } catch (error) {
    const stop = error instanceof Stop ? error : null;
    const why = stop?.message ?? (isCancellation(error) ? SERVERS_CANCEL : reasonOf(error));
    if (!hasWritten(run)) ending = { result: stop?.result ?? 'failed', detail: why, restored: true };
    else {
      const { restored, detail } = await CancellationScope.nonCancellable(() => goBackAcross(run, why));
      const said = detail === '' ? why : `${why}; not all is as before: ${detail}`;
      ending = { result: 'went-back', detail: said, restored };
    }
  }
  const outcome: MigrationOutcome = {
    ...{ id: order.id, account: order.account, workload: state.workload },
    ...ending,
    ...{ target: state.target, copy: state.copy, startedAt: state.startedAt, endedAt: run.now() },
    ...{ downtime: state.downtime, steps: state.steps },
  };
  state.cancellable = false;
  enter(run, 'ended', `${outcome.result}: ${outcome.detail}`);
  await CancellationScope.nonCancellable(async () => {
    try {
      await noted(input.queues, 'record the outcome').recordCrossingOutcome({ order, outcome });
    } catch (error) {
      // What is done is done: a store that is down costs the record alone.
      log.error('outcome not recorded', { id: order.id, error: reasonOf(error) });
    }
  });
  return outcome;
}
setWorkflowOptions({ versioningBehavior: 'PINNED' }, clusterMigration);

/** What it would do, and what stands in its way: reads alone. */
export async function clusterMigrationSurvey(input: ClusterMigrationInput): Promise<MigrationSurvey | Halted> {
  try {
    const found = await surveyCrossing(input, Math.round(simulatedNow(input.scale, Date.now())));
    return 'kind' in found ? found : found.survey;
  } catch (error) {
    // A cluster that nobody reaches, say: in words, and not as a workflow that has failed.
    return { kind: 'halted', detail: reasonOf(error) };
  }
}
setWorkflowOptions({ versioningBehavior: 'PINNED' }, clusterMigrationSurvey);

const STEPS = {
  record: 'record the way back',
  claim: 'claim the workloads',
  warm: 'warm caches',
  copy: 'make the copies ready',
  route: (weight: number) => `lead ${weight}% of the traffic over`,
  verify: 'verify',
  place: 'tell the account',
  handOver: 'hand over',
  drain: 'drain the old ones',
  retire: 'retire the old ones',
} as const;

/** Everything that will be done, with what takes each back; what does not apply is left out from the start. */
function stepsOf(survey: MigrationSurvey, { from, to }: ClusterMigrationInput['order']): MigrationStep[] {
  const one = (name: string, compensation: string, applies = true): MigrationStep => ({
    ...{ name, compensation, at: null },
    state: applies ? 'ahead' : 'left-out',
    detail: applies ? '' : 'there is nothing of the kind',
  });
  const never = 'none: past the point of no return';
  return [
    one(STEPS.record, 'none: nothing is touched'),
    one(STEPS.claim, 'the claims are taken off'),
    one(STEPS.copy, `what was made in cluster ${to.cluster} is removed`),
    one(STEPS.warm, 'none: caches stay warm', survey.warm.length > 0),
    ...survey.traffic.steps.map((weight) =>
      one(STEPS.route(weight), `all traffic to cluster ${from.cluster} again (${survey.traffic.words})`),
    ),
    one(STEPS.verify, 'as above'),
    one(STEPS.place, `the account is in cluster ${from.cluster} again`),
    one(STEPS.handOver, never),
    one(STEPS.drain, never),
    one(STEPS.retire, never),
  ];
}

/** The way forward up to the point of no return. @throws Stop, and whatever an activity fails with. */
async function goThere(run: ClusterRun): Promise<void> {
  const { state, crossing: input } = run;
  const { order, queues } = input;
  enter(run, 'choosing', 'looking at what is there');
  const found = await unlessCancelled(run, () => surveyCrossing(input, Math.round(run.now())));
  if ('kind' in found) throw new Stop('stopped', found.detail);
  const { survey } = found;
  state.target = survey.target;
  state.copy = survey.copy.name;
  state.steps = stepsOf(survey, order);
  if (survey.refusals.length > 0) throw new Stop('refused', survey.refusals.join('; '));
  run.survey = survey;
  run.legs = found.legs;

  enter(run, 'pre-staging', STEPS.record);
  await step(run, STEPS.record, async () => {
    await noted(queues, 'the way back, before anything is touched').recordCrossing({ order, survey, at: run.now() });
    return survey.reverse.join('; ');
  });
  await step(run, STEPS.claim, () => everyLeg(run, (leg) => writeLeg(run, leg, 'source', { kind: 'claim' })));
  const ready = () => makeReady(run);
  await step(run, STEPS.copy, ready);
  if (survey.warm.length > 0) await step(run, STEPS.warm, () => everyLeg(run, (leg) => warm(run, leg)));

  enter(run, 'cutting-over', 'leading the traffic over');
  for (const weight of survey.traffic.steps) {
    await step(run, STEPS.route(weight), async () => {
      await ready();
      const from = state.weight;
      // One after the other: a route that two workloads share is written by one at a time.
      const words: string[] = [];
      for (const leg of run.legs) words.push(await writeLeg(run, leg, 'traffic', { kind: 'route', weight, from }));
      state.weight = weight;
      await hold(run, order.stepFor, weight);
      return words.join('; ');
    });
  }

  enter(run, 'verifying', STEPS.verify);
  await step(run, STEPS.verify, async () => {
    await hold(run, order.verification.for, state.weight);
    return `held for ${formatDuration(order.verification.for)}`;
  });
  await step(run, STEPS.place, async () => {
    await ready();
    throwIfCancelled(run);
    run.told = true;
    const queue = clusterQueue(queues, order.to.cluster);
    const told = await CancellationScope.nonCancellable(() =>
      noted(queues, `the account is in cluster ${order.to.cluster}`).placeAccount({ order, back: false, queue }),
    );
    return told.detail;
  });
  // At once with the last look: no cancellation gets in between.
  throwIfCancelled(run);
  state.pointOfNoReturn.passed = true;
  state.cancellable = false;
}

async function warm(run: ClusterRun, leg: Leg): Promise<string> {
  throwIfCancelled(run);
  try {
    const caches = moving(queuesOf(run.crossing, 'target'), `${leg.workload}: caches`);
    const { done, leftOut } = await caches.warmWorkload({ ...leg.refs.target, at: Math.round(run.now()) });
    return [...done, ...leftOut.map((text) => `without ${text}`)].join('; ');
  } catch (error) {
    if (isCancellation(error)) throw error;
    return `gone ahead without: ${reasonOf(error)}`;
  }
}

/**
 * Watches for so long, and reads the checks of both clusters meanwhile.
 * @throws Stop where traffic or checks say no, or the target's checks cannot be read: then the way back is the safe one.
 */
async function hold(run: ClusterRun, length: number, weight: number): Promise<void> {
  const { state } = run;
  const { verification } = run.crossing.order;
  const from = run.now();
  let failedInRow = 0;
  let blind = true;
  let left = length;
  for (;;) {
    // Past the end there is something left to be sure of: at the same pace.
    const part = left > 0 ? Math.min(verification.every, left) : verification.every;
    await watchAll(run, part, weight);
    left -= part;
    const [there, here] = [await readChecks(run, 'target', from), await readChecks(run, 'source', from)];
    state.checks = [...(there ?? []), ...(here ?? [])];
    run.show();
    const readable = state.checks.filter((check) => check.value !== null);
    // How the copies serve is what is asked; the source's checks say nothing of them.
    if (there?.some((check) => check.value !== null) === true || there?.length === 0) blind = false;
    if (readable.some((check) => !check.passed)) failedInRow += 1;
    else if (readable.length > 0) failedInRow = 0;
    if (failedInRow >= verification.failAfter) {
      const failed = readable.find((check) => !check.passed);
      const words = `${failed?.workload} ${failed?.metric} ${failed?.value?.toPrecision(3)} is above ${failed?.limit}`;
      throw new Stop('failed', words);
    }
    if (left > 0 || failedInRow > 0) continue;
    if (blind && left > -verification.for) continue;
    if (blind) throw new Stop('failed', 'no check could be read in the target: nobody knows how the copies serve');
    return;
  }
}

async function readChecks(run: ClusterRun, side: Side, from: number): Promise<CheckResult[] | null> {
  const { order } = run.crossing;
  const policyId = run.legs[0]?.refs[side].order.policyId ?? order.policyId;
  try {
    const { checks } = await unlessCancelled(run, () =>
      looking(queuesOf(run.crossing, side), `how does it serve, ${side}?`).verify({
        ...{ account: order.account, policyId, changeId: order.id },
        targets: run.legs.map(({ workload }) => ({ field: 'replicas' as const, workload, value: 0 })),
        ...{ began: run.state.startedAt, from, to: run.now() },
      }),
    );
    return checks;
  } catch (error) {
    if (error instanceof Stop || isCancellation(error)) throw error;
    log.warn('checks could not be read', { id: order.id, side, error: reasonOf(error) });
    return null;
  }
}

/** Past the point of no return: goes on until it is through, and says so while it is not. */
async function finish(run: ClusterRun): Promise<string> {
  const { order } = run.crossing;
  enter(run, 'handing-over', STEPS.handOver);
  await surely(run, STEPS.handOver, async () => {
    const words = await everyLeg(run, (leg) => forward(run, leg, 'target', { kind: 'hand-over' }));
    const led: string[] = [];
    for (const leg of run.legs) if (leg.led) led.push(await forward(run, leg, 'traffic', { kind: 'hand-over' }));
    return [words, ...led].join('; ');
  });
  enter(run, 'draining', STEPS.drain);
  await surely(run, STEPS.drain, () =>
    everyLeg(run, (leg) => forward(run, leg, 'source', { kind: 'lower', replicas: 0 })),
  );
  if (order.old === 'remove') {
    // As long as the way back is likeliest to be wanted, the old ones are there to be started again.
    run.state.doing = `the old ones are removed in ${formatDuration(order.coolDown)}`;
    run.show();
    await sleep(Math.ceil(Math.max(1, run.wall(order.coolDown))), { summary: 'before the old ones are removed' });
  }
  await surely(run, STEPS.retire, () => everyLeg(run, (leg) => forward(run, leg, 'source', { kind: 'retire' })));
  const old = order.old === 'keep' ? 'are kept without replicas' : 'are gone';
  return `account ${order.account} is in cluster ${order.to.cluster} now; the old ones in ${order.from.cluster} ${old}`;
}

async function forward(run: ClusterRun, leg: Leg, side: Side, write: MoveWrite): Promise<string> {
  const answer = await moving(queuesOf(run.crossing, side), `${leg.workload}, ${side}: ${write.kind}`).writeMigration({
    ...leg.refs[side],
    ...{ write, fenced: isFenced(run) },
  });
  if (answer.kind === 'done') return answer.detail;
  throw new Stop('failed', `${leg.workload}: ${answer.detail}`);
}

/** A step that has no way back: tried until it works. */
async function surely(run: ClusterRun, name: string, work: () => Promise<string>): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await step(run, name, work);
      run.state.attention = null;
      return;
    } catch (error) {
      await trouble(run, `${name} (${attempt + 1}): ${reasonOf(error)}`, attempt);
    }
  }
}
