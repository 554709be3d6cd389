import {
  ApplicationFailure,
  CancellationScope,
  isCancellation,
  log,
  setHandler,
  setWorkflowOptions,
  sleep,
} from '@temporalio/workflow';
import type { CheckResult } from '../src/domain/plan.js';
import type { MoveWrite } from '../src/domain/migration.js';
import type { MigrationOutcome, MigrationStep, MigrationSurvey } from '../src/domain/migration.js';
import { formatDuration, simulatedNow } from '../src/domain/time.js';
import { looking, moving, noting, surveying, watching } from './migration-activities.js';
import { goBack, trouble } from './migration-back.js';
import { cancelMigrationUpdate, migrationStatusQuery, type MigrationInput } from './migration-messages.js';
import {
  copyReady,
  createRun,
  enter,
  isFenced,
  refOf,
  SERVERS_CANCEL,
  step,
  Stop,
  throwIfCancelled,
  unlessCancelled,
  watch,
  write,
  type MigrationRun,
} from './migration-run.js';
import { served, startedAgain, stillStopped, stopSource } from './migration-stop.js';
import { reasonOf } from './reason.js';

/**
 * One migration, a saga with a history of its own: survey, the way back on record, pre-stage, cut over in steps, verify; then,
 * past the point of no return, hand over, drain, retire. Until that point whatever goes wrong ends in what was there before;
 * after it, the migration goes on until it is through.
 */
export async function migration(input: MigrationInput): Promise<MigrationOutcome> {
  const run = createRun(input);
  const { order, state } = run;
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
          ? 'it is past its point of no return: the old one is being taken away; wait for its end, and migrate back'
          : state.cancellable
            ? null
            : `it is ${state.phase} already`;
        if (words !== null) throw ApplicationFailure.create({ type: 'refused', message: words, nonRetryable: true });
      },
    },
  );
  run.show();
  const startedAt = state.startedAt;
  let ending: Pick<MigrationOutcome, 'result' | 'detail' | 'restored'>;
  try {
    await goThere(run);
    const moved = await CancellationScope.nonCancellable(() => finish(run));
    ending = { result: 'moved', detail: moved, restored: true };
  } catch (error) {
    const stop = error instanceof Stop ? error : null;
    const why = stop?.message ?? (isCancellation(error) ? SERVERS_CANCEL : reasonOf(error));
    if (run.written.size === 0) ending = { result: stop?.result ?? 'failed', detail: why, restored: true };
    else {
      const { restored, detail } = await CancellationScope.nonCancellable(() => goBack(run, why));
      ending = {
        result: 'went-back',
        detail: detail === '' ? why : `${why}; not all is as before: ${detail}`,
        restored,
      };
    }
  }
  const outcome: MigrationOutcome = {
    ...{ id: order.id, account: order.account, workload: order.workload },
    ...ending,
    ...{ target: state.target, copy: state.copy, startedAt, endedAt: run.now() },
    ...{ downtime: state.downtime, steps: state.steps },
  };
  state.cancellable = false;
  enter(run, 'ended', `${outcome.result}: ${outcome.detail}`);
  await CancellationScope.nonCancellable(async () => {
    try {
      await noting(input.queues, 'record the outcome').recordMigrationOutcome({ order, outcome });
    } catch (error) {
      // What is done is done: a store that is down costs the record alone.
      log.error('outcome not recorded', { id: order.id, error: reasonOf(error) });
    }
  });
  return outcome;
}
setWorkflowOptions({ versioningBehavior: 'PINNED' }, migration);

const STEPS = {
  record: 'record the way back',
  claim: 'claim the workload',
  images: 'pull images',
  volumes: 'copy volumes',
  warm: 'warm caches',
  stop: 'stop the source',
  copy: 'make the copy ready',
  route: (weight: number) => `lead ${weight}% of the traffic over`,
  verify: 'verify',
  retarget: 'tell the account',
  handOver: 'hand over',
  drain: 'drain the old one',
  retire: 'retire the old one',
} as const;

