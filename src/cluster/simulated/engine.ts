import type {
  ClusterState,
  FieldOwner,
  CapacityTarget,
  Mutation,
  MutationResult,
  PoolState,
  PreparationTarget,
  ScalingTarget,
  WorkloadState,
} from '../../domain/cluster.js';
import type { EpochSeconds } from '../../domain/time.js';
import type { ObserveRequest } from '../port.js';
import { accountOfKey, HEADROOM, judgeApply, judgeRestore, nextMark, sameValue } from '../fence.js';
import { createDraws } from './draws.js';
import { touches, within, type Fault, type ForeignTarget } from './faults.js';
import type { MoveLook, MoveRequest, MoveResult, MoveWrite, Survey } from '../migrating.js';
import { createMeter, type Part } from './meter.js';
import { clusterOfPools, type EngineModel, type Field } from './model.js';
import { createMoves, type RequestEntry } from './moving.js';
import { createNodes } from './nodes.js';
import { createPreparations, type PreparationRecord } from './preparations.js';
import {
  createPoolRecord,
  createWorkloadRecord,
  flushPool,
  flushWorkload,
  MINUTE,
  type PoolRecord,
  type WorkloadRecord,
} from './recorder.js';
import { createWorkload, type RunningWorkload } from './workload.js';

/** What a write did, and whether the fault `lost-answer` swallows the answer. */
export interface Written {
  result: MutationResult;
  answerLost: boolean;
}

/** What a simulated cluster has. */
export type SimulatedTarget = CapacityTarget | ScalingTarget | Extract<PreparationTarget, { field: 'prepared' }>;
export type CapacityMutation = Sited<Mutation & { target: SimulatedTarget }>;

/** For one of the clusters of a scenario that has several; its own where that is not said. */
export type Sited<T> = T & { cluster?: string };

export interface Restore {
  cluster?: string;
  key: string;
  changeKeys: string[];
  account: string;
  target: SimulatedTarget;
  owner: FieldOwner;
  reason: string;
}

export interface WorkloadHistory {
  account: string;
  workload: string;
  components: readonly { component: WorkloadComponent; record: WorkloadRecord['components'][number] }[];
  record: WorkloadRecord;
}
type WorkloadComponent = RunningWorkload['model']['components'][number]['component'];

/**
 * A simulated cluster: a state machine over ticks with its clock passed in. The same model and the same calls at the
 * same times end in the same state, whatever the sizes of the steps in which it is advanced.
 */
export interface Engine {
  readonly model: EngineModel;
  /** The end of the last tick that ran: everything before it is settled. */
  readonly clock: EpochSeconds;
  /** Runs all ticks that end by `now`. Time does not go back. */
  advanceTo(now: EpochSeconds): void;
  observe(request: Sited<ObserveRequest>): ClusterState;
  apply(mutation: CapacityMutation): Written;
  restore(restore: Restore): Written;
  /** What was done for an account's workloads before capacity was needed, oldest first. */
  preparations(account: string): PreparationRecord[];
  /** A workload that moves to another pool. */
  survey(request: MoveRequest): Survey;
  move(request: MoveRequest, write: MoveWrite): MoveResult;
  lookMove(request: MoveRequest): MoveLook;
  /** The requests of a migration by its id, tick by tick. */
  requestLog(id: string): readonly RequestEntry[];
  /** Why a fault cannot strike here: what it names and the cluster does not have. Null where it can. */
  missing(fault: Fault): string | null;
  inject(fault: Fault): void;
  /** The first fault of a kind whose window holds `at`. */
  fault<Kind extends Fault['kind']>(kind: Kind, at: EpochSeconds): Extract<Fault, { kind: Kind }> | undefined;
  readonly workloads: readonly WorkloadHistory[];
  readonly pools: readonly { pool: string; record: PoolRecord }[];
}

