import type { FieldOwner, FieldTarget } from '../domain/cluster.js';
import { raises } from '../domain/change.js';
import { COMPONENTS, type Component } from '../domain/component.js';
import { FLEET_ACCOUNT } from '../domain/fleet-names.js';
import { isoTime } from '../domain/time.js';
import type { Conflict, DataSetNeed, NumberReason, PlannedField, Verdict } from '../domain/plan.js';
import { someOf } from '../domain/some-of.js';
import { firstShortfall } from './conflict.js';
import { grantOf } from './constraints/grant.js';
import { SHARED_REMEDY } from './neighbours.js';
import { billOf, poolLoad, totalOf, type Numbers } from './numbers.js';
import { dataSetReasons, preparedFields, startFields, toldWith } from './preparations.js';
import { blackoutAt } from './blackout.js';
import { otherSizes } from './other-sizes.js';
import { leftOf, nodesBill, type Prepared, type PreparedPool, type PreparedWorkload } from './prepare.js';
import { limitField, loadAfter, nodesWanted, warmField, weightFields, type ProvisioningInput } from './provisioning.js';
import { nodeRange } from './rounding.js';
import { autoscalerTargets } from './targets.js';

export interface Decision {
  verdict: Verdict;
  /** In the order in which to write them: nodes up, sizes, replicas up, then whatever goes down, nodes last. */
  fields: PlannedField[];
  /** What of data sets the actions among the fields are told. */
  dataSets: DataSetNeed[];
  /** Why the targets of autoscalers are what they are, and why these data sets. */
  reasons: NumberReason[];
}

