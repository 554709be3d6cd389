import { formatQuantity } from '../../domain/component.js';
import { targetWords, type TrafficPlan } from '../../domain/migration.js';
import type { EpochSeconds } from '../../domain/time.js';
import { HEADROOM } from '../fence.js';
import type { Counted, MoveLook, MoveRequest, MoveResult, MoveWrite, Survey } from '../migrating.js';
import type { Draws } from './draws.js';
import type { Fault } from './faults.js';
import type { Part } from './meter.js';
import { clusterOfPools, clustersOf, type EngineModel } from './model.js';
import type { Nodes } from './nodes.js';
import { createWorkload, type RunningWorkload } from './workload.js';

/** Requests that are played in each tick of a migration, whatever the load: enough for shares of one percent. */
const REQUESTS = 100;
/** Entries of the log that are kept. */
const MOST_ENTRIES = 50_000;

/** One tick of the request log: where requests were led, and which met no ready replica. */
export interface RequestEntry {
  at: EpochSeconds;
  /** Percent led to the copy. */
  weight: number;
  requests: number;
  unserved: number;
}

interface Move {
  id: string;
  key: string;
  source: RunningWorkload;
  copy: RunningWorkload | null;
  weight: number;
  /** The copy has the workload's name by now. */
  handedOver: boolean;
  all: number;
  unserved: number;
  seconds: number;
}

const hasCopy = (move: Move | undefined): move is Move & { copy: RunningWorkload } =>
  move !== undefined && move.copy !== null;

/** Workloads that move: each has a second set of pods for a while, and weights between the two. */
export interface Moves {
  survey(request: MoveRequest): Survey;
  write(request: MoveRequest, write: MoveWrite): MoveResult;
  look(request: MoveRequest): MoveLook;
  /** What serves a workload in this tick. */
  parts(key: string): readonly [Part, ...Part[]] | null;
  /** Everything that runs and has no name of its own. */
  others(): RunningWorkload[];
  /** After a tick was metered. */
  count(from: EpochSeconds, tick: number): void;
  log(id: string): readonly RequestEntry[];
}

