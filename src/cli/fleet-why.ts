import { grantsSchema, type GrantDrafts } from '../../activities/fleet/work.js';
import type { FleetPolicy } from '../domain/fleet.js';
import { FLEET_ACCOUNT } from '../domain/fleet-names.js';
import type { FleetPlanRecord, FleetReason } from '../domain/fleet-plan.js';
import { someOf } from '../domain/some-of.js';
import { isoTime, type EpochSeconds } from '../domain/time.js';
import { createPrices } from '../prices/kept.js';
import { CommandFailure, EXIT, printJson, type Terminal } from './command.js';
import type { StoreClient } from './find-store.js';

/* `headroom fleet why`: the numbers of the fleet's last plan, each with what bound it. */

export interface WhyOptions {
  /** A pool or an account; all that the plan explains where absent. */
  name: string | undefined;
  json: boolean;
  /** Solve once by this file instead of looking at the last plan. */
  policy: FleetPolicy | null;
}

interface Explained {
  record: FleetPlanRecord;
  /** What each account got; null where the store keeps it no more. */
  grants: GrantDrafts | null;
}

export async function fleetWhy(
  terminal: Terminal,
  store: StoreClient,
  now: EpochSeconds,
  { name, json, policy }: WhyOptions,
): Promise<void> {
  const { record, grants } = policy === null ? await lastPlan(store) : await once(terminal, store, policy, now);
  const all = record.reasons;
  if (all === undefined) {
    throw new CommandFailure(
      EXIT.notFound,
      `plan ${record.id} of ${isoTime(record.at)} is of before plans kept their reasons; the next cycle’s has them`,
    );
  }
  const is = (one: string): boolean => name === undefined || one === name;
  const pools = all.pools.filter(({ pool }) => is(pool));
  const accounts = all.accounts.filter(({ account }) => is(account));
  const said = name === undefined ? null : (grants?.find(({ account }) => account === name) ?? null);
  const leftOut = record.leftOut.filter(({ account }) => is(account));
  if (name !== undefined && pools.length + accounts.length + leftOut.length === 0 && said === null) {
    throw new CommandFailure(EXIT.notFound, unknown(name, record, grants));
  }
  const { id, at, status, currency, conflicts } = record;
  if (json) {
    const rest = name === undefined ? { more: all.more } : { granted: said };
    printJson(terminal, { planId: id, at, status, currency, conflicts, pools, accounts, leftOut, ...rest });
    return;
  }
  const { color } = terminal;
  terminal.out(`plan ${id} of ${isoTime(at)}: ${status}`);
  for (const { set, gaveUp } of conflicts) {
    terminal.out(color.red(`cannot all be met: ${set.map(({ words }) => words).join(' / ')}; given up: ${gaveUp}`));
  }
  for (const reason of pools) show(terminal, reason, 'pool', currency);
  for (const reason of accounts) show(terminal, reason, 'account', currency);
  for (const { account, why } of leftOut) terminal.out(color.dim(`${account} is not counted: ${why}`));
  if (said !== null && accounts.length === 0) {
    const places = Object.keys(said.pools);
    const where = places.length === 0 ? '' : `, on ${places.join(', ')}`;
    const alone = all.more === 0 ? '; nothing but its own demand bounds it' : '';
    terminal.out(`${color.bold(said.account)}  ${said.words}${where}${alone}`);
  }
  if (name === undefined && all.more > 0) {
    terminal.out(color.dim(`${all.more} more accounts are short or bound: headroom fleet grants ACCOUNT`));
  }
}

function show({ out, color }: Terminal, reason: FleetReason, of: 'pool' | 'account', currency: string): void {
  const { what, bound, price, alternative } = reason;
  const money = `${figure(price)} ${currency}/h`;
  const priced =
    of === 'pool'
      ? `one more node would save ${money}, what is unserved weighed in`
      : `all of it costs ${money} at the prices of its pool`;
  out(color.bold(what));
  out(`  bound by   ${bound}${price > 0 ? `; ${priced}` : ''}`);
  if (alternative !== null) {
    const cost = alternative.costPerHour;
    // A pool's words have it, a node; an account's is of all of it.
    out(`  next best  ${alternative.words}${of === 'pool' ? '' : ` (${cost >= 0 ? '+' : ''}${figure(cost)} an hour)`}`);
  }
}

const figure = (value: number): string => String(Number(value.toPrecision(4)));

async function lastPlan(store: StoreClient): Promise<Explained> {
  const [found] = await store.listRecords('fleet-plan', FLEET_ACCOUNT, { limit: 1 });
  if (found === undefined) {
    throw new CommandFailure(
      EXIT.notFound,
      'the fleet has no plan yet: headroom fleet start -f FILE makes them, headroom fleet why -f FILE solves once',
    );
  }
  const drafts = await store.getRecord('fleet-work', `${found.id}/grants`);
  return {
    record: found.body as FleetPlanRecord,
    grants: drafts === null ? null : grantsSchema.parse(drafts.body),
  };
}

async function once({ env }: Terminal, store: StoreClient, policy: FleetPolicy, now: EpochSeconds): Promise<Explained> {
  const { fleetOnce } = await import('./fleet-once.js');
  return fleetOnce(store, policy, now, createPrices({ env, now: () => Date.now() / 1000 }));
}

const MOST_NAMES = 20;

function unknown(name: string, record: FleetPlanRecord, grants: GrantDrafts | null): string {
  const accounts =
    grants?.map(({ account }) => account) ?? record.reasons?.accounts.map(({ account }) => account) ?? [];
  const some = someOf(accounts, MOST_NAMES) || 'none';
  const pools = record.pools.map(({ pool }) => pool).join(', ');
  return `plan ${record.id} has no pool or account "${name}"; pools: ${pools}; accounts: ${some}`;
}
