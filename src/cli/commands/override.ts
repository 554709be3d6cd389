import { randomBytes } from 'node:crypto';
import { clearOverrideSignal, overrideSignal, policyQuery, statusQuery } from '../../../workflows/messages.js';
import { COMPONENTS, parseQuantity, type Component } from '../../domain/component.js';
import type { AccountPolicy } from '../../domain/account.js';
import type { OverrideTarget } from '../../domain/control.js';
import { isoTime } from '../../domain/time.js';
import { CommandFailure, EXIT, printJson, withExamples, type RegisterCommand } from '../command.js';
import { numberOf, untilOf, withSession } from '../session.js';

interface Options {
  replicas?: string;
  request?: string;
  pool?: string;
  level?: string;
  clear?: string;
  for?: string;
  until?: string;
  reason?: string;
  json?: boolean;
}

const FOUR_HOURS = 14_400;

export const register: RegisterCommand = (program, terminal) => {
  withExamples(
    program
      .command('override')
      .description('insist on a number until it expires; a constraint of every plan meanwhile')
      .argument('<account>')
      .option('--replicas <workload=n>', 'replicas of a workload')
      .option('--request <workload.component=amount>', 'request of one replica')
      .option('--pool <pool=nodes>', 'nodes of a pool')
      .option('--level <[workload=]level>', 'the level to plan at')
      .option('--clear <id>', 'end an override before its time')
      .option('--for <duration>', 'how long (default 4h)')
      .option('--until <time>', 'until when')
      .option('--reason <text>', 'why; needed')
      .option('--json', 'for machines')
      .action(async (name: string, options: Options) => {
        await withSession(terminal, async (session) => {
          const account = session.account(name);
          if (options.clear !== undefined) {
            const { overrides } = await account.query(statusQuery);
            if (!overrides.some((override) => override.id === options.clear)) {
              const known = overrides.map((override) => override.id).join(', ') || 'none';
              throw new CommandFailure(EXIT.notFound, `${name} has no override ${options.clear}; live: ${known}`);
            }
            await account.signal(clearOverrideSignal, { id: options.clear, author: session.author });
            if (options.json === true) printJson(terminal, { account: name, cleared: options.clear });
            else terminal.out(`override ${options.clear} cleared`);
            return;
          }
          if (options.reason === undefined || options.reason.trim() === '') {
            throw new CommandFailure(EXIT.usage, 'an override needs a --reason, for whoever looks at it next');
          }
          const { policy } = await account.query(policyQuery);
          const target = targetOf(options, policy);
          refuseBeyondLimits(target, policy);
          const { overrides } = await account.query(statusQuery);
          const replaced = overrides.find((other) => sameField(other.target, target));
          const since = session.now();
          const override = {
            kind: 'override' as const,
            id: `o-${randomBytes(3).toString('hex')}`,
            author: session.author,
            reason: options.reason,
            since,
            until: untilOf(options, since, FOUR_HOURS),
            target,
          };
          await account.signal(overrideSignal, override);
          if (options.json === true) printJson(terminal, { account: name, override });
          else {
            const instead = replaced === undefined ? '' : `, instead of ${replaced.id} by ${replaced.author}`;
            terminal.out(`override ${override.id} holds until ${isoTime(override.until)}${instead}`);
          }
        });
      }),
    'override shop --replicas web=12 --for 3h --reason "press day"',
    'override shop --request web.cpu=750m --until 2026-12-01T00:00:00Z --reason "memory leak"',
    'override shop --clear o-1a2b3c',
  );
};

/** Limits are constraints, not wishes: an override that they would cut down is refused, with what to change instead. */
function refuseBeyondLimits(target: OverrideTarget, policy: AccountPolicy): void {
  const limits =
    target.field === 'replicas'
      ? policy.workloads.find((workload) => workload.name === target.workload)?.replicas
      : target.field === 'pool'
        ? policy.pools.find((pool) => pool.name === target.pool)
        : undefined;
  if (limits === undefined || (target.value >= limits.min && target.value <= limits.max)) return;
  throw new CommandFailure(
    EXIT.refused,
    `${target.value} is outside the policy’s limits of ${limits.min} to ${limits.max}; ` +
      `widen them first: headroom policy set ${policy.account} -f FILE`,
  );
}

const sameField = (a: OverrideTarget, b: OverrideTarget): boolean =>
  JSON.stringify({ ...a, value: 0 }) === JSON.stringify({ ...b, value: 0 });

/** Exactly one of the four; names that the policy does not have are refused here, with those that it has. */
function targetOf(options: Options, policy: AccountPolicy): OverrideTarget {
  const given = (['replicas', 'request', 'pool', 'level'] as const).filter((field) => options[field] !== undefined);
  const [field] = given;
  if (given.length !== 1 || field === undefined) {
    throw new CommandFailure(EXIT.usage, 'give one of --replicas, --request, --pool, --level');
  }
  const text = options[field] ?? '';
  const cut = text.lastIndexOf('=');
  const [subject, value] = [text.slice(0, Math.max(0, cut)), text.slice(cut + 1)];
  if (cut < 0 && field !== 'level') throw new CommandFailure(EXIT.usage, `--${field} ${text}: write it as name=value`);
  const known = (kind: string, names: string[], wanted: string): string => {
    if (names.includes(wanted)) return wanted;
    throw new CommandFailure(EXIT.notFound, `${policy.account} has no ${kind} "${wanted}"; it has ${names.join(', ')}`);
  };
  const workloads = policy.workloads.map((workload) => workload.name);
  switch (field) {
    case 'replicas':
      return { field, workload: known('workload', workloads, subject), value: whole(value, '--replicas') };
    case 'pool':
      return {
        field,
        pool: known(
          'pool',
          policy.pools.map((pool) => pool.name),
          subject,
        ),
        value: whole(value, '--pool'),
      };
    case 'level': {
      const level = numberOf(value, '--level');
      if (level < 0.5 || level > 0.9999) throw new CommandFailure(EXIT.usage, '--level: between 0.5 and 0.9999');
      return { field, value: level, ...(subject === '' ? {} : { workload: known('workload', workloads, subject) }) };
    }
    case 'request': {
      const [workload, component] = [
        subject.slice(0, subject.lastIndexOf('.')),
        subject.slice(subject.lastIndexOf('.') + 1),
      ];
      if (!isComponent(component)) throw new CommandFailure(EXIT.usage, `--request: "${component}" is no component`);
      return { field, workload: known('workload', workloads, workload), component, value: amount(value) };
    }
  }
}

const isComponent = (text: string): text is Component => COMPONENTS.some((component) => component === text);

function whole(text: string, what: string): number {
  const value = numberOf(text, what);
  if (!Number.isInteger(value) || value < 0) throw new CommandFailure(EXIT.usage, `${what}: ${text} is no count`);
  return value;
}

function amount(text: string): number {
  try {
    const value = parseQuantity(text);
    if (value > 0) return value;
  } catch (error) {
    throw new CommandFailure(EXIT.usage, error instanceof Error ? error.message : String(error));
  }
  throw new CommandFailure(EXIT.usage, `--request: ${text} must be above 0`);
}
