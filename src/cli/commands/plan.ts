import { stampWords } from '../control-words.js';
import type { Freeze, Pause } from '../../domain/control.js';
import { stringify } from 'yaml';
import { planQuery, policyQuery, statusQuery } from '../../../workflows/messages.js';
import { fieldName } from '../../domain/change.js';
import { amountText } from '../../domain/component.js';
import type { Plan, PlanBlock, PlanSummary } from '../../domain/plan.js';
import type { ContingencySet } from '../../domain/contingency.js';
import { formatDuration, isoTime } from '../../domain/time.js';
import { CommandFailure, EXIT, printJson, withExamples, type RegisterCommand, type Terminal } from '../command.js';
import { bandwidthLines } from '../bandwidth-words.js';
import { effectivePolicy } from '../effective.js';
import { contingenciesOf, showContingencies, type Contingencies } from '../contingencies.js';
import { proposalLines } from '../migration-words.js';
import { readPlanFile, showCheck } from '../plan-check.js';
import { createTable } from '../table.js';
import { withSession, type Session } from '../session.js';
import { readPolicyFile } from './start.js';

export const register: RegisterCommand = (program, terminal) => {
  withExamples(
    program
      .command('plan')
      .description('the plan that the account has now; --effective: the policy behind it, defaults filled in')
      .argument('[account]')
      .option('--effective', 'show the policy with every default filled in, of the account or of --file')
      .option(
        '--check',
        'check the plan again, by code that shares nothing with what made it; exit code 1: a limit is broken, and the plan does not say that it gives it up',
      )
      .option('--plan <file>', 'with --check and --file: a plan as plan --json printed it, nothing need run')
      .option('-f, --file <file>', 'with --effective or --check: an account file, nothing need run')
      .option('--contingencies', 'the answers prepared for surprises: what fires each, what it writes, what it costs')
      .option('--json', 'for machines')
      .action(async (name: string | undefined, options: Options) => {
        if (options.check === true && options.file !== undefined && options.plan !== undefined) {
          const [policy, plan] = await Promise.all([readPolicyFile(options.file), readPlanFile(options.plan)]);
          showCheck(terminal, policy, plan, options.json === true);
          return;
        }
        if (options.effective === true && options.file !== undefined) {
          const policy = effectivePolicy(await readPolicyFile(options.file));
          if (options.json === true) printJson(terminal, policy);
          else terminal.out(stringify(policy));
          return;
        }
        if (name === undefined)
          throw new CommandFailure(EXIT.usage, 'name an account, or give --effective with --file');
        await withSession(terminal, async (session) => {
          const account = session.account(name);
          if (options.effective === true) {
            const policy = effectivePolicy((await account.query(policyQuery)).policy);
            if (options.json === true) printJson(terminal, policy);
            else terminal.out(stringify(policy));
            return;
          }
          if (options.contingencies === true) {
            const told = await readContingencies(session, name);
            if (options.json === true) printJson(terminal, told);
            else showContingencies(terminal, told);
            return;
          }
          const summary = await account.query(planQuery);
          if (summary === null) throw new CommandFailure(EXIT.notFound, `${name} has made no plan yet`);
          const record = (await session.store?.getRecord('plan', summary.id)) ?? null;
          const plan = record === null ? null : (record.body as Plan);
          if (options.check === true) {
            if (plan === null)
              throw new CommandFailure(EXIT.notFound, `the whole plan ${summary.id} is not in this process's store`);
            const { policy } = await account.query(policyQuery);
            showCheck(terminal, policy, plan, options.json === true);
          } else if (options.json === true) printJson(terminal, plan ?? summary);
          else {
            show(terminal, summary, plan);
            const { pause, freeze } = await account.query(statusQuery);
            const stop = pause ?? freeze;
            if (stop !== null && summary.verdict.kind === 'act')
              terminal.out(terminal.color.yellow(`no change begins meanwhile: ${name} is ${stopWords(stop)}`));
          }
        });
      }),
    'plan shop',
    'plan shop --json',
    'plan shop --contingencies',
    'plan shop --check',
    'plan --check -f examples/shop.yaml --plan plan.json',
    'plan --effective -f examples/shop.yaml',
  );
};

const stopWords = (stop: Pause | Freeze): string =>
  `${stop.kind === 'pause' ? 'paused' : 'frozen'} ${stampWords(stop)}`;

interface Options {
  effective?: boolean;
  check?: boolean;
  plan?: string;
  contingencies?: boolean;
  file?: string;
  json?: boolean;
}

async function readContingencies(session: Session, name: string): Promise<Contingencies> {
  const account = session.account(name);
  const [status, plan] = [await account.query(statusQuery), await account.query(planQuery)];
  const id = status.contingencies?.id;
  const record = id === undefined ? null : ((await session.store?.getRecord('answers', id)) ?? null);
  if (id !== undefined && record === null) {
    throw new CommandFailure(
      EXIT.unavailable,
      `the answers (${id}) are in the store of the process that made them; HEADROOM_HOME names its folder`,
    );
  }
  return contingenciesOf(name, plan, record === null ? null : (record.body as ContingencySet), status.surprises ?? []);
}

