import { Cron } from 'croner';
import { COMPONENTS, formatQuantity, type Component } from '../../domain/component.js';
import type { PlanBlock, PlannedWorkload } from '../../domain/plan.js';
import { above, nodesNow, NEAR, report, subjectOf, type Check, type Subject } from './facts.js';

/** What holds of each workload by itself: minimum, maximum, steps, overrides, sizes, what may not be lowered. */
export function checkWorkloads(check: Check): void {
  const { facts, plan } = check;
  for (const policy of facts.policy.workloads) {
    const subject = subjectOf(check, policy);
    const planned = check.planned.map((block) => block.get(policy.name));
    if (subject.state?.exists === false || (facts.state !== undefined && subject.state === null)) continue;
    let before: PlannedWorkload | null = null;
    plan.blocks.forEach((block, index) => {
      const one = planned[index];
      if (one === undefined) {
        // Without the cluster's state a workload that is nowhere in the plan may be one that the cluster lacks.
        if (facts.state !== undefined || planned.some((other) => other !== undefined))
          report(check, 'complete', block, `${policy.name} is not in the plan`);
        return;
      }
      checkCounts(check, block, subject, one);
      checkSize(check, block, subject, one, planned[0]);
      if (block.merged !== true) checkMove(check, block, subject, one, before, plan.blocks[index - 1]);
      before = one;
    });
  }
  for (const name of ['minimum', 'maximum', 'sizes', 'whole']) check.checked.add(name);
}

function checkCounts(check: Check, block: PlanBlock, subject: Subject, one: PlannedWorkload): void {
  const { policy, now, max, override, state } = subject;
  const { name } = policy;
  const counts = Object.values(one.pools);
  const sum = counts.reduce((total, count) => total + count, 0);
  if (![one.replicas, ...counts].every((count) => Number.isInteger(count) && count >= 0)) {
    report(check, 'whole', block, `${name} has replicas that are no whole numbers`);
  }
  if (sum !== one.replicas) {
    report(check, 'whole', block, `${name} has ${one.replicas} replicas, and ${sum} on its pools`);
  }
  if (one.replicas > max) report(check, 'maximum', block, `${name} has ${one.replicas} replicas, at most ${max}`);
  const least = override === null ? policy.replicas.min : Math.min(policy.replicas.min, override);
  if (one.replicas < least) report(check, 'minimum', block, `${name} has ${one.replicas} replicas, at least ${least}`);
  if (override !== null && one.replicas !== Math.min(override, max)) {
    report(check, 'override', block, `${name} has ${one.replicas} replicas, an override says ${override}`);
  }
  for (const pool of Object.keys(one.pools)) {
    if (policy.pools !== undefined && !policy.pools.includes(pool))
      report(check, 'allowed-pools', block, `${name} may not run on pool ${pool}`);
  }
  if (now === null) return;
  const promised = Math.min(state?.disruption?.minAvailable ?? 0, now, max);
  if (one.replicas < promised) {
    const budget = state?.disruption?.name ?? '';
    report(check, 'disruption', block, `${name} has ${one.replicas} replicas, ${budget} promises ${promised}`);
  }
  if (check.facts.demand === undefined) return;
  const missing = COMPONENTS.filter(
    (component) => policy.components[component] !== undefined && !check.forecast.has(`${name}/${component}`),
  );
  if (missing.length > 0 && one.replicas < Math.min(now, max)) {
    const words = `${name} is lowered from ${now} to ${one.replicas} with no forecast of ${missing.join(', ')}`;
    report(check, 'missing-data', block, words);
  }
}

