import {
  createAllocator,
  demandBlocks,
  planBlocks,
  proposeMigrations,
  unmovedBut,
  withPrices,
} from '../allocate/index.js';
import type { AllocationInput, Block, DemandBlocks, SolverBasis } from '../allocate/problem.js';
import type { AccountPolicy } from '../domain/account.js';
import { raises } from '../domain/change.js';
import type { ClusterState } from '../domain/cluster.js';
import type { ContingencySet } from '../domain/contingency.js';
import type { Plan, TaskPlacement } from '../domain/plan.js';
import { binStart } from '../domain/time.js';
import { fitForecaster } from '../forecast/forecaster.js';
import { loadModels } from '../forecast/models/registry.js';
import { withBandwidth } from './bandwidth.js';
import { createCapacities } from './capacities.js';
import { clearOfLimit } from './clear.js';
import { prepareAnswers, type Variation } from './contingencies.js';
import { coverDemand, type CoveredDemand } from './demand.js';
import { boundForecast } from './evidence.js';
import { planLead } from './lead.js';
import { createModels } from './models.js';
import { NOTHING_SERVED, type ServedModels } from './served.js';
import { readyIn, underSurprises, withCappedPools } from './surprises.js';
import { trustIn } from './trust.js';
import type { AllocationRequest, Decider, PrepareRequest } from './port.js';

interface Solved {
  plan: Plan;
  covered: CoveredDemand;
  input: AllocationInput;
  basis: SolverBasis;
}

/**
 * The decision in this very thread; pool.ts puts it into worker threads.
 * @param served trained models that join the fits; none without.
 */
