import { CRITICALITY_WEIGHT } from '../../src/domain/policy-rules.js';
import type { AccountPolicy, PoolPolicy } from '../../src/domain/account.js';
import { COMPONENTS, type Resources } from '../../src/domain/component.js';
import type { PlanBlock } from '../../src/domain/plan.js';
import type { AllocationInput } from '../../src/allocate/problem.js';

/*
 * An independent reading of what a plan must hold and what it costs, written from the constraints' words and sharing
 * no code with the builder. It knows one size a workload, no tasks and no blackout.
 */

const share = (request: Resources, pool: PoolPolicy): number => {
  let most = 0;
  for (const component of COMPONENTS) {
    const asked = request[component];
    const offered = pool.node[component];
    if (asked !== undefined && offered !== undefined) most = Math.max(most, asked / offered);
  }
  return most;
};

/** Nodes that are paid for all of a block, and money per hour that is paid in any case. */
function heldIn(policy: AccountPolicy, pool: string, { from, to }: PlanBlock): { nodes: number; money: number } {
  const own = (policy.reservations ?? []).filter((one) => one.pool === pool);
  const through = own.filter((one) => (one.from ?? 0) <= from && to <= one.until);
  return {
    nodes: through.reduce((sum, one) => sum + one.nodes, 0),
    money: own.reduce((sum, one) => {
      const overlap = Math.max(0, Math.min(to, one.until) - Math.max(from, one.from ?? 0));
      return sum + (one.nodes * one.pricePerHour * overlap) / (to - from);
    }, 0),
  };
}

/** Every limit that a plan's blocks break, in words. */
export function broken(input: AllocationInput, blocks: readonly PlanBlock[]): string[] {
  const { policy } = input;
  const found: string[] = [];
  let before = new Map(input.state.workloads.map((one) => [one.workload, one.replicas]));
  blocks.forEach((block, index) => {
    const at = `block ${index}`;
    let [bill, paid] = [0, 0];
    for (const one of block.workloads) {
      const workload = policy.workloads.find((other) => other.name === one.workload);
      if (workload === undefined) throw new Error(`unknown ${one.workload}`);
      const sum = Object.values(one.pools).reduce((total, count) => total + count, 0);
      if (sum !== one.replicas) found.push(`${at}: ${one.workload} has ${one.replicas} replicas and ${sum} on pools`);
      if (Object.values(one.pools).some((count) => count < 0 || !Number.isInteger(count)))
        found.push(`${at}: not whole`);
      if (one.replicas < workload.replicas.min) found.push(`${at}: ${one.workload} under its minimum`);
      if (one.replicas > workload.replicas.max) found.push(`${at}: ${one.workload} over its maximum`);
      const seen = input.state.workloads.find((other) => other.workload === one.workload);
      const promised = Math.min(seen?.disruption?.minAvailable ?? 0, seen?.replicas ?? 0, workload.replicas.max);
      if (one.replicas < promised) found.push(`${at}: ${one.workload} under what its disruption budget wants`);
      const last = before.get(one.workload) ?? 0;
      const { stepUp, stepDown } = workload.replicas;
      const changes =
        index === 0
          ? 1
          : Math.max(1, Math.round(((blocks[index - 1]?.to ?? 0) - (blocks[index - 1]?.from ?? 0)) / policy.cycle));
      if (stepUp !== undefined && one.replicas - last > stepUp * changes)
        found.push(`${at}: ${one.workload} steps up too far`);
      if (stepDown !== undefined && last - one.replicas > stepDown * changes)
        found.push(`${at}: ${one.workload} steps down too far`);
      const spot = policy.pools
        .filter((pool) => pool.capacityType === 'spot')
        .reduce((total, pool) => total + (one.pools[pool.name] ?? 0), 0);
      if (spot > policy.spotMaxShare * one.replicas + 1e-9) found.push(`${at}: ${one.workload} has too much on spot`);
      for (const pool of Object.keys(one.pools)) {
        if (workload.pools !== undefined && !workload.pools.includes(pool))
          found.push(`${at}: ${one.workload} on ${pool}`);
      }
    }
    for (const pool of policy.pools) {
      const nodes = block.nodes[pool.name] ?? 0;
      const state = input.state.pools.find((one) => one.pool === pool.name);
      if (pool.size === 'fixed' && nodes !== state?.nodes) found.push(`${at}: fixed pool ${pool.name} changed`);
      if (pool.size === 'variable' && (nodes < pool.min || nodes > pool.max))
        found.push(`${at}: ${nodes} nodes of ${pool.name}`);
      for (const component of COMPONENTS) {
        const room = pool.node[component];
        if (room === undefined) continue;
        const used = block.workloads.reduce(
          (sum, one) => sum + (one.pools[pool.name] ?? 0) * (one.request[component] ?? 0),
          0,
        );
        if (used > nodes * room * (1 + 1e-9)) found.push(`${at}: ${component} of ${pool.name} overcommitted`);
      }
      if (pool.size === 'variable') {
        const own = heldIn(policy, pool.name, block);
        paid += own.money;
        bill += own.money + Math.max(0, nodes - own.nodes) * pool.pricePerHour;
      } else
        for (const one of block.workloads)
          bill += (one.pools[pool.name] ?? 0) * share(one.request, pool) * pool.pricePerHour;
    }
    for (const quota of input.state.quotas ?? []) {
      const sum = (count: (name: string) => { replicas: number; request: Resources }): number =>
        Object.entries(quota.each).reduce((total, [name, each]) => {
          const { replicas, request } = count(name);
          return total + replicas * ((quota.component === undefined ? undefined : request[quota.component]) ?? each);
        }, 0);
      const planned = sum((name) => {
        const one = block.workloads.find((other) => other.workload === name);
        return { replicas: one?.replicas ?? 0, request: one?.request ?? {} };
      });
      const present = sum((name) => {
        const one = input.state.workloads.find((other) => other.workload === name);
        return { replicas: one?.replicas ?? 0, request: {} };
      });
      if (planned > Math.max(quota.room, present) * (1 + 1e-9)) found.push(`${at}: over ${quota.quota}`);
    }
    if (policy.budget !== undefined && bill > Math.max(policy.budget.perHour, paid) * (1 + 1e-9))
      found.push(`${at}: ${bill} over the budget`);
    before = new Map(block.workloads.map((one) => [one.workload, one.replicas]));
  });
  return found;
}

