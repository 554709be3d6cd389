import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  Client,
  Connection,
  type WorkflowHandle,
  type WorkflowHandleWithFirstExecutionRunId,
} from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { NativeConnection, Worker } from '@temporalio/worker';
import type { Activities } from '../../activities/types.js';
import type { PlannedField } from '../../src/domain/plan.js';
import type { TimeScale } from '../../src/domain/time.js';
import { buildIdOf } from '../../src/temporal/bundle.js';
import { DEPLOYMENT_NAME, makeVersionCurrent } from '../../src/temporal/namespace.js';
import { startDevServer } from '../../src/temporal/server.js';
import type { account } from '../../workflows/account.js';
import type { change } from '../../workflows/change.js';
import type { fleet } from '../../workflows/fleet.js';
import {
  accountWorkflowId,
  announceSignal,
  approveUpdate,
  changeWorkflowId,
  clearOverrideSignal,
  FLEET_WORKFLOW_ID,
  freezeSignal,
  overrideSignal,
  pauseSignal,
  rejectUpdate,
  resumeSignal,
  setPolicyUpdate,
  statusQuery,
  stopSignal,
  unfreezeSignal,
  type AccountStatus,
} from '../../workflows/messages.js';
import { createRetrainFakes } from '../workflow/retrain-fakes.js';
import { liveMigrations, liveStopped, migratingWith } from './live-migration.js';
import { createFleetFakes } from '../workflow/fleet-fakes.js';
import { crossingWith, liveCrossings } from './live-crossing.js';
import { liveCommitments } from './live-commitments.js';
import { liveContingency } from './live-contingency.js';
import { liveFederate } from './live-federate.js';
import { liveFleetCycles } from './live-fleet.js';
import { liveMoving } from './live-moving.js';
import { liveRetrain, liveSearch } from './live-retrain.js';
import { act, createFakes, field, policyOf, steady, type Fakes } from '../workflow/fakes.js';

/*
 * Records what test/replay/histories holds: the shipped bundle on a real server, with activities that answer from
 * memory. Nothing in it is edited afterwards.
 */

export const HISTORIES = fileURLToPath(new URL('./histories/', import.meta.url));

/** Who worker and client say they are, instead of process and host. */
const IDENTITY = 'headroom';
const QUEUE = 'headroom';
const QUEUES = { light: QUEUE, compute: QUEUE, cluster: QUEUE };
const HOUR = 3600;
/** So that an account's life has several runs, each of a size to be committed. */
const EVENTS_A_RUN = 250;

const DEADLINE_MS = 30_000;

const scaleFromNow = (): TimeScale => ({ wallEpochMs: Date.now(), epoch: 1_772_445_600, factor: 3000 });

const LIVES = [
  'fleet',
  'account',
  'lean',
  'retrain',
  'search',
  'federate',
  'migration',
  'stopped',
  'shared',
  'fired',
  'recommending',
  'moving',
  'crossing',
] as const;

/**
 * Plays the lives and writes their histories.
 * @param bundle the workflow code that is recorded.
 * @param only one life alone; the files of the others stay. An account's changes are recorded with it.
 * @returns the files written, by name.
 */
