import { statedFor } from '../domain/held.js';
import type { Plan } from '../domain/plan.js';
import { joinBlocks } from './blocks.js';
import { buildModel, type BuiltModel } from './build.js';
import { chooseSizes, sizesToConsider } from './choose.js';
import { findConflict, firstBreach, withOpened } from './conflict.js';
import { contentId, inputId } from './identity.js';
import { relaxed } from './model.js';
import { billOf, objectiveOf, paidOver, type Numbers } from './numbers.js';
import { prepare, type Prepared } from './prepare.js';
import { limitPrices } from './prices.js';
import type { AllocationInput, AllocationResult, Allocator, SolverBasis } from './problem.js';
import { blocksOf, storedBlocks } from './publish.js';
import { ownPrices } from './price-book/apply.js';
import { proofed } from './proof.js';
import { settingsOf } from './settings.js';
import { placementsOf, reasonsOf } from './reasons.js';
import { roundUp } from './rounding.js';
import { createHighsSolver, type Solution, type Solver } from './solver.js';
import { decide } from './verdict.js';

export interface AllocatorOptions {
  /** The solver; HiGHS in WASM where absent. */
  solver?: Solver;
  /** Simplex iterations of one solve. */
  iterationLimit?: number;
  /** Plans hold every block as it was decided, however many; otherwise later ones are stored together (`merged`). */
  wholeBlocks?: boolean;
}

const ITERATIONS = 50_000;
/** Rows of one model: more workloads get fewer, longer blocks. */
const MOST_ROWS = 6000;
/** Whole-number columns up to which branch and bound is asked too, and the gap from which that is worth it. */
const MOST_INTEGERS = 60;
const WORTH_BRANCHING = 0.005;

/** Loads the solver once; what it returns is synchronous, and its plans depend on their input alone. */
export async function createAllocator(options: AllocatorOptions = {}): Promise<Allocator> {
  const solver = options.solver ?? (await createHighsSolver());
  const iterationLimit = options.iterationLimit ?? ITERATIONS;
  return { allocate: (input) => allocate(input, solver, iterationLimit, options.wholeBlocks === true) };
}

function allocate(
  input: AllocationInput,
  solver: Solver,
  iterationLimit: number,
  wholeBlocks: boolean,
): AllocationResult {
  const joined = joinBlocks(input, blockLimit(input));
  let prepared = prepare(joined);
  let attempt = solve(prepared, input, solver, iterationLimit);
  // Caps that contradict each other give only where they are in the way: few replicas may keep what many cannot.
  const opened = withOpened(prepared, attempt.numbers);
  if (opened !== null) {
    const { basis, warm, iterations } = attempt;
    prepared = opened;
    attempt = solve(prepared, input, solver, iterationLimit);
    attempt = { ...attempt, basis, warm, iterations: iterations + attempt.iterations };
  }
  const { numbers, broken, basis, warm, iterations, objective, proven, status } = attempt;
  const conflict = findConflict(prepared, numbers, solver, broken);
  const prices = broken ? new Map<string, number>() : limitPrices(prepared, numbers, solver);
  const reasons = reasonsOf(prepared, numbers, prices);
  const decision = decide(prepared, numbers, reasons, conflict, broken);
  const decided: Plan = {
    id: inputId(input),
    account: input.account,
    at: input.at,
    snapshotId: input.snapshotId,
    forecastId: input.forecastId,
    verdict: decision.verdict,
    fields: decision.fields,
    blocks: blocksOf(prepared, numbers),
    placements: placementsOf(prepared, numbers),
    ...(decision.dataSets.length === 0 ? {} : { dataSets: decision.dataSets }),
    reasons: [...reasons, ...decision.reasons],
    conflict,
    costPerHour: money(billOf(prepared, numbers, 0)),
    currency: prepared.currency,
    ...paidIn(prepared),
    prices: [...(input.prices ?? ownPrices(input.policy))],
    settings: settingsOf(input.policy),
    solver: { iterations, objective, gap: gapOf(objective, proven), warm, status },
  };
  const plan = proofed(joined, decided);
  return { plan: wholeBlocks ? plan : { ...plan, blocks: storedBlocks(plan.blocks) }, basis };
}

