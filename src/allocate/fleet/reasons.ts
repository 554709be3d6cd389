import type { FleetReasons } from '../../domain/fleet-plan.js';
import { boundOf, explainAccount, explainNodes } from './explain.js';
import type { FleetInput, FleetPlan } from './problem.js';

/** Accounts that a plan explains: a record of the store, however many are short. */
export const MOST_EXPLAINED = 50;

/**
 * What is kept of why a plan is what it is. Of accounts those that get less than they need come first, then those that
 * another limit holds down, each by weight: whoever gets what it asks for needs no reason.
 */
export function fleetReasons(input: FleetInput, plan: FleetPlan, most = MOST_EXPLAINED): FleetReasons {
  const pools = input.pools.flatMap(({ name, readyFrom }, index) => {
    const blocks = readyFrom > 0 && readyFrom < input.blocks.length ? [0, readyFrom] : [0];
    return blocks.map((block) => ({
      pool: name,
      at: input.blocks[block]?.from ?? 0,
      ...explainNodes(input, plan, index, block),
    }));
  });
  const held: { index: number; short: boolean; weight: number }[] = [];
  input.accounts.forEach(({ weight }, index) => {
    const short = Object.keys(plan.grants[index]?.short ?? {}).length > 0;
    if (short || boundOf(input, plan, index, 0) !== null) held.push({ index, short, weight });
  });
  held.sort((a, b) => Number(b.short) - Number(a.short) || b.weight - a.weight || a.index - b.index);
  const accounts = held.slice(0, most).map(({ index }) => ({
    account: input.accounts[index]?.name ?? '',
    ...explainAccount(input, plan, index, 0),
  }));
  return { pools, accounts, more: held.length - accounts.length };
}
