import type { Command } from 'commander';
import { ROW_KINDS, type BehaviorRow } from '../../behavior/events.js';
import { isoTime, parseDuration, parseTime } from '../../domain/time.js';
import {
  argument,
  durationOption,
  CommandFailure,
  EXIT,
  printJson,
  withExamples,
  type RegisterCommand,
  type Terminal,
} from '../command.js';
import { createTable } from '../table.js';

const whole = (least: number, most: number) =>
  argument((text) => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    throw new RangeError(`must be a whole number from ${least} to ${most}`);
  });
const binLength = argument((text) => {
  const seconds = parseDuration(text);
  if (seconds >= 60 && 3600 % seconds === 0) return seconds;
  throw new RangeError('must be a minute or more and divide an hour, as 5m, 15m, 30m, 1h');
});
const accountName = argument((text) => {
  if (/^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$/.test(text)) return text;
  throw new RangeError('must be lower-case letters, digits, "-" and ".", at most 63');
});

const withDoorOptions = (command: Command): Command =>
  command
    .addOption(durationOption('--bin <duration>', 'length of a bin; divides an hour', binLength, 900))
    .option('--k <n>', 'no stored row rests on fewer distinct persons', whole(2, 1000), 5)
    .addOption(
      durationOption(
        '--settle <duration>',
        'how long after its end a bin waits for late events',
        argument(parseDuration),
        120,
      ),
    );

interface DoorFlags {
  bin: number;
  k: number;
  settle: number;
}

export const register: RegisterCommand = (program, terminal) => {
  const parent = program
    .command('events')
    .description('Behavioural events: who did what, counted without anybody in it');
  withExamples(parent, 'events key', 'events listen --port 4318', 'events import history.jsonl.gz', 'events show acme');

  withExamples(
    parent
      .command('key')
      .description('make the key that pseudonyms are made with; it stays with you (mode 0600)')
      .option('--rotate', 'put a new key before the old one')
      .action((options: { rotate?: true }) => makeKey(options.rotate === true, terminal)),
    'events key',
    'events key --rotate',
  );

  withExamples(
    parent
      .command('token')
      .description('make a token for a sender; it is shown once')
      .option('--account <name...>', 'whose events it may send', (text: string, all: string[] = []) => [
        ...all,
        accountName(text),
      ])
      .option('--all-accounts', 'it may send events of every account')
      .option('--list', 'show the ids of the tokens that there are')
      .option('--remove <id>', 'take one back, at once')
      .option('--json', 'for machines')
      .action((options: TokenFlags) => token(options, terminal)),
    'events token --account acme',
    'events token --all-accounts',
    'events token --remove 1f2e3d4c',
  );

  withExamples(
    withDoorOptions(
      parent
        .command('listen')
        .description('take events by HTTP: JSON lines and OTLP logs; until Ctrl-C')
        .option('--host <address>', 'to listen on; put TLS in front of any other than loopback', '127.0.0.1')
        .option('--port <n>', 'to listen on; 0 takes a free one', whole(0, 65_535), 4318),
    ).action(async (options: DoorFlags & { host: string; port: number }) => {
      const { listen } = await import('../events.js');
      await listen(terminal, options);
    }),
    'events listen',
    'events listen --host 0.0.0.0 --port 4318 --bin 5m --k 10',
  );

  withExamples(
    withDoorOptions(
      parent
        .command('import')
        .description('take a file of events: JSON lines or CSV, plain or gzip; a repeat counts nothing twice')
        .argument('<file>', 'one event a line; by its name .csv or .csv.gz, else JSON lines')
        .option('--account <name>', 'of events that name none', accountName)
        .option('--json', 'for machines'),
    ).action((file: string, options: DoorFlags & { account?: string; json?: true }) =>
      importEvents(file, options, terminal),
    ),
    'events import history.jsonl.gz',
    'events import march.csv --account acme --json',
  );

  withExamples(
    parent
      .command('show')
      .description('what an account’s users did: rates by operation and data set, and what follows what')
      .argument('<account>', 'whose', accountName)
      .option('--from <time>', 'bins that start at or after it (default: a week before --to)', argument(parseTime))
      .option('--to <time>', 'bins that start before it (default: now)', argument(parseTime))
      .option('--kind <kind>', `only ${ROW_KINDS.join(', ')}`)
      .option('--json', 'for machines: the rows as they are stored')
      .action((account: string, options: ShowFlags) => show(account, options, terminal)),
    'events show acme',
    'events show acme --from 2026-05-01T00:00:00Z --kind transition --json',
  );

  withExamples(
    parent
      .command('status')
      .description('events that wait for their bin, and those that were withheld')
      .option('--json', 'for machines')
      .action(async (options: { json?: true }) => {
        const { readStatus } = await import('../events.js');
        const status = await readStatus(terminal.env);
        if (options.json === true) return printJson(terminal, status);
        terminal.out(`${status.pending} events wait for their bin to close`);
        if (status.locked > 0) terminal.out(`${status.locked} of them wait for a key that is not there`);
        for (const { account, events } of status.withheld) {
          terminal.out(`${account}: ${events} operations withheld, whose day had too few persons`);
        }
      }),
    'events status',
  );
};

async function makeKey(rotate: boolean, terminal: Terminal): Promise<void> {
  const { eventPaths } = await import('../events.js');
  const { writeKey } = await import('../../telemetry/events/keys.js');
  const { key } = eventPaths(terminal.env);
  const { id, previous } = await writeKey(key, rotate);
  terminal.out(`key ${id} is in ${key}; keep a copy where your secrets are`);
  if (previous !== null) terminal.err(`key ${previous} stays behind it for what is open; start \`events listen\` anew`);
}

