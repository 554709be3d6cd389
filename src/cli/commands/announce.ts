import { announceSignal, policyQuery, statusQuery } from '../../../workflows/messages.js';
import { COMPONENTS, parseQuantity, type Component } from '../../domain/component.js';
import { FOLLOWING, type AnnouncedEvent } from '../../domain/control.js';
import { isoTime, parseDuration, parseTime } from '../../domain/time.js';
import { expectationWords } from '../control-words.js';
import { CommandFailure, EXIT, printJson, withExamples, type RegisterCommand } from '../command.js';
import { numberOf, withSession } from '../session.js';

interface Options {
  name: string;
  from: string;
  to?: string;
  for?: string;
  multiplier?: string;
  components?: string[];
  demand?: string[];
  uncertainty: string;
  workload?: string[];
  json?: boolean;
}

export const register: RegisterCommand = (program, terminal) => {
  withExamples(
    program
      .command('announce')
      .description('tell an account of an event to come, so that capacity is there before it')
      .argument('<account>')
      .requiredOption('--name <name>', 'of the event; the same name again replaces it')
      .requiredOption('--from <time>', 'when it begins: a time, or +2h from now')
      .option('--to <time>', 'when it ends')
      .option('--for <duration>', 'how long it lasts, instead of --to')
      .option('--multiplier <x>', 'expected demand as a multiple of the forecast of what follows traffic')
      .option(
        '--components <name...>',
        `what the multiplier reaches; ${FOLLOWING.join(', ')} where absent: memory and storage follow their own history`,
      )
      .option('--demand <component=amount...>', 'expected demand, absolute')
      .option('--uncertainty <share>', 'relative half-width of a 90 % interval', '0.2')
      .option('--workload <name...>', 'workloads that it touches; all where absent')
      .option('--json', 'for machines')
      .action(async (name: string, options: Options) => {
        await withSession(terminal, async (session) => {
          const { policy } = await session.account(name).query(policyQuery);
          const event = eventOf(options, session.now(), session.author);
          const before = (await session.account(name).query(statusQuery)).events.find((one) => one.name === event.name);
          for (const workload of event.workloads ?? []) {
            if (!policy.workloads.some((known) => known.name === workload)) {
              throw new CommandFailure(EXIT.notFound, `${name} has no workload "${workload}"`);
            }
          }
          await session.account(name).signal(announceSignal, event);
          if (options.json === true) printJson(terminal, { account: name, event, replaced: before ?? null });
          else {
            terminal.out(
              `${event.name} announced: ${isoTime(event.from)} to ${isoTime(event.to)}, ${expectationWords(event)}`,
            );
            if (before !== undefined) {
              const was = `${isoTime(before.from)} to ${isoTime(before.to)}, ${expectationWords(before)}`;
              terminal.out(`it replaces what was announced as ${before.name}: ${was}`);
            }
          }
        });
      }),
    'announce shop --name black-friday --from +2h --for 4h --multiplier 3 --uncertainty 0.3',
    'announce shop --name import --from 2026-12-01T02:00:00Z --for 1h --demand cpu=40 memory=64Gi --workload batch',
  );
};

function eventOf(options: Options, now: number, author: string): AnnouncedEvent {
  const usage = (problem: string): never => {
    throw new CommandFailure(EXIT.usage, problem);
  };
  try {
    const from = options.from.startsWith('+') ? now + parseDuration(options.from.slice(1)) : parseTime(options.from);
    if ((options.to === undefined) === (options.for === undefined)) usage('give either --to or --for');
    const to = options.to === undefined ? from + parseDuration(options.for ?? '') : parseTime(options.to);
    if (to <= from) usage('the event ends before it begins');
    if (to <= now) usage('the event is over already');
    if ((options.multiplier === undefined) === (options.demand === undefined)) {
      usage('give either --multiplier or --demand');
    }
    if (options.components !== undefined && options.multiplier === undefined) {
      usage('--components goes with --multiplier; --demand names its components itself');
    }
    const uncertainty = numberOf(options.uncertainty, '--uncertainty');
    if (uncertainty < 0) usage('--uncertainty must not be negative');
    const expect =
      options.multiplier === undefined
        ? { demand: Object.fromEntries((options.demand ?? []).map(demandOf)) }
        : {
            multiplier: multiplierOf(options.multiplier),
            ...(options.components === undefined ? {} : { components: options.components.map(componentOf) }),
          };
    return {
      name: options.name,
      from,
      to,
      expect,
      uncertainty,
      author,
      ...(options.workload === undefined ? {} : { workloads: options.workload }),
    };
  } catch (error) {
    if (error instanceof RangeError) return usage(error.message);
    throw error;
  }
}

function multiplierOf(text: string): number {
  const value = numberOf(text, '--multiplier');
  if (value < 0) throw new CommandFailure(EXIT.usage, '--multiplier must not be negative');
  return value;
}

function componentOf(text: string): Component {
  const known = COMPONENTS.find((candidate) => candidate === text);
  if (known !== undefined) return known;
  throw new CommandFailure(EXIT.usage, `--components: "${text}" is no component; they are ${COMPONENTS.join(', ')}`);
}

function demandOf(text: string): [Component, number] {
  const [component = '', amount = ''] = text.split('=');
  const known = COMPONENTS.find((candidate) => candidate === component);
  if (known === undefined) throw new CommandFailure(EXIT.usage, `--demand: "${component}" is no component`);
  return [known, parseQuantity(amount)];
}
