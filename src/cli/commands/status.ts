import { policyQuery, statusQuery, type AccountStatus } from '../../../workflows/messages.js';
import { amountText, COMPONENTS } from '../../domain/component.js';
import { formatDuration, isoTime } from '../../domain/time.js';
import { printJson, withExamples, type RegisterCommand, type Terminal } from '../command.js';
import { expectationWords, overrideWords, stampWords } from '../control-words.js';
import { createTable } from '../table.js';
import type { ClassOf } from '../behavior.js';
import { withSession, type Session } from '../session.js';

export const register: RegisterCommand = (program, terminal) => {
  withExamples(
    program
      .command('status')
      .description('what an account does, why, and what is next')
      .argument('<account>')
      .option('--json', 'for machines')
      .action(async (name: string, options: { json?: boolean }) => {
        const { status, classes, models } = await withSession(terminal, async (session) => {
          const running = session.account(name);
          const [answer, { policy }] = await Promise.all([running.query(statusQuery), running.query(policyQuery)]);
          const { modelsOf } = await import('../trained-status.js');
          const [kinds, trained] = await Promise.all([
            kindsOf(session, name, answer.now),
            modelsOf(session, terminal.env, name, policy),
          ]);
          return { status: answer, classes: kinds, models: trained };
        });
        if (options.json === true) printJson(terminal, { ...status, classes, models });
        else {
          show(terminal, status, classes ?? []);
          for (const trouble of models.troubles) terminal.out(terminal.color.red(`models: ${trouble}`));
        }
      }),
    'status shop',
  );
};

/** What kind each workload is of, by its last four weeks; null where no store or no forest is here to say it. */
async function kindsOf(session: Session, account: string, at: number): Promise<ClassOf[] | null> {
  if (session.store === null) return null;
  const { findForest } = await import('../classes.js');
  const { classesOf, policyOf, usageOf } = await import('../behavior.js');
  const forest = await findForest();
  if (forest === null) return null;
  try {
    const policy = await policyOf(session.store, account);
    const held = await session.store.holdings(account);
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const usage = await usageOf(session.store, account, held, at, policy?.step ?? null, signal);
    return classesOf(forest, usage, policy?.timeZone ?? 'UTC');
  } catch {
    // The status itself needs no store; it is not to wait for one, or to fail with it.
    return null;
  }
}

const PATIENCE_MS = 10_000;

/** `granted cpu 8 until …: all that it asked for`; in red where the fleet is silent. */
function grantLine(
  { source, until, amounts, words }: NonNullable<AccountStatus['grant']>,
  alarm: (text: string) => string,
): string {
  const much = COMPONENTS.flatMap((component) => {
    const amount = amounts[component];
    return amount === undefined ? [] : [`${component} ${amountText(component, amount)}`];
  }).join(', ');
  if (source === 'guaranteed') return alarm(`at most ${much}: ${words}`);
  return `granted ${much} until ${until === null ? 'further notice' : isoTime(until)}: ${words}`;
}

function show(terminal: Terminal, status: AccountStatus, classes: readonly ClassOf[]): void {
  const { color } = terminal;
  const paint = status.attention !== null ? color.red : status.verdict?.kind === 'act' ? color.green : color.yellow;
  terminal.out(
    `${color.bold(status.account)}  ${status.mode}, cycle ${status.cycle}, policy revision ${status.revision}`,
  );
  terminal.out(paint(status.summary));
  if (status.nextCycleAt !== null) {
    terminal.out(
      `next cycle ${isoTime(status.nextCycleAt)} (in ${formatDuration(Math.max(0, status.nextCycleAt - status.now))})`,
    );
  }
  const stamps = [
    ...(status.pause === null ? [] : [{ what: 'paused', ...status.pause }]),
    ...(status.freeze === null ? [] : [{ what: 'frozen', ...status.freeze }]),
    ...status.overrides.map((override) => ({
      what: `override ${override.id} ${overrideWords(override.target)}`,
      ...override,
    })),
  ];
  for (const stamp of stamps) {
    terminal.out(`${stamp.what} ${stampWords(stamp)}`);
  }
  if (status.grant !== undefined && status.grant !== null) terminal.out(grantLine(status.grant, color.red));
  for (const event of status.events) {
    terminal.out(`event ${event.name}: ${isoTime(event.from)} to ${isoTime(event.to)}, ${expectationWords(event)}`);
  }
  const table = createTable(['series', 'kind', 'expected', 'at level', 'level', 'coverage', 'gate']);
  for (const series of status.forecast) {
    const scored = status.learnt.coverage.find(
      (entry) => entry.workload === series.workload && entry.component === series.component,
    );
    const kind = classes.find((one) => one.workload === series.workload && one.component === series.component);
    table.push([
      `${series.workload}/${series.component}`,
      kind === undefined ? '–' : `${kind.class} ${Math.round(100 * kind.probability)} %`,
      amountText(series.component, series.median),
      amountText(series.component, series.atLevel),
      String(series.level),
      scored?.coverage === null || scored === undefined ? '–' : `${(scored.coverage * 100).toFixed(2)} %`,
      series.open ? (series.cold ? 'open, little history' : 'open') : 'closed',
    ]);
  }
  if (status.forecast.length > 0) terminal.out(table.toString());
  // Beneath the table: a reason is a sentence, and there may be several.
  for (const { workload, component, open, reason } of status.forecast) {
    if (!open)
      terminal.out(color.yellow(`gate of ${workload}/${component} closed: ${reason ?? 'no reason was given'}`));
  }
  for (const { workload, component, drift } of status.forecast) {
    if (drift === undefined) continue;
    const since = `since ${isoTime(drift.since)}`;
    terminal.out(
      color.yellow(
        `drift: forecasts of ${workload}/${component} err ${drift.times} × as much as they used to, ${since}`,
      ),
    );
  }
  const { learnt, results } = status;
  if (learnt.bins > 0) {
    const percent = (count: number): string => `${((100 * count) / learnt.bins).toFixed(2)} %`;
    terminal.out(
      `scored ${learnt.bins} bins: cost ${(learnt.capacity / learnt.demand).toFixed(2)} × demand, ` +
        `violations ${percent(learnt.violations)}; an HPA at 70 % on the same bins: cost ` +
        `${(learnt.reactive.capacity / learnt.demand).toFixed(2)}, violations ${percent(learnt.reactive.violations)}`,
    );
  }
  const holds = Object.entries(status.holds).map(([reason, count]) => `${reason} ${count}`);
  terminal.out(
    `changes: ${Object.entries(results)
      .map(([result, count]) => `${result} ${count}`)
      .join(', ')}` + (holds.length === 0 ? '' : `; holds: ${holds.join(', ')}`),
  );
  for (const entry of status.log) terminal.out(color.dim(`${isoTime(entry.at)}  ${entry.text}`));
}
