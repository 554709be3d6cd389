import type { AccountPolicy, WorkloadPolicy } from './account.js';
import { COMPONENTS, formatQuantity } from './component.js';
import { budgetProblems, reservationProblems } from './held.js';
import { notDefined } from './nearest.js';
import { mayHold, residencyWords } from './residency.js';

/*
 * Rules over a whole policy. Types alone are imported, no schema library: the account workflow runs this to refuse an
 * update, and what a workflow runs is versioned by replay.
 */

export interface PolicyProblem {
  /** Where in the file: `workloads[0].replicas`. */
  path: (string | number)[];
  problem: string;
}

/**
 * What a schema cannot say: contradictions between fields. Pure and small, since the account workflow runs it to
 * refuse an update, and replay versions it.
 */
export function policyProblems(policy: AccountPolicy): PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  const say = (path: (string | number)[], problem: string) => problems.push({ path, problem });
  if (policy.namespace === undefined && policy.account.includes('.')) {
    const problem = 'no namespace can have a name with dots: give the account another name, or a namespace';
    say(['account'], problem);
  }
  for (const component of COMPONENTS) {
    const share = policy.guaranteedShare?.[component] ?? 0;
    const most = policy.pools.reduce((sum, { max, node }) => sum + max * (node[component] ?? 0), 0);
    // A component that no pool states bounds nothing.
    if (share > most && policy.pools.some(({ node }) => node[component] !== undefined)) {
      const problem = `${formatQuantity(component, share)} is above ${formatQuantity(component, most)}, all that its pools can have: raise their max, or guarantee less`;
      say(['guaranteedShare', component], problem);
    }
  }
  const pools = new Set<string>();
  policy.pools.forEach((pool, index) => {
    if (pools.has(pool.name)) say(['pools', index, 'name'], `pool "${pool.name}" is named twice`);
    pools.add(pool.name);
    if (pool.min > pool.max) say(['pools', index, 'min'], `minimum ${pool.min} is above maximum ${pool.max}`);
    if (!Object.values(pool.node).some((amount) => amount > 0)) {
      say(['pools', index, 'node'], 'offers nothing: give it what a node has, cpu at least');
    }
  });
  const zones = new Set(policy.pools.map((pool) => pool.zone));
  // A strategy asks for what can be had; who asks for it by name is told that it cannot.
  if ((policy.surviveZone ?? 0) > 0 && policy.strategy === undefined && (zones.size < 2 || zones.has(undefined))) {
    say(['surviveZone'], 'the pools are in one zone, or do not say in which: none can be lost; name their zones');
  }
  const workloads = new Set<string>();
  policy.workloads.forEach((workload, index) => {
    const at = ['workloads', index];
    if (workloads.has(workload.name)) say([...at, 'name'], `workload "${workload.name}" is named twice`);
    workloads.add(workload.name);
    if (workload.replicas.min > workload.replicas.max) {
      say([...at, 'replicas', 'min'], `minimum ${workload.replicas.min} is above maximum ${workload.replicas.max}`);
    }
    const components = Object.entries(workload.components);
    if (components.length === 0) say([...at, 'components'], 'names no component; name at least one, as cpu');
    for (const [component, settings] of components) {
      if (settings.request <= 0) say([...at, 'components', component, 'request'], 'must be above 0');
      if (settings.grid?.some((size) => size <= 0)) say([...at, 'components', component, 'grid'], 'must be above 0');
    }
    for (const pool of workload.pools ?? []) {
      if (!pools.has(pool)) say([...at, 'pools'], notDefined('pool', pool, pools));
    }
    for (const pool of workload.mayMoveTo ?? []) {
      if (!pools.has(pool)) say([...at, 'mayMoveTo'], notDefined('pool', pool, pools));
    }
    const asked = NODE_COMPONENTS.filter((component) => workload.components[component] !== undefined);
    for (const pool of policy.pools) {
      const offers = Object.values(pool.node).some((amount) => amount > 0);
      const named = workload.pools?.includes(pool.name) ?? true;
      if (!named || !offers || asked.length === 0 || asked.some((component) => (pool.node[component] ?? 0) > 0))
        continue;
      say(
        ['pools', policy.pools.indexOf(pool), 'node'],
        `offers no ${asked.join(' and no ')}, which "${workload.name}" asks for: name what a node has, or give the workload other pools`,
      );
    }
    const usable = policy.pools.filter(
      (pool) => (workload.pools?.includes(pool.name) ?? true) && mayHold(workload, pool),
    );
    if (workload.residency !== undefined && usable.length === 0) {
      say(
        [...at, 'residency'],
        `none of its pools is in ${residencyWords(workload)}; give pools their provider and region`,
      );
    }
    if ((workload.surviveZone ?? 0) > 0 && usable.length > 0) {
      const zones = new Set(usable.map((pool) => pool.zone));
      if (zones.size < 2 || zones.has(undefined)) {
        say(
          [...at, 'surviveZone'],
          'its pools are in one zone, or do not say in which: none can be lost; name their zones',
        );
      }
    }
  });
  problems.push(...sharedTargets(policy));
  const tasks = new Set<string>();
  policy.tasks.forEach((task, index) => {
    if (tasks.has(task.name)) say(['tasks', index, 'name'], `task "${task.name}" is named twice`);
    tasks.add(task.name);
    if (!workloads.has(task.workload)) {
      say(['tasks', index, 'workload'], notDefined('workload', task.workload, workloads));
    }
  });
  policy.events.forEach((event, index) => {
    if (event.to <= event.from) say(['events', index, 'to'], 'must be after from');
    if (event.components !== undefined && event.multiplier === undefined) {
      say(['events', index, 'components'], 'is what a multiplier reaches; demand names its components itself');
    }
    if ((event.multiplier === undefined) === (event.demand === undefined)) {
      say(['events', index], 'needs either multiplier or demand, and not both');
    }
    for (const workload of event.workloads ?? []) {
      if (!workloads.has(workload)) say(['events', index, 'workloads'], notDefined('workload', workload, workloads));
    }
  });
  policy.blackouts.forEach((blackout, index) => {
    const recurring = blackout.cron !== undefined && blackout.duration !== undefined;
    const once = blackout.from !== undefined && blackout.to !== undefined;
    if (recurring === once) say(['blackouts', index], 'needs either cron with duration, or from with to');
    if (once && (blackout.to ?? 0) <= (blackout.from ?? 0)) say(['blackouts', index, 'to'], 'must be after from');
  });
  problems.push(...bandwidthProblems(policy));
  problems.push(...reservationProblems(policy.reservations, policy.pools, { fixed: false }));
  problems.push(...budgetProblems(policy.reservations, policy.budget?.perHour));
  if (policy.cycle < policy.step) {
    say(
      ['cycle'],
      `a cycle of ${policy.cycle}s is shorter than the step of ${policy.step}s: nothing new would be known`,
    );
  }
  return problems;
}

