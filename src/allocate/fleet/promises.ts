import type { Component } from '../../domain/component.js';
import { amountWords } from '../constraints/demand.js';
import type { Fleet } from './prepare.js';
import type { FleetConflict, FleetPool } from './problem.js';

/** Accounts named one by one; the others of a set count as one. */
const NAMED = 10;
/** Of a sum of amounts. */
const ROUNDING = 1e-9;

/** The most nodes that a pool can ever have. */
const mostOf = (pool: FleetPool): number => (pool.size === 'fixed' ? Math.min(pool.now, pool.max) : pool.max);

/**
 * Guarantees that could not be kept if they were called in, whatever demand is now: of one account above all that its pools can
 * have, or of accounts together above all that the fleet can. Each set is irreducible: without any of its accounts the others'
 * guarantees fit what there is.
 */
export function tooMuchPromised({ input, components }: Pick<Fleet, 'input' | 'components'>): FleetConflict[] {
  return components.flatMap((component) => {
    const alone = aboveItsPools(input, component);
    if (alone.length > 0) return alone;
    const together = aboveTheFleet(input, component);
    return together === null ? [] : [together];
  });
}

const holds = (pools: readonly FleetPool[], component: Component): number =>
  pools.reduce((sum, pool) => sum + mostOf(pool) * (pool.node[component] ?? 0), 0);

function aboveItsPools({ accounts, pools }: Fleet['input'], component: Component): FleetConflict[] {
  return accounts.flatMap((account) => {
    const promised = account.guaranteed[component] ?? 0;
    const own = pools.filter(({ name }) => account.pools?.includes(name) ?? true);
    const room = holds(own, component);
    if (promised <= room * (1 + ROUNDING)) return [];
    const limit = own.length === 1 ? `pool ${own[0]?.name ?? ''}` : `pools ${own.map(({ name }) => name).join(', ')}`;
    return [
      {
        set: [
          promise(account.name, component, promised),
          { constraint: 'pool-size', words: `${limit} can have ${amountWords(component, room)} at most` },
        ],
        gaveUp: `${amountWords(component, promised - room)} of what ${account.name} is guaranteed, if it asks for all of it`,
      },
    ];
  });
}

function aboveTheFleet({ accounts, pools }: Fleet['input'], component: Component): FleetConflict | null {
  const room = holds(pools, component);
  const largest = accounts
    .map(({ name, guaranteed }) => ({ name, promised: guaranteed[component] ?? 0 }))
    .sort((a, b) => b.promised - a.promised);
  const all = largest.reduce((sum, { promised }) => sum + promised, 0);
  if (all <= room * (1 + ROUNDING)) return null;
  // The largest, until they are too much: without any one of them the others are not.
  let some = 0;
  const count = 1 + largest.findIndex(({ promised }) => (some += promised) > room * (1 + ROUNDING));
  return {
    set: [
      ...largest.slice(0, Math.min(count, NAMED)).map(({ name, promised }) => promise(name, component, promised)),
      ...(count > NAMED
        ? [{ constraint: 'guarantee', words: `what the next ${count - NAMED} accounts are guaranteed` }]
        : []),
      { constraint: 'pool-size', words: `all pools can have ${amountWords(component, room)} at most` },
    ],
    gaveUp: `${amountWords(component, all - room)} of what accounts are guaranteed, if all ask for all of it`,
  };
}

const promise = (name: string, component: Component, amount: number): FleetConflict['set'][number] => ({
  constraint: 'guarantee',
  words: `what ${name} is guaranteed: ${amountWords(component, amount)}`,
});
