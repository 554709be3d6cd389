import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { FleetAccount, FleetInput, FleetPlan, FleetPool } from '../../src/allocate/fleet/problem.js';

/*
 * Fleets to solve, drawn from a seed: prices and node shapes as large clouds list them; demand that differs by orders of
 * magnitude between accounts, swings by the day and by its own phase; cheap pools (reserved, spot) that end before the
 * demand does, so that prices decide; guarantees, residency, bounds on spot, budgets and data that lies somewhere.
 */

const GIB = 2 ** 30;

interface Kind {
  name: string;
  provider: string;
  region: string;
  capacityType: FleetPool['capacityType'];
  price: number;
  cores: number;
  gib: number;
  /** The most of the whole demand that it could serve. */
  most: number;
  interruptions: number;
}

const KINDS: readonly Kind[] = [
  {
    name: 'reserved',
    provider: 'a',
    region: 'eu',
    capacityType: 'reserved',
    price: 0.48,
    cores: 16,
    gib: 64,
    most: 0.35,
    interruptions: 0,
  },
  {
    name: 'general',
    provider: 'a',
    region: 'eu',
    capacityType: 'on-demand',
    price: 0.77,
    cores: 16,
    gib: 64,
    most: 1.5,
    interruptions: 0,
  },
  {
    name: 'memory',
    provider: 'a',
    region: 'eu',
    capacityType: 'on-demand',
    price: 1.01,
    cores: 16,
    gib: 128,
    most: 1.5,
    interruptions: 0,
  },
  {
    name: 'spot',
    provider: 'a',
    region: 'eu',
    capacityType: 'spot',
    price: 0.29,
    cores: 16,
    gib: 64,
    most: 0.25,
    interruptions: 0.03,
  },
  {
    name: 'compute',
    provider: 'b',
    region: 'eu',
    capacityType: 'on-demand',
    price: 0.68,
    cores: 16,
    gib: 32,
    most: 1.5,
    interruptions: 0,
  },
  {
    name: 'far-spot',
    provider: 'b',
    region: 'us',
    capacityType: 'spot',
    price: 0.33,
    cores: 32,
    gib: 128,
    most: 0.15,
    interruptions: 0.05,
  },
];

export interface FleetRules {
  accounts: number;
  pools: number;
  blocks: number;
  seed: number;
}

export function drawFleet({ accounts, pools, blocks, seed }: FleetRules): FleetInput {
  const random = drawFrom(seed);
  const kinds = KINDS.slice(0, pools);
  const fine = blocks / 2;
  const starts = Array.from({ length: blocks + 1 }, (_, t) => (t <= fine ? t * 300 : fine * 300 + (t - fine) * 3600));
  const listed: FleetAccount[] = [];
  let cores = 0;
  let gib = 0;
  for (let a = 0; a < accounts; a++) {
    const account = drawAccount(`account-${a}`, kinds, starts, random);
    listed.push(account);
    for (let t = 0; t < blocks; t++) {
      cores += (account.demand.cpu?.[t] ?? 0) / blocks;
      gib += (account.demand.memory?.[t] ?? 0) / GIB / blocks;
    }
  }
  const listedPools = kinds.map((kind): FleetPool => {
    const whole = Math.max(cores / kind.cores, gib / kind.gib);
    const now = Math.round(whole * Math.min(kind.most, 1 / kinds.length + 0.1) * (0.8 + 0.4 * random()));
    return {
      name: kind.name,
      provider: kind.provider,
      region: kind.region,
      capacityType: kind.capacityType,
      pricePerHour: kind.price,
      node: { cpu: kind.cores, memory: kind.gib * GIB },
      size: 'variable',
      min: 0,
      max: Math.max(1, Math.round(whole * kind.most)),
      now,
      warm: kind.capacityType === 'on-demand' ? Math.max(1, Math.round(0.01 * whole)) : 0,
      readyFrom: 1,
      startPrice: kind.price / 12,
      interruptionsPerHour: kind.interruptions,
      recoverySeconds: 180,
    };
  });
  const base = 1_790_000_000 - (1_790_000_000 % 300);
  return {
    blocks: starts.slice(0, -1).map((from, t) => ({ from: base + from, to: base + (starts[t + 1] ?? 0) })),
    pools: listedPools,
    accounts: listed,
  };
}