/** What is to be written now, and whether it is worth writing. */
export function decide(
  prepared: Prepared,
  numbers: Numbers,
  reasons: readonly NumberReason[],
  conflict: Conflict | null,
  broken: boolean,
): Decision {
  const { input } = prepared;
  const gone = prepared.workloads.filter((workload) => !workload.exists).map(absentWords);
  const blackout = blackoutAt(input.policy, input.at);
  if (blackout !== null) {
    const detail = `blackout ${blackout.name} until ${isoTime(blackout.until)}: ${blackout.reason}`;
    return { verdict: { kind: 'hold', reason: 'blackout', detail }, fields: [], dataSets: [], reasons: [] };
  }
  const words = new Map(reasons.map((reason) => [reason.number, reason.binding.words]));
  /** What the plan wants to be different and is not Headroom's to write. */
  const foreign: string[] = [];
  const others: string[] = [];
  const changes = prepared.workloads.flatMap((workload) => {
    if (!workload.exists) return [];
    if (fitsNowhere(workload, numbers)) {
      others.push(`${workload.policy.name} fits no node of its pools, and is left as it is`);
      return [];
    }
    return workloadFields(workload, numbers, words, foreign);
  });
  const kept = worthwhile(prepared, numbers, changes);
  const lowered = new Set(changes.filter((field) => !kept.includes(field)).map(workloadOf));
  const raised = new Set(kept.filter(raises).map(workloadOf));
  const provisioning: ProvisioningInput = {
    prepared,
    numbers,
    kept: lowered,
    raised,
    words,
    consent: (pool, owner, field) => {
      if (ours(owner) || pool.policy.provisioning?.takeOwnership === true) return true;
      foreign.push(
        `${pool.policy.name}.${field} belongs to ${owner}; provisioning.takeOwnership: true would let it be written`,
      );
      return false;
    },
  };
  const targets = autoscalerTargets(prepared, numbers, kept);
  // Under what is left as it is, no node is taken away: nobody knows what it takes of them.
  const stuck = new Set(
    prepared.workloads.flatMap((one) => (one.exists && fitsNowhere(one, numbers) ? one.pools : [])),
  );
  const takesAway = (pool: PreparedPool, field: PlannedField): boolean => stuck.has(pool.index) && !raises(field);
  others.push(...targets.notes);
  const nodes = prepared.pools.flatMap((pool) =>
    [
      ...poolField(prepared, numbers, pool, lowered, words),
      ...warmField(provisioning, pool),
      ...limitField(provisioning, pool),
    ].filter((field) => !takesAway(pool, field)),
  );
  const wanted = [
    ...targets.fields,
    ...kept,
    ...nodes,
    ...weightFields(provisioning),
    ...preparedFields(prepared, numbers),
    ...startFields(prepared, numbers, others),
  ];
  others.push(...prepared.pools.flatMap((pool) => sharedWords(prepared, numbers, pool, wanted)));
  // Where limits contradict each other, what gives is a guess at what the operator would give up, and no reason to take
  // away what serves: that is left until they agree. What an override names is what somebody asked for.
  const fields = (broken ? wanted.filter((field) => raises(field) || isAsked(prepared, field)) : wanted).sort(
    (a, b) => rank(a) - rank(b),
  );
  if (fields.length < wanted.length) {
    others.push(`${wanted.length - fields.length} that would be lowered are left as they are until the limits agree`);
  }
  const dataSets = toldWith(prepared, fields);
  const decided = { fields, dataSets, reasons: [...targets.reasons, ...dataSetReasons(prepared, dataSets)] };
  const notes = [
    ...(gone.length > 0 ? [`not in the cluster: ${gone.join(', ')}`] : []),
    ...prepared.pools.flatMap(({ policy, state }) =>
      (state?.missing ?? []).map((one) => `pool ${policy.name}: ${one}`),
    ),
    ...foreign,
    ...others,
    ...otherSizes(prepared),
  ];
  const tell = (detail: string): string => [detail, ...notes].join('; ');
  if (fields.length > 0) {
    const raised = fields.filter(raises).length;
    const detail = tell(`${raised} to raise, ${fields.length - raised} to lower`);
    return { verdict: { kind: 'act', source: 'forecast', detail }, ...decided };
  }
  if (broken || (conflict !== null && firstShortfall(prepared, numbers)?.block === 0)) {
    const against = conflict?.set.map((one) => one.words).join(' against ') ?? 'the limits contradict each other';
    const detail = tell(`nothing can be improved: ${against}`);
    return { verdict: { kind: 'hold', reason: 'infeasible', detail }, ...decided };
  }
  if (gone.length > 0)
    return {
      verdict: { kind: 'hold', reason: 'workload-missing', detail: tell('nothing else to do') },
      ...decided,
    };
  if (foreign.length > 0) {
    const detail = tell('what the plan wants to be different is not Headroom’s to write');
    return { verdict: { kind: 'hold', reason: 'not-ours', detail }, ...decided };
  }
  const spared = changes.length - kept.length;
  const detail =
    spared === 0
      ? 'what is there is what the plan wants'
      : `lowering ${spared} would save less than ${Math.round(input.policy.hysteresis * 100)} % of the cost`;
  return { verdict: { kind: 'hold', reason: 'steady', detail: tell(detail) }, ...decided };
}

/** Several accounts on one pool that no fleet sizes: who else it is kept for, or who sized it last, and what to do about it. */
function sharedWords(
  prepared: Prepared,
  numbers: Numbers,
  pool: PreparedPool,
  wanted: readonly PlannedField[],
): string[] {
  const { state, variable, override } = pool;
  const { name } = pool.policy;
  if (state === null || !variable) return [];
  const field = wanted.find(({ target }) => target.field === 'nodes' && target.pool === name);
  const { sizedBy, others } = state;
  const own = nodesWanted(prepared, numbers, pool);
  const have = field?.target.value ?? state.nodes;
  if (others !== undefined && override === null && own < have && ours(state.owner)) {
    const verb = others.accounts.length === 1 ? 'needs' : 'need';
    return [
      `pool ${name} has ${have} nodes: ${own} of its own, and what ${someOf(others.accounts)} ${verb} of it; ${SHARED_REMEDY}`,
    ];
  }
  if (field === undefined || sizedBy === undefined || [prepared.input.account, FLEET_ACCOUNT].includes(sizedBy))
    return [];
  return [
    `pool ${name} was last sized by account ${sizedBy}: two accounts on one pool undo each other's numbers; ${SHARED_REMEDY}`,
  ];
}

