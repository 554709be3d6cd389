import type { AccountPolicy } from '../domain/account.js';
import { COMPONENTS, type Resources } from '../domain/component.js';
import type { SharedPool } from '../domain/fleet.js';
import type { Plan, PlannedWorkload, RunningNow } from '../domain/plan.js';
import { someOf } from '../domain/some-of.js';
import { nodesFor, type Pods } from './pack-pods.js';

/*
 * Where accounts run by now, whatever the fleet would rather have: workloads move when their own account moves them, and
 * an account that only recommends, or was stopped, never does. Nodes beneath them are not there to be given away.
 */

/** Nodes of a pool that accounts run on. */
export interface PoolInUse {
  nodes: number;
  accounts: string[];
}

/**
 * What an account has on each pool: by its newest plan, and where the cluster had more when that was made, that. A plan
 * that gives a workload up, or holds, does not end what runs.
 * @param plan its newest, however old: one that was stopped leaves its workloads where they are.
 */
export function podsOn(plan: Plan, policy: Pick<AccountPolicy, 'workloads' | 'pools'>): Map<string, Pods[]> {
  const byPool = new Map<string, Pods[]>();
  const planned = new Map(plan.blocks[0]?.workloads.map((one) => [one.workload, one]));
  const had = new Map(plan.running?.map((one) => [one.workload, one]));
  for (const workload of new Set([...planned.keys(), ...had.keys()])) {
    const wanted = planned.get(workload);
    const now = had.get(workload);
    const request = requestThere(plan, workload, wanted?.request ?? {}, now?.request ?? {});
    const pools = policy.workloads.find(({ name }) => name === workload)?.pools ?? policy.pools.map(({ name }) => name);
    for (const [pool, replicas] of replicasThere(plan, workload, wanted, now, pools)) {
      const pods = byPool.get(pool) ?? [];
      pods.push({ request, replicas });
      byPool.set(pool, pods);
    }
  }
  return byPool;
}

/** The same, added up by component. */
export function runningOn(plan: Plan, policy: Pick<AccountPolicy, 'workloads' | 'pools'>): Map<string, Resources> {
  const sums = [...podsOn(plan, policy)].map(([pool, pods]): [string, Resources] => {
    const amount: Resources = {};
    for (const { request, replicas } of pods) {
      for (const component of COMPONENTS) {
        const each = request[component];
        if (each !== undefined) amount[component] = (amount[component] ?? 0) + replicas * each;
      }
    }
    return [pool, amount];
  });
  return new Map(sums);
}

/** By component the larger of what is planned and what the cluster had. */
function requestThere(plan: Plan, workload: string, planned: Resources, now: Resources): Resources {
  const request: Resources = {};
  for (const component of COMPONENTS) {
    if (planned[component] === undefined && now[component] === undefined) continue;
    const before = plan.fields.find(
      ({ target }) => target.field === 'request' && target.workload === workload && target.component === component,
    )?.seen.value;
    request[component] = Math.max(planned[component] ?? 0, now[component] ?? 0, before ?? 0);
  }
  return request;
}

/**
 * Replicas by pool. Those that were seen on a pool are counted there, others where the plan has more than was seen; where
 * neither names a pool, each that they may use counts them all: a node too many costs less than one beneath somebody.
 * @param allowed pools that the workload may use.
 */
function replicasThere(
  plan: Plan,
  workload: string,
  wanted: PlannedWorkload | undefined,
  now: RunningNow | undefined,
  allowed: readonly string[],
): Map<string, number> {
  const seen = (field: 'replicas' | 'floor'): number =>
    plan.fields.find(({ target }) => target.field === field && target.workload === workload)?.seen.value ?? 0;
  const there = Math.max(wanted?.replicas ?? 0, now?.replicas ?? 0, seen('replicas'), seen('floor'));
  const byPlan = positive(wanted?.pools);
  const bySight = positive(now?.placed);
  const unseen = there - sum(bySight);
  const result = new Map(bySight);
  if (!(unseen > 0)) return result;
  const lacking = new Map([...byPlan].map(([pool, replicas]) => [pool, replicas - (bySight.get(pool) ?? 0)]));
  const toward = [positive(Object.fromEntries(lacking)), byPlan, bySight].find((pools) => pools.size > 0);
  if (toward === undefined) return new Map(allowed.map((pool) => [pool, unseen]));
  const all = sum(toward);
  for (const [pool, part] of toward) result.set(pool, (result.get(pool) ?? 0) + (unseen * part) / all);
  return result;
}

const positive = (pools: Readonly<Record<string, number>> = {}): Map<string, number> =>
  new Map(Object.entries(pools).filter(([, replicas]) => replicas > 0));
const sum = (pools: ReadonlyMap<string, number>): number => [...pools.values()].reduce((all, one) => all + one, 0);

/** Whole nodes beneath what accounts have on a pool, pod by pod; null where none has anything there. */
export function poolInUse(
  pool: Pick<SharedPool, 'name' | 'node'>,
  accounts: readonly { account: string; running: ReadonlyMap<string, readonly Pods[]> }[],
): PoolInUse | null {
  const pods: Pods[] = [];
  const names: string[] = [];
  for (const { account, running } of accounts) {
    const own = running.get(pool.name);
    if (own === undefined) continue;
    names.push(account);
    pods.push(...own);
  }
  const nodes = nodesFor(pool.node, pods);
  return nodes === 0 ? null : { nodes, accounts: names.sort() };
}

/** `3 nodes: shop runs there`. */
export function inUseWords({ nodes, accounts }: PoolInUse): string {
  return `${nodes} node${nodes === 1 ? '' : 's'}: ${someOf(accounts)} ${accounts.length === 1 ? 'runs' : 'run'} there`;
}