/**
 * Objects that two workloads would write to, each undoing what the other did. Of an object named and one looked for by its
 * labels nothing is known here: they are compared with their like.
 */
function sharedTargets(policy: AccountPolicy): PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  const drivenBy = new Map<string, string>();
  for (const [index, { name, target }] of policy.workloads.entries()) {
    const namespace = target.namespace ?? policy.namespace ?? policy.account;
    const labels = Object.entries(target.selector ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
    const object =
      target.selector === undefined
        ? `${target.kind} ${namespace}/${target.name ?? name}`
        : `${target.kind} in ${namespace} with ${labels.map(([key, value]) => `${key}=${value}`).join(',')}`;
    const other = drivenBy.get(object);
    // One name given twice is said of the name.
    if (other !== undefined && other !== name) {
      const problem = `${object} is what "${other}" drives already: give each workload an object of its own`;
      problems.push({ path: ['workloads', index, 'target'], problem });
    }
    if (other === undefined) drivenBy.set(object, name);
  }
  return problems;
}

/** Links that carry nobody's traffic, or the same traffic twice. */
function bandwidthProblems(policy: AccountPolicy): PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  const links = new Set<string>();
  const carriedBy = new Map<string, string>();
  const measured = policy.workloads.flatMap(({ name, components }) => (components.network === undefined ? [] : [name]));
  for (const [index, link] of (policy.bandwidth ?? []).entries()) {
    const say = (field: string, problem: string) => problems.push({ path: ['bandwidth', index, field], problem });
    if (links.has(link.name)) say('name', `"${link.name}" is named twice`);
    links.add(link.name);
    if (link.unit <= 0) say('unit', 'must be above 0');
    else if (link.max < link.unit) say('max', `is less than one unit of ${link.unit} bytes/s: nothing can be reserved`);
    if (link.block < policy.step || link.block % policy.step !== 0)
      say('block', `${link.block}s is no multiple of the account's step of ${policy.step}s`);
    if (measured.length === 0)
      say(
        'workloads',
        'no workload has a component network: give those that it carries one, with what a replica needs',
      );
    for (const workload of link.workloads ?? measured) {
      const other = carriedBy.get(workload);
      if (!policy.workloads.some(({ name }) => name === workload))
        say(
          'workloads',
          notDefined(
            'workload',
            workload,
            policy.workloads.map(({ name }) => name),
          ),
        );
      else if (!measured.includes(workload)) say('workloads', `"${workload}" has no component network to go by`);
      else if (other !== undefined)
        say('workloads', `"${workload}" is carried by "${other}" already: its traffic would be counted twice`);
      carriedBy.set(workload, link.name);
    }
  }
  return problems;
}

/** What nodes are chosen for: where a pool names none of those that a workload asks for, any number would fit one node. */
const NODE_COMPONENTS = ['cpu', 'memory', 'gpu'] as const;

/** The level that a component of a workload is planned at. */
export const levelOf = (
  policy: AccountPolicy,
  workload: WorkloadPolicy,
  component: keyof WorkloadPolicy['components'],
): number => workload.components[component]?.level ?? workload.level ?? policy.level;

/** What a unit of demand that goes unserved for an hour is worth avoiding, as a multiple of what serving it costs. */
export const CRITICALITY_WEIGHT: Record<WorkloadPolicy['criticality'], number> = {
  low: 5,
  normal: 20,
  high: 80,
  critical: 400,
};