/** The very number that an override asks for. */
const isAsked = (prepared: Prepared, { target }: PlannedField): boolean =>
  prepared.input.overrides.some(({ target: asked }) => {
    if (asked.value !== target.value) return false;
    if (asked.field === 'pool') return target.field === 'nodes' && target.pool === asked.pool;
    if (asked.field === 'level' || !('workload' in target) || target.workload !== asked.workload) return false;
    if (asked.field === 'replicas') return target.field === 'replicas' || target.field === 'floor';
    return target.field === 'request' && target.component === asked.component;
  });

const short = (amount: number): number => Number(amount.toPrecision(4));

/** `web (2 Deployments have the labels …)`: with the cluster's reason, where it gives one. */
const absentWords = ({ policy, state }: PreparedWorkload): string =>
  state?.absent === undefined ? policy.name : `${policy.name} (${state.absent})`;

/** A size that no pool of the account file has a node for says more of the file than of the workload. */
const fitsNowhere = (workload: PreparedWorkload, numbers: Numbers): boolean => {
  const size = workload.options[numbers.option[workload.index] ?? 0];
  return workload.pools.every((pool) => (size?.price[pool] ?? null) === null);
};

const workloadOf = (field: PlannedField): string => ('workload' in field.target ? field.target.workload : '');

const RANKS: Record<FieldTarget['field'], number> = {
  weight: -3,
  limit: -2,
  start: -1,
  nodes: 0,
  warm: 0,
  prepared: 0.5,
  request: 1,
  floor: 2,
  target: 2.5,
  replicas: 2,
};
const FIRST = -4;
/**
 * Up: nodes before what runs on them. Down: what runs before its nodes. But placeholders make room before pods move in:
 * pushed out instead, they would ask for nodes of their own.
 * An autoscaler gets its full strength before anything else, and gives of it only when the floor is there.
 */
export const rank = (field: PlannedField): number => {
  const order = RANKS[field.target.field];
  if (field.target.field === 'target') return raises(field) ? FIRST : order;
  if (raises(field)) return order;
  return field.target.field === 'warm' ? 1.5 : 10 - order;
};

/** A field that nobody owns, or Headroom itself, may be written; someone else's only with consent. */
export const ours = (owner: FieldOwner): boolean =>
  owner === null || owner === 'headroom' || owner.startsWith('headroom/');

