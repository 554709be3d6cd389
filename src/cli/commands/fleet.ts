import type { fleet as fleetWorkflow } from '../../../workflows/fleet.js';
import {
  fleetStatusQuery,
  setFleetUpdate,
  stopFleetUpdate,
  type FleetStatus,
} from '../../../workflows/fleet-messages.js';
import { FLEET_WORKFLOW_ID } from '../../../workflows/messages.js';
import { COMPONENTS, formatQuantity, type Resources } from '../../domain/component.js';
import { differences } from '../../domain/differences.js';
import { heldWords } from '../../domain/held.js';
import { HeadroomError } from '../../domain/errors.js';
import type { FleetPolicy } from '../../domain/fleet.js';
import { readFleetFile } from '../../domain/fleet-file.js';
import type { FleetPlanRecord } from '../../domain/fleet-plan.js';
import { grantSchema, type Grant } from '../../domain/grant.js';
import { formatDuration, isoTime, type EpochSeconds } from '../../domain/time.js';
import { CommandFailure, EXIT, printJson, withExamples, type RegisterCommand, type Terminal } from '../command.js';
import type { StoreClient } from '../find-store.js';
import { stampWords } from '../control-words.js';
import { createPrices } from '../../prices/kept.js';
import { refuseForeignAccounts } from '../fleet-currency.js';
import { registerCommitments } from '../fleet-commitments.js';
import { withStore } from '../fleet-store.js';
import type { WhyOptions } from '../fleet-why.js';
import { readNamedFile } from '../read-file.js';
import { explain, withSession, type Session } from '../session.js';
import { createTable } from '../table.js';
import { runningIn } from '../shared-pools.js';
import { ensureFleet } from './freeze.js';
import { withPricesBeside } from './start.js';

interface FileOption {
  file?: string;
  json?: boolean;
}

export const register: RegisterCommand = (program, terminal) => {
  const fleet = withExamples(
    program
      .command('fleet')
      .description('the pools that accounts share: one plan for all, grants with an end, nodes that come and go'),
    'fleet start -f examples/fleet.yaml',
    'fleet status',
  );
  withExamples(
    fleet
      .command('start')
      .description('start the fleet’s cycles with a fleet file, or go on by another one; the same again does nothing')
      .requiredOption('-f, --file <file>', 'the fleet file (YAML)')
      .option('--json', 'for machines')
      .action((options: { file: string; json?: boolean }) => start(terminal, options)),
    'fleet start -f examples/fleet.yaml',
  );
  withExamples(
    fleet
      .command('plan')
      .description('solve once from what the store has: writes nothing, needs no Temporal server and no cluster')
      .option('-f, --file <file>', 'a fleet file (default: the one that the fleet was started with)')
      .option('--json', 'for machines')
      .action((options: FileOption) => plan(terminal, options)),
    'fleet plan',
    'fleet plan -f fleet.yaml --json',
  );
  withExamples(
    fleet
      .command('status')
      .description('what the fleet does, its last plan, grants and pools')
      .option('--json', 'for machines')
      .action((options: { json?: boolean }) => status(terminal, options)),
    'fleet status',
  );
  withExamples(
    fleet
      .command('grants')
      .description('what each account was granted last, and until when')
      .argument('[account]', 'only this one')
      .option('--json', 'for machines')
      .action((account: string | undefined, options: { json?: boolean }) => grants(terminal, account, options)),
    'fleet grants',
    'fleet grants shop',
  );
  withExamples(
    fleet
      .command('why')
      .description('why pools have the nodes that they have and accounts what they get: what bound it, and its price')
      .argument('[name]', 'only this pool or account')
      .option('-f, --file <file>', 'solve once by this fleet file, as `fleet plan` does (default: the last plan)')
      .option('--json', 'for machines')
      .action((name: string | undefined, options: FileOption) => why(terminal, name, options)),
    'fleet why',
    'fleet why general --json',
  );
  registerCommitments(fleet, terminal);
  withExamples(
    fleet
      .command('stop')
      .description('end the fleet’s cycles: accounts are as they would be without one; pools and the freeze stay')
      .option('--json', 'for machines')
      .action((options: { json?: boolean }) => stop(terminal, options)),
    'fleet stop',
  );
};

/** A file of prices that it names by a relative path lies beside it, as an account file's does. */
export async function readFleet(path: string): Promise<FleetPolicy> {
  const policy = readFleetFile(await readNamedFile(path, 'name a fleet file; examples/fleet.yaml is one'), path);
  return withPricesBeside(policy, path);
}

const handleOf = (session: Session) => session.client.workflow.getHandle<typeof fleetWorkflow>(FLEET_WORKFLOW_ID);

const missing = (): HeadroomError =>
  new HeadroomError({
    kind: 'not-found',
    component: 'cli',
    action: 'asking the fleet',
    problem: 'it is not running',
    remedy: '`headroom fleet start -f FILE` starts it',
  });

