import { planQuery, whyQuery } from '../../../workflows/messages.js';
import type { Unmoved } from '../../domain/migration-proposal.js';
import type { NumberReason, Plan, PlanSummary } from '../../domain/plan.js';
import { COMPONENT_UNITS, formatQuantity, type Component } from '../../domain/component.js';
import { isoTime } from '../../domain/time.js';
import { CommandFailure, EXIT, printJson, withExamples, type RegisterCommand, type Terminal } from '../command.js';
import { proposalLines } from '../migration-words.js';
import { priceWords } from '../price-words.js';
import { withSession } from '../session.js';
import { rateWords } from '../bandwidth-words.js';

export const register: RegisterCommand = (program, terminal) => {
  withExamples(
    program
      .command('why')
      .description(
        'for each number of the plan: the forecast behind it, what bound it and its price, what was rejected',
      )
      .argument('<account>')
      .argument(
        '[number]',
        'only this one, as web.replicas; web.pool: where it would better run; bandwidth: what is reserved ahead',
      )
      .option('--json', 'for machines')
      .action(async (name: string, number: string | undefined, options: { json?: boolean }) => {
        await withSession(terminal, async (session) => {
          const account = session.account(name);
          const why = await account.query(whyQuery);
          const summary = await account.query(planQuery);
          const record = summary === null ? null : ((await session.store?.getRecord('plan', summary.id)) ?? null);
          const plan = record === null ? null : (record.body as Plan);
          const all = plan?.reasons ?? why.reasons;
          const reasons = number === undefined ? all : all.filter((reason) => isAsked(reason.number, number));
          const undecided = (plan?.bandwidth ?? []).filter(
            (one) => one.undecided !== null && (number === undefined || isAsked(`${one.link}.bandwidth`, number)),
          );
          const migrations = (plan?.migrations ?? []).filter(
            ({ workload }) => number === undefined || number === poolNumber(workload),
          );
          const unmoved =
            number === undefined ? [] : unmovedIn(plan, summary).filter((one) => number === poolNumber(one.workload));
          const told = reasons.length + migrations.length + unmoved.length + undecided.length;
          if (number !== undefined && told === 0) {
            const alone = plan !== null && new Set(plan.blocks.flatMap(({ nodes }) => Object.keys(nodes))).size < 2;
            const asked = plan?.blocks.some(({ workloads }) =>
              workloads.some((one) => poolNumber(one.workload) === number),
            );
            if (alone && asked === true) {
              throw new CommandFailure(EXIT.notFound, `account ${name} has one pool: there is no other to move to`);
            }
            const places = (plan?.migrations ?? []).map(({ workload }) => poolNumber(workload));
            const known = [...new Set([...all.map((reason) => reason.number), ...places])].join(', ') || 'none';
            throw new CommandFailure(EXIT.notFound, `the plan has no number "${number}"; it has ${known}`);
          }
          const currency = summary?.currency ?? '';
          if (options.json === true) {
            const firedBy = summary?.firedBy === undefined ? {} : { firedBy: summary.firedBy };
            printJson(terminal, {
              account: name,
              planId: why.planId,
              verdict: why.verdict,
              ...firedBy,
              currency,
              reasons,
              ...(migrations.length === 0 ? {} : { migrations }),
              ...(unmoved.length === 0 ? {} : { unmoved }),
              ...(undecided.length === 0
                ? {}
                : { undecided: undecided.map(({ link, undecided: why }) => ({ number: `${link}.bandwidth`, why })) }),
            });
            return;
          }
          terminal.out(`${terminal.color.bold(name)}  ${why.verdict}`);
          if (summary?.firedBy !== undefined) {
            const { key, what, setId } = summary.firedBy;
            terminal.out(`the answer to ${key}, prepared in ${setId}; it fired on: ${what}`);
          }
          if (summary?.conflict !== undefined && summary.conflict !== null) {
            terminal.out(
              terminal.color.red(`cannot all be met: ${summary.conflict.set.map(({ words }) => words).join(' / ')}`),
            );
            terminal.out(terminal.color.red(`given up: ${summary.conflict.gaveUp}`));
          }
          for (const reason of reasons) show(terminal, reason, currency);
          for (const { link, undecided: words } of undecided)
            terminal.out(`nothing is decided of ${link}.bandwidth: ${words ?? ''}`);
          for (const line of proposalLines(migrations, currency)) terminal.out(line);
          for (const { workload, why: words } of unmoved)
            terminal.out(`no migration of ${workload} is proposed: ${words}`);
        });
      }),
    'why shop',
    'why shop web.replicas --json',
    'why shop bandwidth',
  );
};

/** Why the others stay: as the plan has it; a prepared answer weighs no pools. */
function unmovedIn(plan: Plan | null, summary: PlanSummary | null): Unmoved[] {
  if (plan === null) return [];
  const { firedBy } = summary ?? {};
  if (plan.unmoved !== undefined || firedBy === undefined) return plan.unmoved ?? [];
  const why = `the plan is the answer to ${firedBy.key}, prepared before it: nothing is moved in a surprise`;
  const names = new Set(plan.blocks.flatMap(({ workloads }) => workloads.map(({ workload }) => workload)));
  return [...names].map((workload) => ({ workload, why }));
}

/** What a proposed migration is asked for by. */
const poolNumber = (workload: string): string => `${workload}.pool`;

/** The very number, or with `bandwidth` alone that of every link. */
const isAsked = (number: string, asked: string): boolean =>
  number === asked || (asked === 'bandwidth' && number.endsWith('.bandwidth'));

const plain = (component: Component, value: number): string =>
  COMPONENT_UNITS[component] === 'bytes'
    ? formatQuantity(component, value)
    : COMPONENT_UNITS[component] === 'bytes/s'
      ? rateWords(value)
      : figure(value);
/** `4 replicas`, `1Gi`, `12 MiB/s`: bytes as the account file writes them. */
const amount = (value: number, unit: string): string =>
  unit === 'bytes'
    ? formatQuantity('memory', value)
    : unit === 'bytes/s'
      ? rateWords(value)
      : `${figure(value)} ${unit}`;
const figure = (value: number): string => String(Number(value.toPrecision(4)) + 0);

function show(terminal: Terminal, reason: NumberReason, currency: string): void {
  const { color } = terminal;
  terminal.out(
    `${color.bold(`${reason.number} = ${amount(reason.value, reason.unit)}`)}  ` +
      color.dim(`${isoTime(reason.from)} to ${isoTime(reason.to)}`),
  );
  if (reason.interval !== undefined) {
    const { component, level, lower, median, upper } = reason.interval;
    terminal.out(
      `  forecast  ${component}: ${plain(component, lower)} to ${plain(component, upper)} at level ${level}, median ${plain(component, median)}`,
    );
  }
  const price = reason.binding.pricePerHour;
  terminal.out(
    `  bound by  ${reason.binding.words}` +
      (price === null ? '' : `; ${priceWords(price, reason.binding.unit, currency)}`),
  );
  for (const rejected of reason.rejected) {
    const cost = rejected.costPerHour;
    terminal.out(
      `  rejected  ${rejected.alternative}: ${rejected.why}` +
        (cost === null
          ? ''
          : ` (${cost === 0 ? 'no' : cost > 0 ? '+' : ''}${cost === 0 ? ' difference' : `${figure(cost)} ${currency}/h`})`),
    );
  }
}
