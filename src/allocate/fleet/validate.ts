import { COMPONENTS, isAmount, type Resources } from '../../domain/component.js';
import { errorsOf, type HeadroomError } from '../../domain/errors.js';
import type { FleetAccount, FleetInput, FleetPool } from './problem.js';

const errorOf = errorsOf('allocate/fleet');
const ACTION = 'dividing the fleet';
/** As in the account file: beyond it a price was written in another unit. */
const MOST_PRICE = 1e6;
const MOST_NODES = 1e6;

const invalid = (problem: string, remedy: string): HeadroomError => errorOf('invalid-input', ACTION, problem, remedy);

/**
 * Refuses what is no problem at all. Limits that contradict each other are not refused: they give a plan that says so.
 * @throws HeadroomError `invalid-input`
 */
export function validateFleet(input: FleetInput): void {
  if (input.blocks.length === 0) throw invalid('there is no block', 'give at least one block to plan');
  input.blocks.forEach((block, index) => {
    const before = input.blocks[index - 1];
    if (!(block.to > block.from) || (before !== undefined && before.to !== block.from)) {
      throw invalid(`block ${index} is empty or does not follow the one before`, 'give consecutive blocks');
    }
  });
  const { grantBlocks = 1 } = input;
  if (!Number.isInteger(grantBlocks) || grantBlocks < 1 || grantBlocks > input.blocks.length) {
    throw invalid(`grants cannot last ${grantBlocks} blocks`, `say 1 to ${input.blocks.length} blocks`);
  }
  if (input.pools.length === 0) throw invalid('the fleet has no pool', 'name at least one pool');
  distinct('pool', input.pools);
  distinct('account', input.accounts);
  for (const pool of input.pools) validatePool(pool);
  const names = new Set(input.pools.map((pool) => pool.name));
  for (const account of input.accounts) validateAccount(account, names, input.blocks.length);
}

function distinct(what: string, named: readonly { name: string }[]): void {
  const seen = new Set<string>();
  for (const { name } of named) {
    if (name === '') throw invalid(`a ${what} has no name`, `name every ${what}`);
    if (seen.has(name)) throw invalid(`there are two ${what}s named ${name}`, `give every ${what} a name of its own`);
    seen.add(name);
  }
}

function validatePool(pool: FleetPool): void {
  const of = `pool ${pool.name}`;
  price(`price of ${of}`, pool.pricePerHour);
  price(`start price of ${of}`, pool.startPrice);
  amounts(`node of ${of}`, pool.node);
  if (!COMPONENTS.some((component) => (pool.node[component] ?? 0) > 0)) {
    throw invalid(`a node of ${of} offers nothing`, 'say what one node offers to workloads, or leave the pool out');
  }
  for (const [what, value] of [
    ['minimum', pool.min],
    ['maximum', pool.max],
    ['present number', pool.now],
    ['warm number', pool.warm],
    ['first block with new nodes', pool.readyFrom],
  ] as const) {
    if (!Number.isInteger(value) || value < 0 || value > MOST_NODES) {
      throw invalid(`the ${what} of ${of} is ${value}`, `give a whole number from 0 to ${MOST_NODES}`);
    }
  }
  for (const { name, nodes, from, until, pricePerHour } of pool.held ?? []) {
    price(`price of ${name}, held of ${of},`, pricePerHour);
    if (!Number.isInteger(nodes) || nodes < 0 || nodes > MOST_NODES) {
      throw invalid(`${name} holds ${nodes} nodes of ${of}`, `give a whole number from 0 to ${MOST_NODES}`);
    }
    if (!(until > from))
      throw invalid(`${name}, held of ${of}, ends before it begins`, 'give an end after its beginning');
  }
  for (const [what, value, most] of [
    ['interruptions an hour', pool.interruptionsPerHour, 1e3],
    ['recovery in seconds', pool.recoverySeconds, 86_400],
  ] as const) {
    if (!(value >= 0 && value <= most)) throw invalid(`${what} of ${of}: ${value}`, `give a number from 0 to ${most}`);
  }
}

function validateAccount(account: FleetAccount, pools: ReadonlySet<string>, blocks: number): void {
  const of = `account ${account.name}`;
  if (!(account.weight > 0 && account.weight <= 1e6)) {
    throw invalid(`the weight of ${of} is ${account.weight}`, 'give a weight above 0, as of its criticality');
  }
  if (!(account.spotMaxShare >= 0 && account.spotMaxShare <= 1)) {
    throw invalid(`the largest share on spot of ${of} is ${account.spotMaxShare}`, 'give a share from 0 to 1');
  }
  if (account.budgetPerHour !== null && !(account.budgetPerHour >= 0 && account.budgetPerHour <= 1e12)) {
    throw invalid(`the budget of ${of} is ${account.budgetPerHour} an hour`, 'give an amount from 0, or none');
  }
  price(`price of moving ${of}`, account.movePrice);
  amounts(`guaranteed share of ${of}`, account.guaranteed);
  known(of, account.pools ?? [], pools);
  known(of, Object.keys(account.placementPerHour), pools);
  known(
    of,
    account.running.map(({ pool }) => pool),
    pools,
  );
  for (const [pool, value] of Object.entries(account.placementPerHour)) {
    price(`price of ${of} on pool ${pool}`, value);
  }
  for (const { pool, amount } of account.running) amounts(`what ${of} has on pool ${pool}`, amount);
  for (const component of COMPONENTS) {
    const demand = account.demand[component];
    if (demand === undefined) continue;
    if (demand.length !== blocks) {
      throw invalid(
        `the ${component} of ${of} has ${demand.length} blocks of demand, the plan ${blocks}`,
        'give one amount a block, NaN where it is unknown',
      );
    }
    for (let block = 0; block < blocks; block++) {
      const value = demand[block] ?? Number.NaN;
      if (!Number.isNaN(value) && !isAmount(component, value)) {
        throw invalid(
          `${of} asks for ${value} of ${component} in block ${block}`,
          'give an amount in its unit, or NaN',
        );
      }
    }
  }
}

function known(of: string, named: readonly string[], pools: ReadonlySet<string>): void {
  const stranger = named.find((name) => !pools.has(name));
  if (stranger !== undefined) {
    throw invalid(`${of} names pool ${stranger}, which the fleet does not have`, `name one of the fleet’s pools`);
  }
}

function price(what: string, value: number): void {
  if (!(value >= 0 && value <= MOST_PRICE)) {
    throw invalid(`the ${what} is ${value}`, `give money per hour from 0 to ${MOST_PRICE}`);
  }
}

function amounts(what: string, resources: Resources): void {
  for (const component of COMPONENTS) {
    const value = resources[component];
    if (value !== undefined && !isAmount(component, value)) {
      throw invalid(`the ${what} has ${value} of ${component}`, 'give an amount in the component’s unit');
    }
  }
}