export function createEngine(model: EngineModel): Engine {
  const { tick } = model;
  const faults: Fault[] = [...model.faults];
  const draws = createDraws(model.seed);
  const meter = createMeter(faults);
  const nodes = createNodes(model.pools, draws, faults);
  const running = new Map<string, RunningWorkload>();
  const records = new Map<string, WorkloadRecord>();
  for (const workload of model.workloads) {
    const key = `${workload.account}/${workload.workload}`;
    running.set(key, createWorkload(workload, nodes, draws, faults));
    records.set(key, createWorkloadRecord(workload.components.length));
  }
  const preparations = createPreparations();
  const moves = createMoves(model, { nodes, draws, faults }, running, () => clock);
  const poolRecords = new Map(model.pools.map(({ name }) => [name, createPoolRecord()]));
  /** Faults that are spent: how often a counted one struck. */
  const struck = new Map<Fault, number>();
  let clock = model.start;

  nodes.fill(model.start);
  for (const run of running.values()) run.begin(model.start);

  const strikes = (fault: Fault, limit: number): boolean => {
    const times = struck.get(fault) ?? 0;
    if (times >= limit) return false;
    struck.set(fault, times + 1);
    return true;
  };

  const setField = (field: Field, value: number, owner: FieldOwner, run: RunningWorkload | null) => {
    field.value = value;
    field.owner = owner;
    if (run?.bad?.field === field && sameValue(run.bad.good, value)) run.bad = null;
  };

  const evictFrom = (lost: readonly object[]) => {
    for (const node of lost) for (const run of [...running.values(), ...moves.others()]) run.evict(node);
  };

  const foreignWrite = (target: ForeignTarget, owner: string) => {
    const found = locate(target.field === 'nodes' ? '' : target.account, target);
    // A write of the same value changes no owner, as the API server's books have it.
    if (found.kind === 'none' || found.field.value === target.value) return;
    setField(found.field, target.value, owner, found.run);
    if (target.field === 'nodes') evictFrom(nodes.resize(target.pool, target.value, clock));
  };

  /** What a fault names and the cluster does not have; null where it has all of it. */
  const missing = (fault: Fault): string | null => {
    if (fault.kind === 'foreign-write') {
      const found = locate(fault.target.field === 'nodes' ? '' : fault.target.account, fault.target);
      return found.kind === 'none' ? found.detail : null;
    }
    if ('pool' in fault && !nodes.pools.has(fault.pool)) return `cluster ${model.name} has no pool "${fault.pool}"`;
    if (!('workload' in fault) || fault.account === undefined || fault.workload === undefined) return null;
    const key = `${fault.account}/${fault.workload}`;
    return running.has(key) ? null : `cluster ${model.name} has no workload ${key}`;
  };

  /** Faults that happen at a moment, rather than over a window. */
  const strikeBefore = (end: EpochSeconds) => {
    for (const fault of faults) {
      if (!('at' in fault) || fault.at >= end || !strikes(fault, 1)) continue;
      if (fault.kind === 'foreign-write') foreignWrite(fault.target, fault.owner);
      else evictFrom(nodes.interrupt(fault.pool, fault.count));
    }
  };

  const runTick = () => {
    const from = clock;
    strikeBefore(from + tick);
    evictFrom(nodes.turn(from));
    nodes.grow(from);
    for (const [key, record] of records) {
      const parts = moves.parts(key) ?? whole(running.get(key));
      if (parts === null) continue;
      for (const { run } of parts) run.reconcile(from);
      meter(parts, record, from);
    }
    moves.count(from, tick);
    for (const [name, record] of poolRecords) {
      const pool = nodes.pools.get(name);
      if (pool === undefined) continue;
      record.nodes.add(pool.nodes.length);
      record.ready.add(nodes.readyCount(pool, from));
      record.cost.add(pool.nodes.length * pool.model.pricePerHour);
    }
    clock = from + tick;
    if (clock % MINUTE !== 0) return;
    for (const record of records.values()) flushWorkload(record);
    for (const record of poolRecords.values()) flushPool(record);
  };

  type Located =
    | { kind: 'field'; field: Field; run: RunningWorkload | null; reportedOwner: FieldOwner }
    | { kind: 'none'; detail: string };

  /** What of it is in this cluster: a workload that has moved to another is not there. */
  const locateIn = (
    cluster: string | undefined,
    account: string,
    target: SimulatedTarget,
  ): ReturnType<typeof locate> => {
    const found = locate(account, target);
    if (found.kind === 'none') return found;
    const at =
      target.field === 'nodes'
        ? clusterOfPools(model, [target.pool])
        : clusterOfPools(model, found.run?.model.pools ?? []);
    if (at === (cluster ?? model.name)) return found;
    const what = target.field === 'nodes' ? `pool "${target.pool}"` : `workload ${account}/${target.workload}`;
    return { kind: 'none', detail: `cluster ${cluster ?? model.name} has no ${what}: it is in cluster ${at}` };
  };

  const locate = (account: string, target: SimulatedTarget | ForeignTarget): Located => {
    if (target.field === 'nodes') {
      const pool = nodes.pools.get(target.pool);
      if (pool === undefined) return { kind: 'none', detail: `cluster ${model.name} has no pool "${target.pool}"` };
      return { kind: 'field', field: pool.asked, run: null, reportedOwner: pool.asked.owner };
    }
    const run = running.get(`${account}/${target.workload}`);
    if (run === undefined) {
      return { kind: 'none', detail: `cluster ${model.name} has no workload ${account}/${target.workload}` };
    }
    if (target.field === 'prepared') {
      const field = preparations.field(account, target.workload, target.action);
      return { kind: 'field', field, run, reportedOwner: field.owner };
    }
    if (target.field === 'request') {
      const field = run.requests.get(target.component);
      return field === undefined
        ? { kind: 'none', detail: `${account}/${target.workload} requests no ${target.component}` }
        : { kind: 'field', field, run, reportedOwner: run.requestOwner() };
    }
    const field = { replicas: run.replicas, floor: run.floor, target: run.target }[target.field];
    return field === null
      ? {
          kind: 'none',
          detail: `${account}/${target.workload} has no autoscaler whose ${target.field} could be raised`,
        }
      : { kind: 'field', field, run, reportedOwner: field.owner };
  };

  /** What the API's own validation would say; null where it takes the value. */
  const refusal = (target: SimulatedTarget, run: RunningWorkload | null): string | null => {
    if (target.field === 'request') return target.value > 0 ? null : `a request of ${target.value} is not above 0`;
    if (target.field === 'target') {
      const user = run?.model.hpa?.target ?? 0;
      if (!(target.value <= 1)) return `a target of ${target.value} is beyond the request`;
      return target.value < user ? `${target.value} is below ${user}, the target that the user set` : null;
    }
    if (!Number.isInteger(target.value) || target.value < 0) return `${target.value} is not a whole number from 0 up`;
    if (target.field === 'floor' && run?.model.hpa !== null && target.value > (run?.model.hpa?.ceiling ?? 0)) {
      return `floor ${target.value} is above the autoscaler's ceiling ${run?.model.hpa?.ceiling}`;
    }
    if (target.field !== 'nodes') return null;
    const pool = nodes.pools.get(target.pool)?.model;
    if (pool === undefined || (target.value >= pool.min && target.value <= pool.max)) return null;
    return `pool ${target.pool} takes ${pool.min} to ${pool.max} nodes, not ${target.value}`;
  };

  const write = (
    found: Extract<Located, { kind: 'field' }>,
    target: SimulatedTarget,
    owner: FieldOwner,
    key: string,
  ) => {
    found.field.mark = nextMark(found.field.mark, key, target.value);
    setField(found.field, target.value, owner, found.run);
    if (target.field === 'nodes') evictFrom(nodes.resize(target.pool, target.value, clock));
  };

  const answer = (result: MutationResult): Written => {
    const lost = faults.some(
      (fault) =>
        fault.kind === 'lost-answer' &&
        result.kind === 'applied' &&
        within(fault, clock) &&
        strikes(fault, fault.count),
    );
    return { result, answerLost: lost };
  };

  /** Arms a bad release that waits for a change of this field. */
  const poison = (found: Extract<Located, { kind: 'field' }>, target: SimulatedTarget, account: string) => {
    if (
      target.field === 'nodes' ||
      target.field === 'target' ||
      target.field === 'prepared' ||
      found.run === null ||
      sameValue(found.field.value, target.value)
    )
      return;
    const { field } = target;
    for (const fault of faults) {
      if (fault.kind !== 'bad-release' || !within(fault, clock) || !touches(fault, account, target.workload)) continue;
      if (fault.fields !== undefined && !fault.fields.includes(field)) continue;
      if (!strikes(fault, 1)) continue;
      found.run.bad = { effect: fault.effect, severity: fault.severity, field: found.field, good: found.field.value };
    }
  };

  /** Where its pods have nodes; nothing to say where all pools are one. */
  const placedOf = ({ pods }: RunningWorkload): Pick<WorkloadState, 'placed'> => {
    if (nodes.pools.size < 2) return {};
    const placed: Record<string, number> = {};
    for (const { node } of pods) if (node !== null) placed[node.pool] = (placed[node.pool] ?? 0) + 1;
    return { placed };
  };

  const observeWorkload = (account: string, workload: string, cluster: string): WorkloadState => {
    const run = running.get(`${account}/${workload}`);
    if (run === undefined || clusterOfPools(model, run.model.pools) !== cluster) {
      const owners = { replicas: null, request: null, floor: null };
      return { workload, exists: false, replicas: 0, readyReplicas: 0, request: {}, autoscaler: null, owners };
    }
    const { hpa } = run.model;
    return {
      workload,
      exists: true,
      replicas: run.replicas.value,
      readyReplicas: run.ready(clock),
      request: run.request(),
      autoscaler:
        hpa === null || run.floor === null
          ? null
          : {
              kind: 'hpa',
              name: hpa.name,
              floor: run.floor.value,
              ceiling: hpa.ceiling,
              ...(run.target === null ? {} : { target: run.target.value, userTarget: hpa.target }),
            },
      owners: {
        replicas: run.replicas.owner,
        request: run.requestOwner(),
        floor: run.floor?.owner ?? null,
        ...(run.target === null ? {} : { target: run.target.owner }),
      },
      prepared: preparations.of(account, workload),
      ...placedOf(run),
    };
  };

  return {
    model,
    get clock() {
      return clock;
    },
    advanceTo(now) {
      while (clock + tick <= now) runTick();
    },
    observe({ account, workloads, pools, cluster = model.name }) {
      return {
        at: clock,
        workloads: workloads.map(({ workload }) => observeWorkload(account, workload, cluster)),
        pools: pools.flatMap((name): PoolState[] => {
          const pool = nodes.pools.get(name);
          if (pool === undefined || clusterOfPools(model, [name]) !== cluster) return [];
          const { value, owner, mark } = pool.asked;
          const sizedBy = owner === HEADROOM && mark?.value === value ? accountOfKey(mark.key) : null;
          const by = sizedBy === null ? {} : { sizedBy };
          return [{ pool: name, nodes: value, readyNodes: nodes.readyCount(pool, clock), owner, ...by }];
        }),
      };
    },
    apply(mutation) {
      const { account, target } = mutation;
      const found = locateIn(mutation.cluster, account, target);
      if (found.kind === 'none') return answer({ kind: 'not-found', detail: found.detail });
      const judgement = judgeApply({ ...found.field, reportedOwner: found.reportedOwner }, mutation);
      if (judgement.kind !== 'write') return answer(judgement);
      const refused = refusal(target, found.run);
      if (refused !== null) return answer({ kind: 'refused', detail: refused });
      poison(found, target, account);
      write(found, target, HEADROOM, mutation.key);
      if (target.field === 'prepared') {
        const { workload, action, value: needed } = target;
        const dataSets = mutation.dataSets ?? [];
        preparations.note({ account, workload, action, key: mutation.key, at: clock, needed, dataSets });
      }
      return answer({ kind: 'applied', value: target.value });
    },
    restore({ key, changeKeys, account, target, owner, cluster }) {
      const found = locateIn(cluster, account, target);
      if (found.kind === 'none') return answer({ kind: 'not-found', detail: found.detail });
      const field = { ...found.field, reportedOwner: found.reportedOwner };
      const judgement = judgeRestore(field, { key, changeKeys, good: target.value });
      if (judgement.kind !== 'write') return answer(judgement);
      const refused = refusal(target, found.run);
      if (refused !== null) return answer({ kind: 'refused', detail: refused });
      write(found, target, owner, key);
      if (target.field === 'prepared') preparations.undo(account, target.workload, target.action, changeKeys);
      return answer({ kind: 'applied', value: target.value });
    },
    preparations: (account) => preparations.records(account),
    survey: (request) => moves.survey(request),
    move: (request, step) => moves.write(request, step),
    lookMove: (request) => moves.look(request),
    requestLog: (id) => moves.log(id),
    missing,
    inject: (fault) => void faults.push(fault),
    fault(kind, at) {
      return faults.find(
        (fault): fault is Extract<Fault, { kind: typeof kind }> =>
          fault.kind === kind && 'from' in fault && within(fault, at),
      );
    },
    workloads: model.workloads.flatMap(({ account, workload, components }): WorkloadHistory[] => {
      const record = records.get(`${account}/${workload}`);
      if (record === undefined) return [];
      return [
        {
          account,
          workload,
          record,
          components: components.flatMap(({ component }, index) => {
            const entry = record.components[index];
            return entry === undefined ? [] : [{ component, record: entry }];
          }),
        },
      ];
    }),
    pools: [...poolRecords].map(([pool, record]) => ({ pool, record })),
  };
}

const whole = (run: RunningWorkload | undefined): readonly [Part] | null =>
  run === undefined ? null : [{ run, share: 1 }];
