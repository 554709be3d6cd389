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
    const line = ({ words, declared }: { words: string; declared: boolean }): string =>
      declared ? color.yellow(`  given up, as the plan says: ${words}`) : color.red(`  broken: ${words}`);
    if (whenMade === null) terminal.out('when it was made: not checked (a record of an earlier release)');
    else {
      terminal.out(whenMade.broken === 0 ? 'when it was made: every limit kept' : 'when it was made:');
      for (const breach of whenMade.breaches) terminal.out(line(breach));
      if (whenMade.broken > whenMade.breaches.length)
        terminal.out(`  and ${whenMade.broken - whenMade.breaches.length} more`);
    }
    const merged = now.merged === 0 ? '' : `, ${now.merged} stored together with others`;
    terminal.out(`against the policy of now: ${now.blocks} blocks${merged}; ${now.checked.join(', ')}`);
    for (const breach of now.breaches) terminal.out(line(breach));
    for (const { limit, lacks } of now.unchecked) terminal.out(color.dim(`  ${limit}: not known any more: ${lacks}`));
  }
  if (!answer.ok) throw new CommandFailure(EXIT.failed, `plan ${plan.id} does not keep its limits`);
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