const told = async <T>(session: Session, action: string, call: () => Promise<T>): Promise<T> => {
  try {
    return await session.client.withDeadline(Date.now() + PATIENCE_MS, call);
  } catch (error) {
    throw explain(error, 'the fleet', action, missing);
  }
};

const PATIENCE_MS = 30_000;
const NO_FLEET = 'no fleet is running; headroom fleet start -f FILE starts it';

const queuesOf = ({ runtime }: Session) =>
  runtime?.queues ?? { light: 'headroom', compute: 'headroom-compute', cluster: '' };

const ask = (session: Session): Promise<FleetStatus> =>
  told(session, 'asking for status', () => handleOf(session).query(fleetStatusQuery));

async function start(terminal: Terminal, options: { file: string; json?: boolean }): Promise<void> {
  const policy = await readFleet(options.file);
  await withSession(terminal, async (session) => {
    if (session.store !== null) await refuseForeignAccounts(session.store, policy, runningIn(session));
    await ensureFleet(session);
    const before = (await ask(session)).fleet;
    const changed = before === null ? [] : differences(before.policy, policy);
    const same = before !== null && changed.length === 0;
    const { revision } = await told(session, 'setting the file', () =>
      handleOf(session).executeUpdate(setFleetUpdate, {
        args: [{ policy, author: session.author, queues: queuesOf(session) }],
      }),
    );
    if (options.json === true) {
      printJson(terminal, { fleet: policy.fleet, mode: policy.mode, started: before === null, changed, revision });
      return;
    }
    if (same) terminal.out(`fleet ${policy.fleet} runs already with this very file; nothing done`);
    else if (before === null) {
      terminal.out(`fleet ${policy.fleet} started in mode ${policy.mode}; headroom fleet status shows what it does`);
    } else {
      terminal.out(`fleet ${policy.fleet} goes on by file ${revision}:`);
      for (const { path, before: was, after } of changed) terminal.out(`  ${path}: ${was} → ${after}`);
    }
  });
}

async function stop(terminal: Terminal, options: { json?: boolean }): Promise<void> {
  await withSession(terminal, async (session) => {
    await ensureFleet(session);
    const { stopped } = await told(session, 'stopping', () =>
      handleOf(session).executeUpdate(stopFleetUpdate, { args: [{ author: session.author }] }),
    );
    if (options.json === true) printJson(terminal, { stopped });
    else if (stopped) terminal.out('fleet stopped: no grant binds any more; pools stay as they are');
    else throw new CommandFailure(EXIT.refused, 'no fleet is running: there is nothing to stop');
  });
}

async function plan(terminal: Terminal, options: FileOption): Promise<void> {
  const given = options.file === undefined ? null : await readFleet(options.file);
  const { newestFleet } = await import('../../../activities/fleet/policies.js');
  const { fleetOnce } = await import('../fleet-once.js');
  await withStore(terminal, async (store, now) => {
    const policy = given ?? (await newestFleet(store))?.policy ?? null;
    if (policy === null) {
      throw new CommandFailure(EXIT.notFound, 'no fleet was ever started: give a fleet file with --file');
    }
    const { record, grants: drafts } = await fleetOnce(
      store,
      policy,
      now,
      createPrices({ env: terminal.env, now: () => Date.now() / 1000 }),
    );
    if (options.json === true) {
      const { basis: _basis, ...rest } = record;
      printJson(terminal, { ...rest, grants: drafts });
      return;
    }
    showPlan(terminal, record);
    showGrants(
      terminal,
      drafts.map((draft) => ({ ...draft, until: now + policy.grantsFor })),
      now,
    );
  });
}

async function why(terminal: Terminal, name: string | undefined, { file, json }: FileOption): Promise<void> {
  const options: WhyOptions = { name, json: json === true, policy: file === undefined ? null : await readFleet(file) };
  const { fleetWhy } = await import('../fleet-why.js');
  await withStore(terminal, (store, now) => fleetWhy(terminal, store, now, options));
}

async function status(terminal: Terminal, options: { json?: boolean }): Promise<void> {
  await withSession(terminal, async (session) => {
    const answer = await ask(session);
    const id = answer.fleet?.plan?.id;
    const record = id === undefined ? null : await storedPlan(session.store, id);
    if (options.json === true) {
      printJson(terminal, { ...answer, pools: record?.pools ?? null });
      if (answer.fleet === null) throw new CommandFailure(EXIT.notFound, NO_FLEET);
      return;
    }
    const { fleet, freeze } = answer;
    const { color } = terminal;
    if (freeze !== null) terminal.out(`frozen ${stampWords(freeze)}`);
    if (fleet === null) {
      throw new CommandFailure(EXIT.notFound, NO_FLEET);
    }
    terminal.out(
      `${color.bold(fleet.policy.fleet)}  ${fleet.policy.mode}, cycle ${fleet.cycle}, file ${fleet.revision}`,
    );
    terminal.out(
      `${fleet.phase}; next cycle ${isoTime(fleet.nextCycleAt)} (in ${formatDuration(Math.max(0, fleet.nextCycleAt - fleet.now))})`,
    );
    if (fleet.problem !== null) terminal.out(color.red(`the last cycle failed: ${fleet.problem}`));
    if (fleet.grants !== null) {
      const { count, until } = fleet.grants;
      const over = until <= fleet.now;
      const line = `${count} grants until ${isoTime(until)}`;
      terminal.out(over ? color.red(`${line}: over; accounts are held to their guaranteed shares`) : line);
    }
    if (record !== null) showPlan(terminal, record);
    if (fleet.commitments !== undefined && fleet.commitments.open > 0) {
      terminal.out(`${fleet.commitments.open} commitments are recommended; headroom fleet commitments shows them`);
    }
    if (fleet.sized !== null) terminal.out(`${fleet.sized.changeId}: ${fleet.sized.lines.join('; ')}`);
    for (const entry of fleet.log) terminal.out(color.dim(`${isoTime(entry.at)}  ${entry.text}`));
  });
}

