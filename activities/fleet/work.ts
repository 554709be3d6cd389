import { z } from 'zod';
import { COMPONENTS, type Component } from '../../src/domain/component.js';
import type { PlanPrice } from '../../src/domain/prices.js';
import { grantSchema } from '../../src/domain/grant.js';
import type { FleetAccount, FleetInput, FleetPool } from '../../src/allocate/fleet/problem.js';

/* What one step of the fleet's cycle hands to the next, as a record of the store; kept for a day. */

const amounts = z.partialRecord(z.enum(COMPONENTS), z.number());

const poolSchema = z.object({
  name: z.string(),
  provider: z.string().exactOptional(),
  region: z.string().exactOptional(),
  zone: z.string().exactOptional(),
  capacityType: z.enum(['reserved', 'on-demand', 'spot']),
  pricePerHour: z.number(),
  node: amounts,
  size: z.enum(['fixed', 'variable']),
  min: z.number(),
  max: z.number(),
  now: z.number(),
  warm: z.number(),
  readyFrom: z.number(),
  startPrice: z.number(),
  interruptionsPerHour: z.number(),
  recoverySeconds: z.number(),
  inUse: z.object({ nodes: z.number(), accounts: z.array(z.string()) }).exactOptional(),
  held: z
    .array(
      z.object({ name: z.string(), nodes: z.number(), from: z.number(), until: z.number(), pricePerHour: z.number() }),
    )
    .exactOptional(),
}) satisfies z.ZodType<FleetPool>;

const accountSchema = z.object({
  name: z.string(),
  weight: z.number(),
  guaranteed: amounts,
  pools: z.array(z.string()).nullable(),
  /** Null: unknown, as JSON has no NaN. */
  demand: z.partialRecord(z.enum(COMPONENTS), z.array(z.number().nullable())),
  spotMaxShare: z.number(),
  budgetPerHour: z.number().nullable(),
  running: z.array(z.object({ pool: z.string(), amount: amounts })),
  placementPerHour: z.record(z.string(), z.number()),
  movePrice: z.number(),
});

const priceSchema = z.object({
  ...{ pool: z.string(), pricePerHour: z.number(), interruptionsPerHour: z.number(), words: z.string() },
  at: z.number().nullable(),
}) satisfies z.ZodType<PlanPrice>;

const inputSchema = z.object({
  blocks: z.array(z.object({ from: z.number(), to: z.number() })),
  pools: z.array(poolSchema),
  accounts: z.array(accountSchema),
  grantBlocks: z.number(),
  basis: z.object({ shape: z.string(), starts: z.array(z.number()), prices: z.array(z.number()) }).exactOptional(),
  /** The plan that `basis` is of. */
  after: z.string().exactOptional(),
  unknown: z.array(z.string()),
  leftOut: z.array(z.object({ account: z.string(), why: z.string() })),
  notes: z.array(z.string()),
  /** Records that the accounts are in: this one, and `<id>/1` and on. Default 1. */
  parts: z.int().min(1).exactOptional(),
  /** What each pool costs, and who said so; absent where the fleet file alone does. */
  prices: z.array(priceSchema).exactOptional(),
  seen: z.array(z.object({ pool: z.string(), state: z.unknown(), problem: z.string().nullable() })),
});

export type PackedInput = z.output<typeof inputSchema>;

/** As it is: a digit less of some bytes would be a replica less. */
const packed = (values: ArrayLike<number>): (number | null)[] =>
  Array.from(values, (value) => (Number.isNaN(value) ? null : value));
const unpacked = (values: readonly (number | null)[]): Float64Array =>
  Float64Array.from(values, (value) => value ?? Number.NaN);

export function packAccount(account: FleetAccount): PackedInput['accounts'][number] {
  const demand: PackedInput['accounts'][number]['demand'] = {};
  for (const component of COMPONENTS) {
    const values = account.demand[component];
    if (values !== undefined) demand[component] = packed(values);
  }
  return {
    ...account,
    pools: account.pools === null ? null : [...account.pools],
    demand,
    running: [...account.running],
    placementPerHour: { ...account.placementPerHour },
  };
}

/** Of one record: of day-long demand some 2 MB, well below what a record may have. */
export const ACCOUNTS_A_PART = 2000;

export const readAccounts = (body: unknown): PackedInput['accounts'] => z.array(accountSchema).parse(body);
export const readInput = (body: unknown): PackedInput => inputSchema.parse(body);

export function unpackInput(input: PackedInput): FleetInput {
  const { blocks, pools, grantBlocks, basis } = input;
  return {
    blocks,
    pools,
    grantBlocks,
    ...(basis === undefined ? {} : { basis }),
    accounts: input.accounts.map((account) => {
      const demand: Partial<Record<Component, Float64Array>> = {};
      for (const component of COMPONENTS) {
        const values = account.demand[component];
        if (values !== undefined) demand[component] = unpacked(values);
      }
      return { ...account, demand };
    }),
  };
}

export const grantsSchema = z.array(grantSchema.omit({ until: true }));
export type GrantDrafts = z.output<typeof grantsSchema>;