function drawAccount(
  name: string,
  kinds: readonly Kind[],
  starts: readonly number[],
  random: () => number,
): FleetAccount {
  const blocks = starts.length - 1;
  const base = Math.exp(Math.log(6) + gauss(random));
  const ratio = Math.exp(Math.log(4) + 0.6 * gauss(random));
  const phase = random() * 2 * Math.PI;
  const swing = 0.1 + 0.5 * random();
  const cpu = new Float64Array(blocks);
  const memory = new Float64Array(blocks);
  for (let t = 0; t < blocks; t++) {
    const day = 1 + swing * Math.sin(phase + (2 * Math.PI * (starts[t] ?? 0)) / 86_400);
    cpu[t] = base * day * Math.exp(0.05 * gauss(random));
    memory[t] = base * ratio * GIB * (0.5 + 0.5 * day) * Math.exp(0.02 * gauss(random));
  }
  const rank = random();
  const [weight, spotMaxShare] = rank < 0.2 ? [5, 1] : rank < 0.7 ? [20, 0.7] : rank < 0.9 ? [80, 0.3] : [400, 0];
  const resident = random();
  const pools =
    resident < 0.7
      ? null
      : kinds
          .filter((kind) => (resident < 0.85 ? kind.provider === 'a' : kind.region === 'eu'))
          .map((kind) => kind.name);
  const usable = kinds.filter((kind) => pools === null || pools.includes(kind.name));
  const home = usable[Math.floor(random() * usable.length)]?.name ?? 'general';
  const worth = Math.max(base / 16, (base * ratio) / 64) * 0.77;
  const placementPerHour: Record<string, number> = {};
  if (random() < 0.3) {
    const provider = random() < 0.7 ? 'a' : 'b';
    for (const kind of kinds) if (kind.provider !== provider) placementPerHour[kind.name] = worth * 0.3 * random();
  }
  return {
    name,
    weight,
    guaranteed: random() < 0.5 ? { cpu: base * 0.5, memory: base * 0.5 * ratio * GIB } : {},
    pools,
    demand: { cpu, memory },
    spotMaxShare,
    budgetPerHour: random() < 0.1 ? worth * (1.5 + 1.5 * random()) : null,
    running: [{ pool: home, amount: { cpu: base, memory: base * ratio * GIB } }],
    placementPerHour,
    movePrice: worth * 0.5 * random(),
  };
}

const CYCLE = 300;

/**
 * The same fleet a cycle of five minutes later: every block begins later by as much, and what is asked in it is what was said
 * of that time (of hours as they pass into each other), moved by half a percent in all and by three account by account
 * (standard deviations); the nodes that the plan has for that time are there.
 */
export function movedFleet(input: FleetInput, plan: FleetPlan, seed: number): FleetInput {
  const random = drawFrom(seed);
  const drift = 1 + 0.005 * gauss(random);
  const { blocks } = input;
  const now = (blocks[0]?.from ?? 0) + CYCLE;
  const there = Math.max(
    0,
    blocks.findIndex(({ to }) => to > now),
  );
  return {
    ...input,
    blocks: blocks.map(({ from, to }) => ({ from: from + CYCLE, to: to + CYCLE })),
    pools: input.pools.map((pool, p) => ({ ...pool, now: plan.nodes[p * blocks.length + there] ?? pool.now })),
    accounts: input.accounts.map((account) => {
      const own = drift * Math.exp(0.03 * gauss(random));
      const demand: FleetAccount['demand'] = {};
      for (const component of ['cpu', 'memory'] as const) {
        const series = account.demand[component];
        if (series === undefined) continue;
        demand[component] = Float64Array.from(blocks, (block, t) => {
          const next = series[t + 1] ?? series[t] ?? Number.NaN;
          const part = CYCLE / (block.to - block.from);
          return own * ((1 - part) * (series[t] ?? Number.NaN) + part * next);
        });
      }
      return { ...account, demand };
    }),
  };
}

function drawFrom(seed: number): () => number {
  const generator = xoroshiro128plus(seed);
  // The first numbers after a small seed are far from even.
  for (let skipped = 0; skipped < 64; skipped++) generator.next();
  return () => (generator.next() >>> 0) / 2 ** 32;
}

function gauss(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
