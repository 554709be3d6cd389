import { ApplicationFailure } from '@temporalio/common';
import type { CrossingActivities } from '../../activities/crossing-types.js';
import type { MigrateActivities, MigrationRef, WatchResult, WriteInput } from '../../activities/migrate-types.js';
import type { VerifyInput, VerifyResult } from '../../activities/types.js';
import type { ClusterMigrationOrder, ClusterPlace, Side } from '../../src/domain/cluster-migration.js';
import type { MigrationOutcome, MigrationSurvey, MoveResult } from '../../src/domain/migration.js';

/** One workload as two clusters show it. */
export interface CrossedWorkload {
  claim: string | null;
  source: number;
  copy: number;
  /** Percent that is led to the copy. */
  weight: number;
  /** Its autoscaler is there. */
  whole: boolean;
}
export interface CrossedWorld {
  web: CrossedWorkload;
  api: CrossedWorkload;
  /** Where the account looks for them. */
  account: string;
}

const workload = (): CrossedWorkload => ({ claim: null, source: 3, copy: 0, weight: 0, whole: false });
export const here = (): CrossedWorld => ({ web: workload(), api: workload(), account: 'east' });
const gone: CrossedWorkload = { claim: null, source: 0, copy: 3, weight: 100, whole: true };
export const THERE: CrossedWorld = { web: gone, api: gone, account: 'west' };

export type CrossingFakes = Pick<
  MigrateActivities,
  | 'surveyMigration'
  | 'writeMigration'
  | 'awaitCopy'
  | 'awaitSource'
  | 'watchMigration'
  | 'warmWorkload'
  | 'confirmAsBefore'
> &
  CrossingActivities & {
    verify(input: VerifyInput): Promise<VerifyResult>;
    world: CrossedWorld;
    /** `web target:copy`, `openCrossing`, `placeAccount`. */
    points: string[];
    outcomes: MigrationOutcome[];
    /** Errors instead of the work, at the first entry each; `final: …` is one that a repeat cannot mend. */
    failNext: Record<string, string[]>;
    /** Errors after the work: its answer is lost. */
    loseNext: Record<string, string[]>;
    at: Record<string, () => Promise<unknown>>;
    refusals: Partial<Record<Side, string[]>>;
    /** By side; null: unreadable. */
    errorRate: Record<'source' | 'target', number | null>;
    halted: string | null;
  };

/** Recording activities over two clusters in memory. */
export function createCrossingFakes(): CrossingFakes {
  const fail = (message: string): never => {
    const failure = ApplicationFailure.create({
      ...{ type: message.startsWith('final') ? 'refused' : 'unavailable', message },
      nonRetryable: message.startsWith('final'),
    });
    failure.stack = '';
    throw failure;
  };
  const reach = async <T>(point: string, work: () => T | Promise<T>): Promise<T> => {
    fakes.points.push(point);
    await fakes.at[point]?.();
    const before = fakes.failNext[point]?.shift();
    if (before !== undefined) fail(before);
    const result = await work();
    const after = fakes.loseNext[point]?.shift();
    if (after !== undefined) fail(after);
    return result;
  };
  const sideOf = ({ order }: Pick<MigrationRef, 'order'>): Side => order.cross?.side ?? 'source';
  const of = ({ order }: Pick<MigrationRef, 'order'>): CrossedWorkload =>
    order.workload === 'web' ? fakes.world.web : fakes.world.api;
  const named = (ref: Pick<MigrationRef, 'order'>, what: string): string =>
    `${ref.order.workload} ${sideOf(ref)}:${what}`;
  const apply = (input: WriteInput): MoveResult => {
    const { order, write } = input;
    const world = of(input);
    const side = sideOf(input);
    const bad = (detail: string): MoveResult => ({ kind: 'refused', detail });
    const sides: Record<string, Side> = { copy: 'target', discard: 'target', route: 'traffic', unroute: 'traffic' };
    if (write.kind !== 'hand-over' && side !== (sides[write.kind] ?? 'source'))
      return bad(`${write.kind} was asked of the ${side}`);
    switch (write.kind) {
      case 'claim':
        world.claim = order.id;
        break;
      case 'copy':
        world.copy = Math.max(world.copy, write.replicas);
        break;
      case 'route':
        if (world.copy < world.source) return bad('traffic to a copy that is not whole');
        world.weight = write.weight;
        break;
      case 'hand-over':
        if (world.weight !== 100) return bad('not all traffic is there');
        if (side === 'target') world.whole = true;
        break;
      case 'lower':
        if (world.weight !== 100) return bad('traffic meets the source');
        world.source = write.replicas;
        break;
      case 'raise':
        world.source = Math.max(world.source, write.replicas);
        break;
      case 'unroute':
        if (world.source === 0) return bad('traffic to a source that is gone');
        world.weight = 0;
        break;
      case 'discard':
        if (world.weight > 0) return { kind: 'moved', detail: 'traffic is led to the copy' };
        world.copy = 0;
        world.whole = false;
        break;
      case 'retire':
      case 'release':
        if (world.claim === order.id) world.claim = null;
        break;
      default:
        return bad(`no ${write.kind} between clusters`);
    }
    return { kind: 'done', detail: write.kind };
  };

  const fakes: CrossingFakes = {
    world: here(),
    ...{ points: [], outcomes: [], failNext: {}, loseNext: {}, at: {}, refusals: {}, halted: null },
    errorRate: { source: 0.01, target: 0.01 },
    openCrossing: () =>
      reach('openCrossing', () =>
        fakes.halted === null
          ? { policyIdThere: 'shop@there', refusals: [], costs: [] }
          : { kind: 'halted' as const, detail: fakes.halted },
      ),
    surveyMigration: (input) =>
      reach(named(input, 'survey'), () => ({ ...SURVEY, refusals: fakes.refusals[sideOf(input)] ?? [] })),
    writeMigration: (input) =>
      reach(named(input, input.write.kind === 'route' ? `route-${input.write.weight}` : input.write.kind), () =>
        input.fenced && fakes.halted !== null ? { kind: 'halted' as const, detail: fakes.halted } : apply(input),
      ),
    awaitCopy: (input) => reach(named(input, 'ready'), () => ({ kind: 'ready' as const, waited: 30 })),
    awaitSource: (input) => reach(named(input, 'serves'), () => ({ kind: 'ready' as const, waited: 0 })),
    watchMigration: (input) =>
      reach(named(input, `watch-${input.weight}`), (): WatchResult => {
        const world = of(input);
        const broken = sideOf(input) === 'traffic' && world.weight !== input.weight;
        return {
          ...{ kind: broken ? 'broken' : 'held', detail: broken ? 'somebody else led it' : '' },
          downtime: { seconds: 0, requests: null, resolution: 1 },
          ...{ source: sideOf(input) === 'source' ? world.source : null, mayTake: 0 },
        };
      }),
    warmWorkload: (input) => reach(named(input, 'warm'), () => ({ done: ['warm'], leftOut: [], dataSets: [] })),
    confirmAsBefore: (input) =>
      reach(named(input, 'confirm'), () => {
        const { claim, copy, weight } = of(input);
        const left = { source: claim === input.order.id, target: copy > 0, traffic: weight > 0 }[sideOf(input)];
        return { restored: !left, detail: left ? `${sideOf(input)} is not as it was` : '' };
      }),
    placeAccount: ({ order, back }) =>
      reach(back ? 'placeAccount back' : 'placeAccount', () => {
        fakes.world.account = (back ? order.from : order.to).cluster;
        return { revision: 2, detail: 'told' };
      }),
    recordCrossing: () => reach('recordCrossing', () => undefined),
    recordCrossingOutcome: ({ outcome }) => reach('recordCrossingOutcome', () => void fakes.outcomes.push(outcome)),
    verify: ({ policyId }) =>
      reach('verify', () => {
        const value = fakes.errorRate[policyId === 'shop@there' ? 'target' : 'source'];
        const passed = value !== null && value <= 0.1;
        return { checks: [{ workload: 'web', metric: 'error_rate', value, limit: 0.1, passed }] };
      }),
  };
  return fakes;
}

