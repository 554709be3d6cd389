import { createFleetSolver, type FleetInput, type FleetPlan } from '../../src/allocate/fleet/index.js';
import { checkFleet } from '../../src/allocate/checker/fleet.js';
import type { BenchResult } from '../result.js';
import { drawFleet, movedFleet } from './fleets.js';
import { fleetMps } from './mps.js';
import { askNativeHighs } from './peer.js';

/** How many fleets of 100 accounts; seconds that native HiGHS has for each, by the clock. */
const FLEETS = Number(process.env['FLEETS'] ?? 3);
const NATIVE_SECONDS = Number(process.env['NATIVE_SECONDS'] ?? 150);

/** One row of the table in docs/allocate.md. */
export interface FleetRow {
  what: string;
  cells: string[];
}

/** Cycles after the first solve of each fleet. */
const CYCLES = 12;
const LARGE_CYCLES = 5;

interface Cycle {
  /** Processor seconds with the last cycle's basis by those without. */
  ratio: number;
  /** Whether it went on from the last plan, without a linear program over the fleet. */
  resumed: boolean;
  /** By how much its plan costs more than the one made without a basis. */
  dearer: number;
  gap: number;
}

const warmCell = (cycles: readonly Cycle[]): string =>
  `${round(median(cycles.map(({ ratio }) => ratio)), 2)} (${round(Math.min(...cycles.map(({ ratio }) => ratio)), 2)} to ${round(Math.max(...cycles.map(({ ratio }) => ratio)), 2)})`;

const comparedWords = (cycles: readonly Cycle[]): string => {
  const went = cycles.filter(({ resumed }) => resumed).length;
  const dearer = round(100 * Math.max(...cycles.map((one) => one.dearer)), 2);
  const gap = round(100 * Math.max(...cycles.map((one) => one.gap)), 2);
  return (
    `median of ${cycles.length} cycles, processor seconds of the same input with the last plan as basis by without; ` +
    `five minutes on, demand moved by 3 % by account and 0.5 % in all; ${went} went on from the last plan; ` +
    `plans cost ${dearer} % more than without a basis at most, gap ${gap} % at most`
  );
};

interface Timed {
  plan: FleetPlan;
  wall: number;
  cpu: number;
}

const round = (value: number, digits = 3): number => Math.round(value * 10 ** digits) / 10 ** digits;
const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

/**
 * The fleet's figures: beside native HiGHS on the very same mixed-integer program where that ends, and at 10,000
 * accounts, where it does not, beside the proven bound. Processor seconds as well as the clock's: other work on the
 * machine changes the second alone. Every plan passes the independent checker.
 */