/** Everything that will be done, with what takes each back; what does not apply is left out from the start. */
function stepsOf(survey: MigrationSurvey, stop: boolean): MigrationStep[] {
  const one = (name: string, compensation: string, applies = true): MigrationStep => ({
    ...{ name, compensation, at: null },
    state: applies ? 'ahead' : 'left-out',
    detail: applies ? '' : 'there is nothing of the kind',
  });
  const volumes = one(STEPS.volumes, 'the copies are removed', survey.volumes.length > 0);
  const retarget = one(STEPS.retarget, 'the account looks after the source again');
  const never = 'none: past the point of no return';
  return [
    one(STEPS.record, 'none: nothing is touched'),
    one(STEPS.claim, 'the claim is taken off'),
    one(STEPS.images, 'the pulling Job is removed; images stay on their nodes', survey.images.length > 0),
    ...(stop ? [] : [volumes]),
    one(STEPS.warm, 'none: caches stay warm', survey.warm.length > 0),
    ...(stop ? [retarget, one(STEPS.stop, 'the source gets its replicas again'), volumes] : []),
    one(STEPS.copy, `${survey.copy.words} is removed`),
    ...survey.traffic.steps.map((weight) =>
      one(STEPS.route(weight), `all traffic to the source again (${survey.traffic.words})`),
    ),
    one(STEPS.verify, 'as above'),
    ...(stop ? [] : [retarget]),
    one(STEPS.handOver, never),
    one(STEPS.drain, never),
    one(STEPS.retire, never),
  ];
}

/** The way forward up to the point of no return. @throws Stop, and whatever an activity fails with. */
async function goThere(run: MigrationRun): Promise<void> {
  const { order, state } = run;
  const { queues, scale } = run.input;
  enter(run, 'choosing', 'looking at what is there');
  throwIfCancelled(run);
  const at = simulatedNow(scale, Date.now());
  const survey = await unlessCancelled(run, () => surveying(queues, 'can it be done?').surveyMigration({ order, at }));
  if ('kind' in survey) throw new Stop('stopped', survey.detail);
  state.target = survey.target;
  state.copy = survey.copy.name;
  const stop = order.stop === true;
  state.steps = stepsOf(survey, stop);
  if (survey.refusals.length > 0) throw new Stop('refused', survey.refusals.join('; '));
  run.survey = survey;

  enter(run, 'pre-staging', STEPS.record);
  await step(run, STEPS.record, async () => {
    await noting(queues, 'the way back, before anything is touched').recordMigration({ order, survey, at: run.now() });
    return survey.reverse.join('; ');
  });
  await step(run, STEPS.claim, () => write(run, { kind: 'claim' }));
  if (survey.images.length > 0) await step(run, STEPS.images, () => write(run, { kind: 'images' }));
  const copyVolumes = () => step(run, STEPS.volumes, () => write(run, { kind: 'volumes' }));
  if (survey.volumes.length > 0 && !stop) await copyVolumes();
  if (survey.images.length > 0) {
    // Pods pull what is not there yet: late images cost time, not the migration.
    await step(run, STEPS.images, async () => {
      const { stage } = order.limits;
      const waiting = watching(queues, 'images on the target’s nodes?', run.wall(stage));
      return (await unlessCancelled(run, () => waiting.awaitStaged({ ...refOf(run), limit: stage, scale }))).detail;
    });
  }
  if (survey.warm.length > 0) {
    await step(run, STEPS.warm, async () => {
      throwIfCancelled(run);
      try {
        const { done, leftOut } = await moving(queues, 'caches').warmWorkload({
          ...refOf(run),
          at: Math.round(run.now()),
        });
        return [...done, ...leftOut.map((text) => `without ${text}`)].join('; ');
      } catch (error) {
        if (isCancellation(error)) throw error;
        return `gone ahead without: ${reasonOf(error)}`;
      }
    });
  }
  const retarget = () =>
    step(run, STEPS.retarget, async () => {
      if (!stop) await makeReady();
      throwIfCancelled(run);
      run.written.add('retarget');
      return (
        await CancellationScope.nonCancellable(() =>
          noting(queues, 'the account looks after the copy').retargetAccount({ ...refOf(run), back: false }),
        )
      ).detail;
    });
  if (stop) {
    // First: an account that looked after the source would start it again.
    await retarget();
    await step(run, STEPS.stop, () => stopSource(run));
    await copyVolumes();
  }
  let replicas = Math.max(1, survey.source.replicas);
  const makeReady = async (): Promise<string> => {
    await write(run, { kind: 'copy', replicas });
    const waited = await copyReady(run, replicas);
    if (stop) await stillStopped(run);
    return `${replicas} replicas ready after ${formatDuration(waited)}`;
  };
  await step(run, STEPS.copy, makeReady);
  if (survey.traffic.steps.length === 0) served(run);

  enter(run, 'cutting-over', 'leading the traffic over');
  for (const weight of survey.traffic.steps) {
    await step(run, STEPS.route(weight), async () => {
      await makeReady();
      const words = await write(run, { kind: 'route', weight, from: state.weight });
      state.weight = weight;
      served(run);
      replicas = Math.max(replicas, await hold(run, order.stepFor, weight));
      return words;
    });
  }

  enter(run, 'verifying', STEPS.verify);
  await step(run, STEPS.verify, async () => {
    const { for: length } = order.verification;
    replicas = Math.max(replicas, await hold(run, length, state.weight));
    return `held for ${formatDuration(length)}`;
  });
  if (!stop) await retarget();
  // At once with the last look: no cancellation gets in between.
  throwIfCancelled(run);
  state.pointOfNoReturn.passed = true;
  state.cancellable = false;
}

