import type { AccountStatus } from '../../workflows/messages.js';
import { fieldName } from '../domain/change.js';
import { surpriseOf, type ContingencySet, type PreparedAnswer } from '../domain/contingency.js';
import type { PlannedField, PlanSummary } from '../domain/plan.js';
import { isoTime } from '../domain/time.js';
import type { Terminal } from './command.js';

/** What `plan --contingencies` tells, also as JSON. */
export interface Contingencies {
  account: string;
  /** The way back of what the plan writes, in the order in which to write it: on record before the first write. */
  reverse: { field: string; value: number; owner: string | null }[];
  prepared: Pick<ContingencySet, 'id' | 'planId' | 'preparedAt' | 'validUntil' | 'costPerHour' | 'currency'> | null;
  answers: (Omit<PreparedAnswer, 'block' | 'plan'> & {
    surprise: ReturnType<typeof surpriseOf>;
    planId: string;
    fields: PlannedField[];
  })[];
  absent: ContingencySet['absent'];
  /** Surprises that were answered, and last. */
  lasting: NonNullable<AccountStatus['surprises']>;
}

export function contingenciesOf(
  account: string,
  plan: PlanSummary | null,
  set: ContingencySet | null,
  lasting: Contingencies['lasting'],
): Contingencies {
  return {
    account,
    reverse: (plan?.fields ?? [])
      .map(({ target, seen }) => ({ field: fieldName(target), value: seen.value, owner: seen.owner }))
      .reverse(),
    prepared:
      set === null
        ? null
        : {
            id: set.id,
            planId: set.planId,
            preparedAt: set.preparedAt,
            validUntil: set.validUntil,
            costPerHour: set.costPerHour,
            currency: set.currency,
          },
    answers: (set?.answers ?? []).map(({ plan: answer, block: _block, ...rest }) => ({
      surprise: surpriseOf(rest.key),
      ...rest,
      planId: answer.id,
      fields: answer.fields,
    })),
    absent: set?.absent ?? [],
    lasting,
  };
}

/** A value that is there already is kept there: the plan would lower it. */
const fieldWords = ({ target, seen }: PlannedField): string =>
  seen.value === target.value
    ? `${fieldName(target)} stays ${target.value}`
    : `${fieldName(target)} ${seen.value} → ${target.value}`;

export function showContingencies(terminal: Terminal, told: Contingencies): void {
  const { color } = terminal;
  const { prepared } = told;
  for (const { key, what, since, until, changeId, waiting } of told.lasting) {
    const answer = changeId !== null ? `answered by change ${changeId}` : waiting ? 'its answer waits' : 'not answered';
    terminal.out(color.yellow(`${key} since ${isoTime(since)}: ${what}; ${answer}; lasts until ${isoTime(until)}`));
  }
  if (prepared === null) {
    terminal.out('no answers are prepared: they come with the first plan of a mode that plans');
  } else {
    terminal.out(
      `${color.bold(`${told.answers.length} answers`)} prepared ${isoTime(prepared.preparedAt)} for plan ${prepared.planId}, ` +
        `valid until ${isoTime(prepared.validUntil)}; the plan costs ${prepared.costPerHour.toFixed(4)} ${prepared.currency}/h`,
    );
  }
  for (const answer of told.answers) {
    const sign = answer.extraPerHour < 0 ? '' : '+';
    terminal.out(`${color.bold(answer.key)}  ${sign}${answer.extraPerHour.toFixed(4)} ${prepared?.currency ?? ''}/h`);
    terminal.out(`  fires on  ${answer.watches}`);
    const until = answer.until === undefined ? '' : `; in whole blocks, so to ${isoTime(answer.until)}`;
    terminal.out(`  assumes   ${answer.assumes}${until}`);
    terminal.out(`  answer    ${answer.fields.map(fieldWords).join(', ')}`);
  }
  for (const { surprise, why } of told.absent) terminal.out(color.dim(`no answer to ${surprise}: ${why}`));
  terminal.out(
    told.reverse.length === 0
      ? 'the plan writes nothing: there is nothing to take back'
      : `${color.bold('the way back')}  ${told.reverse.map(({ field, value }) => `${field} → ${value}`).join(', ')}`,
  );
}
