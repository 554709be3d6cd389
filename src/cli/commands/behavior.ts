import type { FoundTask } from '../../behavior/tasks/find.js';
import type { OperationRate } from '../../behavior/profile/profile.js';
import { formatDuration, isoTime, parseTime, type EpochSeconds } from '../../domain/time.js';
import {
  argument,
  CommandFailure,
  EXIT,
  printJson,
  withExamples,
  type RegisterCommand,
  type Terminal,
} from '../command.js';
import type { BehaviorOf, KnownPolicy } from '../behavior.js';
import { loopNow } from '../clock.js';
import { isSame, scheduleOf, yamlOf } from '../found-tasks.js';
import { createTable } from '../table.js';

interface Flags {
  at?: EpochSeconds;
  group?: string;
  timeZone?: string;
  yaml?: true;
  json?: true;
}

const zone = (text: string): string => {
  new Intl.DateTimeFormat('en', { timeZone: text });
  return text;
};

export const register: RegisterCommand = (program, terminal) => {
  withExamples(
    program
      .command('behavior')
      .description('what an account does and will do next: rates, what follows what, data sets to fetch, tasks found')
      .argument('<account>')
      .option('--at <time>', 'as it was known then (default: now, or where its data end)', argument(parseTime))
      .option('--group <name>', 'only what this group of its users does')
      .option('--time-zone <zone>', 'IANA name (default: of its account file, else UTC)', argument(zone))
      .option('--yaml', 'the tasks found, as they would stand in the account file')
      .option('--json', 'for machines')
      .action((account: string, flags: Flags) => behavior(account, flags, terminal)),
    'behavior acme',
    'behavior acme --group analysts --at 2026-05-01T09:00:00Z',
    'behavior acme --yaml >> tasks.yaml',
  );
};

const PROBABILITY = 0.9;
const SHOWN = 12;

async function behavior(account: string, flags: Flags, terminal: Terminal): Promise<void> {
  const { behaviorOf } = await import('../behavior.js');
  const { forestOf } = await import('../classes.js');
  const { withStore } = await import('../events.js');
  const forest = await forestOf((line) => terminal.err(line));
  const given = { at: flags.at ?? null, now: await loopNow(terminal.env), timeZone: flags.timeZone ?? null };
  const found = await withStore(terminal.env, (store) =>
    behaviorOf(store, account, given, forest, AbortSignal.timeout(300_000)),
  );
  refuseUnknown(found, account, flags.group ?? null);
  if (flags.yaml === true) {
    const { yaml, left } = yamlOf(found);
    terminal.out(yaml);
    for (const line of left) terminal.err(line);
    return;
  }
  const asked = { at: found.at, group: flags.group ?? null, probability: PROBABILITY };
  const rates = found.profile.rates(asked);
  const report = {
    account,
    at: isoTime(found.at),
    timeZone: found.timeZone,
    group: flags.group ?? null,
    seen: seenOf(found),
    borrowedFrom: found.borrowedFrom,
    classes: found.classes,
    rates,
    groups: found.profile.groups(),
    transitions: found.profile
      .origins()
      .slice(0, SHOWN)
      .map((from) => ({ from, next: found.profile.next(from, PROBABILITY).slice(0, 5) })),
    prefetch: found.profile.prefetch({ at: found.at, probability: PROBABILITY }),
    signals: found.profile.signals(),
    tasks: [
      ...found.usageTasks.map((task) => ({ ...inWords(task), workload: task.workload, adds: task.footprints })),
      ...found.eventTasks.map((task) => ({ ...inWords(task), operation: task.operation, adds: task.footprint })),
    ],
    declared: declaredOf(found),
  };
  if (report.seen === null && found.classes.length === 0 && rates.every(({ mean }) => mean < 1e-6)) {
    throw nothingKnown(account);
  }
  if (flags.json === true) return printJson(terminal, report);
  show(report, found, terminal);
}

const nothingKnown = (account: string): CommandFailure =>
  new CommandFailure(
    EXIT.notFound,
    `nothing is known of ${account}: no events and no usage; \`headroom events\` and \`headroom import\` bring them`,
  );