export async function benchFleet(say: (line: string) => void): Promise<{ results: BenchResult[]; rows: FleetRow[] }> {
  const solver = await createFleetSolver();
  const timed = (input: FleetInput): Timed => {
    const before = process.cpuUsage();
    const from = performance.now();
    const plan = solver.solve(input);
    const wall = (performance.now() - from) / 1000;
    const { user, system } = process.cpuUsage(before);
    return { plan, wall, cpu: (user + system) / 1e6 };
  };
  let broken = 0;
  let checked = 0;
  const check = (input: FleetInput, plan: FleetPlan): void => {
    const found = checkFleet(input, plan).broken;
    checked += 1;
    broken += found.length;
    for (const line of found.slice(0, 3)) say(`broken: ${line}`);
  };
  /**
   * Cycle after cycle, each five minutes after the one before (`movedFleet`): the same input solved without a basis and with
   * that of the last cycle's plan, which is the one that the next goes on from.
   */
  const cyclesAfter = (first: FleetInput, plan: FleetPlan, seed: number, count: number): Cycle[] => {
    const cycles: Cycle[] = [];
    let [input, last] = [first, plan];
    for (let cycle = 0; cycle < count; cycle++) {
      const next = movedFleet(input, last, seed + cycle);
      const cold = timed(next);
      const warm = timed({ ...next, basis: last.basis });
      check(next, warm.plan);
      cycles.push({
        ratio: warm.cpu / cold.cpu,
        resumed: warm.plan.work.rounds === 0,
        dearer: warm.plan.objective / cold.plan.objective - 1,
        gap: warm.plan.gap,
      });
      [input, last] = [next, warm.plan];
    }
    return cycles;
  };
  const results: BenchResult[] = [];
  const rows: FleetRow[] = [];

  const seeds = Array.from({ length: FLEETS }, (_, index) => index + 1);
  timed(drawFleet({ accounts: 100, pools: 4, blocks: 12, seed: 99 })); // the first solve compiles
  const above: number[] = [];
  const faster: number[] = [];
  const warmer: Cycle[] = [];
  let peer = '';
  for (const seed of seeds) {
    const input = drawFleet({ accounts: 100, pools: 4, blocks: 12, seed });
    const ours = timed(input);
    check(input, ours.plan);
    const native = askNativeHighs(fleetMps(input), 1e-4, NATIVE_SECONDS);
    peer = `native HiGHS ${native.version}, gap 1e-4`;
    const gap = (ours.plan.objective - native.bound) / native.bound;
    above.push(gap);
    faster.push(native.cpu / ours.cpu);
    const after = cyclesAfter(input, ours.plan, 100 * seed, CYCLES);
    warmer.push(...after);
    rows.push({
      what: `100 × 4 × 12, seed ${seed}`,
      cells: [
        `${round(ours.cpu)} s CPU, ${round(ours.wall)} s`,
        `${round(100 * ours.plan.gap, 2)} %`,
        `${round(native.cpu, 1)} s CPU, ${round(native.wall, 1)} s (${native.status})`,
        `${round(100 * gap, 2)} %`,
        warmCell(after),
      ],
    });
    say(`seed ${seed}: ${JSON.stringify(rows.at(-1)?.cells)}`);
  }
  const size = `100 accounts × 4 pools × 12 blocks, seeds 1 to ${FLEETS}`;
  results.push(
    {
      metric: 'fleet, 100 accounts: worst distance to the bound of the peer',
      value: round(Math.max(...above), 5),
      unit: 'ratio',
      goal: 0.01,
      better: 'lower',
      note: `${size}; (ours − its bound) / its bound, whole nodes on both sides`,
      peer,
      peerValue: 0,
    },
    {
      metric: 'fleet, 100 accounts: least speed-up',
      value: round(Math.min(...faster), 1),
      unit: 'ratio',
      goal: 20,
      better: 'higher',
      note: `${size}; processor seconds of the peer by ours, both on one thread's work`,
      peer,
      peerValue: 1,
    },
    {
      metric: 'fleet, 100 accounts: next cycle, warm by cold',
      value: round(median(warmer.map(({ ratio }) => ratio)), 3),
      unit: 'ratio',
      goal: 0.2,
      better: 'lower',
      note: `${size}; ${comparedWords(warmer)}`,
    },
  );

  const large = drawFleet({ accounts: 10_000, pools: 6, blocks: 24, seed: 1 });
  const ours = timed(large);
  check(large, ours.plan);
  const after = cyclesAfter(large, ours.plan, 7, LARGE_CYCLES);
  const resident = process.resourceUsage().maxRSS / 1024;
  rows.push({
    what: '10,000 × 6 × 24',
    cells: [
      `${round(ours.cpu, 2)} s CPU, ${round(ours.wall, 2)} s`,
      `${round(100 * ours.plan.gap, 2)} %`,
      'not asked',
      '',
      warmCell(after),
    ],
  });
  say(`10,000: ${JSON.stringify(rows.at(-1)?.cells)}, ${round(resident, 0)} MiB`);
  const note = '10,000 accounts × 6 pools × 24 blocks';
  results.push(
    {
      metric: 'fleet, 10,000 accounts: time',
      value: round(ours.wall),
      unit: 's',
      goal: 10,
      better: 'lower',
      note: `${note}; by the clock, ${round(ours.cpu, 2)} s of processor`,
    },
    {
      metric: 'fleet, 10,000 accounts: proven gap',
      value: round(ours.plan.gap, 5),
      unit: 'ratio',
      goal: 0.02,
      better: 'lower',
      note: `${note}; to the Lagrangian bound`,
    },
    {
      metric: 'fleet, 10,000 accounts: largest resident set',
      value: round(resident, 0),
      unit: 'MiB',
      goal: 1430,
      better: 'lower',
      note: `${note}; the whole bench in one process, checker included`,
    },
    {
      metric: 'fleet, 10,000 accounts: next cycle, warm by cold',
      value: round(median(after.map(({ ratio }) => ratio)), 3),
      unit: 'ratio',
      goal: 0.2,
      better: 'lower',
      note: `${note}; ${comparedWords(after)}`,
    },
    {
      metric: 'fleet: limits broken in checked plans',
      value: broken,
      unit: 'limits',
      goal: 0,
      better: 'lower',
      note: `${checked} plans, independent checker`,
    },
  );
  return { results, rows };
}