/** What blocks cost, in money over the plan: nodes, shares, what goes unserved, what is started, interruptions. */
export function costOf(input: AllocationInput, blocks: readonly PlanBlock[]): number {
  const { policy } = input;
  let money = 0;
  blocks.forEach((block, index) => {
    const hours = (block.to - block.from) / 3600;
    const earlier = blocks[index - 1];
    for (const pool of policy.pools) {
      if (pool.size === 'fixed') continue;
      const nodes = block.nodes[pool.name] ?? 0;
      const last = earlier?.nodes[pool.name] ?? input.state.pools.find((one) => one.pool === pool.name)?.nodes ?? 0;
      const own = heldIn(policy, pool.name, block);
      money += hours * (own.money - 0.999 * pool.pricePerHour * Math.min(nodes, own.nodes));
      money += pool.pricePerHour * (nodes * hours + (Math.max(0, nodes - last) * pool.leadTime) / 3600);
    }
    for (const one of block.workloads) {
      const workload = policy.workloads.find((other) => other.name === one.workload);
      if (workload === undefined) continue;
      const weight = CRITICALITY_WEIGHT[workload.criticality];
      const replica = cheapest(policy, workload.pools, one.request);
      for (const pool of policy.pools) {
        const count = one.pools[pool.name] ?? 0;
        const price = share(one.request, pool) * pool.pricePerHour;
        money += count * hours * (0.001 * Math.max(price, 0.001 * replica) + (pool.size === 'fixed' ? price : 0));
        money += count * hours * pool.interruptionsPerHour * weight * replica * (workload.leadTime / 3600);
      }
      const last =
        earlier?.workloads.find((other) => other.workload === one.workload)?.replicas ??
        input.state.workloads.find((other) => other.workload === one.workload)?.replicas ??
        0;
      // On a variable pool the node's bill is paid by the node: a start costs five minutes of occupancy alone.
      const onVariable = policy.pools.some(
        (pool) => pool.size === 'variable' && (workload.pools === undefined || workload.pools.includes(pool.name)),
      );
      money += (Math.max(0, one.replicas - last) * replica * (onVariable ? 0.001 : 1)) / 12;
      for (const demand of input.demand) {
        const settings = workload.components[demand.component];
        const wanted = demand.blocks[index]?.atLevel ?? 0;
        if (demand.workload !== one.workload || settings === undefined) continue;
        const size = (one.request[demand.component] ?? 0) * settings.utilization;
        const short = Math.max(0, wanted - one.replicas * size);
        const missing = Math.max(0, Math.ceil(wanted / size - 1e-6) - one.replicas);
        const node = Math.max(
          replica,
          ...policy.pools
            .filter((pool) => workload.pools?.includes(pool.name) ?? true)
            .map((pool) => pool.pricePerHour),
        );
        money += hours * weight * ((short * replica) / size + missing * Math.min(node, 8 * replica));
      }
    }
  });
  return money;
}

function cheapest(policy: AccountPolicy, pools: string[] | undefined, request: Resources): number {
  const prices = policy.pools
    .filter((pool) => (pools?.includes(pool.name) ?? true) && share(request, pool) <= 1 + 1e-9)
    .map((pool) => share(request, pool) * pool.pricePerHour);
  const nominal = Math.max(...policy.pools.map((pool) => pool.pricePerHour)) * 0.001;
  return prices.length === 0 ? nominal : Math.max(nominal, Math.min(...prices));
}