const HOURS_SHOWN = 12;

/** The strategy in full: every setting that it presets, as it was in force. */
export function settingsWords({ strategy, weights, ...settings }: NonNullable<Plan['settings']>): string {
  const parts = [
    ...Object.entries(settings),
    ...Object.entries(weights).map(([name, value]) => [`weights.${name}`, value]),
  ];
  return `strategy ${strategy ?? 'of its own'}: ${parts.map(([name, value]) => `${name} ${value}`).join(', ')}`;
}

/** `general 3, spot 1` */
const countsOf = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .map(([pool, count]) => `${pool} ${Number(count.toFixed(2))}`)
    .join(', ');

/** How long a row of the table is, and whether its numbers are those of every moment in it. */
export const spanWords = ({ from, to, merged, joined }: PlanBlock): string =>
  formatDuration(to - from) + (merged === true ? ', at most' : joined === undefined ? '' : ', as one');

/** What the marks of {@link spanWords} mean, where there are any. */
export const spanNotes = (blocks: readonly PlanBlock[]): string[] => [
  ...(blocks.some(({ merged }) => merged === true)
    ? ['at most: unequal blocks stored as one row, with the highest numbers of each and the mean cost']
    : []),
  ...(blocks.some(({ merged, joined }) => merged !== true && joined !== undefined)
    ? [
        'as one: planned as a whole, at the highest demand within it; an account of many workloads has fewer, longer blocks',
      ]
    : []),
];

/** What of the money is paid in any case, where something is. */
const paidWords = (plan: Plan | null): string =>
  plan?.heldPerHour === undefined ? '' : ` (${plan.heldPerHour.toFixed(4)} of it committed, paid in any case)`;

function show(terminal: Terminal, summary: PlanSummary, plan: Plan | null): void {
  const { color } = terminal;
  const verdict = summary.verdict;
  terminal.out(
    `${color.bold(`plan ${summary.id}`)} of ${isoTime(summary.at)}, ${summary.costPerHour.toFixed(4)} ${summary.currency}/h${paidWords(plan)}`,
  );
  terminal.out(
    verdict.kind === 'act'
      ? color.green(`act: ${verdict.detail}`)
      : color.yellow(`hold (${verdict.reason}): ${verdict.detail}`),
  );
  for (const field of summary.fields) {
    terminal.out(
      `  ${fieldName(field.target)}: ${field.seen.value} → ${field.target.value}  ${color.dim(field.reason)}`,
    );
  }
  if (summary.conflict !== null) {
    terminal.out(color.red('these cannot all be met:'));
    for (const { words } of summary.conflict.set) terminal.out(color.red(`  - ${words}`));
    terminal.out(color.red(`  given up: ${summary.conflict.gaveUp}`));
  }
  for (const told of plan?.dataSets ?? []) {
    const names = told.dataSets.map(({ dataSet, probability }) => `${dataSet} ${Math.round(100 * probability)} %`);
    terminal.out(
      `  ${told.workload}.prepared.${told.action} is told: ${names.join(', ')} (from ${isoTime(told.from)})`,
    );
  }
  if (plan === null) {
    terminal.err('(the whole plan is in the store of the process that made it; HEADROOM_HOME names its folder)');
    return;
  }
  for (const line of proposalLines(plan.migrations ?? [], plan.currency)) terminal.out(line);
  if (plan.settings !== undefined) terminal.out(color.dim(settingsWords(plan.settings)));
  for (const { pool, words } of plan.prices ?? []) terminal.out(color.dim(`price of ${pool}: ${words}`));
  const table = createTable(['from', 'for', 'workload', 'replicas', 'request', 'replicas by pool', 'nodes', 'cost/h']);
  for (const block of plan.blocks.slice(0, HOURS_SHOWN)) {
    for (const [index, workload] of block.workloads.entries()) {
      table.push([
        index === 0 ? isoTime(block.from) : '',
        index === 0 ? spanWords(block) : '',
        workload.workload,
        String(workload.replicas),
        Object.entries(workload.request)
          .map(([component, amount]) => `${component} ${amountText(component as 'cpu', amount)}`)
          .join(', '),
        countsOf(workload.pools),
        index === 0 ? countsOf(block.nodes) : '',
        index === 0 ? block.costPerHour.toFixed(3) : '',
      ]);
    }
  }
  terminal.out(table.toString());
  for (const note of spanNotes(plan.blocks.slice(0, HOURS_SHOWN))) terminal.out(color.dim(note));
  if (plan.blocks.length > HOURS_SHOWN)
    terminal.out(color.dim(`… and ${plan.blocks.length - HOURS_SHOWN} more blocks (--json)`));
  for (const line of bandwidthLines(plan)) terminal.out(line);
  for (const placement of plan.placements) {
    terminal.out(
      `task ${placement.task}: ${isoTime(placement.scheduled)} → ${isoTime(placement.start)}  ${placement.reason}`,
    );
  }
}