export function createMoves(
  model: EngineModel,
  { nodes, draws, faults }: { nodes: Nodes; draws: Draws; faults: readonly Fault[] },
  running: Map<string, RunningWorkload>,
  clock: () => EpochSeconds,
): Moves {
  const moves = new Map<string, Move>();
  const ended = new Map<string, { all: number; unserved: number; seconds: number }>();
  const logs = new Map<string, RequestEntry[]>();

  const keyOf = ({ account, at }: MoveRequest): string => `${account}/${at.workload}`;
  const counted = (run: RunningWorkload): Counted => ({ replicas: run.replicas.value, ready: run.ready(clock()) });
  const done = (detail: string): MoveResult => ({ kind: 'done', detail });
  const refused = (detail: string): MoveResult => ({ kind: 'refused', detail });

  /** Pools that the copy may be on: the one that is named, else where it may run there. */
  const poolsFor = ({ to: { pool }, cross }: MoveRequest, source: RunningWorkload): string[] =>
    pool === null ? (cross?.pools ?? source.model.pools) : [pool];

  const makeCopy = (move: Move, request: MoveRequest): RunningWorkload => {
    const { source } = move;
    const copy = createWorkload(
      {
        ...source.model,
        replicas: 0,
        pools: poolsFor(request, source),
        // An autoscaler rests while Headroom has the replicas: the copy waits for its traffic at full size.
        owners: { ...source.model.owners, replicas: HEADROOM },
      },
      ...([nodes, draws, faults, request.cross === undefined ? request.copy : request.id] as const),
    );
    for (const [component, field] of source.requests) Object.assign(copy.requests.get(component) ?? {}, field);
    return copy;
  };

  const handOver = (move: Move, copy: RunningWorkload): void => {
    const { source } = move;
    Object.assign(copy.replicas, { owner: source.replicas.owner, mark: source.replicas.mark });
    if (copy.floor !== null && source.floor !== null) Object.assign(copy.floor, source.floor);
    if (copy.target !== null && source.target !== null) Object.assign(copy.target, source.target);
    source.replicas.owner = HEADROOM;
    running.set(move.key, copy);
    move.handedOver = true;
  };

  const end = (move: Move): void => {
    moves.delete(move.key);
    ended.set(move.id, { all: move.all, unserved: move.unserved, seconds: move.seconds });
  };

  const routed = (move: Move, weight: number): MoveResult => {
    move.weight = weight;
    return done(`${weight}% of the traffic is led to the copy`);
  };

  /** Of what a scenario's clusters have between each other: one engine is all sides, and each says its own part. */
  const crossingProblems = (request: MoveRequest, run: RunningWorkload | undefined): string[] => {
    const { cross } = request;
    if (cross === undefined) return [];
    const { side, from, to } = cross;
    const known = clustersOf(model);
    if (side === 'source') {
      const at = run === undefined ? from : clusterOfPools(model, run.model.pools);
      return at === from ? [] : [`${keyOf(request)} is in cluster ${at}, not in ${from}`];
    }
    if (!known.includes(to)) return [`there is no simulated cluster "${to}": the scenario has ${known.join(', ')}`];
    if (side === 'traffic' || run === undefined) return [];
    const pools = poolsFor(request, run);
    const away = pools.filter((name) => clusterOfPools(model, [name]) !== to || !nodes.pools.has(name));
    if (away.length > 0) return [`cluster ${to} has no pool ${away.map((name) => `"${name}"`).join(', ')}`];
    if (pools.length === 0) return [`cluster ${to} has no pool`];
    return [];
  };

  const look = (request: MoveRequest): MoveLook => {
    const key = keyOf(request);
    const run = running.get(key);
    const move = moves.get(key);
    const own = move?.id === request.id ? move : undefined;
    const count = own ?? ended.get(request.id) ?? null;
    const source = own?.source ?? run;
    return {
      source: source === undefined ? null : counted(source),
      copy: !hasCopy(own) ? null : { ...counted(own.copy), troubles: [] },
      weight: own?.weight ?? (request.noTraffic ? null : 0),
      images: null,
      mayTake: source?.replicas.value ?? 0,
      claim: move?.id ?? null,
      running: null,
      made: !hasCopy(own) ? [] : [`${request.account}/${request.copy}`],
      counted: count === null ? null : { all: count.all, unserved: count.unserved, seconds: count.seconds },
    };
  };

  return {
    survey(request) {
      const run = running.get(keyOf(request));
      const { pool } = request.to;
      const refusals: string[] = [];
      if (run === undefined) refusals.push(`cluster ${model.name} has no workload ${keyOf(request)}`);
      if (request.cross === undefined && (request.to.cluster !== null || request.to.namespace !== null)) {
        refusals.push('a simulated cluster moves workloads between its pools alone: name one of them');
      }
      refusals.push(...crossingProblems(request, run));
      if (request.cross === undefined && pool !== null && !nodes.pools.has(pool))
        refusals.push(`cluster ${model.name} has no pool "${pool}"`);
      if (pool !== null && run?.model.pools.length === 1 && run.model.pools[0] === pool) {
        refusals.push(`${keyOf(request)} runs on pool ${pool} alone already`);
      }
      const offered = pool === null ? undefined : nodes.pools.get(pool)?.model.node;
      for (const [component, { value }] of run?.requests ?? []) {
        const room = offered?.[component];
        if (room === undefined || value === null || value <= room) continue;
        refusals.push(
          `a replica asks for ${formatQuantity(component, value)} of ${component}, and a node of pool ${pool ?? ''} offers ${formatQuantity(component, room)}; name a pool with larger nodes`,
        );
      }
      if (request.stop === true) {
        refusals.push('workloads of a simulated cluster have no volumes: leave --stop-for-volumes out');
      }
      const other = moves.get(keyOf(request));
      if (other !== undefined && other.id !== request.id) {
        refusals.push(`migration ${other.id} has claimed it; wait for its end, or cancel it`);
      }
      const traffic: TrafficPlan = request.noTraffic
        ? { kind: 'none', words: 'none is led over', steps: [] }
        : { kind: 'weights', words: 'weights of the simulated cluster', steps: request.steps };
      const now = run === undefined ? { replicas: 0, ready: 0 } : counted(run);
      return {
        refusals,
        source: { words: keyOf(request), ...now },
        copy: { words: `${request.account}/${request.copy} on ${targetWords(request.to)}`, name: request.copy },
        traffic,
        images: [],
        volumes: [],
        reverse: [
          `all traffic to ${keyOf(request)}, ${now.replicas} replicas`,
          `without ${request.account}/${request.copy}`,
        ],
        before: JSON.stringify({ replicas: now.replicas }),
      };
    },

    write(request, write) {
      const key = keyOf(request);
      const run = running.get(key);
      const move = moves.get(key);
      if (run === undefined) return refused(`cluster ${model.name} has no workload ${key}`);
      if (move !== undefined && move.id !== request.id) {
        return { kind: 'moved', detail: `migration ${move.id} has claimed ${key}` };
      }
      if (write.kind === 'claim') {
        if (ended.has(request.id)) return refused(`migration ${request.id} has ended`);
        if (move === undefined) {
          const none = { copy: null, weight: 0, handedOver: false, all: 0, unserved: 0, seconds: 0 };
          moves.set(key, { id: request.id, key, source: run, ...none });
        }
        return done(`claimed for ${request.id}`);
      }
      // A repeat of the last write finds the claim gone, as it left it.
      if (move === undefined) {
        return ended.has(request.id) || write.kind === 'release' || write.kind === 'discard' || write.kind === 'unroute'
          ? done('nothing is left to do')
          : refused(`migration ${request.id} has no claim on ${key}`);
      }
      const { source, copy } = move;
      switch (write.kind) {
        case 'images':
        case 'volumes':
          return done('a simulated cluster has none');
        case 'copy': {
          const made = copy ?? (move.copy = makeCopy(move, request));
          made.replicas.value = write.replicas;
          return done(`${write.replicas} replicas of ${request.copy}`);
        }
        case 'route':
          if (copy === null) return refused('there is no copy to lead traffic to');
          return routed(move, write.weight);
        case 'hand-over':
          if (copy === null) return refused('there is no copy');
          if (!move.handedOver) handOver(move, copy);
          return done(`${key} is ${request.copy} now`);
        case 'lower':
          source.replicas.value = Math.min(source.replicas.value, write.replicas);
          return done(`${source.replicas.value} replicas of the old one`);
        case 'retire':
          if ((move.weight !== 100 && !request.noTraffic) || !move.handedOver)
            return refused('traffic still meets the old one');
          source.replicas.value = 0;
          source.reconcile(clock());
          end(move);
          return done('the old one is gone');
        case 'raise':
          source.replicas.value = Math.max(source.replicas.value, write.replicas);
          return done(`${source.replicas.value} replicas of the source`);
        case 'unroute':
          return routed(move, 0);
        case 'discard':
          if (copy !== null) {
            copy.replicas.value = 0;
            copy.reconcile(clock());
            move.copy = null;
          }
          return done('the copy is gone');
        case 'release':
          end(move);
          return done('the claim is given up');
      }
    },

    look(request) {
      const all = look(request);
      switch (request.cross?.side) {
        case undefined:
          return all;
        case 'source':
          return { ...all, copy: null, weight: null, made: [] };
        case 'target':
          return { ...all, source: null, weight: null, claim: null };
        case 'traffic':
          return { ...all, source: null, copy: null, claim: null, made: [] };
      }
    },

    parts(key) {
      const move = moves.get(key);
      if (!hasCopy(move)) return null;
      const share = move.weight / 100;
      return [
        { run: move.source, share: 1 - share },
        { run: move.copy, share },
      ];
    },
    others: () =>
      [...moves.values()].flatMap(({ handedOver, source, copy }) =>
        handedOver ? [source] : copy === null ? [] : [copy],
      ),

    count(from, tick) {
      for (const move of moves.values()) {
        const led = Math.round((move.weight / 100) * REQUESTS);
        const lost =
          (move.source.ready(from) === 0 ? REQUESTS - led : 0) + ((move.copy?.ready(from) ?? 0) === 0 ? led : 0);
        move.all += REQUESTS;
        move.unserved += lost;
        move.seconds += (tick * lost) / REQUESTS;
        const log = logs.get(move.id) ?? [];
        if (log.length < MOST_ENTRIES) log.push({ at: from, weight: move.weight, requests: REQUESTS, unserved: lost });
        logs.set(move.id, log);
      }
    },
    log: (id) => logs.get(id) ?? [],
  };
}