export async function recordHistories(bundle: string, only?: string): Promise<string[]> {
  const lives = LIVES.filter((life) => only === undefined || life === only);
  if (lives.length === 0) throw new Error(`recording: known lives are ${LIVES.join(', ')}`);
  const folder = await mkdtemp(join(tmpdir(), 'headroom-record-'));
  const server = await startDevServer({
    databaseFile: join(folder, 'temporal.db'),
    env: process.env,
    dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': EVENTS_A_RUN },
  });
  const connection = await Connection.connect({ address: server.address });
  const native = await NativeConnection.connect({ address: server.address });
  try {
    const client = new Client({ connection, identity: IDENTITY });
    const fakes = createFakes();
    const retraining = createRetrainFakes();
    const sharing = createFleetFakes();
    const buildId = buildIdOf(bundle);
    const worker = await Worker.create({
      connection: native,
      identity: IDENTITY,
      taskQueue: QUEUE,
      workflowBundle: { code: bundle },
      workerDeploymentOptions: {
        version: { deploymentName: DEPLOYMENT_NAME, buildId },
        useWorkerVersioning: true,
        defaultVersioningBehavior: 'AUTO_UPGRADE',
      },
      activities: { ...sharing, ...withoutStacks(fakes), ...crossingWith(migratingWith(fakes)), ...retraining },
      maxHeartbeatThrottleInterval: '100ms',
      shutdownGraceTime: '1s',
    });
    const written = await worker.runUntil(async () => {
      await makeVersionCurrent(connection, 'default', buildId);
      const played: Recorded[] = [];
      if (lives.includes('fleet')) played.push(...(await liveFleet(client)));
      if (lives.includes('account')) played.push(...(await liveAccount(client, fakes)));
      if (lives.includes('lean')) played.push(...(await liveWithout(client, fakes)));
      if (lives.includes('fired')) {
        const fired = await inTime('answers fired', liveContingency(client, fakes, scaleFromNow(), QUEUE));
        played.push(...(await runsOf(client, fired.account, 'fired-account')));
        played.push(await recorded(fired.change, 'fired-change'));
      }
      if (lives.includes('retrain')) {
        const handle = await liveRetrain(client, retraining, { ...scaleFromNow(), factor: 20_000 }, QUEUE);
        played.push(await recorded(handle, 'retrain'));
      }
      if (lives.includes('search')) {
        const handle = await liveSearch(client, retraining, { ...scaleFromNow(), factor: 20_000 }, QUEUE);
        played.push(await recorded(handle, 'search-retrain'));
      }
      if (lives.includes('shared')) {
        const runs = await liveFleetCycles(client, sharing, scaleFromNow(), QUEUE);
        for (const [index, run] of runs.entries()) {
          played.push(await recorded(client.workflow.getHandle(FLEET_WORKFLOW_ID, run), `shared-fleet-${index + 1}`));
        }
        await client.workflow.getHandle(FLEET_WORKFLOW_ID).terminate('recorded');
      }
      if (lives.includes('recommending')) {
        const handle = await liveCommitments(client, sharing, scaleFromNow(), QUEUE);
        played.push(...(await runsOf(client, handle, 'recommending-fleet')));
        await client.workflow.getHandle(FLEET_WORKFLOW_ID).terminate('recorded');
      }
      if (lives.includes('moving')) {
        const handle = await inTime('a proposed migration', liveMoving(client, fakes, scaleFromNow(), QUEUE));
        played.push(...(await runsOf(client, handle, 'moving-account')));
      }
      if (lives.includes('federate')) {
        played.push(await recorded(await liveFederate(client, native, IDENTITY, QUEUE), 'federate'));
      }
      if (lives.includes('migration')) {
        for (const [file, handle] of Object.entries(await liveMigrations(client, QUEUE))) {
          played.push(await recorded(handle, file));
        }
      }
      if (lives.includes('stopped')) {
        for (const [file, handle] of Object.entries(await liveStopped(client, QUEUE))) {
          played.push(await recorded(handle, file));
        }
      }
      if (lives.includes('crossing')) {
        for (const [file, handle] of Object.entries(await liveCrossings(client, QUEUE))) {
          played.push(await recorded(handle, file));
        }
      }
      return played;
    });
    for (const { file, json } of written) refuseLocal(file, json);
    const families = lives.flatMap((life): string[] => (life === 'account' ? ['account', 'change'] : [life]));
    for (const file of await readdir(HISTORIES)) {
      if (families.some((family) => file.startsWith(family))) await rm(join(HISTORIES, file));
    }
    for (const { file, json } of written) {
      await writeFile(join(HISTORIES, file), json);
    }
    return written.map(({ file }) => file);
  } finally {
    await native.close();
    await connection.close();
    await server.close();
    await rm(folder, { recursive: true, force: true });
  }
}

