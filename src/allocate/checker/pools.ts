import { COMPONENTS, formatQuantity } from '../../domain/component.js';
import type { PoolPolicy, WorkloadPolicy } from '../../domain/account.js';
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
    checkSpread(check, block);
    // Of blocks stored together the numbers are the highest of each: sums over them say nothing.
    if (block.merged === true) continue;
    checkBill(check, block);
    checkShared(check, block, index);
  }
  for (const name of [
    'pool-size',
    'room',
    'spot-share',
    'spot-market',
    'zones',
    'anti-affinity',
    'residency',
    'budget',
  ])
    check.checked.add(name);
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

/** Shares of a workload on spot, on one market, in one zone; and how many of it share a node. */
function checkSpread(check: Check, block: PlanBlock): void {
  const { policy } = check.facts;
  for (const one of block.workloads) {
    const workload = check.policies.get(one.workload);
    if (workload === undefined) continue;
    const on = (pools: readonly PoolPolicy[]): number =>
      pools.reduce((sum, pool) => sum + (one.pools[pool.name] ?? 0), 0);
    const spot = policy.pools.filter((pool) => pool.capacityType === 'spot');
    const over = (limit: string, where: string, pools: readonly PoolPolicy[], most: number): void => {
      if (on(pools) <= most + 1e-6) return;
      report(
        check,
        limit,
        block,
        `${one.workload} has ${on(pools)} of ${one.replicas} replicas on ${where}, at most ${most}`,
      );
    };
    over('spot-share', 'spot', spot, Math.floor(policy.spotMaxShare * one.replicas + 1e-6));
    const market = policy.spotMarketMaxShare ?? 1;
    for (const pool of spot) {
      over('spot-market', `the spot market ${pool.name}`, [pool], Math.floor(market * one.replicas + 1e-6));
    }
    const usable = policy.pools.filter(
      (pool) => pool.max > 0 && (workload.pools?.includes(pool.name) ?? true) && inPlace(workload, pool),
    );
    const zoneOf = (pool: PoolPolicy): string =>
      pool.zone === undefined ? `pool ${pool.name}` : `${pool.provider ?? ''}|${pool.region ?? ''}|${pool.zone}`;
    const zones = new Set(usable.map(zoneOf));
    const survive = workload.surviveZone ?? policy.surviveZone ?? 0;
    for (const zone of zones.size > 1 && survive > 0 ? zones : []) {
      const within = usable.filter((pool) => zoneOf(pool) === zone);
      over('zones', `zone ${within[0]?.zone ?? zone}`, within, Math.ceil((1 - survive) * one.replicas - 1e-6));
    }
    for (const pool of policy.pools) {
      const count = one.pools[pool.name] ?? 0;
      if (count > 0 && !inPlace(workload, pool))
        report(check, 'residency', block, `${one.workload} may not be on pool ${pool.name}: its data must not leave`);
      const each = workload.antiAffinity?.perNode;
      const nodes = block.nodes[pool.name] ?? 0;
      if (each !== undefined && count > each * nodes)
        report(check, 'anti-affinity', block, `${count} replicas of ${one.workload} on ${nodes} nodes of ${pool.name}`);
    }
  }
}

function inPlace({ residency }: WorkloadPolicy, pool: PoolPolicy): boolean {
  const isIn = (allowed: readonly string[] | undefined, where: string | undefined): boolean =>
    allowed === undefined || (where !== undefined && allowed.includes(where));
  return isIn(residency?.providers, pool.provider) && isIn(residency?.regions, pool.region);
}

/** What a pool's node costs: as the plan's own prices say, else the account file. */
const priceOf = (check: Check, pool: PoolPolicy): number =>
  check.plan.prices?.find((one) => one.pool === pool.name)?.pricePerHour ?? pool.pricePerHour;

/** Nodes of a pool that are paid for all of a block, and what is paid an hour for them and those that are for a part of it. */
function paidOf({ facts, plan }: Check, block: PlanBlock, name: string): { nodes: number; money: number } {
  const paid = { nodes: 0, money: 0 };
  const stated = (facts.policy.reservations ?? []).map((one) => ({
    ...one,
    from: one.from ?? Number.NEGATIVE_INFINITY,
  }));
  // The plan's own has in what a fleet holds, too.
  for (const { pool, nodes, from, until, pricePerHour } of plan.held ?? stated) {
    if (pool !== name) continue;
    const [begin, end] = [Math.max(from, block.from), Math.min(until, block.to)];
    if (end <= begin) continue;
    if (end - begin >= block.to - block.from) paid.nodes += nodes;
    paid.money += (nodes * pricePerHour * (end - begin)) / (block.to - block.from);
  }
  return paid;
}

/** Money per hour: whole nodes of variable pools, and of fixed ones the part that each replica takes. */
function billOf(check: Check, block: PlanBlock): number {
  let money = 0;
  for (const pool of check.facts.policy.pools) {
    if (pool.size === 'variable') {
      const paid = paidOf(check, block, pool.name);
      money += paid.money + Math.max(0, (block.nodes[pool.name] ?? 0) - paid.nodes) * priceOf(check, pool);
    } else {
      for (const one of block.workloads) {
        let part = 0;
        for (const component of COMPONENTS) {
          const offered = pool.node[component];
          if (offered !== undefined && offered > 0) part = Math.max(part, (one.request[component] ?? 0) / offered);
        }
        money += (one.pools[pool.name] ?? 0) * part * priceOf(check, pool);
      }
    }
  }
  return money;
}

function checkBill(check: Check, block: PlanBlock): void {
  const { budget, currency } = check.facts.policy;
  const bill = billOf(check, block);
  // What is paid in any case no plan can leave out.
  const paid = check.facts.policy.pools.reduce(
    (sum, { name, size }) => sum + (size === 'variable' ? paidOf(check, block, name).money : 0),
    0,
  );
  if (budget !== undefined && above(bill, Math.max(budget.perHour, paid))) {
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
    if (index > 0 && facts.grantUntil !== undefined && block.from >= facts.grantUntil) continue;
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
