import { userInfo } from 'node:os';
import type { Command } from 'commander';
import { newestFleet } from '../../activities/fleet/policies.js';
import { readCommitments, type KeptCommitments } from '../../activities/fleet/commitments.js';
import { isReserved, type Decision, type Recommendation, type Recommended } from '../domain/commitment.js';
import { statedFor, type Held } from '../domain/held.js';
import { FLEET_ACCOUNT } from '../domain/fleet-names.js';
import { formatDuration, isoTime, type EpochSeconds } from '../domain/time.js';
import { CommandFailure, EXIT, printJson, withExamples, type Terminal } from './command.js';
import type { StoreClient } from './find-store.js';
import { withStore } from './fleet-store.js';
import { createTable } from './table.js';

/* `headroom fleet commitments`: what the fleet recommends to reserve, and what a person decides on it. */

interface DecideOptions {
  author?: string;
  json?: boolean;
}

export function registerCommitments(fleet: Command, terminal: Terminal): void {
  const commitments = withExamples(
    fleet
      .command('commitments')
      .description('what is worth reserving, by the nodes that the fleet’s plans had; a person decides')
      .option('--json', 'for machines')
      .action((options: { json?: boolean }) =>
        withStore(terminal, (store, now) => show(terminal, store, now, options)),
      ),
    'fleet commitments',
    'fleet commitments approve 12-0a1b/general',
  );
  const decides = (name: 'approve' | 'reject', says: string): void => {
    withExamples(
      commitments
        .command(name)
        .description(says)
        .argument('<id>', 'of what was recommended, as `fleet commitments` shows it')
        .option('--author <name>', 'who decides (default: HEADROOM_AUTHOR, or your login)')
        .option('--json', 'for machines')
        .action((id: string, options: DecideOptions, command: Command) => {
          // The parent has an option of the same name, and takes it where it stands behind the subcommand.
          const json = options.json ?? command.optsWithGlobals<DecideOptions>().json;
          return withStore(terminal, (store, now) =>
            decide(terminal, store, now, id, name === 'approve' ? 'approved' : 'rejected', {
              ...options,
              ...(json === undefined ? {} : { json }),
            }),
          );
        }),
      `fleet commitments ${name} 12-0a1b/general --author ann`,
    );
  };
  decides(
    'approve',
    'put on record that these nodes are reserved: plans fill them first, and recommendations count them',
  );
  decides('reject', 'put on record that they are not to be');
}

async function newest(store: StoreClient): Promise<KeptCommitments & { last: Recommendation }> {
  const kept = await readCommitments(store);
  const [last] = kept.recommendations;
  if (last !== undefined) return { ...kept, last };
  throw new CommandFailure(
    EXIT.notFound,
    'nothing was recommended yet: a running fleet whose file has `commitments` does, with its next cycle',
  );
}

async function show(
  terminal: Terminal,
  store: StoreClient,
  now: EpochSeconds,
  options: { json?: boolean },
): Promise<void> {
  const stated = await statedNow(store, now);
  if (stated.length > 0 && (await readCommitments(store)).recommendations.length === 0) {
    if (options.json === true) printJson(terminal, { id: null, pools: [], reserved: [], stated });
    else {
      showStated(terminal, stated);
      terminal.out('nothing was recommended yet');
    }
    return;
  }
  const { last, decisions } = await newest(store);
  const decided = (id: string): Decision | null => decisions.find((one) => one.id === id) ?? null;
  const reserved = decisions.filter((one) => isReserved(one, now));
  if (options.json === true) {
    const { id, at, fleetId, currency } = last;
    const pools = last.pools.map((pool) => ({ ...pool, decision: decided(pool.id)?.decision ?? null }));
    printJson(terminal, { id, at, fleetId, currency, pools, reserved, stated });
    return;
  }
  const { color } = terminal;
  terminal.out(`recommended at ${isoTime(last.at)}:`);
  const table = createTable(['id', 'pool', 'reserve', 'term', 'a node', 'saves', 'decision']);
  for (const pool of last.pools) table.push(rowOf(pool, last.currency, decided(pool.id)));
  terminal.out(table.toString());
  for (const { words, notJudged } of last.pools) {
    terminal.out(words);
    for (const why of notJudged) terminal.out(color.dim(`  not judged: ${why}`));
  }
  for (const { pool, nodes, term, until, author } of reserved) {
    terminal.out(`reserved: ${nodes} nodes of ${pool} for ${term} until ${isoTime(until)}, approved by ${author}`);
  }
  showStated(terminal, stated);
}

