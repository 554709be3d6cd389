import { ApplicationFailure } from '@temporalio/common';
import type { MigrateActivities, WatchResult, WriteInput } from '../../activities/migrate-types.js';
import type { VerifyInput, VerifyResult } from '../../activities/types.js';
import type { MigrationOrder, MigrationOutcome, MigrationSurvey, MoveResult } from '../../src/domain/migration.js';

/** What a migration can change, as a person would see it. */
export interface MovedWorld {
  claim: string | null;
  source: number;
  copy: number;
  volumes: boolean;
  weight: number;
  /** Where the account looks for its workload. */
  account: string;
  /** What others call: the source, or the copy after the hand-over. */
  serves: string;
}

export const BEFORE: MovedWorld = {
  ...{ claim: null, source: 3, copy: 0, volumes: false, weight: 0, account: 'web', serves: 'web' },
};

/** A point of a migration: an activity, a write by its kind, a route by its weight. */
export type Point =
  | Exclude<keyof MigrateActivities, 'writeMigration' | 'prefetch'>
  | 'verify'
  | `write:${WriteInput['write']['kind']}`
  | `route:${number}`;

export interface MigrationFakes extends MigrateActivities {
  verify(input: VerifyInput): Promise<VerifyResult>;
  world: MovedWorld;
  points: Point[];
  outcomes: MigrationOutcome[];
  survey: Partial<MigrationSurvey>;
  /** Answers instead of the work, once for each entry; `final: …` is an error that a repeat cannot mend. */
  failNext: Partial<Record<Point, string[]>>;
  answerNext: Partial<Record<Point, MoveResult['kind'] | 'halted' | 'not-ready' | 'broken'>>;
  /** Called when a point is reached, before its work. */
  at: Partial<Record<Point, () => Promise<unknown>>>;
  /** Called after the work, before the answer: a test can lose it. */
  after: Partial<Record<Point, () => Promise<unknown>>>;
  /** Null: unreadable. */
  errorRate: number | null;
  /** Writes that were not fenced although a halt was asked about. */
  halted: string | null;
}

const downtime = { seconds: 0, requests: { all: 100, unserved: 0 }, resolution: 0 };

/** Recording activities over a tiny world in memory: they stand behind the workflow's port in these tests alone. */
export function createMigrationFakes(): MigrationFakes {
  const reach = async (...points: Point[]): Promise<string | null> => {
    for (const point of points) {
      fakes.points.push(point);
      await fakes.at[point]?.();
      const message = fakes.failNext[point]?.shift();
      if (message !== undefined) {
        const failure = ApplicationFailure.create({
          ...{ type: message.startsWith('final') ? 'refused' : 'unavailable', message },
          nonRetryable: message.startsWith('final'),
        });
        failure.stack = '';
        throw failure;
      }
      const answer = fakes.answerNext[point];
      delete fakes.answerNext[point];
      if (answer !== undefined) return answer;
    }
    return null;
  };
  const left = async (point: Point): Promise<void> => {
    const then = fakes.after[point];
    delete fakes.after[point];
    await then?.();
  };

  const apply = ({ order, write, copy }: WriteInput): MoveResult => {
    const { world } = fakes;
    if (write.kind !== 'claim' && world.claim !== order.id) return { kind: 'moved', detail: 'nobody has claimed it' };
    switch (write.kind) {
      case 'claim':
        world.claim = order.id;
        break;
      case 'volumes':
        if (order.stop === true && world.source > 0) return { kind: 'refused', detail: 'somebody may write' };
        world.volumes = true;
        break;
      case 'copy':
        world.copy = write.replicas;
        break;
      case 'route':
        if (world.copy < world.source) return { kind: 'refused', detail: 'traffic to a copy that is not whole' };
        world.weight = write.weight;
        break;
      case 'hand-over':
        world.serves = copy;
        break;
      case 'lower':
        world.source = write.replicas;
        break;
      case 'raise':
        world.source = Math.max(world.source, write.replicas);
        break;
      case 'unroute':
        world.weight = 0;
        break;
      case 'discard':
        if (world.weight > 0) return { kind: 'moved', detail: 'traffic is led to the copy' };
        Object.assign(world, { copy: 0, volumes: false });
        break;
      case 'release':
      case 'retire':
        world.claim = null;
        break;
      case 'images':
        break;
    }
    return { kind: 'done', detail: write.kind };
  };

  const fakes: MigrationFakes = {
    world: { ...BEFORE },
    ...{
      points: [],
      outcomes: [],
      survey: {},
      failNext: {},
      answerNext: {},
      at: {},
      after: {},
      errorRate: 0.01,
      halted: null,
    },
    async surveyMigration({ order }) {
      if ((await reach('surveyMigration')) === 'halted') return { kind: 'halted', detail: 'frozen by ops: incident' };
      return { ...SURVEY, traffic: { ...SURVEY.traffic, steps: order.steps }, ...fakes.survey };
    },
    async writeMigration(input) {
      const { write, fenced } = input;
      const points: Point[] = [`write:${write.kind}`];
      if (write.kind === 'route') points.push(`route:${write.weight}`);
      const answer = await reach(...points);
      if (fenced && fakes.halted !== null) return { kind: 'halted', detail: fakes.halted };
      if (answer === 'halted') return { kind: 'halted', detail: 'paused by ann' };
      if (answer === 'moved' || answer === 'refused') return { kind: answer, detail: `${answer} by ben` };
      const result = apply(input);
      for (const point of points) await left(point);
      return result;
    },
    async awaitStaged() {
      await reach('awaitStaged');
      return { staged: true, detail: 'images on 2 of 2 nodes' };
    },
    async awaitCopy({ replicas }) {
      const answer = await reach('awaitCopy');
      await left('awaitCopy');
      if (answer === 'halted') return { kind: 'halted', detail: 'paused by ann' };
      if (answer === 'not-ready')
        return { kind: 'not-ready', waited: 900, detail: `0 of ${replicas} ready: probe fails` };
      return { kind: 'ready', waited: 30 };
    },
    async awaitStopped() {
      const answer = await reach('awaitStopped');
      if (answer === 'halted') return { kind: 'halted', detail: 'paused by ann' };
      if (answer === 'not-ready' || fakes.world.source > 0) {
        return { kind: 'not-ready', waited: 0, detail: '1 pods of the source run or end still' };
      }
      return { kind: 'ready', waited: 20 };
    },
    async awaitSource() {
      await reach('awaitSource');
      return { kind: 'ready', waited: 0 };
    },
    async watchMigration({ fenced, order }): Promise<WatchResult> {
      const answer = await reach('watchMigration');
      await left('watchMigration');
      const { source } = fakes.world;
      // A cluster whose workloads have volumes counts no requests.
      const sampled = { seconds: 0, requests: null, resolution: 1 };
      const state = { downtime: order.stop === true ? sampled : downtime, source, mayTake: source };
      if (fenced && fakes.halted !== null) return { kind: 'halted', detail: fakes.halted, ...state };
      if (answer === 'broken') return { kind: 'broken', detail: 'no replica of the copy is ready', ...state };
      return { kind: 'held', detail: '', ...state };
    },
    async warmWorkload() {
      await reach('warmWorkload');
      return { done: ['prefetch.catalogue: 200'], leftOut: [], dataSets: ['orders'] };
    },
    async retargetAccount({ back, copy }) {
      await reach('retargetAccount');
      fakes.world.account = back ? 'web' : copy;
      await left('retargetAccount');
      return { revision: 2, detail: 'told' };
    },
    async confirmAsBefore({ order }) {
      await reach('confirmAsBefore');
      const { weight, claim, copy, volumes } = fakes.world;
      const restored = weight === 0 && claim !== order.id && copy === 0 && !volumes;
      return { restored, detail: restored ? '' : 'the copy is there' };
    },
    async recordMigration() {
      await reach('recordMigration');
    },
    async recordMigrationOutcome({ outcome }) {
      await reach('recordMigrationOutcome');
      fakes.outcomes.push(outcome);
    },
    async verify() {
      await reach('verify');
      const value = fakes.errorRate;
      const passed = value !== null && value <= 0.1;
      return { checks: [{ workload: 'web', metric: 'error_rate', value, limit: 0.1, passed }] };
    },
    prefetch: () => Promise.resolve({ actions: [] }),
  };
  return fakes;
}

