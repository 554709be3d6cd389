import { COMPONENTS, type Resources } from '../../domain/component.js';
import type { EpochSeconds } from '../../domain/time.js';
import type { Draws } from './draws.js';
import { within, type Fault } from './faults.js';
import type { Field, Node, Pod, PoolModel } from './model.js';

/** As the cluster autoscaler does by default: a node that was empty for ten minutes goes. */
const IDLE_LIMIT = 600;
export const NODE_AUTOSCALER = 'cluster-autoscaler';

interface Pool {
  model: PoolModel;
  asked: Field;
  nodes: Node[];
  serial: number;
  /** What somebody asked for; the autoscaler does not go below it. */
  floor: number;
}

export interface Placement {
  node: Node | null;
  /** False where not even a new node would do. */
  placed: boolean;
}

/** Nodes by pool, the scheduler and the node autoscaler. */
export function createNodes(models: readonly PoolModel[], draws: Draws, faults: readonly Fault[]) {
  const pools = new Map<string, Pool>();
  for (const model of models) {
    const asked: Field = { value: model.nodes, owner: model.owner, mark: null };
    pools.set(model.name, { model, asked, nodes: [], serial: 0, floor: Math.max(model.min, model.nodes) });
  }

  const fits = (free: Resources, request: Resources): boolean => {
    for (const component of COMPONENTS) {
      const left = free[component];
      if (left !== undefined && (request[component] ?? 0) > left * (1 + 1e-9) + 1e-9) return false;
    }
    return true;
  };

  const take = (node: Node, request: Resources, sign: 1 | -1) => {
    for (const component of COMPONENTS) {
      const left = node.free[component];
      if (left !== undefined) node.free[component] = left - sign * (request[component] ?? 0);
    }
    node.pods += sign;
  };

  const addNode = (pool: Pool, at: EpochSeconds, readyAt: EpochSeconds | null): Node => {
    const nodeName = `${pool.model.name}-${pool.serial++}`;
    const { median, spread } = pool.model.provision;
    const node: Node = {
      name: nodeName,
      pool: pool.model.name,
      readyAt: readyAt ?? at + draws.logNormal(`node ${nodeName} provision`, median, spread),
      interruptAt: at + 3600 * draws.exponential(`node ${nodeName} life`, pool.model.interruptionsPerHour),
      free: { ...pool.model.node },
      pods: 0,
      idleSince: at,
    };
    pool.nodes.push(node);
    return node;
  };

  const stockedOut = (pool: Pool, at: EpochSeconds) =>
    faults.some((fault) => fault.kind === 'stock-out' && fault.pool === pool.model.name && within(fault, at));

  const removeNode = (pool: Pool, node: Node) => pool.nodes.splice(pool.nodes.indexOf(node), 1);

  const allowed = (names: readonly string[]): Pool[] =>
    names.length === 0 ? [...pools.values()] : names.flatMap((name) => pools.get(name) ?? []);

  /** Takes nodes away, the empty ones and then the newest; returns those that still had pods. */
  const shrink = (pool: Pool, count: number, evenBusy: boolean): Node[] => {
    const lost: Node[] = [];
    while (pool.nodes.length > count) {
      const empty = pool.nodes.findLast((node) => node.pods === 0);
      const victim = empty ?? (evenBusy ? pool.nodes.at(-1) : undefined);
      if (victim === undefined) break;
      removeNode(pool, victim);
      if (victim.pods > 0) lost.push(victim);
    }
    return lost;
  };

  return {
    pools,
    /** Fills the pools before time begins. */
    fill(at: EpochSeconds): void {
      for (const pool of pools.values()) while (pool.nodes.length < pool.asked.value) addNode(pool, at, at);
    },
    /**
     * Finds a node: a ready one, then one on its way, then a new one of the cheapest allowed variable pool.
     * @param at with `ready`, a new node is there at once (before time begins).
     */
    place(request: Resources, names: readonly string[], at: EpochSeconds, ready = false): Placement {
      if (pools.size === 0) return { node: null, placed: true };
      const candidates = allowed(names);
      for (const coming of [false, true]) {
        for (const pool of candidates) {
          for (const node of pool.nodes) {
            if (node.readyAt > at !== coming || !fits(node.free, request)) continue;
            take(node, request, 1);
            node.idleSince = Number.NaN;
            return { node, placed: true };
          }
        }
      }
      const open = candidates
        .filter((pool) => pool.model.size === 'variable' && pool.model.grows !== 'asked')
        .filter((pool) => pool.nodes.length < pool.model.max)
        .filter((pool) => fits(pool.model.node, request) && (ready || !stockedOut(pool, at)))
        .sort((a, b) => a.model.pricePerHour - b.model.pricePerHour);
      const pool = open[0];
      if (pool === undefined) return { node: null, placed: false };
      const node = addNode(pool, at, ready ? at : null);
      if (pool.nodes.length > pool.asked.value) {
        pool.asked.value = pool.nodes.length;
        if (!ready) pool.asked.owner = NODE_AUTOSCALER;
      }
      take(node, request, 1);
      node.idleSince = Number.NaN;
      return { node, placed: true };
    },
    release(pod: Pod, request: Resources, at: EpochSeconds): void {
      if (pod.node === null) return;
      take(pod.node, request, -1);
      if (pod.node.pods === 0) pod.node.idleSince = at;
    },
    /** Somebody asks for another number of nodes. Returns nodes that were taken away under running pods. */
    resize(name: string, value: number, at: EpochSeconds): Node[] {
      const pool = pools.get(name);
      if (pool === undefined) return [];
      pool.floor = Math.max(pool.model.min, value);
      const lost = shrink(pool, value, pool.model.size === 'fixed');
      this.grow(at);
      return lost;
    },
    /** Orders what is asked for and not there. */
    grow(at: EpochSeconds): void {
      for (const pool of pools.values()) {
        if (stockedOut(pool, at)) continue;
        const wanted = pool.model.size === 'fixed' ? pool.asked.value : Math.max(pool.floor, 0);
        while (pool.nodes.length < Math.min(wanted, pool.model.max)) addNode(pool, at, null);
      }
    },
    /** Lets idle nodes of variable pools go, and takes back spot nodes whose time has come. Returns the lost ones. */
    turn(at: EpochSeconds): Node[] {
      const lost: Node[] = [];
      for (const pool of pools.values()) {
        for (const node of [...pool.nodes]) {
          if (node.interruptAt <= at) {
            removeNode(pool, node);
            lost.push(node);
          } else if (
            pool.model.size === 'variable' &&
            node.pods === 0 &&
            pool.nodes.length > pool.floor &&
            at - node.idleSince >= IDLE_LIMIT
          ) {
            removeNode(pool, node);
            if (pool.model.grows === 'asked') continue;
            pool.asked.value = pool.nodes.length;
            pool.asked.owner = NODE_AUTOSCALER;
          }
        }
      }
      if (lost.length > 0) this.grow(at);
      return lost;
    },
    /** Takes so many nodes of a pool back now, the oldest first. */
    interrupt(name: string, count: number): Node[] {
      const pool = pools.get(name);
      return pool === undefined ? [] : pool.nodes.splice(0, count);
    },
    readyCount: (pool: Pool, at: EpochSeconds): number => pool.nodes.filter((node) => node.readyAt <= at).length,
  };
}

export type Nodes = ReturnType<typeof createNodes>;
