import type { z } from 'zod';
import { EVENT_FIELDS, eventInputSchema, type EventInput } from '../../behavior/events.js';
import { isoTime } from '../../domain/time.js';
import { eventsError } from './errors.js';

/** One thing wrong with one line; it names fields and never repeats a value. */
export interface LineProblem {
  line: number;
  field: string | null;
  problem: string;
}

/** A longer line is no event. */
export const MOST_LINE_CHARACTERS = 16_384;
/** As many problems are told; the rest are counted. */
const MOST_TOLD = 20;

const problemOf = (line: number, issue: z.core.$ZodIssue, given: unknown): LineProblem => {
  const [head] = issue.path;
  const field = typeof head === 'string' && EVENT_FIELDS.includes(head) ? head : null;
  // The name of a field that nobody knows may be anything, too.
  if (issue.code === 'unrecognized_keys') {
    return { line, field, problem: `has a field that is not one of ${EVENT_FIELDS.join(', ')}` };
  }
  const absent = issue.code !== 'custom' && field !== null && !(field in Object(given));
  return { line, field, problem: absent ? 'is missing' : issue.message };
};

/** What a sender may say, beside what an event is. */
export interface EventRules {
  /** The account of events that name none. */
  account?: string;
  /** Whose events it may send; null: everybody's. */
  accounts: readonly string[] | null;
  /** Epoch seconds, inclusive: outside of it an event is refused. */
  from: number;
  to: number;
}

/** An event out of a plain value, or what is wrong with it. */
export function readEvent(
  value: unknown,
  line: number,
  rules: EventRules,
): { event: EventInput } | { problems: LineProblem[] } {
  const { account, accounts, from, to } = rules;
  const given =
    account !== undefined && typeof value === 'object' && value !== null && !('account' in value)
      ? { account, ...value }
      : value;
  const parsed = eventInputSchema.safeParse(given);
  if (!parsed.success) return { problems: parsed.error.issues.map((issue) => problemOf(line, issue, given)) };
  const event = parsed.data;
  const problems: LineProblem[] = [];
  if (accounts !== null && !accounts.includes(event.account)) {
    problems.push({ line, field: 'account', problem: 'is not one that this token may write' });
  }
  if (event.at < from) {
    problems.push({
      line,
      field: 'at',
      problem: `is before ${isoTime(from)}; \`headroom events import\` takes history`,
    });
  }
  if (event.at > to) {
    problems.push({ line, field: 'at', problem: `is after ${isoTime(to)}: in the future; set the sender's clock` });
  }
  return problems.length > 0 ? { problems } : { event };
}

/** One line of JSON. Empty lines are no events. */
export function readLine(
  text: string,
  line: number,
  rules: EventRules,
): { event: EventInput | null } | { problems: LineProblem[] } {
  if (text.trim() === '') return { event: null };
  const wrong = (problem: string) => ({ problems: [{ line, field: null, problem }] });
  if (text.length > MOST_LINE_CHARACTERS) return wrong(`is longer than ${MOST_LINE_CHARACTERS} characters`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return wrong('is not JSON');
  }
  return readEvent(value, line, rules);
}

/** Problems as an error that names the first of them. */
export function linesError(action: string, problems: readonly LineProblem[], total: number) {
  const told = problems
    .slice(0, MOST_TOLD)
    .map(({ line, field, problem }) => `line ${line}: ${field === null ? '' : `${field} `}${problem}`);
  const more = total > told.length ? `\nand ${total - told.length} more` : '';
  return eventsError(
    'invalid-input',
    action,
    `${told.join('\n')}${more}`,
    'nothing of it was taken in; mend it and send all of it again, nothing counts twice',
  );
}

/**
 * A batch of JSON lines: all of its events, or an error with the lines that are wrong. All or nothing, since a batch that
 * was half taken could not be mended and repeated: its lines have no names of their own.
 */
export function readLines(text: string, action: string, rules: EventRules): EventInput[] {
  const events: EventInput[] = [];
  const problems: LineProblem[] = [];
  let total = 0;
  for (const [index, line] of text.split('\n').entries()) {
    const read = readLine(line, index + 1, rules);
    if ('problems' in read) {
      total += read.problems.length;
      if (problems.length < MOST_TOLD) problems.push(...read.problems);
    } else if (read.event !== null) events.push(read.event);
  }
  if (total > 0) throw linesError(action, problems, total);
  return events;
}