/** What of the bill is paid in any case, with all that is held of the pools. */
function paidIn({ paid, input, blocks }: Prepared): Pick<Plan, 'heldPerHour' | 'held'> {
  const [from, to] = [blocks[0]?.from ?? 0, blocks.at(-1)?.to ?? 0];
  const held = input.policy.pools.flatMap(({ name: pool }) =>
    statedFor(input.policy.reservations, pool).flatMap((one) =>
      one.from < to && one.until > from ? [{ pool, ...one }] : [],
    ),
  );
  return held.length === 0 ? {} : { heldPerHour: money(paid[0] ?? 0), held };
}

/** A plan in whole numbers, and how it was come by. */
interface Attempt {
  numbers: Numbers;
  /** The limits contradict each other, and some have given. */
  broken: boolean;
  basis: SolverBasis;
  warm: boolean;
  iterations: number;
  objective: number;
  proven: number;
  status: string;
}

function solve(prepared: Prepared, input: AllocationInput, solver: Solver, iterationLimit: number): Attempt {
  const considered = sizesToConsider(prepared);
  const whole = buildModel(prepared, { sizes: considered });
  const shape = shapeOf(prepared, considered, whole);
  const warmed = input.basis?.shape === shape ? input.basis : undefined;
  let solution = solver.solve(whole.model, { iterationLimit, ...(warmed === undefined ? {} : { basis: warmed }) });
  const { warm } = solution;
  let { iterations } = solution;
  let broken = solution.status === 'infeasible';
  const basis: SolverBasis = { shape, ...(solution.basis ?? NO_BASIS) };
  if (broken) {
    solution = solver.solve(relaxed(whole.model), { iterationLimit });
    iterations += solution.iterations;
  }
  let bound = boundOf(whole, solution, broken);
  const option = chooseSizes(prepared, considered);
  const starts = chooseStarts(prepared, whole, solution);
  let final = whole;
  const open = considered.some((sizes) => sizes.length > 1) || prepared.tasks.some((run) => run.starts.length > 1);
  if (open) {
    final = buildModel(prepared, { sizes: option.map((one) => [one]), fixedStarts: starts });
    // From scratch: of several plans that cost the same, another start could come to another.
    solution = solver.solve(broken ? relaxed(final.model) : final.model, { iterationLimit });
    if (solution.status === 'infeasible') {
      // The sizes as a mix met the limits, and these alone do not: what gives for them is said.
      broken = true;
      solution = solver.solve(relaxed(final.model), { iterationLimit });
      bound = boundOf(final, solution, broken);
    }
    iterations += solution.iterations;
  }
  let numbers = roundUp(prepared, fractionsOf(prepared, final, solution, option, starts), broken);
  let objective = objectiveOf(prepared, numbers);
  let proven = bound;
  let status: string = broken ? 'relaxed' : solution.status;
  const integers = final.model.integer.filter(Boolean).length;
  const breached = !broken && firstBreach(prepared, numbers) !== null;
  if (
    !broken &&
    solution.status === 'optimal' &&
    integers <= MOST_INTEGERS &&
    (breached || gapOf(objective, proven) > WORTH_BRANCHING)
  ) {
    const exact = solver.solve(final.model, { iterationLimit, integer: true, nodeLimit: 500 });
    iterations += exact.iterations;
    if (exact.status === 'optimal') {
      const better = roundUp(prepared, fractionsOf(prepared, final, exact, option, starts), false);
      const value = objectiveOf(prepared, better);
      const keeps = firstBreach(prepared, better) === null;
      if ((breached && keeps) || (value < objective && keeps)) [numbers, objective] = [better, value];
      // Its bound holds for the whole problem only where sizes and starts were not fixed before.
      if (!open) proven = Math.max(proven, paidOver(prepared) + exact.bound * final.unit);
      status = 'branched';
    }
  }
  return { numbers, broken, basis, warm, iterations, objective, proven, status };
}

