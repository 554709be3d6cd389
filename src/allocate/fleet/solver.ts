import type { Highs } from 'highs';
import { HeadroomError } from '../../domain/errors.js';
import { loadHighs } from '../solver.js';
import { answerPrices, poolBound, type Answers, type Prices } from './answers.js';
import { carriedStart, carryPlan, type CarriedStart } from './carried.js';
import { groupParts, type Cluster } from './clusters.js';
import { findConflicts } from './conflicts.js';
import { fitShares } from './fit.js';
import { grantsOf } from './grants.js';
import { solveMaster } from './master.js';
import { prepareFleet, type Fleet } from './prepare.js';
import type { FleetBasis, FleetInput, FleetOptions, FleetPlan, FleetSolver } from './problem.js';
import { relax } from './relax.js';
import { resume } from './resume.js';
import { objectiveOf, type Placement, type Sums } from './sums.js';
import { validateFleet } from './validate.js';
import { wholeNodes } from './whole-nodes.js';

const DEFAULTS = { gap: 0.01, rounds: 12 };
/** So few parts × blocks are solved by branch and bound as one, each part for itself. */
const SMALL = 240;
const SMALL_NODES = 300;

/** A fleet solver with a HiGHS of its own; docs/allocate.md has the method and what it measured. */
export async function createFleetSolver(): Promise<FleetSolver> {
  const highs = await loadHighs();
  return { solve: (input, options = {}) => solveFleet(highs, input, { ...DEFAULTS, ...options }) };
}

function solveFleet(highs: Highs, input: FleetInput, options: Required<FleetOptions>): FleetPlan {
  validateFleet(input);
  const fleet = prepareFleet(input);
  const shape = shapeOf(input, fleet);
  const warm = startOf(fleet, input.basis, shape);
  const resumed = warm === null ? null : resumedWithin(highs, fleet, warm);
  const solved = resumed ?? solveAnew(highs, fleet, warm, options);
  const { nodes, placement, sums, work } = solved;
  const { money } = fleet;
  const lowerBound = Math.min(solved.lowerBound, sums.total);
  const gap = gapOf(sums.total, lowerBound);
  const prices = pricesOf(fleet, solved.prices);
  const conflicts = findConflicts(highs, fleet, nodes, placement);
  const plan = carryPlan(fleet, nodes, placement, resumed === null ? gap : (input.basis?.plan?.gap ?? gap));
  return {
    status: conflicts.length > 0 ? 'least-bad' : gap <= options.gap ? 'proven' : 'work-limit',
    pools: input.pools.map((pool) => pool.name),
    accounts: input.accounts.map((account) => account.name),
    blocks: input.blocks,
    components: fleet.components,
    nodes,
    placed: placedByAccount(fleet, placement),
    grants: grantsOf(fleet, nodes, placement),
    costPerHour: sums.costPerHour.map((cost) => cost * money),
    heldPerHour: fleet.heldPerHour.map((cost) => cost * money),
    shortfall: sums.shortfall,
    prices,
    objective: sums.total * money,
    lowerBound: lowerBound * money,
    gap,
    conflicts,
    notes: fleet.notes,
    work,
    basis: {
      ...{ shape, starts: input.blocks.map((block) => block.from), prices: [...prices] },
      ...(plan === null ? {} : { plan }),
    },
  };
}

interface Solved {
  nodes: Int32Array;
  placement: Placement;
  sums: Sums;
  /** The prices of `lowerBound`. */
  prices: Prices;
  lowerBound: number;
  work: FleetPlan['work'];
}

/** Last cycle's prices with what all parts answer them, and where its plan would have them. */
interface Start {
  prices: Prices;
  answers: Answers;
  lowerBound: number;
  carried: CarriedStart | null;
  /** The gap of the last plan that was solved anew. */
  gap: number;
}

const gapOf = (objective: number, lowerBound: number): number =>
  objective > 0 ? (objective - lowerBound) / objective : 0;

/** Last cycle's plan on today's demand; null where what can be proven of it is not good enough. */
function resumedWithin(highs: Highs, fleet: Fleet, start: Start): Solved | null {
  if (start.carried === null) return null;
  const worst = start.gap + WORSE;
  const { carried, prices, answers, lowerBound } = start;
  const { nodes, placement, sums, pivots } = resume(highs, fleet, carried, prices, answers, lowerBound / (1 - worst));
  if (gapOf(sums.total, lowerBound) > worst) return null;
  return { nodes, placement, sums, prices, lowerBound, work: { rounds: 0, pivots, clusters: 0, warm: true } };
}

/** Up to which a plan that goes on from the last one will do: hardly worse than the last one that was solved anew. */
const WORSE = 0.003;