function workloadFields(
  workload: PreparedWorkload,
  numbers: Numbers,
  words: ReadonlyMap<string, string>,
  foreign: string[],
): PlannedField[] {
  const { state, policy } = workload;
  if (state === null) return [];
  const fields: PlannedField[] = [];
  const { name } = policy;
  const may = (owner: FieldOwner, field: string, seen: number, value: number): boolean => {
    if (ours(owner) || policy.takeOwnership) return true;
    const moved = `${short(seen)} → ${short(value)}`;
    foreign.push(`${field} belongs to ${owner}; takeOwnership: true would let it be written (${moved})`);
    return false;
  };
  const planned = totalOf(numbers, workload.index, 0);
  const reason = words.get(`${name}.replicas`) ?? '';
  // Where limits contradict each other the plan may show fewer than the minimum; that is never written.
  const least = workload.override === null ? workload.min : Math.min(workload.min, workload.override.value);
  if (workload.ownership === 'own') {
    const value = planned < state.replicas ? Math.min(state.replicas, Math.max(planned, least)) : planned;
    if (value !== state.replicas && may(state.owners.replicas, `${name}.replicas`, state.replicas, value)) {
      const seen = { value: state.replicas, owner: state.owners.replicas };
      fields.push({ target: { field: 'replicas', workload: name, value }, seen, reason });
    }
  } else if (state.autoscaler === null) {
    if (planned !== state.replicas)
      foreign.push(
        `${name} has no autoscaler whose floor could be raised; ownership: own would let its replicas be written`,
      );
  } else {
    const { floor } = state.autoscaler;
    const owner = state.owners.floor;
    // A floor that a person set is theirs: it is raised above, and later lowered to it again, never under it.
    const lowest = Math.max(least, state.autoscaler.userFloor ?? (ours(owner) && owner !== null ? 0 : floor));
    const value = planned < floor ? Math.min(floor, Math.max(planned, lowest)) : planned;
    if (value !== floor && may(owner, `${name}.floor`, floor, value)) {
      fields.push({ target: { field: 'floor', workload: name, value }, seen: { value: floor, owner }, reason });
    }
  }
  const option = workload.options[numbers.option[workload.index] ?? 0];
  for (const component of COMPONENTS) {
    const value = option?.request[component];
    const seen = state.request[component];
    if (value === undefined || seen === undefined || Math.abs(value - seen) <= 1e-9 * Math.max(value, seen)) continue;
    if (!may(state.owners.request, `${name}.request.${component}`, seen, value)) continue;
    fields.push({
      target: { field: 'request', workload: name, component, value },
      seen: { value: seen, owner: state.owners.request },
      reason: words.get(`${name}.request.${component}`) ?? 'override',
    });
  }
  return fields;
}

/**
 * Hysteresis: what is raised goes ahead; what is lowered only where it saves its share of what runs, or makes the room
 * that something raised needs. A change of size is judged when the size is chosen (choose.ts) and goes as a whole.
 */
function worthwhile(prepared: Prepared, numbers: Numbers, changes: PlannedField[]): PlannedField[] {
  const resized = new Set(changes.filter((field) => field.target.field === 'request').map(workloadOf));
  const lowers = (field: PlannedField): boolean => !raises(field) && !resized.has(workloadOf(field));
  if (!changes.some(lowers)) return changes;
  let cost = 0;
  for (const workload of prepared.workloads) cost += workload.exists ? workload.now * workload.replicaPrice : 0;
  let saved = 0;
  let owed = false;
  for (const field of changes.filter(lowers)) {
    const workload = prepared.workloads.find((one) => one.policy.name === workloadOf(field));
    if (workload === undefined) continue;
    saved += (field.seen.value - field.target.value) * workload.replicaPrice;
    // Limits and operators are obeyed, not weighed.
    owed ||= field.seen.value > workload.max || workload.override !== null;
  }
  if (owed || saved > prepared.input.policy.hysteresis * cost || !roomFor(prepared, numbers, changes.filter(lowers))) {
    return changes;
  }
  return changes.filter((field) => !lowers(field));
}

/** Whether the plan still fits its pools and budget where these reductions are left out. */
function roomFor(prepared: Prepared, numbers: Numbers, left: readonly PlannedField[]): boolean {
  const merged: Numbers = { ...numbers, replicas: [...numbers.replicas], nodes: [...numbers.nodes] };
  for (const field of left) {
    const workload = prepared.workloads.find((one) => one.policy.name === workloadOf(field));
    if (workload === undefined) continue;
    const blocks = merged.replicas[workload.index];
    const first = [...(blocks?.[0] ?? [])];
    const pool = workload.pools.reduce(
      (top, one) => ((first[one] ?? 0) > (first[top] ?? 0) ? one : top),
      workload.pools[0] ?? 0,
    );
    first[pool] = (first[pool] ?? 0) + field.seen.value - field.target.value;
    merged.replicas[workload.index] = [first, ...(blocks ?? []).slice(1)];
  }
  const nodes = prepared.pools.map((pool) => {
    const load = Math.ceil(poolLoad(prepared, merged, 0, pool.index) - 1e-6);
    return pool.variable ? Math.max(load, numbers.nodes[0]?.[pool.index] ?? 0) : pool.now;
  });
  merged.nodes = [nodes, ...numbers.nodes.slice(1)];
  const fits = prepared.pools.every((pool) => {
    const { high } = nodeRange(prepared, numbers, pool, 0);
    return poolLoad(prepared, merged, 0, pool.index) <= Math.max(high, 0) + 1e-9;
  });
  const granted = COMPONENTS.every((component) => {
    const most = grantOf(prepared, component, 0);
    return most === null || askedFor(prepared, merged, component) <= most * (1 + 1e-9);
  });
  return fits && granted && billOf(prepared, merged, 0) - (prepared.paid[0] ?? 0) <= leftOf(prepared, 0) * (1 + 1e-9);
}