/** A size is what runs now, one of the grid, or an override's; bounds of the cluster hold; one size for the plan. */
function checkSize(
  check: Check,
  block: PlanBlock,
  { policy, state }: Subject,
  one: PlannedWorkload,
  first: PlannedWorkload | undefined,
): void {
  const near = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-9 * Math.max(a, b);
  for (const component of COMPONENTS) {
    const size = one.request[component];
    const settings = policy.components[component];
    if (settings === undefined || size === undefined) {
      if ((settings === undefined) !== (size === undefined))
        report(
          check,
          'sizes',
          block,
          `${policy.name} has ${component} where the account file has not, or the other way`,
        );
      continue;
    }
    if (!near(size, first?.request[component] ?? size))
      report(check, 'sizes', block, `${policy.name} changes its size of ${component} within the plan`);
    const pinned = pinnedSize(check, policy.name, component);
    if (pinned !== null) {
      if (!near(size, pinned)) report(check, 'override', block, `${policy.name} ignores an override of ${component}`);
      continue;
    }
    const now = state?.request[component] ?? settings.request;
    const known = check.facts.state !== undefined;
    if (near(size, now)) continue;
    if (known && settings.grid?.some((other) => near(other, size)) !== true) {
      const words = `${policy.name} has ${formatQuantity(component, size)} of ${component}, which is not on its grid`;
      report(check, 'sizes', block, words);
    }
    const bounds = state?.bounds?.[component];
    if (bounds !== undefined && (above(bounds.min ?? 0, size) || above(size, bounds.max ?? Number.POSITIVE_INFINITY)))
      report(check, 'sizes', block, `${policy.name}: ${bounds.words}`);
  }
}

function pinnedSize(check: Check, workload: string, component: Component): number | null {
  let pinned: number | null = null;
  for (const { target } of check.facts.overrides ?? []) {
    if (target.field === 'request' && target.workload === workload && target.component === component)
      pinned = target.value;
  }
  return pinned;
}

/** How far a workload moves from the block before: steps, and not at all under a blackout. */
function checkMove(
  check: Check,
  block: PlanBlock,
  { policy, now, running, max }: Subject,
  one: PlannedWorkload,
  before: PlannedWorkload | null,
  earlier: PlanBlock | undefined,
): void {
  if (earlier?.merged === true) return;
  const { stepUp, stepDown } = policy.replicas;
  const from = before?.replicas ?? now;
  const upFrom = before?.replicas ?? running;
  if (from === null || upFrom === null) {
    check.unchecked.set('step', 'what ran when the plan was made');
    return;
  }
  check.checked.add('step').add('blackout');
  const seconds = earlier === undefined ? 0 : earlier.to - earlier.from;
  const changes = earlier === undefined ? 1 : Math.max(1, Math.round(seconds / check.facts.policy.cycle));
  if (inBlackout(check, block)) {
    if (one.replicas !== Math.min(from, max))
      report(check, 'blackout', block, `${policy.name} goes from ${from} to ${one.replicas} during a blackout`);
    return;
  }
  if (stepUp !== undefined && one.replicas - upFrom > stepUp * changes + NEAR) {
    const words = `${policy.name} goes from ${upFrom} to ${one.replicas}, at most ${stepUp * changes} more`;
    report(check, 'step', block, words);
  }
  const lowest = Math.min(max, from - (stepDown ?? Number.POSITIVE_INFINITY) * changes);
  if (one.replicas < lowest - NEAR) {
    const words = `${policy.name} goes from ${from} to ${one.replicas}, at most ${(stepDown ?? 0) * changes} fewer`;
    report(check, 'step', block, words);
  }
}

/** The decision for a block falls so long after the plan's own time as the block begins after the first. */
export function inBlackout(check: Check, block: PlanBlock): boolean {
  const { policy, at } = check.facts;
  const decided = at + block.from - (check.plan.blocks[0]?.from ?? block.from);
  return policy.blackouts.some(({ from, to, cron, duration }) => {
    if (from !== undefined && to !== undefined) return from <= decided && decided < to;
    if (cron === undefined || duration === undefined) return false;
    const schedule = new Cron(cron, { timezone: policy.timeZone, paused: true });
    const next = schedule.nextRun(new Date((decided - duration) * 1000));
    return next !== null && next.getTime() / 1000 <= decided;
  });
}

/** Nodes of a pool from block to block under a blackout: kept here beside the rule for replicas. */
export function checkNodesInBlackout(check: Check): void {
  const { facts, plan } = check;
  if (facts.policy.blackouts.length === 0) return;
  plan.blocks.forEach((block, index) => {
    const earlier = plan.blocks[index - 1];
    if (block.merged === true || earlier?.merged === true || !inBlackout(check, block)) return;
    for (const pool of facts.policy.pools) {
      const before = earlier === undefined ? nodesNow(facts, pool) : (earlier.nodes[pool.name] ?? 0);
      const nodes = block.nodes[pool.name] ?? 0;
      if (before === null || pool.size === 'fixed' || nodes === Math.min(before, pool.max)) continue;
      report(check, 'blackout', block, `pool ${pool.name} goes from ${before} to ${nodes} nodes during a blackout`);
    }
  });
}