const SURVEY: MigrationSurvey = {
  refusals: [],
  target: { pool: 'spot', namespace: null, cluster: null },
  chosen: 'pool spot, as told',
  source: { words: 'Deployment acme/web', replicas: 3, ready: 3 },
  copy: { words: 'Deployment acme/web-1', name: 'web-1' },
  traffic: { kind: 'http-route', words: 'weights of HTTPRoute acme/web', steps: [] },
  ...{ images: ['shop:1'], volumes: ['data → data-web-1 by clone'], warm: ['prefetch.catalogue'] },
  reverse: ['all traffic to web'],
  before: '{}',
};

export const orderOf = (number: number, over: Partial<MigrationOrder> = {}): MigrationOrder => ({
  ...{ id: `acme/web/${number}`, account: 'acme', workload: 'web', number, policyId: 'acme@1' },
  target: { pool: 'spot', namespace: null, cluster: null },
  ...{ steps: [10, 100], stepFor: 60, old: 'remove', copyVolumes: true, noTraffic: false, backend: null },
  limits: { ready: 600, stage: 300 },
  verification: { for: 120, every: 60, failAfter: 2 },
  ...{ whenPaused: 'finish', author: 'ada', reason: 'cheaper' },
  ...over,
});

/** The activities of whichever fakes are the present ones, but for `verify`, which accounts have as well. */
export const migrateForwarded = (present: () => MigrationFakes): MigrateActivities => ({
  surveyMigration: (input) => present().surveyMigration(input),
  writeMigration: (input) => present().writeMigration(input),
  awaitStaged: (input) => present().awaitStaged(input),
  awaitCopy: (input) => present().awaitCopy(input),
  awaitStopped: (input) => present().awaitStopped(input),
  awaitSource: (input) => present().awaitSource(input),
  watchMigration: (input) => present().watchMigration(input),
  warmWorkload: (input) => present().warmWorkload(input),
  retargetAccount: (input) => present().retargetAccount(input),
  confirmAsBefore: (input) => present().confirmAsBefore(input),
  recordMigration: (input) => present().recordMigration(input),
  recordMigrationOutcome: (input) => present().recordMigrationOutcome(input),
  prefetch: (input) => present().prefetch(input),
});
