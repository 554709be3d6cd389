import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { z } from 'zod';
import type { CarriedPlan, FleetInput, FleetPlan } from '../../src/allocate/fleet/problem.js';
import type { Store } from '../../src/telemetry/port.js';
import { unpackInput, type PackedInput } from './work.js';

/*
 * The plan itself, for the next cycle to go on from: a record of its own (`<plan>/placed`), kept for a day, which never
 * travels through a history. Two bytes a part and block, deflated: 0.3 MB for 10,000 accounts × 24 blocks.
 */

const placedSchema = z.object({
  accounts: z.array(z.string()),
  nodes: z.array(z.number()),
  ways: z.array(z.number()),
  /** Little-endian, two bytes each; deflated, base64. */
  wayOf: z.string(),
  gap: z.number(),
});
export type PackedPlan = z.output<typeof placedSchema>;

export const placedId = (planId: string): string => `${planId}/placed`;

/** @returns null where the plan cannot be carried. */
export function packPlan({ basis }: FleetPlan): PackedPlan | null {
  const { plan } = basis;
  if (plan === undefined) return null;
  const bytes = Buffer.alloc(plan.wayOf.length * 2);
  plan.wayOf.forEach((way, index) => bytes.writeUInt16LE(way, index * 2));
  const { accounts, nodes, ways, gap } = plan;
  return {
    ...{ accounts: [...accounts], nodes: [...nodes], ways: [...ways], gap },
    wayOf: deflateRawSync(bytes).toString('base64'),
  };
}

/** @returns null where it is none: it makes a solve quicker, and nothing depends on it. */
export function unpackPlan(body: unknown): CarriedPlan | null {
  const { success, data } = placedSchema.safeParse(body);
  if (!success) return null;
  try {
    const bytes = inflateRawSync(Buffer.from(data.wayOf, 'base64'));
    return {
      ...data,
      wayOf: Uint16Array.from({ length: bytes.length >> 1 }, (_, index) => bytes.readUInt16LE(index * 2)),
    };
  } catch {
    return null;
  }
}

/** The problem as the solver has it, with the plan that it goes on from where the store still has that. */
export async function unpackWithPlan(store: Pick<Store, 'getRecord'>, packed: PackedInput): Promise<FleetInput> {
  const input = unpackInput(packed);
  if (packed.after === undefined || input.basis === undefined) return input;
  const record = await store.getRecord('fleet-work', placedId(packed.after));
  const plan = record === null ? null : unpackPlan(record.body);
  return plan === null ? input : { ...input, basis: { ...input.basis, plan } };
}