const SURVEY: MigrationSurvey = {
  refusals: [],
  target: { pool: null, namespace: null, cluster: 'west' },
  chosen: 'cluster west, as told',
  source: { words: 'Deployment shop/web', replicas: 3, ready: 3 },
  copy: { words: 'Deployment shop/web', name: 'web' },
  traffic: { kind: 'http-route', words: 'weights of HTTPRoute shop/web', steps: [] },
  ...{ images: [], volumes: [], warm: [], reverse: [], before: '{}' },
};

const placeIn = (cluster: string): ClusterPlace => ({ cluster, pools: [], workloads: {} });

export const crossingOf = (number: number, over: Partial<ClusterMigrationOrder> = {}): ClusterMigrationOrder => ({
  ...{ id: `shop/@west/${number}`, account: 'shop', number, policyId: 'shop@1', pool: null },
  ...{ from: placeIn('east'), to: placeIn('west') },
  workloads: ['web', 'api'].map((name) => ({ workload: name, backend: null })),
  ...{ traffic: 'route-at-source', steps: [10, 100], stepFor: 60, old: 'keep', coolDown: 600 },
  limits: { ready: 600, stage: 300 },
  verification: { for: 120, every: 60, failAfter: 2 },
  ...{ whenPaused: 'finish', author: 'ada', reason: 'cheaper' },
  ...over,
});

/** The activities of whichever fakes are the present ones. */
export const crossingForwarded = (
  present: () => CrossingFakes,
): Omit<
  CrossingFakes,
  'world' | 'points' | 'outcomes' | 'failNext' | 'loseNext' | 'at' | 'refusals' | 'errorRate' | 'halted'
> => ({
  openCrossing: (input) => present().openCrossing(input),
  surveyMigration: (input) => present().surveyMigration(input),
  writeMigration: (input) => present().writeMigration(input),
  awaitCopy: (input) => present().awaitCopy(input),
  awaitSource: (input) => present().awaitSource(input),
  watchMigration: (input) => present().watchMigration(input),
  warmWorkload: (input) => present().warmWorkload(input),
  confirmAsBefore: (input) => present().confirmAsBefore(input),
  placeAccount: (input) => present().placeAccount(input),
  recordCrossing: (input) => present().recordCrossing(input),
  recordCrossingOutcome: (input) => present().recordCrossingOutcome(input),
  verify: (input) => present().verify(input),
});
