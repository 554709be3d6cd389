import { heldBy } from '../../src/domain/commitment.js';
import type { FleetPolicy } from '../../src/domain/fleet.js';
import { statedFor, type Held } from '../../src/domain/held.js';
import { isoTime } from '../../src/domain/time.js';
import type { Block } from '../../src/allocate/problem.js';
import type { Store } from '../../src/telemetry/port.js';
import { readCommitments } from './commitments.js';

/*
 * What is paid in any case of each pool while a plan lasts: the file's reservations, and what a person approved. What cannot be
 * counted is said, never dropped silently.
 */

export async function heldCommitments(
  store: Pick<Store, 'listRecords'>,
  fleet: FleetPolicy,
  blocks: readonly Block[],
  notes: string[],
): Promise<Map<string, Held[]>> {
  const [from, to] = [blocks[0]?.from ?? 0, blocks.at(-1)?.to ?? 0];
  const lasts = (one: Held): boolean => one.from < to && one.until > from;
  const held = new Map(
    fleet.pools.map(({ name }) => [name, statedFor(fleet.reservations, name).filter(lasts)] as const),
  );
  const { recommendations, decisions } = await readCommitments(store);
  const currencies = new Map(
    recommendations.flatMap(({ currency, pools }) => pools.map(({ id }) => [id, currency] as const)),
  );
  for (const decision of decisions) {
    const one = heldBy(decision);
    if (decision.decision !== 'approved' || !lasts(one)) continue;
    const pool = fleet.pools.find(({ name }) => name === decision.pool);
    const currency = currencies.get(decision.id) ?? fleet.currency;
    const what = `${one.nodes} nodes of pool ${decision.pool} for ${one.name}, approved by ${decision.author} until ${isoTime(one.until)}`;
    if (pool === undefined) notes.push(`${what}: not counted, the fleet file has no such pool`);
    else if (pool.capacityType !== 'on-demand')
      notes.push(`${what}: not counted, the pool is ${pool.capacityType} now`);
    else if (currency !== fleet.currency) {
      notes.push(
        `${what}: not counted, their price is in ${currency}; state them under reservations in ${fleet.currency}`,
      );
    } else held.get(pool.name)?.push(one);
  }
  for (const { name, max } of fleet.pools) {
    const now = (held.get(name) ?? []).filter((one) => one.from <= from && one.until > from);
    const nodes = now.reduce((sum, one) => sum + one.nodes, 0);
    if (nodes > max) notes.push(`${nodes} nodes of pool ${name} are paid in any case, and its maximum is ${max}`);
  }
  return held;
}
