import { COMPONENTS, formatQuantity } from '../../domain/component.js';
import type { PoolPolicy } from '../../domain/account.js';
import type { PlanBlock } from '../../domain/plan.js';
import { above, nodesNow, report, type Check } from './facts.js';

/** What holds of the pools and of what is shared: room, sizes, lead time, budget, spot, grant and quotas. */
export function checkPools(check: Check): void {
  const { facts, plan } = check;
  for (const [index, block] of plan.blocks.entries()) {
    for (const pool of facts.policy.pools) {
      checkNodes(check, block, pool);
      checkRoom(check, block, pool);
    }
    checkSpot(check, block);
    // Of blocks stored together the numbers are the highest of each: sums over them say nothing.
    if (block.merged === true) continue;
    checkBill(check, block);
    checkShared(check, block, index);
  }
  for (const name of ['pool-size', 'room', 'spot-share', 'budget']) check.checked.add(name);
}

function checkNodes(check: Check, block: PlanBlock, pool: PoolPolicy): void {
  const nodes = block.nodes[pool.name];
  const { name } = pool;
  if (nodes === undefined || !Number.isInteger(nodes) || nodes < 0) {
    report(check, 'whole', block, `pool ${name} has ${nodes} nodes`);
    return;
  }
  const now = nodesNow(check.facts, pool);
  if (pool.size === 'fixed') {
    if (now === null) check.unchecked.set('fixed pools', 'the nodes that they have');
    else if (nodes !== now) report(check, 'fixed', block, `pool ${name} is fixed at ${now} nodes and has ${nodes}`);
    return;
  }
  const override = check.facts.overrides?.findLast(
    ({ target }) => target.field === 'pool' && target.pool === name,
  )?.target;
  const wanted = override?.field === 'pool' ? override.value : null;
  if (nodes > pool.max) report(check, 'pool-maximum', block, `pool ${name} has ${nodes} nodes, at most ${pool.max}`);
  if (nodes < Math.min(pool.min, wanted ?? pool.min))
    report(check, 'pool-minimum', block, `pool ${name} has ${nodes} nodes, at least ${pool.min}`);
  if (wanted !== null && nodes !== wanted)
    report(check, 'override', block, `pool ${name} has ${nodes} nodes, an override says ${wanted}`);
  if (block.merged === true) return;
  if (now === null) check.unchecked.set('lead-time', 'the nodes that pools have');
  else if (block.from < check.facts.at + pool.leadTime && nodes > now)
    report(check, 'lead-time', block, `pool ${name} has ${nodes} nodes before more than ${now} can be ready`);
}

/** Every replica fits a node, and all of them fit the nodes, by each component that the nodes name. */
function checkRoom(check: Check, block: PlanBlock, pool: PoolPolicy): void {
  for (const component of COMPONENTS) {
    const offered = pool.node[component];
    if (offered === undefined) continue;
    let used = 0;
    for (const one of block.workloads) {
      const count = one.pools[pool.name] ?? 0;
      const size = one.request[component] ?? 0;
      used += count * size;
      if (count > 0 && above(size, offered)) {
        const words = `a replica of ${one.workload} asks for ${formatQuantity(component, size)} of ${component}, a node of ${pool.name} has ${formatQuantity(component, offered)}`;
        report(check, 'room', block, words);
      }
    }
    const room = (block.nodes[pool.name] ?? 0) * offered;
    if (block.merged !== true && used > room * (1 + 1e-6) + 1e-9) {
      const words = `replicas on pool ${pool.name} ask for ${formatQuantity(component, used)} of ${component}, its nodes have ${formatQuantity(component, room)}`;
      report(check, 'room', block, words);
    }
  }
}

function checkSpot(check: Check, block: PlanBlock): void {
  const { policy } = check.facts;
  const spot = policy.pools.filter((pool) => pool.capacityType === 'spot').map((pool) => pool.name);
  for (const one of block.workloads) {
    const count = spot.reduce((sum, name) => sum + (one.pools[name] ?? 0), 0);
    const most = policy.spotMaxShare * one.replicas;
    if (count > most + 1e-6) {
      const share = Math.round(policy.spotMaxShare * 100);
      const words = `${one.workload} has ${count} of ${one.replicas} replicas on spot, at most ${share} %`;
      report(check, 'spot-share', block, words);
    }
  }
}

/** Money per hour: whole nodes of variable pools, and of fixed ones the part that each replica takes. */
function billOf(check: Check, block: PlanBlock): number {
  let money = 0;
  for (const pool of check.facts.policy.pools) {
    if (pool.size === 'variable') money += (block.nodes[pool.name] ?? 0) * pool.pricePerHour;
    else {
      for (const one of block.workloads) {
        let part = 0;
        for (const component of COMPONENTS) {
          const offered = pool.node[component];
          if (offered !== undefined && offered > 0) part = Math.max(part, (one.request[component] ?? 0) / offered);
        }
        money += (one.pools[pool.name] ?? 0) * part * pool.pricePerHour;
      }
    }
  }
  return money;
}

function checkBill(check: Check, block: PlanBlock): void {
  const { budget, currency } = check.facts.policy;
  const bill = billOf(check, block);
  if (budget !== undefined && above(bill, budget.perHour)) {
    report(check, 'budget', block, `${bill.toFixed(4)} ${currency}/h, the budget is ${budget.perHour}`);
  }
  if (Math.abs(bill - block.costPerHour) > 1e-4 * Math.max(bill, block.costPerHour, 1e-6)) {
    report(check, 'bill', block, `it states ${block.costPerHour} ${currency}/h, its nodes cost ${bill.toFixed(6)}`);
  }
}

/** What others share: grants of the fleet, quotas of the cluster. */
function checkShared(check: Check, block: PlanBlock, index: number): void {
  const { facts } = check;
  for (const component of COMPONENTS) {
    const granted = facts.grant?.[component];
    if (granted === undefined) continue;
    check.checked.add('grant');
    const most = Math.max(granted, facts.policy.guaranteedShare?.[component] ?? 0);
    const asked = block.workloads.reduce((sum, one) => sum + one.replicas * (one.request[component] ?? 0), 0);
    if (above(asked / Math.max(most, 1e-12), 1) && asked > 0) {
      const words = `${formatQuantity(component, asked)} of ${component} asked for, the fleet grants ${formatQuantity(component, most)}`;
      report(check, 'grant', block, words);
    }
  }
  for (const quota of facts.state?.quotas ?? []) {
    check.checked.add('quota');
    let planned = 0;
    let present = 0;
    for (const [name, each] of Object.entries(quota.each)) {
      const one = check.planned[index]?.get(name);
      const size = quota.component === undefined ? undefined : one?.request[quota.component];
      planned += (one?.replicas ?? 0) * (size ?? each);
      const state = check.states.get(name);
      if (state?.exists === true) present += Math.max(state.replicas, floorOf(check, name)) * each;
    }
    // A quota that is overrun already takes nothing away.
    if (above(planned, Math.max(quota.room, present)))
      report(check, 'quota', block, `${planned} counted by ${quota.quota}, which leaves ${quota.room}`);
  }
}

function floorOf(check: Check, name: string): number {
  const policy = check.facts.policy.workloads.find((one) => one.name === name);
  const owned = (policy?.ownership ?? check.facts.policy.ownership) === 'floor';
  return owned ? (check.states.get(name)?.autoscaler?.floor ?? 0) : 0;
}