interface Recorded {
  file: string;
  json: string;
}

const recorded = async (handle: WorkflowHandle, file: string): Promise<Recorded> => ({
  file: `${file}.json`,
  json: `${JSON.stringify(JSON.parse(historyToJSON(await handle.fetchHistory())), null, 1)}\n`,
});

/** Every run of a life that was continued as new, from its first on. */
async function runsOf(
  client: Client,
  handle: WorkflowHandleWithFirstExecutionRunId,
  name: string,
): Promise<Recorded[]> {
  const lives: Recorded[] = [];
  let run: string | undefined = handle.firstExecutionRunId;
  for (let index = 1; run !== undefined; index++) {
    const one: WorkflowHandle = client.workflow.getHandle(handle.workflowId, run);
    const { events } = await one.fetchHistory();
    lives.push(await recorded(one, `${name}-${index}`));
    run = events?.at(-1)?.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId ?? undefined;
  }
  return lives;
}

/** Frozen, expired; frozen, frozen anew by another, unfrozen. */
async function liveFleet(client: Client): Promise<Recorded[]> {
  const scale = scaleFromNow();
  const handle = await client.workflow.start<typeof fleet>('fleet', {
    workflowId: FLEET_WORKFLOW_ID,
    taskQueue: QUEUE,
    args: [{ freeze: null, scale }],
  });
  const freeze = (author: string, hours: number): Promise<void> => {
    const since = Math.round(now(scale));
    return handle.signal(freezeSignal, {
      kind: 'freeze',
      author,
      reason: 'incident',
      since,
      until: since + hours * HOUR,
    });
  };
  await freeze('ann', 0.5);
  await delay(1500);
  await freeze('ben', 5);
  await delay(300);
  await freeze('cat', 6);
  await delay(300);
  await handle.signal(unfreezeSignal, { author: 'cat', reason: 'over' });
  await delay(300);
  const result = await recorded(handle, 'fleet');
  await handle.terminate('recorded');
  return [result];
}