/** A misspelt name would be answered with what others lend, and look like an answer. */
function refuseUnknown(found: BehaviorOf, account: string, group: string | null): void {
  if (!found.known) throw nothingKnown(account);
  if (group === null || found.groups.includes(group)) return;
  const known = found.groups.length === 0 ? 'its events name no group' : `known are ${found.groups.join(', ')}`;
  throw new CommandFailure(EXIT.notFound, `--group ${group}: ${account} has no such group; ${known}`);
}

type Report = Parameters<typeof showRates>[0] & {
  seen: { from: string; to: string; hours: number } | null;
  borrowedFrom: number;
  classes: BehaviorOf['classes'];
  groups: { group: string; share: number }[];
  transitions: { from: string; next: { operation: string; probability: number; low: number; high: number }[] }[];
  prefetch: { dataSet: string; probability: number; low: number; high: number; age: number | null }[];
  signals: ReturnType<BehaviorOf['profile']['signals']>;
  declared: { name: string; found: boolean }[];
};

const seenOf = (found: BehaviorOf) => {
  const seen = found.profile.seen();
  return seen === null ? null : { from: isoTime(seen.from), to: isoTime(seen.to), hours: Math.round(seen.hours) };
};

const inWords = (task: FoundTask) => ({
  cron: task.cron,
  period: Math.round(task.period),
  days: task.days,
  duration: { median: Math.round(task.duration.median), most: Math.round(task.duration.most) },
  jitter: Math.round(task.jitter),
  runs: task.runs,
  due: task.due,
  probability: Number(task.probability.toFixed(4)),
  active: task.active,
  last: isoTime(task.last),
  next: task.active ? isoTime(task.next) : null,
});

/** Tasks of the account file, and whether the usage of their workload shows them. */
function declaredOf({ policy, usageTasks, timeZone, at }: BehaviorOf): { name: string; found: boolean }[] {
  return (policy?.tasks ?? []).map(({ name, workload, cron }) => ({
    name,
    found: usageTasks.some((task) => task.workload === workload && isSame(cron, task, timeZone, at)),
  }));
}

const percent = (share: number): string => `${(100 * share).toFixed(share > 0.1 ? 0 : 1)} %`;
const short = (value: number): string =>
  value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));

function show(report: Report, found: BehaviorOf, terminal: Terminal): void {
  const { color } = terminal;
  terminal.out(`${color.bold(report.account)} at ${report.at}, ${report.timeZone}`);
  terminal.out(
    report.seen === null
      ? 'no events yet: what is said of its users is borrowed'
      : `events from ${report.seen.from} to ${report.seen.to}, ${report.seen.hours} hours of weight`,
  );
  if (report.borrowedFrom > 0)
    terminal.out(`what it has not seen is borrowed from ${report.borrowedFrom} other accounts`);
  if (report.classes.length > 0) {
    const table = createTable(['series', 'kind', 'probability']);
    for (const one of report.classes) {
      table.push([`${one.workload}/${one.component}`, one.class, percent(one.probability)]);
    }
    terminal.out(table.toString());
  }
  showRates(report, terminal);
  if (report.groups.length > 0) {
    terminal.out(`groups: ${report.groups.map(({ group, share }) => `${group} ${percent(share)}`).join(', ')}`);
  }
  const signals = signalWords(report.signals);
  if (signals !== '') terminal.out(signals);
  if (report.transitions.length > 0) {
    const table = createTable(['after', 'comes', 'probability', '90 %']);
    for (const { from, next } of report.transitions) {
      for (const one of next.slice(0, 3)) {
        table.push([from, one.operation, percent(one.probability), `${percent(one.low)} to ${percent(one.high)}`]);
      }
    }
    terminal.out(table.toString());
  }
  if (report.prefetch.length > 0) {
    const table = createTable(['to be read within the hour', 'probability', '90 %', 'last read']);
    for (const one of report.prefetch.slice(0, SHOWN)) {
      const age = one.age === null ? '–' : one.age === 0 ? 'within the hour' : `${one.age} h ago`;
      table.push([one.dataSet, percent(one.probability), `${percent(one.low)} to ${percent(one.high)}`, age]);
    }
    terminal.out(table.toString());
    for (const line of fetcherLines(found.policy)) terminal.out(line);
  }
  showTasks(report, found, terminal);
}