/** The status itself needs no store. */
async function storedPlan(store: StoreClient | null, id: string): Promise<FleetPlanRecord | null> {
  try {
    const record = (await store?.getRecord('fleet-plan', id)) ?? null;
    return record === null ? null : (record.body as FleetPlanRecord);
  } catch {
    return null;
  }
}

async function grants(terminal: Terminal, account: string | undefined, options: { json?: boolean }): Promise<void> {
  await withStore(terminal, async (store, now) => {
    const newest = await store.newestRecords('grant');
    const wanted = newest.filter((one) => account === undefined || one.account === account);
    if (account !== undefined && wanted.length === 0) {
      throw new CommandFailure(EXIT.notFound, `no fleet ever granted ${account} anything`);
    }
    const found: Grant[] = [];
    for (const { id } of wanted.sort((a, b) => (a.account < b.account ? -1 : 1))) {
      const record = await store.getRecord('grant', id);
      if (record !== null) found.push(grantSchema.parse(record.body));
    }
    if (options.json === true) {
      printJson(terminal, { now, grants: found.map((grant) => ({ ...grant, live: grant.until > now })) });
    } else if (found.length > 0) showGrants(terminal, found, now);
    if (found.length === 0) {
      throw new CommandFailure(
        EXIT.notFound,
        'no fleet has granted anything yet: headroom fleet start -f FILE does, in modes grant and auto',
      );
    }
  });
}

const amountsOf = (amounts: Resources | null): string =>
  amounts === null
    ? 'unknown'
    : COMPONENTS.flatMap((component) => {
        const amount = amounts[component];
        return amount === undefined ? [] : [`${component} ${formatQuantity(component, amount)}`];
      }).join(', ') || '–';

function showGrants(terminal: Terminal, found: readonly Grant[], now: EpochSeconds): void {
  const table = createTable(['account', 'granted', 'asked', 'until', 'why']);
  for (const { account, granted, asked, until, words } of found) {
    const end = until > now ? isoTime(until) : `${isoTime(until)} (over)`;
    table.push([account, amountsOf(granted), amountsOf(asked), end, words]);
  }
  terminal.out(table.toString());
}

function showPlan(terminal: Terminal, record: FleetPlanRecord): void {
  const { color } = terminal;
  const { status: state, costPerHour, currency, gap, accounts, unknown, short, heldPerHour } = record;
  const paid =
    heldPerHour === undefined ? '' : ` (${Number(heldPerHour.toPrecision(4))} of it committed, paid in any case)`;
  terminal.out(
    `plan ${record.id} of ${isoTime(record.at)}: ${state}, ${Number(costPerHour.toPrecision(4))} ${currency}/h${paid}, gap ` +
      `${(100 * gap).toFixed(2)} %, ${accounts === 1 ? '1 account' : `${accounts} accounts`} (${unknown} of unknown demand, ` +
      `${short} with less than needed)`,
  );
  for (const { set, gaveUp } of record.conflicts) {
    terminal.out(color.red(`cannot all be met: ${set.map(({ words }) => words).join(' / ')}; given up: ${gaveUp}`));
  }
  const table = createTable(['pool', 'type', 'now', 'ready', 'planned', 'asked for', 'why']);
  for (const pool of record.pools) {
    const { pool: name, capacityType, now, ready, planned, order, words } = pool;
    table.push([name, capacityType, text(now), text(ready), text(planned), text(order), words]);
  }
  terminal.out(table.toString());
  for (const { pool, held = [] } of record.pools) {
    const words = heldWords(held, record.at);
    if (words !== '') terminal.out(`paid in any case: of pool ${pool} ${words}`);
  }
  for (const { pool, price } of record.pools) {
    if (price !== undefined) terminal.out(color.dim(`price of ${pool}: ${price}`));
  }
  for (const { account, words } of record.shortest) terminal.out(color.yellow(`${account}: ${words}`));
  for (const { account, why } of record.leftOut) terminal.out(color.dim(`${account} is not counted: ${why}`));
  for (const note of record.notes) terminal.out(color.dim(note));
}

const text = (value: number | null): string => (value === null ? '?' : String(value));