export async function createEngine(served?: ServedModels): Promise<Decider> {
  const models = createModels(fitForecaster);
  const allocator = await createAllocator();
  /** By account, and by name of a variation: the empty one is the plan itself. */
  const bases = new Map<string, Map<string, SolverBasis>>();
  const capacities = createCapacities();

  const bounded = ({ forecast, account }: AllocationRequest): AllocationRequest['forecast'] =>
    forecast === null
      ? null
      : boundForecast(forecast, (workload, component) => models.evidence(account, workload, component));

  /** What the forecast asks for in the blocks of the plan, and until the first of them begins. */
  function forecastDemand(request: AllocationRequest, blocks: Block[], until: Block[]) {
    const { policy, events, overrides } = request;
    const forecast = bounded(request);
    if (forecast === null) return { forecast: [], until: [] };
    const of = (some: Block[]) => demandBlocks({ forecast, policy, blocks: some, events, overrides });
    return { forecast: clearOfLimit(of(blocks), policy, request.recent), until: of(until) };
  }

  /** The plan of a request, or of a variation of one. */
  function solve(request: AllocationRequest, variation?: Variation): Solved {
    const { account } = request;
    const { policy, used } =
      request.prices === undefined
        ? { policy: request.policy, used: null }
        : withPrices(request.policy, request.prices);
    // A cycle runs a little after the end of the last known bin: that is part of the lead, not another bin.
    const known = binStart(request.at, policy.step);
    const blocks = planBlocks(
      policy,
      known,
      Math.ceil((request.at - known + planLead(policy, request.leadTimes)) / policy.step) + 1,
    );
    const start = blocks[0]?.from ?? known;
    const covered = coverDemand(request, {
      ...forecastDemand(request, blocks, start > known ? [{ from: known, to: start }] : []),
      blocks: blocks.length,
      during: (workload, component, label, step) => capacities.during(account, workload, component, label, step),
    });
    const demand = heldOver(covered.demand, policy, blocks, request.events);
    const varied = variation?.demand?.(demand, blocks) ?? demand;
    const ahead = variation === undefined ? blocks : blocks.filter((block) => block.from < start + variation.within);
    const name = variation?.name ?? '';
    const ofAccount = bases.get(account) ?? new Map<string, SolverBasis>();
    const basis = ofAccount.get(name);
    const input: AllocationInput = {
      account,
      at: request.at,
      snapshotId: request.snapshotId,
      forecastId: request.forecast?.id ?? 'none',
      policy,
      blocks: ahead,
      demand: varied.map((series) => ({ ...series, blocks: series.blocks.slice(0, ahead.length) })),
      state: request.state,
      overrides: request.overrides,
      placements: movedTasks(request.state),
      ...(request.dataSets === undefined ? {} : { dataSets: request.dataSets }),
      ...grantIn(request),
      ...(used === null ? {} : { prices: used }),
      ...trustIn(request, covered),
      ...(basis === undefined ? {} : { basis }),
    };
    const { plan, basis: next } = allocator.allocate(input);
    bases.set(account, ofAccount.set(name, next));
    return { plan, covered, input, basis: next };
  }

  /** Nothing is moved on old data, without a forecast, or in a surprise. */
  function proposals(
    request: AllocationRequest,
    { plan, covered, input, basis }: Solved,
  ): Pick<Plan, 'migrations' | 'unmoved'> {
    const halt = haltOf(request);
    const distrusted = new Set(covered.guarded.map(({ workload }) => workload));
    const migrations = halt === null ? proposeMigrations(allocator, { input, plan, basis, distrusted }) : [];
    const unmoved = unmovedBut(migrations, { input, plan, distrusted }, halt);
    return { ...(migrations.length === 0 ? {} : { migrations }), ...(unmoved.length === 0 ? {} : { unmoved }) };
  }

  function allocate(given: AllocationRequest): Plan {
    capacities.note(given.account, given.state, given.at, given.policy.step);
    const request = whileSurprised(given);
    const solved = solve(request);
    const { plan, covered } = solved;
    const decided = underSurprises(attribute(withoutReductions(plan, request.raiseOnly), covered), request.surprises);
    return { ...withBandwidth(decided, request, bounded(request)), ...proposals(request, solved) };
  }

  function prepare(given: PrepareRequest): ContingencySet {
    const request = whileSurprised(given);
    const forecast = bounded(request);
    const { policy, events } = request;
    return prepareAnswers(request, {
      solve: (altered, variation) => solve(altered, variation).plan,
      stated: (blocks, level) => (forecast === null ? [] : demandBlocks({ forecast, policy, blocks, events, level })),
    });
  }

  // Async, so that what is refused rejects, as it does from a thread, and is never thrown at the call.
  return {
    wanted: async (account, policy, at) =>
      models.wanted(account, policy, at, (await served?.of(account)) ?? NOTHING_SERVED),
    async forecast(request) {
      await loadModels(request.policy.models);
      return models.forecast(request, (await served?.of(request.account)) ?? NOTHING_SERVED);
    },
    allocate: async (request) => allocate(request),
    prepare: async (request) => prepare(request),
    forget(account) {
      models.forget(account);
      bases.delete(account);
      capacities.forget(account);
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
}

/** A share of one's own binds for as long as the fleet is silent; a grant, until it ends. */
const grantIn = ({ grant }: AllocationRequest): Partial<AllocationInput> =>
  grant === undefined
    ? {}
    : {
        ...{ grant: grant.amounts, grantFrom: grant.source },
        ...(grant.source === 'fleet' && typeof grant.until === 'number' ? { grantUntil: grant.until } : {}),
      };

/** Pools that do not grow while a surprise lasts have what is ready there. */
const whileSurprised = <Request extends AllocationRequest>(request: Request): Request =>
  withCappedPools(
    request,
    readyIn(
      request.state,
      (request.surprises ?? []).flatMap((one) => one.pools),
    ),
  );

/** Where earlier plans put tasks, as the cluster has it: that is where they run. */
const movedTasks = (state: ClusterState): TaskPlacement[] =>
  (state.tasks ?? []).flatMap(({ task, moved }) =>
    moved.map(({ scheduled, start }) => ({ task, scheduled, start, reason: 'moved by an earlier plan' })),
  );

/** Steps before the beginning of an announced event from which on its capacity is to be there. */
const SOON_STEPS = 3;

/**
 * What is decided now stays until the next decision takes effect: the first block has to last for a cycle. Where an
 * announced event begins soon it has to last into it: when that begins is known, and a verification that runs at that
 * moment would hold the raise up for a look.
 */
export function heldOver(
  demand: DemandBlocks[],
  policy: AccountPolicy,
  blocks: readonly Block[],
  events: readonly { from: number }[],
): DemandBlocks[] {
  const start = blocks[0]?.from ?? 0;
  const soon = start + SOON_STEPS * policy.step;
  const begins = [...policy.events, ...events].some((event) => event.from > start && event.from < soon);
  const reach = Math.max(Math.ceil(policy.cycle / policy.step), begins ? SOON_STEPS : 1);
  return demand.map((series) => {
    const [first, ...rest] = series.blocks;
    if (first === undefined) return series;
    const ahead = rest.slice(0, reach - 1);
    const highest = (pick: (block: DemandBlocks['blocks'][number]) => number): number =>
      Math.max(pick(first), ...ahead.map(pick));
    const lasting = {
      lower: highest((block) => block.lower),
      median: highest((block) => block.median),
      atLevel: highest((block) => block.atLevel),
      far: highest((block) => block.far),
    };
    return { ...series, blocks: [lasting, ...rest] };
  });
}

/** Why no workload of an account is moved now; null where one may be. */
function haltOf({ forecast, raiseOnly, surprises = [] }: AllocationRequest): string | null {
  if (surprises.length > 0) return `nothing is moved in a surprise: ${surprises.map(({ what }) => what).join('; ')}`;
  if (forecast === null) return 'nothing is moved without a forecast, and there is none now';
  if (raiseOnly.length > 0) return `nothing is moved on stale or missing data, which ${raiseOnly.join(', ')} has`;
  return null;
}

/** Never scale down on stale or missing data: what a plan would lower for such a workload stays as it is. */
export function withoutReductions(plan: Plan, raiseOnly: readonly string[]): Plan {
  if (raiseOnly.length === 0) return plan;
  const kept = plan.fields.filter(
    (field) => raises(field) || ('workload' in field.target && !raiseOnly.includes(field.target.workload)),
  );
  if (kept.length === plan.fields.length) return plan;
  if (kept.length > 0) return { ...plan, fields: kept };
  return {
    ...plan,
    fields: [],
    verdict: {
      kind: 'hold',
      reason: 'stale-data',
      detail: `would lower ${plan.fields.length} field(s), never on stale or missing data`,
    },
  };
}

/** Says in the verdict where the guard, not the forecast, asked for what is done. */
export function attribute(plan: Plan, { guarded }: CoveredDemand): Plan {
  if (guarded.length === 0) return plan;
  const words = guarded.map((one) => `${one.workload}/${one.component}: ${one.reason}`).join('; ');
  if (plan.verdict.kind === 'act') {
    const touched = plan.fields.some(
      (field) => 'workload' in field.target && guarded.some((one) => sameWorkload(field, one.workload)),
    );
    if (!touched) return plan;
    return { ...plan, verdict: { kind: 'act', source: 'guard', detail: `${plan.verdict.detail} (guard: ${words})` } };
  }
  const closed = guarded.some((one) => one.closed);
  if (!closed) return plan;
  const { reason, detail } = plan.verdict;
  if (reason === 'steady')
    return { ...plan, verdict: { kind: 'hold', reason: 'coverage', detail: `reactive: ${words}` } };
  // A closed gate alone would pass; what belongs to somebody else waits for a person.
  return reason === 'not-ours'
    ? { ...plan, verdict: { kind: 'hold', reason, detail: `${detail}; reactive: ${words}` } }
    : plan;
}

const sameWorkload = (field: Plan['fields'][number], workload: string): boolean =>
  'workload' in field.target && field.target.workload === workload;