/**
 * Watches for so long, and reads the checks meanwhile. @returns replicas that the source has by now.
 * @throws Stop where traffic or checks say no, or no check that is asked for can be read: then the way back is the safe one.
 */
async function hold(run: MigrationRun, length: number, weight: number): Promise<number> {
  const { order, state } = run;
  const { every, failAfter } = order.verification;
  const from = run.now();
  let failedInRow = 0;
  let blind = true;
  let replicas = 0;
  let left = length;
  for (;;) {
    // Past the end there is something left to be sure of: at the same pace.
    const part = left > 0 ? Math.min(every, left) : every;
    const { source } = await watch(run, part, weight);
    left -= part;
    replicas = Math.max(replicas, source ?? 0);
    if (order.stop === true && replicas > 0)
      throw new Stop('failed', startedAgain(`the source has ${replicas} replicas`));
    const checks = await readChecks(run, from);
    if (checks !== null) state.checks = checks;
    run.show();
    const readable = checks?.filter((check) => check.value !== null) ?? [];
    if (readable.length > 0 || checks?.length === 0) blind = false;
    if (readable.some((check) => !check.passed)) failedInRow += 1;
    else if (readable.length > 0) failedInRow = 0;
    if (failedInRow >= failAfter) {
      const failed = readable.find((check) => !check.passed);
      throw new Stop(
        'failed',
        `${failed?.workload} ${failed?.metric} ${failed?.value?.toPrecision(3)} is above ${failed?.limit}`,
      );
    }
    if (left > 0 || failedInRow > 0) continue;
    // What is watched shortly may be over before anything was measured of it: the first reading is waited for.
    if (blind && left > -order.verification.for) continue;
    if (blind) throw new Stop('failed', 'no check could be read: nobody knows how the copy serves');
    return replicas;
  }
}

async function readChecks(run: MigrationRun, from: number): Promise<CheckResult[] | null> {
  try {
    return await unlessCancelled(run, () => read(run, from));
  } catch (error) {
    if (error instanceof Stop || isCancellation(error)) throw error;
    log.warn('checks could not be read', { id: run.order.id, error: reasonOf(error) });
    return null;
  }
}

async function read({ order, state, input, now }: MigrationRun, from: number): Promise<CheckResult[]> {
  const { checks } = await looking(input.queues, 'how does it serve?').verify({
    ...{ account: order.account, policyId: order.policyId, changeId: `${order.id}` },
    targets: [{ field: 'replicas', workload: order.workload, value: 0 }],
    ...{ began: state.startedAt, from, to: now() },
  });
  return checks;
}

/** Past the point of no return: goes on until it is through, and says so while it is not. */
async function finish(run: MigrationRun): Promise<string> {
  const { order, state } = run;
  const { queues, scale } = run.input;
  enter(run, 'handing-over', STEPS.handOver);
  await surely(run, STEPS.handOver, async () => forward(run, { kind: 'hand-over' }));
  enter(run, 'draining', STEPS.drain);
  await surely(run, STEPS.drain, async () => {
    for (;;) {
      const seen = await watching(queues, 'how many may go?', run.wall(order.verification.every)).watchMigration({
        ...refOf(run),
        ...{ for: 1, scale, weight: state.weight, fenced: isFenced(run) },
      });
      if (seen.kind !== 'held') throw new Stop('stopped', seen.detail);
      if (seen.source === null || seen.source === 0) return 'no replica is left';
      if (seen.mayTake > 0) await forward(run, { kind: 'lower', replicas: Math.max(0, seen.source - seen.mayTake) });
      else {
        run.state.doing = `a disruption budget keeps ${seen.source} replicas`;
        run.show();
        const wall = Math.max(1000, run.wall(order.verification.every));
        await sleep(Math.ceil(wall), { summary: 'until the disruption budget lets one go' });
      }
    }
  });
  await surely(run, STEPS.retire, async () => forward(run, { kind: 'retire' }));
  return `${order.account}/${order.workload} is ${state.copy ?? ''} now; ${order.old === 'keep' ? 'the old one is kept without replicas' : 'the old one is gone'}`;
}

async function forward(run: MigrationRun, write: MoveWrite): Promise<string> {
  const answer = await moving(run.input.queues, write.kind).writeMigration({
    ...refOf(run),
    ...{ write, fenced: isFenced(run) },
  });
  if (answer.kind === 'done') return answer.detail;
  throw new Stop('failed', answer.detail);
}

/** A step that has no way back: tried until it works. */
async function surely(run: MigrationRun, name: string, work: () => Promise<string>): Promise<void> {
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
