import { readFile } from 'node:fs/promises';
import { checkPlan, type CheckReport } from '../allocate/index.js';
import type { AccountPolicy } from '../domain/account.js';
import type { Plan, PlanCheck } from '../domain/plan.js';
import { CommandFailure, EXIT, printJson, type Terminal } from './command.js';

/** What `headroom plan --check --json` prints. */
export interface PlanCheckAnswer {
  plan: string;
  /** Both of the below. */
  ok: boolean;
  /** Of every block, with all facts, when the plan was made; null in records of earlier releases. */
  whenMade: PlanCheck | null;
  /** Of the stored plan against the policy that is in force now: what that alone can tell. */
  now: CheckReport;
}

/** Checks a plan again, with nothing but itself and the policy. */
export function checkStored(policy: AccountPolicy, plan: Plan): PlanCheckAnswer {
  const now = checkPlan({ policy, at: plan.at }, plan);
  return { plan: plan.id, ok: now.ok && plan.check?.ok !== false, whenMade: plan.check ?? null, now };
}

/** @throws CommandFailure with exit code 1 where a limit is broken and the plan does not say so. */
export function showCheck(terminal: Terminal, policy: AccountPolicy, plan: Plan, json: boolean): void {
  const answer = checkStored(policy, plan);
  const { now, whenMade } = answer;
  if (json) printJson(terminal, answer);
  else {
    const { color } = terminal;
    const line = ({ words, declared }: Said): string =>
      declared ? color.yellow(`  given up, as the plan says: ${words}`) : color.red(`  broken: ${words}`);
    if (whenMade === null) terminal.out('when it was made: not checked (a record of an earlier release)');
    else {
      terminal.out(whenMade.broken === 0 ? 'when it was made: every limit kept' : 'when it was made:');
      for (const breach of ranges(whenMade.breaches)) terminal.out(line(breach));
      if (whenMade.broken > whenMade.breaches.length)
        terminal.out(`  and ${whenMade.broken - whenMade.breaches.length} more`);
    }
    const merged = now.merged === 0 ? '' : `, ${now.merged} stored together with others`;
    terminal.out(`against the policy of now: ${now.blocks} blocks${merged}; ${now.checked.join(', ')}`);
    for (const breach of ranges(now.breaches)) terminal.out(line(breach));
    for (const { limit, lacks } of now.unchecked) terminal.out(color.dim(`  ${limit}: not known any more: ${lacks}`));
  }
  if (!answer.ok) throw new CommandFailure(EXIT.failed, `plan ${plan.id} does not keep its limits`);
}

interface Said {
  limit: string;
  /** `2026-…Z: web …`: when, and what. */
  words: string;
  declared: boolean;
}

/**
 * One line for what is the same in many blocks, but for its numbers: the words of the first, and how many there are until when.
 */
export function ranges(breaches: readonly Said[]): Said[] {
  const groups = new Map<string, { first: Said; count: number; last: string }>();
  for (const breach of breaches) {
    const [when = '', ...rest] = breach.words.split(': ');
    const what = rest.join(': ').replaceAll(/(?<![-\w.])\d[\d.]*/g, '#');
    const key = `${breach.limit}|${String(breach.declared)}|${what}`;
    const group = groups.get(key) ?? { first: breach, count: 0, last: when };
    groups.set(key, { ...group, count: group.count + 1, last: group.last > when ? group.last : when });
  }
  return [...groups.values()].map(({ first, count, last }) =>
    count === 1 ? first : { ...first, words: `${first.words}; ${count - 1} more such, to ${last}` },
  );
}

/** @throws CommandFailure where it is no plan. */
export async function readPlanFile(file: string): Promise<Plan> {
  let read: unknown;
  try {
    read = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CommandFailure(EXIT.usage, `${file}: ${why}; write it with headroom plan <account> --json`);
  }
  if (!isPlan(read))
    throw new CommandFailure(EXIT.usage, `${file}: is no whole plan; write it with headroom plan <account> --json`);
  return read;
}

const isPlan = (value: unknown): value is Plan =>
  typeof value === 'object' &&
  value !== null &&
  ['id', 'blocks', 'fields', 'placements', 'solver'].every((key) => key in value);