interface TokenFlags {
  account?: string[];
  allAccounts?: true;
  list?: true;
  remove?: string;
  json?: true;
}

async function token(options: TokenFlags, terminal: Terminal): Promise<void> {
  const { eventPaths } = await import('../events.js');
  const { addToken, readTokens, removeToken } = await import('../../telemetry/events/tokens.js');
  const { tokens: path } = eventPaths(terminal.env);
  if (options.remove !== undefined) {
    await removeToken(path, options.remove);
    return terminal.err('removed; it is not known from the next request on');
  }
  if (options.list === true) {
    const tokens = (await readTokens(path)).map(({ id, accounts }) => ({ id, accounts }));
    if (options.json === true) return printJson(terminal, { tokens });
    for (const { id, accounts } of tokens) terminal.out(`${id}  ${accounts?.join(', ') ?? 'every account'}`);
    return;
  }
  if ((options.account === undefined) === (options.allAccounts !== true)) {
    throw new CommandFailure(EXIT.usage, 'give --account NAME, or --all-accounts');
  }
  const made = await addToken(path, options.account ?? null);
  if (options.json === true) return printJson(terminal, made);
  terminal.out(made.token);
  terminal.err(`token ${made.id} for ${options.account?.join(', ') ?? 'every account'}; it is not shown again`);
}

async function importEvents(
  file: string,
  options: DoorFlags & { account?: string; json?: true },
  terminal: Terminal,
): Promise<void> {
  const { resolve } = await import('node:path');
  const { openEntrance } = await import('../events.js');
  const { importFile } = await import('../../telemetry/events/file.js');
  const { account, json, bin, k, settle } = options;
  const entrance = await openEntrance(terminal.env, { bin, k, settle });
  try {
    const result = await importFile({
      path: resolve(terminal.cwd, file),
      ...(account === undefined ? {} : { account }),
      now: Date.now() / 1000,
      take: entrance.take,
      wait: entrance.wait,
      onProgress(done, total) {
        if (terminal.interactive && json === undefined) {
          terminal.err(`${done} of ${total} events (${Math.floor((100 * done) / total)} %)`);
        }
      },
    });
    const closed = await entrance.finish();
    if (json === true) return printJson(terminal, { file, through: entrance.through, ...result, closed });
    terminal.out(`${result.events} events: ${result.accepted} taken in, ${result.repeated} known already`);
    terminal.out(
      closed === null
        ? `${entrance.through} stores them as their bins close`
        : `${closed.rows} rows stored, each of ${k} persons or more; ${closed.withheld} operations withheld`,
    );
  } finally {
    await entrance.close();
  }
}

interface ShowFlags {
  from?: number;
  to?: number;
  kind?: string;
  json?: true;
}

const WEEK = 7 * 86_400;
const MOST_ROWS = 200_000;
const SHOWN = 20;

async function show(account: string, options: ShowFlags, terminal: Terminal): Promise<void> {
  const { withStore } = await import('../events.js');
  const kind = ROW_KINDS.find((one) => one === options.kind);
  if (options.kind !== undefined && kind === undefined) {
    throw new CommandFailure(EXIT.usage, `--kind ${options.kind}: known are ${ROW_KINDS.join(', ')}`);
  }
  const to = options.to ?? Date.now() / 1000;
  const from = options.from ?? to - WEEK;
  if (!(from < to)) throw new CommandFailure(EXIT.usage, '--from must be before --to');
  const query = { account, from, to, limit: MOST_ROWS, ...(kind === undefined ? {} : { kind }) };
  const rows = await withStore(terminal.env, (store) => store.readEvents(query, AbortSignal.timeout(60_000)));
  if (options.json === true) return printJson(terminal, { account, from: isoTime(from), to: isoTime(to), rows });
  if (rows.length === 0) {
    terminal.err(`no events of ${account} from ${isoTime(from)} to ${isoTime(to)}`);
    return;
  }
  if (rows.length === MOST_ROWS) terminal.err(`only the first ${MOST_ROWS} rows are counted; ask for a shorter time`);
  const hours = (to - from) / 3600;
  for (const one of ROW_KINDS) {
    const total = totals(rows.filter((row) => row.kind === one));
    if (total.length === 0) continue;
    const second = one === 'operation' ? ['data set'] : one === 'transition' ? ['then'] : [];
    const table = createTable([one, ...second, 'group', 'count', 'an hour', 'share']);
    const all = total.reduce((sum, { events }) => sum + events, 0);
    for (const { row, events } of total.slice(0, SHOWN)) {
      const cell = (part: 'name' | 'detail' | 'group'): string =>
        row.merged.includes(part) ? '(several)' : (row[part] ?? '–');
      table.push([
        ...[cell('name'), ...(second.length === 0 ? [] : [cell('detail')]), cell('group')],
        ...[String(Math.round(events)), (events / hours).toPrecision(3), `${((100 * events) / all).toFixed(1)} %`],
      ]);
    }
    terminal.out(table.toString());
    if (total.length > SHOWN) terminal.err(`and ${total.length - SHOWN} more; --json shows all`);
  }
}

/** Rows added up over time, the largest first. */
function totals(rows: readonly BehaviorRow[]): { row: BehaviorRow; events: number }[] {
  const cells = new Map<string, { row: BehaviorRow; events: number }>();
  for (const row of rows) {
    const key = JSON.stringify([row.name, row.detail, row.group, row.merged]);
    const cell = cells.get(key);
    if (cell === undefined) cells.set(key, { row, events: row.events });
    else cell.events += row.events;
  }
  return [...cells.values()].sort((a, b) => b.events - a.events);
}