/** Changes kept, rolled back and stopped; pause, override, event, approval, rejection; stop with --restore. */
async function liveAccount(client: Client, fakes: Fakes): Promise<Recorded[]> {
  const name = 'acme';
  const scale = scaleFromNow();
  const policy = { ...policyOf(), coolDown: HOUR, verification: { ...policyOf().verification, for: 1200 } };
  const handle = await client.workflow.start<typeof account>('account', {
    workflowId: accountWorkflowId(name),
    taskQueue: QUEUE,
    args: [{ account: name, policy, scale, queues: QUEUES }],
  });
  const until = async (what: string, reached: (status: AccountStatus) => boolean): Promise<void> => {
    say(`until ${what}`);
    const deadline = Date.now() + DEADLINE_MS;
    while (!reached(await handle.query(statusQuery))) {
      if (Date.now() > deadline) {
        throw new Error(`recording: ${what} did not come: ${JSON.stringify(await handle.query(statusQuery))}`);
      }
      await delay(50);
    }
  };
  const say = (doing: string): void => void process.stderr.write(`recording: ${doing}\n`);
  const stamp = (hours: number) => {
    const since = Math.round(now(scale));
    return { author: 'ann', reason: 'recorded', since, until: since + hours * HOUR };
  };
  const replicas = (): number => fakes.values.get('web.replicas') ?? 0;
  const want = (count: number): void => {
    fakes.plans = () => (replicas() === count ? steady : act([field(replicas(), count)]));
  };

  await until('a steady cycle', ({ cycle }) => cycle >= 2);
  want(4);
  await until('a change kept', ({ results }) => results.kept === 1);

  fakes.errorRate = 0.5;
  fakes.failNext.rollback = ['final: no route'];
  want(6);
  await until('a change rolled back', ({ results }) => results['rolled-back'] === 1);
  fakes.errorRate = 0.01;
  fakes.plans = () => steady;

  fakes.failNext.observe = ['connection refused', 'final: no such bucket'];
  await handle.signal(pauseSignal, { kind: 'pause', ...stamp(48) });
  want(5);
  await until('a hold by pause', ({ holds }) => (holds.paused ?? 0) >= 1);
  await handle.signal(resumeSignal, { author: 'ann', reason: 'over' });
  await until('a second change kept', ({ results }) => results.kept === 2);

  await handle.signal(announceSignal, {
    name: 'sale',
    from: Math.round(now(scale)) + 24 * HOUR,
    to: Math.round(now(scale)) + 26 * HOUR,
    expect: { multiplier: 2 },
    uncertainty: 0.2,
    author: 'ann',
  });
  await handle.signal(overrideSignal, {
    kind: 'override',
    id: 'o-1',
    target: { field: 'replicas', workload: 'web', value: 8 },
    ...stamp(2),
  });
  await until('an override', ({ overrides }) => overrides.length === 1);
  await until('an override expired', ({ overrides }) => overrides.length === 0);
  await handle.signal(overrideSignal, {
    kind: 'override',
    id: 'o-2',
    target: { field: 'level', value: 0.95 },
    ...stamp(48),
  });
  await handle.signal(clearOverrideSignal, { id: 'o-2', author: 'ann' });

  fakes.freshness = 'stale';
  await until('a hold on stale data', ({ holds }) => (holds['stale-data'] ?? 0) >= 1);
  fakes.freshness = 'fresh';

  say('a policy');
  await handle.executeUpdate(setPolicyUpdate, {
    args: [{ policy: { ...policy, mode: 'approve', approvalWithin: 48 * HOUR }, author: 'ann' }],
  });
  want(9);
  await until('a plan to reject', ({ approval }) => approval !== null);
  say('a rejection');
  await handle.executeUpdate(rejectUpdate, { args: [{ author: 'ann', reason: 'not now' }] });
  await until('a plan to approve', ({ approval }) => approval !== null);
  say('an approval');
  await handle.executeUpdate(approveUpdate, { args: [{ author: 'ann' }] });
  await until('the approved change kept', ({ results }) => results.kept === 3);

  say('a policy that goes back');
  // A change that is paused in verification, under the policy that goes back.
  await handle.executeUpdate(setPolicyUpdate, {
    args: [
      {
        policy: { ...policy, whenPaused: 'roll-back', verification: { ...policy.verification, for: 8 * HOUR } },
        author: 'ann',
      },
    ],
  });
  want(12);
  const readings = fakes.calls.filter(({ name }) => name === 'verify').length;
  await until('a change in verification', () => fakes.calls.filter(({ name }) => name === 'verify').length > readings);
  await handle.signal(pauseSignal, { kind: 'pause', ...stamp(1) });
  await until('a change rolled back by a pause', ({ results }) => results['rolled-back'] === 2);
  fakes.plans = () => steady;
  const { cycle } = await handle.query(statusQuery);
  await until('the pause over', (status) => status.pause === null && status.cycle > cycle);

  say('the end');
  await handle.signal(stopSignal, { restore: true, author: 'ann' });
  const { changes } = await inTime('the account’s end', handle.result());

  const lives = await runsOf(client, handle, 'account');
  const seen = new Map<string, number>();
  for (let number = 1; number <= changes; number++) {
    const one = client.workflow.getHandle<typeof change>(changeWorkflowId(`${name}/${number}`));
    const { result } = await inTime(`the end of change ${number}`, one.result());
    const count = (seen.get(result) ?? 0) + 1;
    seen.set(result, count);
    lives.push(await recorded(one, `change-${result}${count === 1 ? '' : `-${count}`}`));
  }
  return lives;
}