function solveAnew(highs: Highs, fleet: Fleet, start: Start | null, options: Required<FleetOptions>): Solved {
  const { blocks } = fleet;
  const relaxed = relax(highs, fleet, {
    rounds: options.rounds,
    gap: tolerance(fleet, options.gap, start !== null),
    start,
  });
  if (relaxed === null) {
    throw new HeadroomError({
      kind: 'unavailable',
      component: 'allocate/fleet',
      action: 'dividing the fleet',
      problem: 'the linear program was not solved within its work limit',
      remedy: 'report the input: every fleet has a plan, if only one that serves nobody',
    });
  }
  const whole = wholeNodes(highs, fleet, relaxed);
  let { nodes } = whole;
  let { lowerBound } = relaxed;
  let pivots = relaxed.pivots + whole.pivots;
  let placement = placementOf(fleet, relaxed.clusters);
  fitShares(fleet, nodes, placement);
  let sums = objectiveOf(fleet, nodes, placement);
  const { total } = sums;
  if (fleet.parts.count * blocks <= SMALL && total - lowerBound > options.gap * total) {
    const single = groupParts(fleet, (part) => part);
    const all = Array.from({ length: blocks }, (_, t) => t);
    const exact = solveMaster(highs, fleet, single, {
      blocks: all,
      before: fleet.now,
      whole: true,
      iterationLimit: 200_000,
      nodeLimit: SMALL_NODES,
      relativeGap: 1e-4,
    });
    if (exact !== null) {
      pivots += exact.pivots;
      lowerBound = Math.max(lowerBound, exact.bound + fleet.heldCost);
      const exactNodes = Int32Array.from(exact.nodes, Math.round);
      const placed = placementOf(fleet, single);
      fitShares(fleet, exactNodes, placed);
      const cost = objectiveOf(fleet, exactNodes, placed);
      if (cost.total < total) {
        nodes = exactNodes;
        placement = placed;
        sums = cost;
      }
    }
  }
  const { rounds, clusters, prices } = relaxed;
  const work = { rounds, pivots, clusters: clusters.length, warm: start !== null };
  return { nodes, placement, sums, prices, lowerBound, work };
}

/**
 * How near the relaxation's bounds have to come, so that whole nodes still end within the gap. A cold start is made precise,
 * since its prices are the basis of the cycles to come; a warm one ends where what is asked for is proven: rounding up costs
 * half a node a pool, which in a large fleet is nothing.
 */
function tolerance(fleet: Fleet, gap: number, warm: boolean): number {
  if (!warm) return gap / 3;
  let rounding = 0;
  let bill = 0;
  for (let p = 0; p < fleet.pools; p++) {
    rounding += (fleet.nodePrice[p] ?? 0) / 2;
    bill += (fleet.nodePrice[p] ?? 0) * (fleet.now[p] ?? 0);
  }
  return Math.max(gap / 3, 0.8 * gap - (bill > 0 ? rounding / bill : 1));
}

const shapeOf = (input: FleetInput, fleet: Fleet): string =>
  JSON.stringify([input.pools.map((pool) => pool.name), fleet.components]);

/** The last cycle's prices and plan, by the clock: a block begins with what held at its time, or with the last known. */
function startOf(fleet: Fleet, basis: FleetBasis | undefined, shape: string): Start | null {
  const { blocks, pools, money, unit } = fleet;
  const C = fleet.components.length;
  if (basis?.shape !== shape || basis.prices.length !== pools * C * basis.starts.length) return null;
  if (!basis.prices.every((price) => Number.isFinite(price) && price >= 0)) return null;
  const then = new Int32Array(blocks);
  const prices = new Float64Array(blocks * pools * C);
  for (let t = 0; t < blocks; t++) {
    const block = fleet.input.blocks[t];
    const middle = block === undefined ? 0 : (block.from + block.to) / 2;
    basis.starts.forEach((start, index) => {
      if (start <= middle) then[t] = index;
    });
    for (let p = 0; p < pools; p++) {
      for (let c = 0; c < C; c++) {
        prices[(t * pools + p) * C + c] =
          ((basis.prices[(p * C + c) * basis.starts.length + (then[t] ?? 0)] ?? 0) * (unit[c] ?? 1)) / money;
      }
    }
  }
  const answers = answerPrices(fleet, prices);
  const { plan } = basis;
  return {
    ...{ prices, answers, lowerBound: answers.total + poolBound(fleet, prices) },
    carried: plan === undefined ? null : carriedStart(fleet, plan, basis, then),
    gap: plan?.gap ?? 0,
  };
}

/** In the input's money and units, in the order of a plan. */
function pricesOf({ blocks, pools, components, money, unit }: Fleet, own: Prices): Float64Array {
  const C = components.length;
  const prices = new Float64Array(pools * C * blocks);
  for (let t = 0; t < blocks; t++) {
    for (let p = 0; p < pools; p++) {
      for (let c = 0; c < C; c++) {
        prices[(p * C + c) * blocks + t] = ((own[(t * pools + p) * C + c] ?? 0) * money) / (unit[c] ?? 1);
      }
    }
  }
  return prices;
}

/** Each part is placed as its cluster is. */
function placementOf(fleet: Fleet, clusters: readonly Cluster[]): Placement {
  const { blocks, pools, parts } = fleet;
  const shares = new Float64Array(parts.count * blocks * pools);
  for (const cluster of clusters) {
    for (const e of cluster.members) {
      for (let p = 0; p < pools; p++) shares[(e * blocks + cluster.block) * pools + p] = cluster.shares[p] ?? 0;
    }
  }
  return shares;
}

function placedByAccount(fleet: Fleet, placement: Placement): FleetPlan['placed'] {
  const { blocks, pools, parts, input } = fleet;
  const size = input.accounts.length * pools * blocks;
  const placed = { guaranteed: new Float64Array(size), extra: new Float64Array(size) };
  for (let e = 0; e < parts.count; e++) {
    const into = parts.guaranteed[e] === 1 ? placed.guaranteed : placed.extra;
    const a = parts.account[e] ?? 0;
    for (let p = 0; p < pools; p++) {
      for (let t = 0; t < blocks; t++)
        into[(a * pools + p) * blocks + t] = placement[(e * blocks + t) * pools + p] ?? 0;
    }
  }
  return placed;
}