interface Stated extends Held {
  pool: string;
}

/** What the file of the running fleet says is reserved, as far as that is not over. */
async function statedNow(store: StoreClient, now: EpochSeconds): Promise<Stated[]> {
  const policy = (await newestFleet(store))?.policy;
  return (policy?.pools ?? []).flatMap(({ name: pool }) =>
    statedFor(policy?.reservations, pool).flatMap((one) => (one.until > now ? [{ ...one, pool }] : [])),
  );
}

function showStated(terminal: Terminal, stated: readonly Stated[]): void {
  for (const { pool, name, nodes, until } of stated) {
    terminal.out(`reserved: ${nodes} nodes of ${pool} by ${name} until ${isoTime(until)}, as the fleet file states`);
  }
}

const figure = (value: number): string => String(Number(value.toPrecision(4)));

function rowOf(pool: Recommended, currency: string, decision: Decision | null): string[] {
  if (pool.term === null) return [pool.id, pool.pool, 'nothing', '–', '–', '–', '–'];
  const saves = pool.withoutPerHour - pool.costPerHour;
  return [
    pool.id,
    pool.pool,
    `${pool.nodes} nodes`,
    `${pool.term} (${formatDuration(pool.length)})`,
    `${figure(pool.pricePerHour)} instead of ${figure(pool.onDemandPerHour)} ${currency}/h`,
    `${figure(saves)} of ${figure(pool.withoutPerHour)} ${currency}/h`,
    decision === null ? 'open' : `${decision.decision} by ${decision.author}`,
  ];
}

async function decide(
  terminal: Terminal,
  store: StoreClient,
  now: EpochSeconds,
  id: string,
  decision: Decision['decision'],
  options: DecideOptions,
): Promise<void> {
  const { last, recommendations, decisions } = await newest(store);
  const found = last.pools.find((pool) => pool.id === id);
  if (found === undefined) {
    const known = last.pools.filter(({ term }) => term !== null).map((pool) => pool.id);
    const open = known.length === 0 ? 'nothing is' : known.join(', ');
    if (recommendations.some(({ pools }) => pools.some((pool) => pool.id === id))) {
      throw new CommandFailure(
        EXIT.refused,
        `${id} is of a recommendation that a newer one replaced; open now: ${open}`,
      );
    }
    throw new CommandFailure(EXIT.notFound, `nothing was recommended as ${id}; open now: ${open}`);
  }
  if (found.term === null) throw new CommandFailure(EXIT.refused, `${id} recommends nothing: ${found.words}`);
  const before = decisions.find((one) => one.id === id);
  if (before !== undefined) {
    throw new CommandFailure(EXIT.refused, `${id} was ${before.decision} by ${before.author} at ${isoTime(before.at)}`);
  }
  const { pool, term, nodes, pricePerHour, length } = found;
  const author = options.author ?? terminal.env['HEADROOM_AUTHOR'] ?? userInfo().username;
  const body: Decision = {
    ...{ kind: 'decision', id, decision, author, at: now },
    ...{ pool, term, nodes, pricePerHour, until: now + length },
  };
  await store.putRecord({ kind: 'commitment', id: `${id}/decision`, account: FLEET_ACCOUNT, at: now, body });
  if (options.json === true) printJson(terminal, body);
  else if (decision === 'rejected') terminal.out(`rejected: ${nodes} nodes of ${pool} are not reserved for ${term}`);
  else {
    terminal.out(
      `approved: ${nodes} nodes of ${pool} are counted as paid for ${term} until ${isoTime(body.until)}, in plans too; buying them is yours to do`,
    );
  }
}