/** Requests of the first block, all workloads together. */
function askedFor(prepared: Prepared, numbers: Numbers, component: Component): number {
  return prepared.workloads.reduce((sum, workload) => {
    const request = workload.options[numbers.option[workload.index] ?? 0]?.request[component] ?? 0;
    return sum + request * totalOf(numbers, workload.index, 0);
  }, 0);
}

/**
 * Nodes to have: the most of the blocks until a node that is asked for now is ready, and never fewer than what will
 * be running needs (an autoscaler may run more than its floor; a reduction may have been left out).
 */
function poolField(
  prepared: Prepared,
  numbers: Numbers,
  pool: PreparedPool,
  kept: ReadonlySet<string>,
  words: ReadonlyMap<string, string>,
): PlannedField[] {
  const { state } = pool;
  if (!pool.variable || state === null || !ours(state.owner)) return [];
  const own = nodesWanted(prepared, numbers, pool);
  const shared = pool.override === null ? sharedNodes(prepared, numbers, pool, kept) : 0;
  let value = Math.max(own, shared);
  if (value < state.nodes) {
    const load = loadAfter(prepared, numbers, pool, kept);
    value = Math.min(state.nodes, Math.max(value, Math.ceil(load - 1e-6)));
    const cost = prepared.pools.reduce((sum, one) => sum + nodesBill(one, 0, one.now), prepared.paid[0] ?? 0);
    const saved = nodesBill(pool, 0, state.nodes) - nodesBill(pool, 0, value);
    const owed = pool.override !== null || state.nodes > pool.max;
    if (!owed && saved <= prepared.input.policy.hysteresis * cost && saved > 0) return [];
    if (value < state.nodes && saved === 0 && !owed) return [];
  }
  if (value === state.nodes) return [];
  const reason = words.get(`${pool.policy.name}.nodes`) ?? '';
  const also =
    value > own && state.others !== undefined
      ? [`${own} of its own, and what ${someOf(state.others.accounts)} needs`]
      : [];
  return [
    {
      target: { field: 'nodes', pool: pool.policy.name, value },
      seen: { value: state.nodes, owner: state.owner },
      reason: [...also, ...(reason === '' ? [] : [reason])].join(': '),
    },
  ];
}

/**
 * Nodes for the account's own workloads and those of others together, where others need some: never fewer than that, but for
 * an override. Others whose plan is old hold what is there, and are bought nothing. 0 where nobody else is there.
 */
function sharedNodes(prepared: Prepared, numbers: Numbers, pool: PreparedPool, kept: ReadonlySet<string>): number {
  const { state } = pool;
  if (state?.others === undefined) return 0;
  let own = loadAfter(prepared, numbers, pool, kept);
  for (let block = 1; block <= Math.min(pool.firstBlock, prepared.blocks.length - 1); block++) {
    own = Math.max(own, poolLoad(prepared, numbers, block, pool.index));
  }
  const together = (others: number): number => Math.ceil(own + others - 1e-6);
  const most = Math.max(pool.max, state.nodes);
  return Math.max(Math.min(together(state.others.nodes), state.nodes), Math.min(together(state.others.live), most));
}