/** What of the account file fetches ahead, and who of it is told of data sets. */
export function fetcherLines(policy: Pick<KnownPolicy, 'workloads'> | null): string[] {
  const all = (policy?.workloads ?? []).flatMap(({ name, prefetch, prestage, warmUp }) =>
    Object.entries({ prefetch, prestage, 'warm-up': warmUp }).flatMap(([kind, some]) =>
      some.map((one) => ({ name: `${name}/${kind}.${one.name}`, atLeast: one.atLeast })),
    ),
  );
  const told = all.flatMap(({ name, atLeast }) => (atLeast === null ? [] : [`${name} from ${percent(atLeast)}`]));
  const others = all.flatMap(({ name, atLeast }) => (atLeast === null ? [name] : []));
  return [
    ...(told.length === 0 ? [] : [`told of them by the loop: ${told.join(', ')}`]),
    ...(others.length === 0 ? [] : [`not told of them: ${others.join(', ')} (dataSets in the account file)`]),
  ];
}

/** What came with the events; empty where nothing did. */
export function signalWords({ sessions, inputRate, programs, regions }: Report['signals']): string {
  const shares = (labels: { name: string; share: number }[]): string =>
    labels
      .slice(0, 5)
      .map(({ name, share }) => `${name} ${percent(share)}`)
      .join(', ');
  return [
    ...(sessions === null ? [] : [`${short(sessions)} active sessions on average`]),
    ...(inputRate === null ? [] : [`${short(inputRate)} inputs a second`]),
    ...(programs.length === 0 ? [] : [`programs: ${shares(programs)}`]),
    ...(regions.length === 0 ? [] : [`regions: ${shares(regions)}`]),
  ].join('; ');
}

function showRates(
  report: { account: string; at: string; timeZone: string; group: string | null; rates: OperationRate[] },
  terminal: Terminal,
): void {
  const said = report.rates.filter(({ operation, mean }) => operation === null || mean > 0).slice(0, SHOWN + 1);
  if ((said[0]?.mean ?? 0) < 1e-6) return;
  const of = report.group === null ? '' : ` of ${report.group}`;
  const table = createTable([`operation${of}, this hour`, 'an hour', '90 %', 'count, 90 %', 'complexity']);
  for (const { operation, mean, low, high, count, complexity } of said) {
    table.push([
      ...[operation ?? '(all)', short(mean), `${short(low)} to ${short(high)}`, `${count.low} to ${count.high}`],
      complexity === null ? '–' : short(complexity),
    ]);
  }
  terminal.out(table.toString());
}

function showTasks(report: Report, { usageTasks, eventTasks }: BehaviorOf, terminal: Terminal): void {
  const table = createTable(['task found in', 'schedule', 'lasts', 'adds', 'came', 'next']);
  const line = (where: string, task: FoundTask, adds: string): void => {
    const lasts = formatDuration(Math.max(60, Math.round(task.duration.median / 60) * 60));
    table.push([
      where,
      scheduleOf(task),
      lasts,
      adds,
      `${task.runs} of ${task.due}`,
      task.active ? isoTime(task.next) : 'ended',
    ]);
  };
  for (const task of usageTasks) {
    const adds = Object.entries(task.footprints).map(([component, { median }]) => `${component} ${short(median)}`);
    line(task.workload, task, adds.join(', '));
  }
  for (const task of eventTasks) line(`operation ${task.operation}`, task, `${short(task.footprint.median)} events`);
  if (usageTasks.length + eventTasks.length > 0) terminal.out(table.toString());
  for (const { name, found } of report.declared) {
    terminal.out(`declared task ${name}: ${found ? 'seen in the usage' : 'not seen in the usage'}`);
  }
  if (usageTasks.some(({ cron, active }) => cron !== null && active)) {
    terminal.err('--yaml writes the tasks found as they would stand in the account file');
  }
}