/** A change that goes on without what the cluster will not have; then a stop that leaves a field to a person, and is recorded. */
async function liveWithout(client: Client, fakes: Fakes): Promise<Recorded[]> {
  const name = 'lean';
  fakes.values = new Map([
    ['web.replicas', 2],
    ['general', 0],
  ]);
  const warm: PlannedField = { ...field(0, 4), target: { field: 'warm', pool: 'general', value: 4 } };
  fakes.plans = () => (fakes.values.get('web.replicas') === 4 ? steady : act([warm, field(2, 4)]));
  fakes.applyAnswers = [{ kind: 'not-found', detail: 'namespaces "warm" not found' }];
  const handle = await client.workflow.start<typeof account>('account', {
    workflowId: accountWorkflowId(name),
    taskQueue: QUEUE,
    args: [{ account: name, policy: { ...policyOf(), account: name }, scale: scaleFromNow(), queues: QUEUES }],
  });
  const kept = async (): Promise<void> => {
    while ((await handle.query(statusQuery)).results.kept === 0) await delay(50);
  };
  await inTime('a change kept without warm capacity', kept());
  fakes.rollback = () => Promise.resolve({ kind: 'moved', value: 9, owner: 'kubectl' });
  await handle.signal(stopSignal, { restore: true, author: 'ann' });
  await inTime('the end of an account', handle.result());
  const changed = client.workflow.getHandle<typeof change>(changeWorkflowId(`${name}/1`));
  return [await recorded(changed, 'lean-change'), await recorded(handle, 'lean-account')];
}

async function inTime<T>(what: string, work: Promise<T>): Promise<T> {
  const late = new AbortController();
  try {
    return await Promise.race([
      work,
      delay(DEADLINE_MS, undefined, { signal: late.signal }).then(() => {
        throw new Error(`recording: ${what} did not come`);
      }),
    ]);
  } finally {
    late.abort();
  }
}

const now = (scale: TimeScale): number => scale.epoch + ((Date.now() - scale.wallEpochMs) / 1000) * scale.factor;

/** A failure's stack names files of this machine; it says nothing that a replay needs. */
function withoutStacks(activities: Activities): Activities {
  const strip =
    <In, Out>(work: (input: In) => Promise<Out>) =>
    async (input: In): Promise<Out> => {
      try {
        return await work(input);
      } catch (error) {
        if (error instanceof Error) error.stack = '';
        throw error;
      }
    };
  return {
    observe: strip((input) => activities.observe(input)),
    forecast: strip((input) => activities.forecast(input)),
    optimize: strip((input) => activities.optimize(input)),
    learn: strip((input) => activities.learn(input)),
    answer: strip((input) => activities.answer(input)),
    recordContingency: strip((input) => activities.recordContingency(input)),
    revalidate: strip((input) => activities.revalidate(input)),
    apply: strip((input) => activities.apply(input)),
    awaitReady: strip((input) => activities.awaitReady(input)),
    verify: strip((input) => activities.verify(input)),
    rollback: strip((input) => activities.rollback(input)),
    confirm: strip((input) => activities.confirm(input)),
    release: strip((input) => activities.release(input)),
    recordOutcome: strip((input) => activities.recordOutcome(input)),
    exportHistory: strip((input) => activities.exportHistory(input)),
    lookAtMigrations: strip((input) => activities.lookAtMigrations(input)),
  };
}

const MOST_BYTES = 300_000;

/** Nothing of this machine goes into the repository, and nothing too large. */
function refuseLocal(file: string, json: string): void {
  if (json.length > MOST_BYTES) throw new Error(`recording: ${file} has ${json.length} bytes, more than ${MOST_BYTES}`);
  // Payloads are base64: a path in one of them would hide.
  const plain = json.replace(/"data": "([^"]*)"/g, (_, data: string) => Buffer.from(data, 'base64').toString('utf8'));
  for (const local of [hostname(), process.cwd(), tmpdir(), 'file://', `/${userInfo().username}/`]) {
    if (plain.includes(local)) throw new Error(`recording: ${file} holds "${local}"`);
  }
}