const NO_BASIS = { columns: new Uint8Array(0), rows: new Uint8Array(0) };

/**
 * What no plan can cost less than, in money over the plan. Where limits had to give there is no such proof: then it is
 * what the relaxation itself would cost, without the penalties of what gave.
 */
function boundOf(built: BuiltModel, solution: Solution, broken: boolean): number {
  if (solution.status !== 'optimal') return 0;
  const paid = paidOver(built.build.prepared);
  if (!broken) return paid + solution.bound * built.unit;
  return (
    paid + built.model.cost.reduce((sum, cost, column) => sum + cost * (solution.values[column] ?? 0), 0) * built.unit
  );
}

/** How far the whole numbers may be from the best there is: relative to them, as solvers state it. */
const gapOf = (objective: number, bound: number): number =>
  objective <= 0 ? 0 : Math.min(1, Math.max(0, (objective - bound) / objective));

const money = (amount: number): number => Number(amount.toPrecision(9));

function blockLimit(input: AllocationInput): number {
  const perBlock = input.policy.workloads.length * 3 + input.demand.length + input.policy.pools.length * 4 + 1;
  return Math.max(3, Math.floor(MOST_ROWS / perBlock));
}

function shapeOf(prepared: Prepared, considered: readonly (readonly number[])[], built: BuiltModel): string {
  const names = prepared.workloads.map((workload) => [
    workload.policy.name,
    workload.exists,
    considered[workload.index]?.length,
  ]);
  const { cost, rowLower } = built.model;
  return contentId([names, prepared.hours, cost.length, rowLower.length]);
}

/** Where the relaxation puts most of each run; the earliest of equals. */
function chooseStarts(prepared: Prepared, built: BuiltModel, solution: Solution): number[] {
  return prepared.tasks.map((run, index) => {
    const weights = built.build.starts(index).map((column) => solution.values[column] ?? 0);
    const best = weights.reduce((top, weight, slot) => (weight > (weights[top] ?? 0) + 1e-6 ? slot : top), 0);
    // Without a solution it stays where it was scheduled, or as near as it can be.
    if ((weights[best] ?? 0) > 0) return best;
    const distance = (slot: number): number => Math.abs((run.starts[slot] ?? 0) - run.scheduled);
    return run.starts.reduce((top, _, slot) => (distance(slot) < distance(top) ? slot : top), 0);
  });
}

function fractionsOf(prepared: Prepared, built: BuiltModel, solution: Solution, option: number[], starts: number[]) {
  const { build } = built;
  const solved = solution.status === 'optimal';
  return {
    option,
    starts,
    share(workload: number, block: number, pool: number): number {
      let sum = 0;
      for (const column of build.replicas(workload, block)) {
        if (column.pool === pool && !build.unfit.has(workload)) sum += solution.values[column.column] ?? 0;
      }
      return solved ? sum : byNeed(prepared, option, workload, block, pool);
    },
  };
}

/** What a workload needs by itself, on the cheapest of its pools: the start where the solver ran out of work. */
function byNeed(prepared: Prepared, option: readonly number[], index: number, block: number, pool: number): number {
  const workload = prepared.workloads[index];
  const size = workload?.options[option[index] ?? 0];
  if (workload === undefined || size === undefined) return 0;
  const price = (one: number): number => size.price[one] ?? Number.POSITIVE_INFINITY;
  const cheapest = workload.pools.reduce((top, one) => (price(one) < price(top) ? one : top), workload.pools[0] ?? 0);
  if (pool !== cheapest || !Number.isFinite(price(pool))) return 0;
  return workload.needs.reduce((most, need) => {
    const request = (size.request[need.component] ?? 0) * need.utilization;
    return request === 0 ? most : Math.max(most, (need.target[block] ?? 0) / request);
  }, workload.min);
}
